"""The writer thread: order, bounds, what is dropped first, and faults of one part."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from daemon.events import Event, EventLog, read_events
from daemon.turn import MicroTurn, Reply
from daemon.writer import Writer

pytestmark = pytest.mark.unit

SILENCE = np.zeros(3_200, np.int16)


class Turns:
    """Keeps what a recorder would write."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int]] = []

    def turn(self, micro_turn: MicroTurn, reply: Reply, lost_before: int = 0) -> None:
        self.got.append((micro_turn.index, lost_before))

    def close(self) -> None:
        self.got.append((-1, 0))


class Gate:
    """A job that holds the writer thread until it is opened, as a slow disk would."""

    def __init__(self, writer: Writer) -> None:
        self._entered, self._open = threading.Event(), threading.Event()
        writer.job(self._hold)
        assert self._entered.wait(5)

    def _hold(self) -> None:
        self._entered.set()
        self._open.wait(30)

    def open(self) -> None:
        self._open.set()


def heard(number: int) -> Event:
    return Event(number * 0.2, number, "heard", f"word{number}")


def act(number: int) -> Event:
    return Event(number * 0.2, number, "act", f"act{number}")


def texts(path: Path) -> list[str | None]:
    return [event.text for event in read_events(path)]


def test_everything_is_written_in_the_order_of_posting(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    turns = Turns()
    writer = Writer(EventLog(path), turns)
    for number in range(50):
        writer.event(heard(number) if number % 2 else act(number))
        writer.turn(MicroTurn(number, SILENCE), Reply(number))
    assert writer.flush()
    assert texts(path) == [f"{'word' if n % 2 else 'act'}{n}" for n in range(50)]
    writer.close()
    writer.close()
    assert turns.got == [(n, 0) for n in range(50)] + [(-1, 0)]
    counters = writer.counters
    assert (counters.captions_dropped, counters.turns_dropped, counters.failures) == (0, 0, 0)


def test_when_the_disk_is_slow_captions_go_first_the_oldest_first_and_acts_stay(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    writer = Writer(EventLog(path), limit=4)
    gate = Gate(writer)
    for event in (heard(0), act(1), heard(2), act(3), act(4), act(5)):
        writer.event(event)
    writer.event(heard(6))
    gate.open()
    writer.close()
    assert texts(path) == ["act1", "act3", "act4", "act5"]
    assert writer.counters.captions_dropped == 3
    assert writer.counters.waits == 0


def test_turns_of_a_recording_go_before_acts_and_leave_a_noted_gap(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    turns = Turns()
    writer = Writer(EventLog(path), turns, limit=3)
    gate = Gate(writer)
    for number in range(5):
        writer.turn(MicroTurn(number, SILENCE), Reply(number))
    writer.event(act(5))
    gate.open()
    writer.close()
    assert turns.got == [(3, 3), (4, 0), (-1, 0)]
    assert texts(path) == ["act5"]
    assert writer.counters.turns_dropped == 3


def test_acts_wait_rather_than_get_lost(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    writer = Writer(EventLog(path), limit=2)
    gate = Gate(writer)
    writer.event(act(0))
    writer.event(act(1))
    poster = threading.Thread(target=lambda: writer.event(act(2)))
    poster.start()
    while writer.counters.waits == 0:
        assert poster.is_alive()
    gate.open()
    poster.join(5)
    writer.close()
    assert texts(path) == ["act0", "act1", "act2"]


def test_lossless_drops_nothing_of_a_run_that_is_faster_than_its_disk(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    turns = Turns()
    writer = Writer(EventLog(path), turns, limit=2, lossless=True)
    for number in range(300):
        writer.event(heard(number))
        writer.turn(MicroTurn(number, SILENCE), Reply(number))
    writer.close()
    assert len(texts(path)) == 300
    assert len(turns.got) == 301


def test_a_part_that_fails_is_told_once_and_the_others_go_on(tmp_path) -> None:
    class FullDisk(Turns):
        def turn(self, micro_turn: MicroTurn, reply: Reply, lost_before: int = 0) -> None:
            raise OSError(28, "No space left on device")

    path = tmp_path / "events.jsonl"
    writer = Writer(EventLog(path), FullDisk())
    for number in range(3):
        writer.turn(MicroTurn(number, SILENCE), Reply(number))
        writer.event(act(number))
    writer.close()
    errors = [event for event in read_events(path) if event.kind == "error"]
    assert len(errors) == 1
    assert "No space left" in str(errors[0].text) and errors[0].data["where"] == "recording"
    assert [text for text in texts(path) if text and text.startswith("act")] == [
        "act0", "act1", "act2"]
    assert writer.counters.failures == 3


def test_event_log_on_a_full_disk_reaches_the_listeners_and_the_session_goes_on() -> None:
    seen: list[str] = []
    writer = Writer(EventLog(Path("/dev/full"), [lambda event: seen.append(event.kind)]))
    done = threading.Event()
    writer.event(act(0))
    writer.flush()
    writer.job(done.set)
    assert done.wait(5)
    writer.close()
    assert seen[:2] == ["act", "error"]
    assert writer.counters.failures > 0


def test_a_job_that_raises_becomes_an_error_event(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    writer = Writer(EventLog(path))
    writer.job(lambda: 1 // 0, where="ledger")
    writer.close()
    (event,) = read_events(path)
    assert event.data == {"where": "ledger"} and "by zero" in str(event.text)


def test_posting_after_close_is_refused(tmp_path) -> None:
    writer = Writer(EventLog(None))
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.event(act(0))
