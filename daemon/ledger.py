"""The session's working memory: running set, timers, readings, open delegations, what was said.

`Ledger` is owned by the step thread and touches no disk. `LedgerStore` belongs to the writer
thread: it keeps the newest snapshot in SQLite, so that a daemon killed mid-set goes on counting.

Session times begin anew with every process; a snapshot therefore carries the wall clock of the
moment, and `restore` moves everything by the time that has passed since.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.ledger_book import (
    FINISHED_KEPT,
    Answer,
    Book,
    Countdown,
    Cue,
    Delegation,
    Interval,
    Reading,
    RepSet,
    Said,
    Stopwatch,
    Timer,
    from_json,
    shifted,
    to_json,
)
from daemon.turn import TURN_S, Addressing, State, Task, VoiceState
from models.tokens import FOLLOW_UP_S

__all__ = ["Answer", "Book", "Countdown", "Cue", "Delegation", "Interval", "Ledger", "LedgerError",
           "LedgerStore", "Reading", "RepSet", "Said", "Stopwatch", "Timer"]

SCHEMA_VERSION = 1
EARLY_S = TURN_S / 2
"""A time is reached in the micro-turn whose end is nearest to it."""
SPOKEN_OVER_S = 2.0
"""A command that cut the voice off is understood by then."""
DELEGATION_FORGOTTEN_S = 600.0
"""A delegation of which nothing was heard for so long no longer counts as open."""
SET_FORGOTTEN_S = 1800.0
"""A set in which nothing was counted or changed for longer than this when the daemon starts after
a crash (30 minutes) is finished rather than resumed; a clean stop finishes it at once."""
ROUTINE_FORGOTTEN_S = 43_200.0
"""A routine is given up when the daemon was away for longer (12 hours): a procedure may be left
over lunch, but nobody takes yesterday's workout up again."""
LINES_KEPT = 4
"""Timers, and as many readings, that go with a question."""

EMPTY = Book()
"""Of a wearer who has not yet asked for anything."""


class LedgerError(RuntimeError):
    """A snapshot or its file cannot be used; the message says which and what to do."""


def local_time() -> datetime:
    """The wall clock, with its zone."""
    return datetime.now().astimezone()


