"""`tagalong fdbench DIR`: Full-Duplex-Bench's own tree in, its answers beside the questions.

A sample is a folder that holds `input.wav`; v1.5 adds `clean_input.wav`, the same talk without
what disturbs it. Each goes through the very program on the stepped clock, with an empty ledger,
and leaves beside it

| file          | what it is |
|---------------|------------|
| `output.wav`  | what tagalong said, 16 kHz mono; as long as the input, and on its clock |
| `output.json` | `{"text", "chunks": [{"text", "timestamp": [start_s, end_s]}]}` of its words |

(`clean_output.*` for `clean_input.wav`), and nothing else: the official scripts read every file
and folder that lies there. They recognise speech to make `output.json`; here the daemon writes
what it knows, and running their `asr.py` over it changes nothing else. `output.wav` is written
last: where it is, the sample is complete.

Source: layout and file formats as the repository github.com/DanielLin94144/Full-Duplex-Bench
documents them; its scripts are CC BY-NC and no part of this.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.config import AddressingConfig, Config, ConfigError
from daemon.events import Event
from daemon.fdbench_report import Outcome, Report, State, Watcher
from daemon.fdbench_words import Word, read_words, spoken_words, to_json
from daemon.options import FdbenchOptions
from daemon.run import REFUSALS, Runner
from daemon.senses.audio_files import WavWriter, read_audio
from daemon.senses.errors import BadInput
from daemon.turn import SAMPLE_RATE

FAILED = 1
PREFIXES = ("", "clean_")
"""What the names of a sample's files begin with: the sample itself, and v1.5's undisturbed one."""
TAIL_S = 1.0
"""The session goes on this long past the input: what sounds at its end is not faded out before."""


@dataclass(frozen=True)
class Sample:
    """One sound file of the tree."""

    folder: Path
    subset: str
    """Path of the task's folder below the tree, for instance `v1.0/candor_turn_taking`."""
    prefix: str = ""
    """One of `PREFIXES`."""

    @property
    def name(self) -> str:
        """Subset, number, and which of its sounds."""
        return f"{self.subset}/{self.folder.name}" + (" (clean)" if self.prefix else "")

    @property
    def group(self) -> str:
        """The row of the summary that it counts in."""
        return self.subset + (" (clean)" if self.prefix else "")

    @property
    def sound(self) -> Path:
        """What the wearer says."""
        return self.folder / f"{self.prefix}input.wav"

    @property
    def output(self) -> Path:
        """What tagalong says."""
        return self.folder / f"{self.prefix}output.wav"

    @property
    def transcript(self) -> Path:
        """The words of `output`."""
        return self.folder / f"{self.prefix}output.json"

    @property
    def complete(self) -> bool:
        """It has an output, of whichever system."""
        return self.output.is_file() and self.output.stat().st_size > 0


def find_samples(tree: Path) -> list[Sample]:
    """Every sample below a folder, which may be the data, a version, a task or one sample.

    Raises:
        ConfigError: no such folder, or there is none in it.
    """
    if not tree.is_dir():
        raise ConfigError(f"fdbench {tree}: there is no such folder; next: give the folder that "
                          "Full-Duplex-Bench's data was unpacked into")
    found = [Sample(folder, _subset(tree, folder), prefix) for folder in _folders(tree)
             for prefix in PREFIXES if (folder / f"{prefix}input.wav").is_file()]
    if not found:
        raise ConfigError(f"fdbench {tree}: no {{ID}}/input.wav anywhere below it; next: give the "
                          "folder that Full-Duplex-Bench's data was unpacked into")
    return sorted(found, key=lambda sample: (_natural(sample.subset), sample.prefix,
                                             _natural(sample.folder.name)))


def _folders(tree: Path) -> Iterator[Path]:
    """The folder and those below it; links are followed, since a mirror of the data is of links."""
    seen: set[str] = set()
    for name, below, _ in os.walk(tree, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = [part for part in below if not part.startswith((".", "__"))]  # __MACOSX
        yield Path(name)


def _subset(tree: Path, folder: Path) -> str:
    if folder == tree:
        return tree.resolve().parent.name
    parent = folder.relative_to(tree).parent
    return tree.resolve().name if parent == Path() else parent.as_posix()


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part)
            for part in re.split(r"(\d+)", name)]


