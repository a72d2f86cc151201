"""`tagalong rehearse FILE.toml`: a scenario through the very program, and a verdict on it.

What the scenario says and shows is rendered to files, the session runs over them on the stepped
clock, and its events are held against what was expected. Drawing people needs the extra
`scenarios`; everything that only this command needs is imported when it runs.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from daemon.config import AddressingConfig, Config
from daemon.drawing.picture import GREEN, Verdict, picture
from daemon.drawing.story import GREY, RED
from daemon.drawing.timeline import LiveTimeline, Row, line, rows
from daemon.events import KINDS, Event, read_events, to_line
from daemon.run import REFUSALS, Runner
from daemon.senses.audio_files import WavWriter, read_audio
from models.scenarios import script
from models.scenarios.expectations import Outcome
from models.scenarios.script import Scenario, ScenarioError

PASSED, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: all expectations hold; one does not; the file cannot be used."""
LABEL_LETTERS = 40
"""Longest text of an expectation in the picture."""


@dataclass(frozen=True)
class Rehearsal:
    """A scenario that has been played, and what came of it."""

    scenario: Scenario
    events: list[Event]
    outcomes: list[Outcome]
    folder: Path
    """Where its files are: see `FILES`."""

    @property
    def passed(self) -> bool:
        """Whether everything expected holds."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def failures(self) -> list[str]:
        """One sentence for each expectation that does not hold."""
        return [outcome.line for outcome in self.outcomes if not outcome.passed]


FILES = {"picture": "timeline.png", "events": "events.jsonl", "mix": "mix.wav",
         "microphone": "input.wav", "camera": "input.mp4", "tagalong": "tagalong.wav"}
"""What a rehearsal leaves, and its name there."""


def rehearse(path: Path, folder: Path, runner: Runner | None = None,
             timeline: LiveTimeline | None = None) -> Rehearsal:
    """Plays a scenario and judges it; draws nothing.

    Args:
        path: the scenario.
        folder: gets the files; is created.
        runner: one that has loaded network and voice already, with the default configuration.
        timeline: is told of the events while they happen.

    Raises:
        ScenarioError: the file cannot be used.
        REFUSALS: something that the program needs cannot be used.
    """
    scenario = load(path)
    folder.mkdir(parents=True, exist_ok=True)
    _render(path, folder)
    files = {name: folder / file for name, file in FILES.items()}
    config = Config(addressing=AddressingConfig(mode=scenario.addressing))
    if runner is None or scenario.addressing != runner.config.addressing.mode:
        runner = Runner(config, model=runner.model_loaded if runner else None)
    runner.run_files(files["microphone"], files["camera"], files["tagalong"], files["events"],
                     broker="embedded", listeners=(timeline,) if timeline else ())
    mix(files["microphone"], files["tagalong"], files["mix"])
    events = list(read_events(files["events"]))
    outcomes = script.judge(scenario.expect, [json.loads(to_line(event)) for event in events])
    return Rehearsal(scenario, events, outcomes, folder)


def load(path: Path) -> Scenario:
    """A scenario whose expectations are about events that exist. Raises ScenarioError."""
    scenario = script.load(path)
    for number, expect in enumerate(scenario.expect):
        if expect.kind not in KINDS:
            raise ScenarioError(f"{path}: expect.{number}.kind = {expect.kind!r}: expected one of "
                                f"{', '.join(KINDS)}; next: see daemon/events.py for what they "
                                "mean")
        unknown = set(expect.fields) - set(KINDS[expect.kind].fields)
        if unknown:
            raise ScenarioError(
                f"{path}: expect.{number}.fields has {', '.join(sorted(unknown))}, but "
                f"{expect.kind} has only {', '.join(KINDS[expect.kind].fields) or 'none'}; next: "
                "see daemon/events.py for what they mean")
    return scenario


def _render(path: Path, folder: Path) -> None:
    # A process of its own: espeak-ng is one per process, tagalong's own voice needs it too, and
    # what it says depends a little on what it has said before.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            pool.submit(_render_files, path, folder).result()
        except ModuleNotFoundError as error:
            raise ScenarioError(f"{path}: cannot be rendered, {error.name} is not installed; "
                                "next: pip install 'tagalong[scenarios]'") from error


def _render_files(path: Path, folder: Path) -> None:
    from models.scenarios.render import render

    render(path, folder)


def mix(wearer: Path, own: Path, path: Path) -> None:
    """Wearer and tagalong in one WAV, as long as the longer; turned down only if it would clip.

    Raises BadInput: a sound cannot be read or the file not written.
    """
    parts = [read_audio(wearer).astype(np.int32), read_audio(own).astype(np.int32)]
    both = np.zeros(max(map(len, parts)), np.int32)
    for part in parts:
        both[:len(part)] += part
    peak = max(1, int(np.abs(both).max()))
    writer = WavWriter(path)
    writer.append((both * min(1.0, 32767 / peak)).astype(np.int16))
    writer.close()


def draw(rehearsal: Rehearsal) -> Path:
    """Writes the picture of a rehearsal and returns its path. Raises BadInput, OSError."""
    folder, end_s = rehearsal.folder, rehearsal.scenario.seconds
    verdicts = [Verdict(o.from_s, min(o.to_s, max(end_s, o.from_s + 1.0)),
                        _label(o), o.passed) for o in rehearsal.outcomes]
    picture(rehearsal.events, folder / FILES["microphone"], folder / FILES["tagalong"],
            folder / FILES["picture"], video=folder / FILES["camera"],
            title=rehearsal.scenario.title, verdicts=verdicts)
    return folder / FILES["picture"]


def _label(outcome: Outcome) -> str:
    """`act reading, valve, red, 42`: the box stands where its window is."""
    expect = outcome.expect
    values = [str(v) for v in (expect.fields.get("slots") or {}).values()]
    text = outcome.subject
    if values or (expect.kind == "act" and expect.text and not expect.absent):
        text = ", ".join([f"act {expect.texts[0].replace('_', ' ')}", *values])
    return text if len(text) <= LABEL_LETTERS else text[:LABEL_LETTERS - 1] + "…"


def timeline(rehearsal: Rehearsal) -> Iterator[Text]:
    """The session line by line, and each verdict where it was reached."""
    end_s = rehearsal.scenario.seconds
    lines = rows(rehearsal.events) + [_verdict_row(o, end_s) for o in rehearsal.outcomes]
    for row in sorted(lines, key=lambda row: row.t_s):
        text = line(row)
        if row.name in ("ok", "FAILED"):
            text.no_wrap, text.overflow = False, "fold"  # a failure is never shortened
        yield text


def _verdict_row(outcome: Outcome, end_s: float) -> Row:
    """At the time when it was met, or from when on it could no longer be."""
    at_s = min(outcome.to_s, end_s) if outcome.at_s is None else outcome.at_s
    return Row(at_s, "ok" if outcome.passed else "FAILED", GREEN if outcome.passed else RED,
               outcome.line)


def summary(rehearsal: Rehearsal) -> Text:
    """The verdict in a line."""
    held = sum(outcome.passed for outcome in rehearsal.outcomes)
    word, tint = ("PASSED", GREEN) if rehearsal.passed else ("FAILED", RED)
    return Text.assemble((f"{word}  ", f"bold {tint}"), rehearsal.scenario.title,
                         (f"  {held} of {len(rehearsal.outcomes)} expectations hold", GREY))


def as_json(rehearsal: Rehearsal) -> dict[str, Any]:
    """The verdict for programs."""
    return {
        "title": rehearsal.scenario.title, "passed": rehearsal.passed,
        "known_failure": rehearsal.scenario.known_failure or None,
        "expectations": [
            {"passed": o.passed, "expected": o.what, "instead": o.instead or None, "at_s": o.at_s,
             "from_s": o.from_s, "to_s": min(o.to_s, rehearsal.scenario.seconds)}
            for o in rehearsal.outcomes],
        "files": {name: str(rehearsal.folder / file) for name, file in FILES.items()},
    }


def main(path: Path, out: Path | None, as_json_text: bool) -> int:
    """`tagalong rehearse`; returns the exit status."""
    folder = out or Path("out") / "rehearse" / path.stem
    console = Console(highlight=False)
    try:
        with _waiting(console, quiet=as_json_text):
            rehearsal = rehearse(path, folder)
            draw(rehearsal)
    except (ScenarioError, *REFUSALS) as error:
        print(f"tagalong rehearse: {error}", file=sys.stderr)
        return UNUSABLE
    if as_json_text:
        print(json.dumps(as_json(rehearsal), indent=2))
    else:
        _show(console, rehearsal)
    return PASSED if rehearsal.passed else FAILED


def _waiting(console: Console, quiet: bool) -> contextlib.AbstractContextManager[Any]:
    """Something that moves on the terminal while it takes its time."""
    if quiet or not console.is_terminal:
        return contextlib.nullcontext()
    return console.status("rehearsing")


def _show(console: Console, rehearsal: Rehearsal) -> None:
    for text in timeline(rehearsal):
        console.print(text)
    console.print()
    console.print(summary(rehearsal))
    for failure in rehearsal.failures:
        console.print(Text(f"  {failure}", RED))
    if rehearsal.scenario.known_failure:
        console.print(Text(f"  known failure: {rehearsal.scenario.known_failure}", GREY))
    for file in FILES.values():
        console.print(Text(f"  {rehearsal.folder / file}", GREY), soft_wrap=True)
