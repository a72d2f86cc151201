"""Words of a spoken question, each with how sure it is: PocketSphinx, no weights of our own.

The question is decoded three times, as if by a longer, a normal and a shorter vocal tract (linear
frequency warping), with the language model of `language`. What the three agree on is sure.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daemon.background.clip import CLIP_RATE
from daemon.background.language import dictionary_text, question_model, read_dictionary
from daemon.background.tools.manual_files import Section
from daemon.background.tools.manual_search import terms_of

WARPS = (None, 0.9, 1.1)
"""Frequency warps that are tried; None is the voice as it is."""
SURENESS_POWER = 0.5
"""A word weighs its posterior to this power; found by trial."""
_BLOCK = 320
_PAUSE_S, _PAD_S, _LEAST_S = 1.0, 0.3, 0.3
_OVER_FLOOR = 2.0
_LEAST_POSTERIOR = 0.01
_ALTERNATIVE = re.compile(r"\(\d+\)$")
_NODE = re.compile(r"^I=(\d+)\t.*W=(\S+)", re.MULTILINE)
_LINK = re.compile(r"^J=\d+\tS=(\d+)\t.*p=(\S+)", re.MULTILINE)
_PRONUNCIATIONS = Path(__file__).with_name("pronunciations.txt")


@dataclass(frozen=True)
class Heard:
    """What was understood of a clip."""

    text: str
    """The words, decoded without a warp; "" when there was no speech."""
    terms: dict[str, float]
    """Stems of the words that carry meaning, with weights 0 to 1."""
    passes: tuple[str, ...] = ()
    """The words of each warp."""


def last_utterance(clip: np.ndarray) -> np.ndarray:
    """The last stretch of a clip (T,) int16 that is speech without a pause of 1 s; may be empty.

    The level that counts as speech is twice the quietest tenth of the clip (amplitude), and at
    least a twelfth of the loudest block.
    """
    blocks = clip[: clip.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float32)
    if not blocks.size:
        return clip[:0]
    level = np.sqrt((blocks * blocks).mean(axis=1))
    threshold = max(np.percentile(level, 10) * _OVER_FLOOR, level.max() / 12, 30.0)
    loud = np.flatnonzero(level > threshold)
    if loud.size * _BLOCK < _LEAST_S * CLIP_RATE:
        return clip[:0]
    gaps = np.flatnonzero(np.diff(loud) * _BLOCK > _PAUSE_S * CLIP_RATE)
    first = loud[gaps[-1] + 1] if gaps.size else loud[0]
    pad = int(_PAD_S * CLIP_RATE)
    return clip[max(0, first * _BLOCK - pad) : (loud[-1] + 1) * _BLOCK + pad]


class Transcriber:
    """Decoders for questions about a set of manuals. Thread-safe: one question at a time."""

    def __init__(self, sections: Sequence[Section]) -> None:
        """Build the models; takes about a second.

        Raises:
            ImportError: PocketSphinx is not installed.
        """
        import pocketsphinx

        self._lock = threading.Lock()
        models = Path(pocketsphinx.get_model_path()) / "en-us"
        known = read_dictionary(models / "cmudict-en-us.dict") | read_dictionary(_PRONUNCIATIONS)
        model = question_model(sections, known)
        dictionary, unknown = dictionary_text(model.words, known)
        model.drop(unknown)
        self.unknown_words = tuple(unknown)
        """Words of the manuals that cannot be recognised; add them to pronunciations.txt."""
        with tempfile.TemporaryDirectory(prefix="tagalong-lm-") as folder:
            arpa, words = Path(folder, "questions.arpa"), Path(folder, "questions.dict")
            arpa.write_text(model.arpa(), encoding="utf-8")
            words.write_text(dictionary, encoding="utf-8")
            self._decoders = [self._decoder(pocketsphinx, models, arpa, words, w) for w in WARPS]

    @staticmethod
    def _decoder(pocketsphinx: Any, models: Path, arpa: Path, words: Path, warp: Any) -> Any:
        more = {"warp_type": "inverse_linear", "warp_params": str(warp)} if warp else {}
        return pocketsphinx.Decoder(
            hmm=str(models / "en-us"), lm=str(arpa), dict=str(words), loglevel="FATAL", **more
        )

    def hear(self, clip: np.ndarray) -> Heard:
        """Words of the last utterance of a clip, (T,) int16 at 16 kHz."""
        speech = last_utterance(clip)
        if not speech.size:
            return Heard("", {})
        pcm = speech.tobytes()
        with self._lock:
            passes = [self._decode(decoder, pcm) for decoder in self._decoders]
        texts = tuple(text for text, _ in passes)
        return Heard(texts[0], _agreed([sure for _, sure in passes]), texts)

    @staticmethod
    def _decode(decoder: Any, pcm: bytes) -> tuple[str, dict[str, float]]:
        """The likeliest words of a pass, and the posteriors of all that it considered."""
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return "", {}
        words = [_ALTERNATIVE.sub("", s.word) for s in decoder.seg()]
        text = " ".join(w for w in words if w[0] not in "<[+")
        lattice = decoder.get_lattice()
        if lattice is None:
            return text, {}
        with tempfile.TemporaryDirectory(prefix="tagalong-lattice-") as folder:
            path = Path(folder, "words.htk")
            lattice.write_htk(str(path))
            return text, lattice_words(path.read_text(encoding="utf-8"))


def lattice_words(htk: str) -> dict[str, float]:
    """Posterior of each word of a lattice in HTK's format as PocketSphinx writes it, 0 to 1.

    A word's posterior is the sum of those of the links that leave its nodes. Source: Evermann and
    Woodland, Large vocabulary decoding and confidence estimation using word posteriors, 2000.
    """
    nodes = dict(_NODE.findall(htk))
    words: defaultdict[str, float] = defaultdict(float)
    for node, posterior in _LINK.findall(htk):
        words[nodes[node]] += float(posterior)
    return {w: min(p, 1.0) for w, p in words.items() if w[0] not in "!<[+"}


def _agreed(passes: Sequence[dict[str, float]]) -> dict[str, float]:
    """Stems with weights, from the posteriors of words in each pass."""
    votes: defaultdict[str, float] = defaultdict(float)
    for words in passes:
        sure: defaultdict[str, float] = defaultdict(float)
        for word, posterior in words.items():
            for term in terms_of([word]):
                sure[term] += posterior
        for term, posterior in sure.items():
            if posterior >= _LEAST_POSTERIOR:
                votes[term] += min(posterior, 1.0) ** SURENESS_POWER / len(passes)
    return {t: min(v, 1.0) for t, v in votes.items()}
