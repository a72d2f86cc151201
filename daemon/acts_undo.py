"""Taking back an act: only what that act changed, so that counts and timers since then stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from daemon.acts_effects import Effect, Rate, Volume
from daemon.ledger_book import Book, RepSet

UNDO_S = 30.0
"""How long an act can be taken back."""
_KEPT = ("next_id", "delegations")
"""Numbers are never given twice; what was withdrawn from the background cannot come back."""


@dataclass(frozen=True)
class Undo:
    """What it takes to take an act back."""

    before: Book
    after: Book
    at_s: float
    effects: tuple[Effect, ...] = ()
    """Beside the book, for acts on devices."""


def changed(before: Book, after: Book) -> bool:
    """Whether an act left anything in the book that could be taken back."""
    return any(getattr(before, f.name) != getattr(after, f.name)
               for f in fields(Book) if f.name not in _KEPT)


def reverted(undo: Undo, now: Book) -> Book:
    """The book of now without the act."""
    changes: dict[str, Any] = {}
    for field in fields(Book):
        before, after = getattr(undo.before, field.name), getattr(undo.after, field.name)
        if field.name in _KEPT or before == after:
            continue
        current = getattr(now, field.name)
        if isinstance(before, tuple):
            changes[field.name] = _records(before, after, current)
        elif field.name == "running":
            changes[field.name] = _running(before, after, current)
        else:
            changes[field.name] = before
    return replace(now, **changes)


def effects(undo: Undo, now: Book, then: Book) -> list[Effect]:
    """What the session must do so that its devices follow the book from `now` to `then`."""
    out = list(undo.effects)
    if then.volume != now.volume:
        out.append(Volume(then.volume))
    if then.rate != now.rate:
        out.append(Rate(then.rate - now.rate))
    return out


def _records(before: tuple[Any, ...], after: tuple[Any, ...],
             current: Iterable[Any]) -> tuple[Any, ...]:
    """Undo additions, removals and changes of records, which their ids tell apart."""
    old, new = {r.id: r for r in before}, {r.id: r for r in after}
    kept = {r.id: r for r in current if r.id in old or r.id not in new}
    for id, record in old.items():
        if id not in new or (id in kept and record != new[id]):
            kept[id] = record
    return tuple(sorted(kept.values(), key=lambda r: r.id))


def _running(before: RepSet | None, after: RepSet | None,
             current: RepSet | None) -> RepSet | None:
    """The set as it was, with the repetitions counted since."""
    if before is None or after is None or current is None:
        return before
    if not before.id == after.id == current.id:
        return before
    differ = {f.name: getattr(before, f.name) for f in fields(RepSet)
              if getattr(before, f.name) != getattr(after, f.name)}
    if "count" in differ:
        differ["count"] = max(current.count + before.count - after.count, 0)
    return replace(current, **differ)
