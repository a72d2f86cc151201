"""The writer thread: everything that touches the disk during a session goes through its queue.

The step thread posts and goes on. The queue holds `limit` items. When it is full,

1. captions (expendable events) are dropped first, the oldest first, then micro-turns of the
   recording; both are counted, and a recording notes its gap;
2. acts, jobs and other events are never dropped: if nothing else is left to drop, posting waits,
   for an act that is lost is worse than a late micro-turn.

Under the stepped clock a run is faster than its disk may be, so nothing is dropped there
(`lossless=True`) and posting waits instead: the same input gives the same files.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from daemon.events import Event, EventLog
from daemon.turn import MicroTurn, Reply

QUEUE_ITEMS = 256


class TurnRecorder(Protocol):
    """What the writer needs of a recorder (`daemon.record.Recorder`)."""

    def turn(self, micro_turn: MicroTurn, reply: Reply, lost_before: int = 0) -> None:
        """Records one micro-turn; `lost_before` were dropped since the last one."""

    def close(self) -> None:
        """Finishes the recording."""


@dataclass(frozen=True)
class WriterCounters:
    """What could not be written as it came; all are totals since the start."""

    captions_dropped: int
    turns_dropped: int
    """Micro-turns missing from the recording."""
    waits: int
    """Times that posting had to wait for the disk."""
    failures: int
    """Items that the disk refused."""


class _Rank(IntEnum):
    """What may be dropped, in this order."""

    CAPTION = 0
    TURN = 1
    NEVER_DROPPED = 2


class _Queue:
    """Bounded queue with ranks; its plain counters may be read by any thread."""

    def __init__(self, limit: int, lossless: bool) -> None:
        self._limit = limit
        self._lossless = lossless
        self._items: deque[tuple[_Rank, Callable[[], None]]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closed = False
        self.dropped = [0, 0]
        """Dropped items of the ranks CAPTION and TURN."""
        self.waits = 0

    def post(self, rank: _Rank, work: Callable[[], None]) -> None:
        """Appends an item, as the module's rules say.

        Raises:
            RuntimeError: the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the writer is closed; post before close()")
            if len(self._items) >= self._limit and not self._make_room(rank):
                return
            self._items.append((rank, work))
            self._changed.notify_all()

    def next(self) -> Callable[[], None] | None:
        """Waits for an item and takes it; None when the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            self._busy = True
            work = self._items.popleft()[1]
            self._changed.notify_all()
            return work

    def done(self) -> bool:
        """The item that was taken is finished; True when nothing waits."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            return not self._items

    def wait_empty(self, timeout_s: float) -> bool:
        """Waits until everything is finished; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._items and not self._busy, timeout_s)

    def close(self) -> None:
        """Refuses further items; what waits is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _make_room(self, rank: _Rank) -> bool:
        """True when there is room for an item of this rank, False when it was dropped itself."""
        if not self._lossless:
            for victim in (_Rank.CAPTION, _Rank.TURN):
                if self._drop_oldest(victim):
                    return True
                if rank == victim:
                    self.dropped[rank] += 1
                    return False
        self.waits += 1
        self._changed.wait_for(lambda: len(self._items) < self._limit)
        return True

    def _drop_oldest(self, rank: _Rank) -> bool:
        for position, (queued, _) in enumerate(self._items):
            if queued == rank:
                del self._items[position]
                self.dropped[rank] += 1
                return True
        return False


class Writer:
    """A thread with a bounded queue that owns the event log and the recorder.

    `job` runs any other work for the disk (a ledger transaction) on the same thread, in the
    order of posting. All methods may be called from any thread but the writer's own.
    """

    def __init__(self, events: EventLog, recorder: TurnRecorder | None = None, *,
                 limit: int = QUEUE_ITEMS, lossless: bool = False) -> None:
        self._events = events
        self._recorder = recorder
        self._queue = _Queue(limit, lossless)
        self._failures = 0
        self._failed: set[str] = set()
        self._last = (0.0, 0)
        self._posted_turns = 0
        self._next_turn = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> WriterCounters:
        """Totals so far."""
        captions, turns = self._queue.dropped
        return WriterCounters(captions, turns, self._queue.waits, self._failures)

    def event(self, event: Event) -> None:
        """Posts an event for the log and its listeners."""
        rank = _Rank.CAPTION if event.expendable else _Rank.NEVER_DROPPED
        self._queue.post(rank, lambda: self._attempt("events", lambda: self._write(event)))

    def turn(self, micro_turn: MicroTurn, reply: Reply) -> None:
        """Posts a micro-turn for the recording, from one thread only.

        Nothing happens without a recorder.
        """
        if self._recorder is not None:
            number = self._posted_turns
            self._posted_turns += 1
            self._queue.post(_Rank.TURN, lambda: self._attempt(
                "recording", lambda: self._record(number, micro_turn, reply)))

    def job(self, job: Callable[[], None], where: str = "ledger") -> None:
        """Posts work for the disk that must not be lost.

        What it raises becomes an `error` event of the part `where`. Work on which a sentence
        depends sets a `threading.Event` of its own when it is done.
        """
        self._queue.post(_Rank.NEVER_DROPPED, lambda: self._attempt(where, job))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Waits until all that was posted before is written; False when that took too long."""
        return self._queue.wait_empty(timeout_s)

    def close(self) -> None:
        """Writes what waits, finishes the files, ends the thread; may be called twice."""
        self._queue.close()
        self._thread.join()

    def _run(self) -> None:
        while (work := self._queue.next()) is not None:
            work()
            if self._queue.done():
                self._attempt("events", self._events.flush)
        if self._recorder is not None:
            self._attempt("recording", self._recorder.close)
        self._attempt("events", self._events.close)

    def _write(self, event: Event) -> None:
        self._last = (event.t_s, event.turn)
        self._events.write(event)

    def _record(self, number: int, micro_turn: MicroTurn, reply: Reply) -> None:
        lost_before, self._next_turn = number - self._next_turn, number + 1
        if self._recorder is not None:
            self._recorder.turn(micro_turn, reply, lost_before)

    def _attempt(self, where: str, work: Callable[[], None]) -> None:
        """Runs work; failures are counted, and the first one of each part is told."""
        try:
            work()
        except Exception as error:  # one part's fault must not end the others' writing
            self._failures += 1
            if where not in self._failed:
                self._failed.add(where)
                self._tell(where, error)

    def _tell(self, where: str, error: Exception) -> None:
        event = Event(*self._last, "error", f"{where}: {error}; the session goes on without it",
                      {"where": where})
        try:
            self._events.write(event)
        except Exception:  # the log itself is what fails; `failures` and the listeners know
            self._failures += 1
