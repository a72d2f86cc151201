"""kill -9 in the middle of a set: the count is there again; a clean end leaves nothing.

Most of it with scripted repetitions; one case with the shipped network and its own counter.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.run import Runner
from models.scenarios.render import pictures, write_video
from models.scenarios.script import Scenario, See
from tests.e2e.scripted import (
    SQUATS,
    Script,
    book_on_disk,
    noise,
    of,
    read_lines,
    write_sound,
)

pytestmark = pytest.mark.e2e
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 100.0

# The child counts three squats, then its network never answers again: it is killed in mid-step.
CHILD = """
import sys
from pathlib import Path
from daemon.run import Runner
from tests.e2e.scripted import SQUATS, Script

class Hanging(Script):
    def step(self, turn):
        if turn.index == 20:
            sys.stdin.read()
        return super().step(turn)

plan = {3: SQUATS, 10: {"counted": 1}, 13: {"counted": 1}, 16: {"counted": 1}}
sound, events, state = map(Path, sys.argv[1:])
Runner(model=Hanging(plan)).run_files(sound, events=events, state_dir=state)
"""


def counted(state: Path) -> int:
    """Repetitions of the running set as they are on disk."""
    running = book_on_disk(state).get("running")
    return running["count"] if running else 0


def kill_after_three(tmp_path: Path) -> Path:
    """Run the child until three repetitions are on disk, then kill it; its state folder."""
    state = tmp_path / "state"
    state.mkdir()
    sound = write_sound(tmp_path / "in.wav", noise(8.0))
    child = start(CHILD, sound, tmp_path / "first.jsonl", state)
    kill_when(child, lambda: counted(state) >= 3)
    return state


def start(program: str, *arguments: object) -> subprocess.Popen:
    """A Python program of ours in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdin=subprocess.PIPE)


def kill_when(child: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Kill -9 once the condition holds."""
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert child.poll() is None, "the child ended by itself"
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s"
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()


def test_a_killed_session_goes_on_counting_from_where_it_was(tmp_path):
    state = kill_after_three(tmp_path)
    assert [e["count"] for e in of(read_lines(tmp_path / "first.jsonl"), "count")] == [1, 2, 3]
    events = tmp_path / "second.jsonl"
    script = Script({8: {"counted": 1}})
    result = Runner(model=script).run_files(tmp_path / "in.wav", events=events, state_dir=state)
    lines = read_lines(events)
    assert result.resumed and of(lines, "start")[0]["resumed"]
    assert script.turns[0].state.task.name == "REPS" and script.turns[0].state.count == 3
    assert [e["count"] for e in of(lines, "count")] == [4]
    assert [e["text"] for e in of(lines, "spoken")] == ["four"]
    third = Runner(model=Script()).run_files(tmp_path / "in.wav", state_dir=state)
    assert not third.resumed


def test_a_damaged_ledger_is_put_aside_and_said(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger-files.sqlite").write_bytes(b"no database " * 100)
    events = tmp_path / "e.jsonl"
    sound = write_sound(tmp_path / "in.wav", noise(2.0))
    Runner(model=Script({3: SQUATS})).run_files(sound, events=events, state_dir=state)
    lines = read_lines(events)
    assert "damaged" in of(lines, "error")[0]["text"]
    assert [e["text"] for e in of(lines, "spoken")] == ["counting squats"]
    assert (state / "ledger-files.sqlite.damaged").exists()


# The shipped network sees a film and counts; only the command is scripted. Given a micro-turn, it
# hangs there for ever, and a file of that name says that it does.
COUNTING = """
import sys
from dataclasses import replace
from pathlib import Path
from daemon.interaction import InteractionModel
from daemon.run import Runner
from tests.e2e.scripted import SQUATS

film, events, state = map(Path, sys.argv[1:4])
hangs_at, asked_at = map(int, sys.argv[4:])

class Asked:
    def __init__(self):
        self.network = InteractionModel.open("onnx")
        self.reset = self.network.reset

    def step(self, turn):
        if turn.index == hangs_at:
            (state / "hangs").touch()
            sys.stdin.read()
        fields = SQUATS if turn.index == asked_at else {"act": None, "heard": ()}
        return replace(self.network.step(turn), **fields)

Runner(model=Asked()).run_files(camera=film, events=events, state_dir=state)
"""
REPS, PERIOD_S, FIRST_S = 10, 2.0, 2.0
KILLED_TURN = 58
"""11.6 s: in the middle of the fifth squat."""
NEVER = -1


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_real_counter_goes_on_in_a_real_process(tmp_path):
    """Budget: 30 s on two idle cores, four minutes on busy ones."""
    state = tmp_path / "state"
    state.mkdir()
    seen = pictures(Scenario(title="ten squats", seconds=FIRST_S + REPS * PERIOD_S + 4.0, seed=3,
                             see=(See(from_s=FIRST_S, kind="squat", reps=REPS,
                                      period_s=PERIOD_S),)))
    films, logs = ([tmp_path / name for name in names]
                   for names in (("a.mp4", "b.mp4"), ("a.jsonl", "b.jsonl")))
    write_video(seen[: 2 * KILLED_TURN + 20], films[0])
    write_video(seen[2 * KILLED_TURN :], films[1])

    child = start(COUNTING, films[0], logs[0], state, KILLED_TURN, 3)
    kill_when(child, lambda: (state / "hangs").exists() and counted(state) >= 3)
    before = counted(state)
    again = start(COUNTING, films[1], logs[1], state, NEVER, NEVER)
    try:
        assert again.wait(PATIENCE_S) == 0
    finally:
        again.kill()
        again.stdin.close()

    lines = read_lines(logs[1])
    counts = [e["count"] for e in of(lines, "count")]
    assert of(lines, "start")[0]["resumed"]
    assert abs(before - 4) <= 1, "what was on the disk when it was killed"
    assert counts and counts == sorted(set(counts)) and counts[0] > before
    assert abs(counts[-1] - REPS) <= 1, (before, counts)
