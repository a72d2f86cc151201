"""The order of things at the workout log: a question to it must not overtake what it is about."""

from __future__ import annotations

from daemon.acts_desk import unlogged
from daemon.acts_effects import Delegate, Effect
from daemon.acts_undo import UNDO_S
from daemon.ledger import Ledger

LOG_WAIT_S = 3.0
"""A question waits so long for what was logged just before it."""


class LogQueue:
    """Sets on their way to the log, and a question that waits for them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: tuple[Delegate, float] | None = None
        """The question, and when it was asked."""

    def hold_back(self, effects: list[Effect], now_s: float) -> list[Effect]:
        """Keep a question to the log, the last of the effects, while something is being logged."""
        ask = effects[-1] if effects else None
        if not isinstance(ask, Delegate) or ask.kind != "workout_log":
            return effects
        if len(effects) == 1 and not self._logging:
            return effects
        self._waiting = (ask, now_s)
        return effects[:-1]

    def drop(self) -> None:
        """The wearer takes the question back."""
        self._waiting = None

    def due(self, now_s: float) -> list[Effect]:
        """Sets that can no longer be taken back, and the question once it may go."""
        out = unlogged(self._ledger, now_s - UNDO_S)
        if self._waiting is not None:
            ask, asked_at_s = self._waiting
            if now_s > asked_at_s and (not self._logging or now_s - asked_at_s >= LOG_WAIT_S):
                self._waiting = None
                out.append(ask)
        return out

    @property
    def _logging(self) -> bool:
        return any(one.silent for one in self._ledger.book.delegations)
