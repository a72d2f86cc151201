"""What the daemon does with an act: the ledger changes, effects go to the session.

Interface first; the bodies follow family by family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from daemon.acts_effects import (
    Bookmark,
    CancelDelegations,
    Delegate,
    Earcon,
    Effect,
    Mute,
    Note,
    Rate,
    Say,
    Stop,
    Unmute,
    Volume,
)
from daemon.governor import Governor
from daemon.ledger import Ledger
from daemon.turn import Act, Floor

__all__ = ["Acts", "Bookmark", "CancelDelegations", "Delegate", "Earcon", "Effect", "Mute", "Note",
           "Rate", "Say", "Stop", "Unmute", "Volume"]


class Acts:
    """Executor of acts. Used by the step thread only; time comes in as session seconds."""

    def __init__(self, ledger: Ledger, governor: Governor, *, threshold: float = 0.5,
                 unheard_threshold: float = 0.7,
                 battery: Callable[[], int | None] | None = None) -> None:
        """`threshold`: least confidence to act on; `unheard_threshold`: the same where the words
        heard do not form a command that confirms it; `battery`: charge in percent or None."""
        raise NotImplementedError

    def apply(self, act: Act, heard: tuple[str, ...], now_s: float) -> list[Effect]:
        """Carry out an act; `heard` are the words of the last seconds, newest last."""
        raise NotImplementedError

    def heard(self, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """Words of this micro-turn (call it every micro-turn, also without words, after `apply`):
        completes an act whose missing value was asked for."""
        raise NotImplementedError

    def counted(self, n: int, now_s: float) -> list[Effect]:
        """n repetitions were completed in this micro-turn."""
        raise NotImplementedError

    def tick(self, now_s: float, floor: Floor, wearer_speaking: bool = False) -> list[Effect]:
        """Once every micro-turn, last: what is due, what may be released, what has expired."""
        raise NotImplementedError

    def delegated(self, effect: Delegate, id: str, now_s: float) -> list[Effect]:
        """A `Delegate` was handed to the link and got this id; returns its filler, if any."""
        raise NotImplementedError

    def answer_ready(self, id: str, sentences: Sequence[str], placement: str,
                     now_s: float) -> list[Effect]:
        """A final answer (or a spoken expiry) came. placement: silent, when_idle, interrupt."""
        raise NotImplementedError

    def notice(self, text: str, name: str, now_s: float,
               wearer_speaking: bool = False) -> list[Effect]:
        """Something unasked of the session's own (link lost, camera gone): the governor decides."""
        raise NotImplementedError
