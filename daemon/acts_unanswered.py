"""Words that no act of the network followed: a call by name must not end in silence, and a lone
"stop" must not be missed.

The network decides when a command or a question is over. Sometimes it hears the words and lets them
pass. What they plainly are is then made of them: a command is read back, a question asked of the
background. Anything else stays silence: it was perhaps said about tagalong, not to it.
"""

from __future__ import annotations

from daemon import acts_hold
from daemon.acts_check import NAME, NEVER_ASKED, QUERIES, QUESTION
from daemon.turn import Act, Slots
from models import grammar

PATIENCE_S = 1.4
"""After the last word the network has had its chance by then (a question takes it 0.6 s)."""
WHOLE_S = 0.8
"""The same where the words are a command that cannot go on: its act comes within 0.6 s or not."""
PAUSE_S = 2.6
"""The same where the words are the beginning of a command: the rest may come after a pause."""
LEAST_WORDS = 3
"""Fewer words are too easily misheard to be anything plainly, but for a whole command."""
MOST_WORDS = 30
LONE = {("stop",): "stop", ("next",): "next_step"}
"""What a wearer says while something runs; alone between two silences it can hardly be anything
else, and that it is missed is worse than that it was somebody else's."""
LONE_S = 1.0
"""Silence before it."""


class Unanswered:
    """Follows the words after the name. Times are session seconds."""

    def __init__(self) -> None:
        self._words: tuple[str, ...] | None = None
        """Since the name was said, None when an act has followed or none was called."""
        self._last_s = 0.0
        self._answered_s: float | None = None
        self._lone: tuple[str, ...] = ()
        """The newest words, where there was silence before them."""

    def answered(self, now_s: float) -> None:
        """An act came: what was said is dealt with, the words of this micro-turn included."""
        self._words, self._answered_s, self._lone = None, now_s, ()

    def hear(self, words: tuple[str, ...], now_s: float) -> tuple[str, ...] | None:
        """Take the words of a micro-turn; those since the name once nothing came of them."""
        if now_s == self._answered_s:
            return None
        if words:
            self._lone = words if now_s - self._last_s >= LONE_S else ()
            self._last_s = now_s
            if NAME in words:
                after = len(words) - words[::-1].index(NAME)
                self._words = words[after:]
            elif self._words is not None:
                self._words = (self._words + words)[:MOST_WORDS]
            return None
        silent_s = now_s - self._last_s + 1e-6
        if self._words is None or silent_s < WHOLE_S:
            return None
        whole = grammar.parse(self._words) is not None
        if silent_s < (PATIENCE_S if whole else PAUSE_S) and acts_hold.unfinished(self._words):
            return None
        if silent_s < PATIENCE_S and not whole:
            return None
        said, self._words = self._words, None
        return said if whole or len(said) >= LEAST_WORDS else None


    def lone(self, now_s: float) -> tuple[str, ...] | None:
        """A word of `LONE`, once nothing came of it; call it after `hear`."""
        words = self._lone
        if words not in LONE or now_s - self._last_s + 1e-6 < WHOLE_S:
            return None
        self._lone = ()
        return words


def plainly(words: tuple[str, ...]) -> tuple[Act, bool] | None:
    """The act that the words plainly are and whether it has to be read back; None if they are
    none."""
    parsed = grammar.parse(words)
    if parsed is not None:
        return Act(parsed[0], Slots(**parsed[1]), 0.0), parsed[0] not in NEVER_ASKED | QUERIES
    near = acts_hold.near(words)
    if len(near) == 1:
        intent, slots, _ = near[0]
        return None if intent in NEVER_ASKED else (Act(intent, Slots(**slots), 0.0), True)
    return (Act(grammar.ASK), False) if words[0] in QUESTION else None
