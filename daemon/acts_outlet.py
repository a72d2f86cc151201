"""The way out of every sentence: the governor is asked, and why it was said is remembered."""

from __future__ import annotations

from collections.abc import Sequence

from daemon import acts_company
from daemon.acts_effects import Effect, Note, Say
from daemon.governor import Governor
from daemon.ledger import Ledger, Said


class Outlet:
    """Lets effects through, but for sentences that the governor holds back."""

    def __init__(self, ledger: Ledger, governor: Governor) -> None:
        self._ledger = ledger
        self._governor = governor

    def out(self, effects: Sequence[Effect], words: tuple[str, ...], now_s: float,
            wearer_speaking: bool = False) -> list[Effect]:
        """What may go to the session; `words` are those of the command that led to it."""
        out: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Say):
                allowed, reason = self._governor.allow(effect, now_s, wearer_speaking)
                if not allowed:
                    out += _withheld(effect, reason)
                    continue
                self._remember(effect, words, now_s)
            out.append(effect)
        return out

    def _remember(self, say: Say, words: tuple[str, ...], now_s: float) -> None:
        said = Said(say.text, say.kind, say.cause, acts_company.because(say, words), now_s)
        self._ledger.voiced = said
        if say.kind != "count" and say.cause not in ("act:say_again", "act:why"):
            self._ledger.said = said


def _withheld(say: Say, reason: str) -> list[Effect]:
    """The event for something unasked; the numbers of a quiet set need none."""
    if not say.unasked:
        return []
    return [Note("withheld", say.text, {"cause": say.cause, "reason": reason})]