class Bench:
    """Runs samples through one program; network and voice are loaded once."""

    def __init__(self, runner: Runner, broker: str, folder: Path) -> None:
        """`folder` holds what is under way, and may be thrown away afterwards."""
        self._runner = runner
        self._broker = broker
        self._folder = folder

    def run(self, sample: Sample) -> list[Word]:
        """Writes a sample's output and returns the words in it.

        Raises:
            BadInput: this sample cannot be used; the next may.
            Refused: the program itself cannot be used, or the disk is full.
        """
        length = len(read_audio(sample.sound))  # whole: damage in its middle shows now
        after_s = interruption_end_s(sample)
        if not os.access(sample.folder, os.W_OK | os.X_OK):
            raise BadInput(f"{sample.folder}: may not be written by this user; "
                           f"next: ls -ld {sample.folder}")
        try:
            spoken, own = self._session(sample)
            words = spoken_words(spoken, length / SAMPLE_RATE, self._whole_s, after_s)
            write(sample, own, length, words)
        except REFUSALS as error:
            raise Refused(f"{sample.name}: {error}") from error
        return words

    def _session(self, sample: Sample) -> tuple[list[Event], np.ndarray]:
        """What was said as events, and as (n,) int16."""
        spoken: list[Event] = []

        def listen(event: Event) -> None:
            if event.kind == "spoken":
                spoken.append(event)

        own = self._folder / "output.wav"
        self._runner.run_files(sample.sound, "none", own, tail_s=TAIL_S, broker=self._broker,
                               listeners=[listen])
        return spoken, read_audio(own)

    def _whole_s(self, text: str) -> float:
        """How long a sentence takes that nobody interrupts, seconds."""
        voice = self._runner.voice(self._runner.config.voice.rate, self._folder)
        return len(voice.speak(text)) / SAMPLE_RATE


class Refused(Exception):
    """No sample can be run; the text says why and what to do."""


def interruption_end_s(sample: Sample) -> float:
    """End of v1.0's interruption, seconds: only words after it are scored there; else 0.

    Raises:
        BadInput: `interrupt.json` is not as the benchmark writes it.
    """
    path = sample.folder / "interrupt.json"
    if sample.prefix or not path.is_file():
        return 0.0
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))[0]["timestamp"][1])
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise BadInput(f'{path}: expected [{{"timestamp": [start_s, end_s], ...}}] '
                       f"({error!r}); next: get this sample again") from error


def write(sample: Sample, own: np.ndarray, length: int, words: Sequence[Word]) -> None:
    """A sample's two outputs, each whole or not at all. Raises OSError, BadInput.

    own: (n,) int16 at 16 kHz; length: samples of the input.
    """
    transcript = sample.transcript.with_suffix(".json.part")
    transcript.write_text(to_json(words), encoding="utf-8")
    transcript.replace(sample.transcript)
    draft = sample.output.with_suffix(".wav.part")
    writer = WavWriter(draft)
    writer.append(own[:length])
    writer.append(np.zeros(max(0, length - len(own)), np.int16))
    writer.close()
    draft.replace(sample.output)


def clear(samples: Sequence[Sample]) -> None:
    """Takes outputs of before away, all at once: a run that is stopped can then be gone on with.

    Raises OSError.
    """
    for sample in samples:
        sample.output.unlink(missing_ok=True)
        sample.transcript.unlink(missing_ok=True)


def run_all(samples: Sequence[Sample], bench: Callable[[Sample], list[Word]],
            watcher: Watcher, report: Report) -> None:
    """Every sample that has no output yet; one that cannot be used is told and passed over.

    Raises Refused.
    """
    for sample in samples:
        if sample.complete:
            outcome = Outcome(State.SKIPPED, read_words(sample.transcript))
        else:
            try:
                outcome = Outcome(State.DONE, bench(sample))
            except BadInput as error:
                outcome = Outcome(State.FAILED, None, str(error))
        report.add(sample.group, sample.name, outcome)
        watcher.tell(sample.name, outcome)


def main(config: Config, options: FdbenchOptions, runner: Runner | None = None) -> int:
    """`tagalong fdbench`; 0, or 1 when a sample failed or the program cannot be used.

    `runner`: one that has loaded things already; then `config` is its own.

    Raises:
        ConfigError: there are no samples.
    """
    samples = find_samples(options.tree)
    addressing = AddressingConfig(mode=options.addressing, window_s=config.addressing.window_s)
    runner = runner or Runner(config.model_copy(update={"addressing": addressing}),
                              engine=options.engine)
    report = Report([sample.group for sample in samples], options.addressing)
    try:
        _run(samples, options, runner, report)
    except (Refused, *REFUSALS) as error:
        print(f"tagalong fdbench: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(report.stopped(), file=sys.stderr)
        raise
    print(report.as_json() if options.json else report.as_text())
    return FAILED if report.failures else 0


def _run(samples: Sequence[Sample], options: FdbenchOptions, runner: Runner,
         report: Report) -> None:
    if options.fresh or not all(sample.complete for sample in samples):
        # refused now, before anything is taken away
        runner.model(options.engine, Path("state"), lambda text: print(text, file=sys.stderr))
    if options.fresh:
        clear(samples)
    with tempfile.TemporaryDirectory("-fdbench") as folder, Watcher(len(samples)) as watcher:
        run_all(samples, Bench(runner, options.broker, Path(folder)).run, watcher, report)
