"""kill -9 in the middle of a set: the count is there again; a clean end leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.ledger import LedgerStore
from daemon.run import Runner
from tests.e2e.scripted import SQUATS, Script, noise, of, read_lines, write_sound

pytestmark = pytest.mark.e2e
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

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
    path = state / "ledger-files.sqlite"
    if not path.exists():
        return 0
    store = LedgerStore(path)
    try:
        snapshot = store.load() or {}
    finally:
        store.close()
    running = snapshot.get("book", {}).get("running")
    return running["count"] if running else 0


def kill_after_three(tmp_path: Path) -> Path:
    """Run the child until three repetitions are on disk, then kill it; its state folder."""
    state = tmp_path / "state"
    state.mkdir()
    sound = write_sound(tmp_path / "in.wav", noise(8.0))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(sound), str(tmp_path / "first.jsonl"), str(state)],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while counted(state) < 3:
            assert child.poll() is None, "the child ended by itself"
            assert time.monotonic() < deadline, "three repetitions never came to the disk"
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
    return state


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
