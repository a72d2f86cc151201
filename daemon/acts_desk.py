"""What a handler of an act has before it, and the small things that handlers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from daemon import phrases
from daemon.acts_effects import Delegate, Effect, Note, Say
from daemon.ledger import Ledger, RepSet
from daemon.routines.course import Course
from daemon.turn import Slots


@dataclass(frozen=True)
class Desk:
    """One act on its way through its handler."""

    name: str
    """Intent."""
    ledger: Ledger
    now_s: float
    words: tuple[str, ...]
    """What was heard, without the name; may be empty."""
    battery: Callable[[], int | None]
    """Charge in percent, None when nobody can tell."""
    course: Course

    def say(self, text: str) -> Say:
        """A reply to this act."""
        return Say(text, cause=f"act:{self.name}")

    def replies(self, text: str) -> list[Effect]:
        """Only a reply."""
        return [self.say(text)]


Handler = Callable[[Desk, Slots], "list[Effect]"]


def timer_note(id: str, text: str, change: str, due_s: float) -> Note:
    """Event of a timer, interval or countdown."""
    return Note("timer", text, {"id": id, "change": change, "due_s": round(due_s, 3)})


def log_entries(done: RepSet) -> list[Effect]:
    """A finished set for the workout log: its repetitions, and its weight where one was named."""
    if not done.count:
        return []
    counted: dict[str, int | float | str | None] = {"item": done.exercise, "number": done.count}
    entries: list[Effect] = [Delegate("workout_log", counted, silent=True)]
    if done.weight:
        weighed = counted | {"number": done.weight, "unit": done.unit}
        entries.append(Delegate("workout_log", weighed, silent=True))
    return entries


def unlogged(ledger: Ledger, ended_before_s: float = float("inf")) -> list[Effect]:
    """Log entries of finished sets that ended before this time; they count as logged then."""
    ready = [s for s in ledger.book.finished if not s.logged
             and s.ended_at_s is not None and s.ended_at_s <= ended_before_s]
    if not ready:
        return []
    ledger.change(finished=tuple(
        replace(s, logged=True) if s in ready else s for s in ledger.book.finished))
    return [entry for s in ready for entry in log_entries(s)]
