"""Ledger: the state that the network sees, snapshots over restarts, and the file they lie in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from daemon.ledger import (
    Addressing,
    Book,
    Countdown,
    Delegation,
    Interval,
    Ledger,
    LedgerError,
    LedgerStore,
    Reading,
    RepSet,
    Said,
    Stopwatch,
    Timer,
)
from daemon.ledger_book import from_json, to_json
from daemon.turn import Task, VoiceState
from models.tokens import STATE_FIELDS

pytestmark = pytest.mark.unit

START = datetime(2025, 11, 22, 10, 42, tzinfo=timezone.utc)
FULL = Book(
    running=RepSet(1, "squats", 4.0, 7, target=10, announced=7),
    finished=(RepSet(2, "curls", 1.0, 12, ended_at_s=3.0, weight=20, unit="kilos"),),
    timers=(Timer(3, "timer", "ten minutes", 600.0, 5.0, 605.0),
            Timer(4, "reminder", "drink", 60.0, 5.0, 65.0)),
    intervals=(Interval(5, "breathe", 10.0, 15.0),), stopwatch=Stopwatch(2.0, (1.5, 3.0)),
    countdown=Countdown(6, 12.0, 5), readings=(Reading(7, "valve", 42, "red", 5.5),),
    delegations=(Delegation("01H", "question", ("what", "torque"), 6.0),), next_id=8, quiet=True,
    volume=65, rate=1,
)


class Wall:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_every_record_survives_json() -> None:
    assert from_json(json.loads(json.dumps(to_json(FULL)))) == FULL


@pytest.mark.parametrize("damage", [
    {"running": {"id": 1}}, {"timers": 3}, {"quiet": "yes"}, {"surprise": 1},
    {"readings": [{"id": "a", "item": "valve", "number": 1, "colour": None, "at_s": 0.0}]},
])
def test_a_damaged_snapshot_is_refused_by_name(damage: dict) -> None:
    ledger = Ledger(Wall(), book=FULL)
    snapshot = ledger.snapshot()
    snapshot["book"] |= damage
    with pytest.raises(LedgerError, match="ledger snapshot: book"):
        Ledger.restore(snapshot, Wall())


def test_another_version_is_refused() -> None:
    snapshot = Ledger(Wall()).snapshot() | {"version": 99}
    with pytest.raises(LedgerError, match="version 99"):
        Ledger.restore(snapshot, Wall())


def test_state_is_what_the_network_is_told() -> None:
    ledger = Ledger(Wall(), book=FULL, addressing=Addressing.NAME)
    state = ledger.state(8.0, VoiceState.DUCKED, since_spoke_s=0.0, withheld=True,
                         microphone_muted=True, camera_muted=True)
    assert (state.task, state.count, state.timers) == (Task.REPS, 7, 2)
    assert state.timer_remaining_s == pytest.approx(57.0)
    assert (state.due, state.delegations, state.answers) == (0, 1, 0)
    assert state.withheld and state.microphone_muted and state.camera_muted
    assert state.addressing is Addressing.NAME and state.voice is VoiceState.DUCKED
    assert set(STATE_FIELDS) == set(state.__dataclass_fields__)


@pytest.mark.parametrize("book, task", [
    (Book(), Task.NONE),
    (Book(running=RepSet(1, "reps", 0.0, paused=True)), Task.REPS_PAUSED),
    (Book(intervals=FULL.intervals, stopwatch=FULL.stopwatch), Task.EVERY),
    (Book(stopwatch=Stopwatch(1.0)), Task.STOPWATCH),
    (Book(stopwatch=Stopwatch(1.0, stopped_s=2.0)), Task.NONE),
])
def test_task(book: Book, task: Task) -> None:
    assert Ledger(Wall(), book=book).state(0.0).task is task


def test_a_reply_keeps_the_follow_up_window_open_and_a_count_does_not() -> None:
    ledger = Ledger(Wall())
    assert ledger.state(1.0).since_exchange_s is None
    ledger.voiced = Said("seven", "count", "count:squats", "", 1.0)
    assert ledger.state(1.2, VoiceState.SPEAKING).since_exchange_s is None
    ledger.voiced = Said("ten minutes", "say", "act:set_timer", "", 2.0)
    assert ledger.state(2.2, VoiceState.SPEAKING).since_exchange_s == 0.0
    assert ledger.state(3.2).since_exchange_s == pytest.approx(1.0)


def test_timers_are_marked_once_in_the_nearest_micro_turn() -> None:
    ledger = Ledger(Wall(), book=Book(timers=(Timer(1, "timer", "one second", 1.0, 0.0, 1.0),)))
    marks = [k for k in range(1, 11) if ledger.tick(k * 0.2)]
    assert marks == [5]
    assert [t.id for t in ledger.due()] == [1]
    assert ledger.state(2.0).due == 1 and ledger.state(2.0).timers == 0


def test_a_paused_set_counts_nothing() -> None:
    ledger = Ledger(Wall(), book=Book(running=RepSet(1, "reps", 0.0, 3, paused=True)))
    assert ledger.counted(1) is None and ledger.counted(0) is None
    assert Ledger(Wall()).counted(1) is None


def test_revision_tells_when_a_snapshot_is_worth_saving() -> None:
    ledger = Ledger(Wall(), book=FULL)
    ledger.tick(8.0)
    ledger.state(8.0)
    assert ledger.revision == 0
    ledger.counted(1)
    assert ledger.revision == 1


def test_restored_mid_set_it_goes_on_and_remaining_times_are_right() -> None:
    wall = Wall()
    ledger = Ledger(wall, book=FULL)
    ledger.tick(9.0)
    snapshot = json.loads(json.dumps(ledger.snapshot()))
    wall.now += timedelta(seconds=33.0)
    again = Ledger.restore(snapshot, wall, now_s=0.0)
    assert again.counted(1).count == 8  # type: ignore[union-attr]
    # 605 s was due 596 s after the snapshot, of which 33 s have passed.
    assert again.book.timers[0].due_at_s == pytest.approx(563.0)
    assert again.state(0.0).timer_remaining_s == pytest.approx(65.0 - 9.0 - 33.0)
    assert again.book.stopwatch == Stopwatch(pytest.approx(2.0 - 42.0), (1.5, 3.0))
    assert again.book.quiet and again.book.volume == 65
    # Beats in the outage are left out, and the rhythm is kept: 15 - 42 + 30.
    assert again.book.intervals[0].next_at_s == pytest.approx(3.0)
    assert again.book.countdown is None


def test_a_timer_that_came_due_in_the_outage_is_due_at_once() -> None:
    wall = Wall()
    snapshot = Ledger(wall, book=FULL).snapshot()
    wall.now += timedelta(minutes=2)
    again = Ledger.restore(snapshot, wall)
    assert [t.text for t in again.tick(0.2)] == ["drink"]


def test_a_wall_clock_set_back_moves_nothing_forward() -> None:
    wall = Wall()
    snapshot = Ledger(wall, book=FULL).snapshot()
    wall.now -= timedelta(hours=5)
    assert Ledger.restore(snapshot, wall).book.timers[0].due_at_s == pytest.approx(605.0)


@pytest.mark.parametrize(("minutes", "goes_on"), [(29, True), (31, False), (7 * 24 * 60, False)])
def test_a_set_left_for_long_is_finished_not_resumed(minutes: int, goes_on: bool) -> None:
    wall = Wall()
    snapshot = Ledger(wall, book=FULL).snapshot()
    wall.now += timedelta(minutes=minutes)
    book = Ledger.restore(snapshot, wall).book
    assert (book.running is not None) is goes_on
    assert (book.running or book.finished[-1]).count == 7
    assert [t.text for t in book.timers] == ["ten minutes", "drink"]


def test_delegations_that_the_outbox_has_not_got_are_forgotten() -> None:
    ledger = Ledger(Wall(), book=FULL)
    ledger.reconcile(["01H"])
    assert ledger.revision == 0
    ledger.reconcile([])
    assert ledger.book.delegations == ()


def test_lines_say_what_runs_and_what_was_read() -> None:
    ledger = Ledger(Wall(), book=FULL)
    ledger.tick(9.0)
    assert ledger.lines() == (
        "reading red valve: 42", "timer ten minutes: due in 596 s", "reminder drink: due in 56 s",
        "curls: 12", "squats: 7 so far")
    assert Ledger(Wall()).lines() == ()


def test_store_keeps_the_newest_snapshot(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "state" / "ledger.sqlite")
    assert store.load() is None
    for count in range(3):
        store.save(Ledger(Wall(), book=Book(next_id=count + 1)).snapshot())
    store.close()
    store = LedgerStore(tmp_path / "state" / "ledger.sqlite")
    assert Ledger.restore(store.load() or {}, Wall()).book.next_id == 3
    store.clear()
    assert store.load() is None


def test_a_damaged_file_is_moved_aside_and_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, and long enough to be seen as none" * 40)
    store = LedgerStore(path)
    assert store.moved == tmp_path / "ledger.sqlite.damaged" and store.moved.exists()
    store.save(Ledger(Wall()).snapshot())
    assert store.load() is not None


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="name another state folder"):
        LedgerStore(tmp_path / "file" / "ledger.sqlite")


_VICTIM = """
import sys, pathlib
from daemon.ledger import Ledger, LedgerStore, RepSet
ledger = Ledger()
ledger.change(running=RepSet(1, "squats", 0.0))
store = LedgerStore(pathlib.Path(sys.argv[1]))
while True:
    ledger.counted(1)
    ledger.tick(ledger.now_s + 0.2)
    store.save(ledger.snapshot())
    print(ledger.book.running.count, flush=True)
"""


def test_killed_with_nine_mid_set_it_resumes_at_the_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    victim = subprocess.Popen([sys.executable, "-c", _VICTIM, str(path)], text=True,
                              cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    seen = 0
    while seen < 25:
        seen = int(victim.stdout.readline())
    os.kill(victim.pid, signal.SIGKILL)
    seen = int((victim.stdout.read().split() or [str(seen)])[-1])
    victim.wait()
    restored = Ledger.restore(LedgerStore(path).load() or {})
    assert restored.book.running is not None
    assert restored.book.running.count in (seen, seen + 1)
    assert restored.state(0.0).task is Task.REPS


def test_another_follow_up_window_reaches_the_network_as_the_one_it_learned():
    ledger = Ledger()
    ledger.exchanged(10.0)
    assert ledger.state(14.0).since_exchange_s == pytest.approx(4.0)
    ledger.follow_up_s = 16.0
    assert ledger.state(14.0).since_exchange_s == pytest.approx(2.0)
