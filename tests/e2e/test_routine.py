"""A routine through the whole program: kill -9 in the middle of a step, and the report at the end.

The network is scripted; everything around it is real.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.config import Config, RoutinesConfig
from daemon.run import Runner
from tests.e2e.scripted import (
    Script,
    book_on_disk,
    command,
    noise,
    of,
    read_lines,
    write_sound,
    write_video,
)
from tests.e2e.test_kill_resume import kill_when, start

pytestmark = pytest.mark.e2e
ROUTINE = """
title = "Morning"
names = ["my morning"]
kind = "workout"

[[step]]
say = "stand up"

[[step]]
exercise = "squats"
reps = 4
rest_s = 2

[[step]]
say = "breathe"
seconds = 2
"""
START = command("start_routine", "start", "my", "morning", item="leg day")
"""The network knows only the routines that are shipped; the words say another."""
NEXT = command("next_step", "next", "step")
ONE = {"counted": 1}

# The child counts two squats of the second step, then its network never answers again.
CHILD = """
import sys
from pathlib import Path
from daemon.config import Config, RoutinesConfig
from daemon.run import Runner
from tests.e2e.scripted import Script
from tests.e2e.test_routine import NEXT, ONE, START

class Hanging(Script):
    def step(self, turn):
        if turn.index == 50:
            sys.stdin.read()
        return super().step(turn)

plan = {3: START, 30: NEXT, 40: ONE, 44: ONE}
sound, events, state, own = map(Path, sys.argv[1:])
config = Config(routines=RoutinesConfig(folder=own))
Runner(config, model=Hanging(plan)).run_files(sound, events=events, state_dir=state)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The wearer's folder, with one routine."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "morning.toml").write_text(ROUTINE)
    return folder


def counted(state: Path) -> int:
    """Repetitions on disk, of a routine at its second step."""
    book = book_on_disk(state)
    at_second = (book.get("routine") or {}).get("at") == 1
    return (book["running"] or {}).get("count", 0) if at_second else 0


def run(own: Path, state: Path, plan: dict, name: str, seconds: float = 40.0, **options):
    """A run over files; what the network was shown, and the events."""
    folder = state.parent
    script, events = Script(plan), folder / f"{name}.jsonl"
    config = Config(routines=RoutinesConfig(folder=own, **options.pop("routines", {})))
    Runner(config, model=script).run_files(
        write_sound(folder / f"{name}.wav", noise(seconds)), events=events, state_dir=state,
        **options)
    return script, read_lines(events)


def test_a_killed_routine_is_back_at_the_same_step_and_goes_on_to_its_end(tmp_path, own):
    state = tmp_path / "state"
    state.mkdir()
    sound = write_sound(tmp_path / "in.wav", noise(20.0))
    child = start(CHILD, sound, tmp_path / "first.jsonl", state, own)
    kill_when(child, lambda: counted(state) >= 2)
    first = read_lines(tmp_path / "first.jsonl")
    assert [e["change"] for e in of(first, "step")] == ["started", "done", "begun"]

    script, lines = run(own, state, {40: ONE, 45: ONE}, "second")
    assert of(lines, "start")[0]["resumed"]
    said = [e["text"] for e in of(lines, "spoken")]
    assert said == ["back at step two: four squats", "three", "four, done", "rest, two seconds",
                    "rest is over. last step: breathe, two seconds",
                    "time is up. " + said[-1].removeprefix("time is up. ")]
    assert said[-1].startswith("time is up. my morning done, ")
    assert said[-1].endswith(", four squats")
    state_seen = script.turns[0].state
    assert state_seen.routine and state_seen.task.name == "REPS" and state_seen.count == 2
    assert not script.turns[-1].state.routine
    steps = [(e["change"], e["step"]) for e in of(lines, "step")]
    assert steps == [("resumed", 2), ("done", 2), ("resting", 3), ("begun", 3), ("done", 3),
                     ("finished", 3)]
    written = Path(of(lines, "report")[0]["path"])
    assert written.parent == state / "reports"
    assert "| 2 | 4 squats |" in written.read_text("utf-8")
    assert Image.open(written.with_suffix(".png")).width == 1600


PLAN = {3: START, 30: NEXT, **{k: ONE for k in (40, 44, 48, 52)}}


@pytest.mark.parametrize(("routines", "muted", "shown"), [
    ({}, False, True), ({"key_frames": False}, False, False), ({}, True, False)])
def test_key_frames_are_shown_unless_switched_off_or_muted(tmp_path, own, routines, muted, shown):
    state = tmp_path / "state"
    plan = PLAN | ({20: command("mute_camera", "mute", "the", "camera")} if muted else {})
    film = write_video(tmp_path / "film.mp4", 400)
    _, lines = run(own, state, plan, "a", camera=film, routines=routines)
    picture = Image.open(Path(of(lines, "report")[0]["path"]).with_suffix(".png"))
    gray = np.asarray(picture.convert("L"))
    dark = int(((gray >= 20) & (gray <= 40)).sum())
    assert (dark > 15_000) == shown, f"{dark} pixels of the film's ground"


def test_a_routine_file_that_cannot_be_used_is_told_and_the_rest_works(tmp_path, own):
    (own / "bad.toml").write_text("title = 3\n")
    _, lines = run(own, tmp_path / "state", {3: START}, "a", 6.0)
    assert "bad.toml: " in of(lines, "error")[0]["text"]
    assert of(lines, "say")[0]["text"] == "my morning, three steps. step one: stand up"
    assert of(lines, "step")[0]["routine"] == "my morning"
