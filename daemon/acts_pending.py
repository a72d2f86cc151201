"""Acts that wait: for yes or no, for a value that was asked for, for the rest of a command."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from daemon import acts_hold, phrases
from daemon.acts_check import NAME, Decision, Verdict, allowed, command_words, whole
from daemon.acts_effects import Note
from daemon.ledger import Ledger
from daemon.turn import Act, Addressing, Slots
from models import grammar

PENDING_S = 8.0
"""How long a question waits for its answer."""
SETTLED_TURNS = 2
"""Micro-turns without a word after which a value is taken to be complete."""
HOLD_S = 1.2
"""An act whose words are only the beginning of a command waits so long after the last word."""
GOES_ON_S = 0.6
"""A whole command that could go on waits so long: `two hundred` is said in two breaths."""
_SETS = ("target", "log_set", "set_count")


def garbled(verdict: Verdict, heard: tuple[str, ...], ledger: Ledger) -> bool:
    """Whether to ask back would break into somebody's talk: soon after an exchange the name is not
    needed, but words without it that form no command were probably not for tagalong."""
    asks = verdict.decision is Decision.READ_BACK or (
        verdict.decision is Decision.MISSING and verdict.act.name == grammar.ASK)
    return (asks and bool(heard) and NAME not in heard
            and ledger.addressing is Addressing.FOLLOW_UP and whole(verdict.words) is None)


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


@dataclass
class Held:
    """An act that came before its command was complete."""

    act: Act
    words: tuple[str, ...]
    """The last words heard that no earlier act was about, the name among them."""
    at_s: float
    """When the network emitted it."""
    last_word_s: float
    """When the newest word was heard, at the earliest `at_s`."""

    def hear(self, words: tuple[str, ...], now_s: float) -> None:
        """Take the words of a micro-turn."""
        if words:
            self.words, self.last_word_s = self.words + words, now_s

    def ready(self, now_s: float) -> bool:
        """Whether the command is complete, or has been waited for long enough."""
        words = command_words(self.words)
        if whole(words) is not None:
            wait_s = GOES_ON_S if acts_hold.unfinished(words) else 0.0
        else:
            wait_s = HOLD_S if acts_hold.unfinished(words, slack=1) else GOES_ON_S
        return now_s - self.last_word_s >= wait_s - 1e-6

    def settled(self) -> Act:
        """The act as the words have it: the network chose before it had heard them all."""
        command = whole(command_words(self.words))
        if command is None:
            return self.act
        return Act(command[0], Slots(**command[1]), self.act.confidence)


def ask_for(act: Act, missing: tuple[str, ...]) -> str:
    """The question for a missing value, or for all that was said."""
    if act.name == grammar.ASK:
        return phrases.SORRY
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


def act_note(act: Act, outcome: str, reason: str = "") -> Note:
    """The `act` event, with the values that the act carries."""
    slots = {name: value for name, value in asdict(act.slots).items() if value is not None}
    data = {"slots": slots, "confidence": round(act.confidence, 3), "outcome": outcome}
    return Note("act", act.name, data | ({"reason": reason} if reason else {}))
