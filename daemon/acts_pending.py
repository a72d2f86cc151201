"""Questions of tagalong's own: an act read back that waits for yes or no, a value asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from daemon import phrases
from daemon.acts_check import allowed
from daemon.turn import Act, Slots
from models import grammar

PENDING_S = 8.0
"""How long a question waits for its answer."""
SETTLED_TURNS = 2
"""Micro-turns without a word after which a value is taken to be complete."""
_SETS = ("target", "log_set", "set_count")


@dataclass(frozen=True)
class ReadBack:
    """An act that was read back."""

    act: Act
    words: tuple[str, ...]
    asked_at_s: float


@dataclass
class Wanted:
    """An act of which a value was asked for, and what has been heard since."""

    act: Act
    missing: tuple[str, ...]
    words: tuple[str, ...]
    asked_at_s: float
    answer: tuple[str, ...] = ()
    quiet_turns: int = 0

    def hear(self, words: tuple[str, ...]) -> Act | None:
        """Take the words of a micro-turn; the completed act once the value is there."""
        if words:
            self.answer, self.quiet_turns = (*self.answer, *words)[-16:], 0
            return None
        self.quiet_turns += 1
        if not self.answer or self.quiet_turns < SETTLED_TURNS:
            return None
        return complete(self.act, self.missing, self.answer)


def ask_for(act: Act, missing: tuple[str, ...]) -> str:
    """The question for a missing value."""
    fields = allowed(act.name)
    if fields.get("unit") == grammar.TIME_UNITS and {"number", "unit"} & set(missing):
        return phrases.FOR_HOW_LONG
    if "number" in missing:
        return phrases.HOW_MANY if act.name in _SETS else phrases.WHICH_NUMBER
    return phrases.WHAT


def complete(act: Act, missing: tuple[str, ...], answer: tuple[str, ...]) -> Act | None:
    """The act with the value that the answer ends with, None when that is not the value."""
    found = _value(act, missing, answer)
    if found is None:
        return None
    slots = replace(act.slots, **found)
    return None if any(getattr(slots, f) is None for f in missing) else replace(act, slots=slots)


def _value(act: Act, missing: tuple[str, ...], answer: tuple[str, ...]) -> dict | None:
    """Fields of the value asked for, read with the grammar's own commands."""
    fields = allowed(act.name)
    timed = fields.get("unit") == grammar.TIME_UNITS and {"number", "unit"} & set(missing)
    for at in range(len(answer)):
        tail = answer[at:]
        if timed:
            parsed = grammar.parse(("timer", "for", *tail))
        elif missing == ("number",):
            parsed = grammar.parse(("volume", *tail))
        else:
            parsed = _named(fields, missing, " ".join(tail))
        if parsed is not None:
            return {f: v for f, v in parsed[1].items() if v is not None}
    return None


def _named(fields: dict, missing: tuple[str, ...], text: str) -> tuple[str, dict] | None:
    """A value out of the closed list of a single missing field."""
    if len(missing) != 1 or text not in (fields[missing[0]] or ()):
        return None
    return "", {missing[0]: text}


def same(a: Act, b: Act) -> bool:
    """The same command, whatever the confidence."""
    return a.name == b.name and asdict(a.slots) == asdict(b.slots)


def slots_data(slots: Slots) -> dict[str, int | str]:
    """The values that an act carries, for the log."""
    return {name: value for name, value in asdict(slots).items() if value is not None}
