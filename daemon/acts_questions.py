"""What tagalong has asked and waits for: yes or no to an act that was read back, a value that was
missing, leave to send something with a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from daemon import phrases
from daemon.acts_check import Verdict
from daemon.acts_effects import Delegate, Effect, Say
from daemon.acts_pending import PENDING_S, ReadBack, Wanted, act_note, ask_for
from daemon.ledger import Ledger


@dataclass(frozen=True)
class Leave:
    """A question for the background that waits for leave to take something along."""

    effect: Delegate
    asked_at_s: float


class Questions:
    """One question at a time; a newer one takes the place of the older. Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.read_back: ReadBack | None = None
        self.wanted: Wanted | None = None
        self.leave: Leave | None = None

    @property
    def open(self) -> bool:
        """Something was asked."""
        return bool(self.read_back or self.wanted or self.leave)

    def confirm(self, verdict: Verdict, now_s: float) -> list[Effect]:
        """Read an act back instead of carrying it out."""
        left = self.drop()
        self.read_back = ReadBack(verdict.act, verdict.words, now_s)
        self._ledger.pending = True
        return [*left, act_note(verdict.act, "asked", verdict.reason),
                Say(phrases.question(verdict.act), cause=f"act:{verdict.act.name}")]

    def want(self, verdict: Verdict, now_s: float) -> list[Effect]:
        """Ask for a value that is missing."""
        left = self.drop()
        act, missing = verdict.act, verdict.missing
        self.wanted = Wanted(act, missing, verdict.words, now_s)
        reason = f"no {' and no '.join(missing)}" if missing else verdict.reason
        return [*left, act_note(act, "asked", reason),
                Say(ask_for(act, missing), cause=f"act:{act.name}")]

    def ask_leave(self, effect: Delegate, things: Sequence[str], now_s: float) -> list[Effect]:
        """Ask whether these things may go with a question; without an answer it goes without."""
        left = self.drop()
        self.leave = Leave(effect, now_s)
        self._ledger.pending = True
        return [*left, Say(f"may I send {phrases.listing(things)}?", cause="act:ask")]

    def granted(self) -> list[Effect]:
        """The question whose things may go; empty where none waits."""
        leave, self.leave = self.leave, None
        self._ledger.pending = False
        return [] if leave is None else [replace(leave.effect, leave=True)]

    def forget(self) -> None:
        """Nothing is asked any more, and a question that waited for leave is not passed on."""
        self.read_back = self.wanted = self.leave = None
        self._ledger.pending = False

    def drop(self) -> list[Effect]:
        """Nothing is asked any more; a question that waited for leave goes without."""
        leave = self.leave
        self.forget()
        return [] if leave is None else [replace(leave.effect, leave=False)]

    def expire(self, now_s: float) -> list[Effect]:
        """Questions that nobody answered are dropped without a word."""
        asked = self.read_back or self.wanted or self.leave
        if asked is None or now_s - asked.asked_at_s <= PENDING_S:
            return []
        left = self.drop()
        if isinstance(asked, Leave):
            return left
        return [act_note(asked.act, "ignored", "nobody answered the question"), *left]
