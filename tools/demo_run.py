"""The demo behind `tools/demo`: a bundled scenario through the program, and what it leaves.

    python -m tools.demo_run [--scenario FILE.toml] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from daemon.drawing.picture import picture
from daemon.drawing.story import story
from daemon.drawing.timeline import LiveTimeline
from daemon.events import Event, read_events
from daemon.rehearse import mix
from daemon.run import REFUSALS, Runner, RunResult
from daemon.senses.audio_files import read_audio
from daemon.turn import SAMPLE_RATE
from tools.captions import captions

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "scenarios" / "demo.toml"
OUT = ROOT / "out" / "demo"


@dataclass(frozen=True)
class Places:
    """Where the demo's files are."""

    out: Path

    @property
    def inputs(self) -> Path:
        """Folder of the rendered scenario, kept between runs."""
        return self.out / "input"

    @property
    def microphone(self) -> Path:
        """What the microphone hears."""
        return self.inputs / "input.wav"

    @property
    def camera(self) -> Path:
        """What the camera sees."""
        return self.inputs / "input.mp4"

    @property
    def own(self) -> Path:
        """tagalong alone."""
        return self.out / "tagalong.wav"

    @property
    def mix(self) -> Path:
        """Wearer and tagalong."""
        return self.out / "mix.wav"

    @property
    def events(self) -> Path:
        """All that happened."""
        return self.out / "events.jsonl"

    @property
    def film(self) -> Path:
        """What the camera saw, captioned."""
        return self.out / "captions.mp4"

    @property
    def picture(self) -> Path:
        """The timeline."""
        return self.out / "timeline.png"


def render_scenario(scenario: Path, places: Places) -> bool:
    """Renders sound and video of a scenario; False when they are there already.

    Raises:
        OSError, ValueError, RuntimeError: the scenario cannot be read or rendered.
    """
    key = _key(scenario)
    stamp = places.inputs / "key"
    if stamp.is_file() and stamp.read_text() == key:
        return False
    shutil.rmtree(places.inputs, ignore_errors=True)
    places.inputs.mkdir(parents=True)
    # A process of its own: espeak-ng is one per process, and tagalong's own voice needs it too.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_render, scenario, places.inputs).result()
    for path in (places.microphone, places.camera):
        if not path.is_file():
            raise FileNotFoundError(f"{scenario} was rendered without {path.name}")
    stamp.write_text(key)
    return True


def _render(scenario: Path, folder: Path) -> None:
    from models.scenarios.render import render

    render(scenario, folder)


def _key(scenario: Path) -> str:
    """Changes with the scenario and with the code that renders it."""
    digest = hashlib.sha256(scenario.read_bytes())
    for source in sorted((ROOT / "models" / "scenarios").rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def run_session(places: Places, listener: LiveTimeline) -> RunResult:
    """`tagalong run` over the rendered files, in this process; it remembers nothing afterwards.

    Raises:
        REFUSALS: something that the session needs cannot be used.
    """
    return Runner().run_files(places.microphone, places.camera, places.own, places.events,
                              broker="embedded", listeners=(listener,))


def facts(events: Sequence[Event], ran_s: float, sound_s: float) -> list[str]:
    """The few lines that say how the session went."""
    told = story(events)
    lines = [f"{sound_s:.0f} s of sound and video in {ran_s:.1f} s"]
    steps = [e.data["step_ms"] for e in events if e.kind == "stats" and "step_ms" in e.data]
    worst = [e.data["step_p95_ms"] for e in events
             if e.kind == "stats" and "step_p95_ms" in e.data]
    if steps:
        p95 = f", p95 {max(worst):.0f} ms at worst" if worst else ""
        lines.append(f"a step took {statistics.median(steps):.0f} ms of its 200 ms{p95}")
    acts = sum(e.kind == "act" for e in events)
    lines.append(f"{len(told.heard)} phrases heard, {acts} acts, {len(told.counts)} repetitions, "
                 f"{len(told.spoken)} sentences spoken")
    for errand in told.errands:
        after = "no answer" if errand.end_s is None else f"{errand.end_s - errand.start_s:.1f} s"
        lines.append(f"looked up: {errand.question!r} ({after})")
    errors = [e.text or "" for e in events if e.kind == "error"]
    return lines + [f"error: {text}" for text in errors]


def demo(scenario: Path, out: Path, console: Console) -> None:
    """Renders, runs, draws.

    Raises:
        REFUSALS, ValueError, RuntimeError: something cannot be used, or the scenario is wrong.
    """
    places = Places(out)
    console.print("rendering the scenario" if render_scenario(scenario, places)
                  else "the scenario is rendered already")
    began = time.monotonic()
    with LiveTimeline(console) as timeline:
        run_session(places, timeline)
    ran_s = time.monotonic() - began
    events = list(read_events(places.events))
    console.print("writing the pictures")
    mix(places.microphone, places.own, places.mix)
    with ThreadPoolExecutor(1) as pool:  # the film's encoder leaves a core to the picture
        drawn = pool.submit(picture, events, places.microphone, places.own, places.picture,
                            video=places.camera)
        captions(places.camera, events, places.mix, places.film)
        drawn.result()
    for line in facts(events, ran_s, len(read_audio(places.microphone)) / SAMPLE_RATE):
        console.print("  " + line, markup=False)
    for path in (places.film, places.picture, places.mix, places.own, places.events):
        console.print(f"  {_shown(path)}", markup=False)


def _shown(path: Path) -> Path:
    """As one would type it from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", type=Path, default=SCENARIO, metavar="FILE.toml")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    arguments = parser.parse_args(argv)
    try:
        demo(arguments.scenario, arguments.out.resolve(), Console(highlight=False))
        return 0
    except (*REFUSALS, ValueError, RuntimeError) as error:
        print(f"tools/demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