class Ledger:
    """In-memory state of the session; times are session seconds."""

    def __init__(self, wall: Callable[[], datetime] = local_time, *,
                 addressing: Addressing = Addressing.FOLLOW_UP, book: Book = EMPTY) -> None:
        """`wall` gives the date and clock, with a zone; `book` what to begin with."""
        self.wall = wall
        self.addressing = addressing
        self.book = book
        """What is kept; changed by `change` only."""
        self.revision = 0
        """Goes up with every change of the book: a new snapshot is worth saving."""
        self.now_s = 0.0
        """Session clock of the last tick or state."""
        self.voice = VoiceState.SILENT
        """What the voice did when `state` was last asked for."""
        self.yielded_at_s: float | None = None
        """When the network last had the voice cut off."""
        self.answers: tuple[Answer, ...] = ()
        """Wait to be spoken, oldest first; on disk they belong to the outbox."""
        self.pending = False
        """A question of tagalong's own waits for the wearer."""
        self.said: Said | None = None
        """The last sentence but counts and repetitions of itself."""
        self.voiced: Said | None = None
        """The last sentence of any kind."""
        self.exchange_at_s: float | None = None
        """End of the last exchange with the wearer."""
        self.follow_up_s = FOLLOW_UP_S
        """Follow-up window of the configuration."""

    def change(self, **changes: Any) -> None:
        """Replace fields of the book."""
        self.book = replace(self.book, **changes)
        self.revision += 1

    def new_id(self) -> int:
        """A number for a record, never given twice."""
        self.change(next_id=self.book.next_id + 1)
        return self.book.next_id - 1

    def counted(self, n: int) -> RepSet | None:
        """Add n repetitions; the running set after them, None when nothing is being counted."""
        running = self.book.running
        if running is None or running.paused or n <= 0:
            return None
        self.change(running=replace(running, count=running.count + n))
        return self.book.running

    def finish(self, now_s: float) -> RepSet | None:
        """End the running set; it becomes the last finished one."""
        running = self.book.running
        if running is None:
            return None
        done = replace(running, ended_at_s=now_s, paused=False)
        self.change(running=None, finished=(*self.book.finished, done)[-FINISHED_KEPT:])
        return done

    def tick(self, now_s: float) -> tuple[Timer, ...]:
        """Mark timers that have become due; returns those that were not marked before."""
        self.now_s = now_s
        waiting = [t for t in self.book.timers if not t.due and t.due_at_s <= now_s + EARLY_S]
        if waiting:
            self.change(timers=tuple(
                replace(t, due=True) if t in waiting else t for t in self.book.timers))
        old = [d for d in self.book.delegations if now_s - d.asked_at_s > DELEGATION_FORGOTTEN_S]
        if old:
            self.reconcile([d.id for d in self.book.delegations if d not in old])
        return tuple(replace(t, due=True) for t in waiting)

    def due(self) -> tuple[Timer, ...]:
        """Timers that are due and not yet spoken, the longest due first."""
        return tuple(sorted((t for t in self.book.timers if t.due), key=lambda t: t.due_at_s))

    def remove_timers(self, gone: Sequence[Timer]) -> None:
        """Forget timers that were spoken or cancelled."""
        ids = {t.id for t in gone}
        self.change(timers=tuple(t for t in self.book.timers if t.id not in ids))

    def reconcile(self, open_ids: Sequence[str]) -> None:
        """Keep only delegations that the outbox still has open; for the start of a session."""
        kept = tuple(d for d in self.book.delegations if d.id in open_ids)
        if kept != self.book.delegations:
            self.change(delegations=kept)

    def spoken_over(self, now_s: float) -> bool:
        """Whether the voice speaks, or was cut off a moment ago because the wearer spoke."""
        if self.voice is not VoiceState.SILENT:
            return True
        return self.yielded_at_s is not None and now_s - self.yielded_at_s <= SPOKEN_OVER_S

    def exchanged(self, now_s: float) -> None:
        """The wearer and tagalong have just dealt with one another."""
        self.exchange_at_s = now_s

    def state(self, now_s: float, voice: VoiceState = VoiceState.SILENT, *,
              since_spoke_s: float | None = None, withheld: bool = False,
              microphone_muted: bool = False, camera_muted: bool = False) -> State:
        """What the network is told with a micro-turn; `now_s` is the beginning of that micro-turn.

        Voice and mute are the session's to know, `withheld` the governor's."""
        self.now_s, self.voice = now_s, voice
        talking = voice is not VoiceState.SILENT and self.voiced is not None
        # Numbers and reminders do not open the follow-up window, replies and answers do.
        if talking and self.voiced.kind in ("say", "answer"):  # type: ignore[union-attr]
            self.exchange_at_s = now_s
        running, book = self.book.running, self.book
        remaining = [t.due_at_s - now_s for t in book.timers if not t.due]
        since = None
        if self.exchange_at_s is not None:
            # The network learned one window; another one is that window faster or slower.
            since = (now_s - self.exchange_at_s) * FOLLOW_UP_S / self.follow_up_s
        return State(
            voice=voice, withheld=withheld, task=self._task(),
            count=running.count if running else 0, timers=len(remaining),
            timer_remaining_s=max(min(remaining), 0.0) if remaining else None,
            due=len(book.timers) - len(remaining),
            delegations=sum(not d.silent for d in book.delegations), answers=len(self.answers),
            pending=self.pending, addressing=self.addressing, microphone_muted=microphone_muted,
            camera_muted=camera_muted, routine=self.book.routine is not None,
            since_exchange_s=since, since_spoke_s=since_spoke_s,
        )

    def _task(self) -> Task:
        if self.book.running is not None:
            return Task.REPS_PAUSED if self.book.running.paused else Task.REPS
        if self.book.intervals or self.book.cues:
            return Task.EVERY
        watch = self.book.stopwatch
        return Task.STOPWATCH if watch and watch.stopped_s is None else Task.NONE

    def lines(self) -> tuple[str, ...]:
        """What runs and what was read last, as sentences for whoever answers a question."""
        book = self.book
        sets = [f"{s.exercise}: {s.count}{' so far' if s.ended_at_s is None else ''}"
                for s in (*book.finished[-1:], book.running) if s is not None]
        timers = [f"{t.kind} {t.text}: due in {max(t.due_at_s - self.now_s, 0.0):.0f} s"
                  for t in book.timers]
        readings = [f"reading {' '.join(filter(None, (r.colour, r.item)))}: {r.number}"
                    for r in book.readings[-LINES_KEPT:]]
        return tuple([*readings, *timers[:LINES_KEPT], *sets, *self._routine_line()])

    def _routine_line(self) -> list[str]:
        run = self.book.routine
        if run is None:
            return []
        step = run.step.say or f"{run.step.reps} {run.step.exercise}"
        return [f"routine {run.name}: at step {run.at + 1} of {len(run.steps)}, {step}"]

    def snapshot(self) -> dict[str, Any]:
        """All that outlives the process, as JSON values."""
        return {"version": SCHEMA_VERSION, "session_s": self.now_s,
                "unix_s": self.wall().timestamp(), "book": to_json(self.book)}

    @classmethod
    def restore(cls, data: Mapping[str, Any], wall: Callable[[], datetime] = local_time, *,
                now_s: float = 0.0, addressing: Addressing = Addressing.FOLLOW_UP) -> Ledger:
        """A ledger that goes on from a snapshot; `now_s` is the new session's clock.

        Raises:
            LedgerError: the snapshot is of another version or damaged.
        """
        try:
            if data["version"] != SCHEMA_VERSION:
                raise ValueError(f"version {data['version']!r}, expected {SCHEMA_VERSION}")
            book, saved_s = from_json(data["book"]), float(data["session_s"])
            away_s = max(wall().timestamp() - float(data["unix_s"]), 0.0)
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerError(f"ledger snapshot: {error}; it is left aside") from error
        ledger = cls(wall, addressing=addressing, book=shifted(book, now_s - saved_s - away_s))
        ledger.now_s = now_s
        ledger._settle(now_s, away_s)
        return ledger

    def _settle(self, now_s: float, away_s: float) -> None:
        """What cannot simply go on after an outage: missed beats, and a set long left."""
        intervals = tuple(
            replace(i, next_at_s=i.next_at_s + i.period_s * max(
                -((i.next_at_s - now_s) // i.period_s), 0)) for i in self.book.intervals)
        self.change(intervals=intervals, countdown=None)
        if away_s > SET_FORGOTTEN_S:
            self.finish(now_s - away_s)
        if away_s > ROUTINE_FORGOTTEN_S:
            self.change(routine=None)


class LedgerStore:
    """The newest snapshot on disk. Used by one thread, the writer's."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. One that is damaged is moved aside, and `moved` says where.

        Raises:
            LedgerError: the folder cannot be written.
        """
        self.path = Path(path)
        self.moved: Path | None = None
        """Where a damaged file was moved to."""
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._refusal(error) from error
            self.moved = self._move_aside()
            self._db = self._open()
        except OSError as error:
            raise self._refusal(error) from error

    def save(self, snapshot: Mapping[str, Any]) -> None:
        """Replace the snapshot; it is complete or not there at all."""
        self._db.execute("INSERT OR REPLACE INTO ledger VALUES (1, ?)", (json.dumps(snapshot),))

    def load(self) -> dict[str, Any] | None:
        """The snapshot saved last, None without one.

        Raises:
            LedgerError: what is there is no snapshot.
        """
        row = self._db.execute("SELECT body FROM ledger WHERE id = 1").fetchone()
        try:
            snapshot = None if row is None else json.loads(row[0])
        except ValueError as error:
            raise LedgerError(f"ledger {self.path}: {error}; it is left aside") from error
        return snapshot

    def clear(self) -> None:
        """Forget the snapshot."""
        self._db.execute("DELETE FROM ledger")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            # A killed process loses nothing at NORMAL; a lost battery may cost the last moments.
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, body TEXT)")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _move_aside(self) -> Path:
        aside = self.path.with_name(self.path.name + ".damaged")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        return aside

    def _refusal(self, error: Exception) -> LedgerError:
        return LedgerError(f"ledger {self.path}: {error}; expected a file in a folder that can "
                           "be written: name another state folder")
