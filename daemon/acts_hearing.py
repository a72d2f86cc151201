"""Words and the acts they belong to: each word serves one act, and an act may wait for its words.

The session shows an act the words of the last seconds, so those of the act before are among them;
and in a pause inside a command the network may emit the act before the rest was said.
"""

from __future__ import annotations

from daemon.acts_addressed import unused
from daemon.acts_pending import Held

TWICE_S = 1.0
"""The network's own act for words that completed a held one comes at most so long after."""
USED_S = 9.0
"""Words are heard no longer than this (`session.RECENT_S`), so used ones are forgotten then."""


class Hearing:
    """Which words are free for the next act, and the act that waits for its own."""

    def __init__(self) -> None:
        self._held: Held | None = None
        self._completed_at_s: float | None = None
        """When an act that was held was judged."""
        self._used: tuple[str, ...] = ()
        """Words of acts that are done or were asked about; the newest at `_used_at_s`."""
        self._used_at_s = 0.0

    @property
    def holding(self) -> bool:
        """Whether an act waits for the rest of its command."""
        return self._held is not None

    def free(self, heard: tuple[str, ...], now_s: float) -> tuple[str, ...]:
        """Of the words of the last seconds those that no earlier act was about."""
        if now_s - self._used_at_s > USED_S:
            self._used = ()
        return unused(heard, self._used)

    def use(self, words: tuple[str, ...], now_s: float) -> None:
        """These words are an act's now."""
        self._used, self._used_at_s = self._used + words, now_s

    def repeated(self, words: tuple[str, ...], now_s: float) -> bool:
        """Whether an act with these free words is the one that was held, emitted once more."""
        at_s = self._completed_at_s
        return not words and at_s is not None and now_s - at_s <= TWICE_S

    def hold(self, act: Held) -> None:
        """Let an act wait for the rest of its command."""
        self._held = act

    def drop(self) -> None:
        """Another act came: nothing waits any more."""
        self._held = None

    def completed(self, words: tuple[str, ...], now_s: float) -> Held | None:
        """Let the held act hear a micro-turn's words; it, once its command is complete or does
        not come."""
        held = self._held
        if held is None:
            return None
        if now_s > held.at_s:  # the words of its own micro-turn it has
            held.hear(words, now_s)
        if not held.ready(now_s):
            return None
        self._held, self._completed_at_s = None, now_s
        return held
