"""What every tool returns."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.background.cards import Card
from daemon.background.wire import Outcome


class NotNow(Exception):
    """What an answer needs is away for now: nothing is answered, and the device asks again."""


@dataclass(frozen=True)
class Result:
    """An answer before it is cut into messages."""

    sentences: tuple[str, ...]
    """To be spoken, in order; at least one."""
    outcome: Outcome = Outcome.ANSWERED
    source: str | None = None
    """Citation: manual and section, or the tool."""
    card: Card | None = None
    """What to show where there is a display."""


def failed(sentence: str, source: str | None = None) -> Result:
    """Understood, but it could not be done."""
    return Result((sentence,), Outcome.FAILED, source)


def not_caught() -> Result:
    """Not understood well enough to answer."""
    return Result(("I did not catch that.",), Outcome.NOT_CAUGHT)


def say_number(value: float) -> str:
    """A number as it is written for speech: at most 4 significant digits, no trailing zeros."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"
