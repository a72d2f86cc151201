"""How often tagalong may speak unasked.

What the wearer asked for (replies, timers, cues, answers) is never held back; only in quiet mode
the numbers of a set are: the counting goes on without them.
"""

from __future__ import annotations

from collections import deque

from daemon.acts_effects import Say

HOUR_S = 3600.0
SAFETY = frozenset((
    "notice:battery_low", "notice:overheating", "notice:microphone_lost", "notice:camera_lost",
    "notice:camera_light", "notice:recording", "notice:muted", "notice:unmuted",
))
"""Causes that neither quiet mode nor the budget holds back."""
SAFETY_GAP_S = 60.0
"""The same safety notice is not repeated sooner."""
WITHHELD_S = 2.0
"""How long the network is told that something was held back."""


class Governor:
    """A budget for unasked speech. Time is the session clock, seconds."""

    def __init__(self, per_hour: int = 6, gap_s: float = 60.0, quiet: bool = False) -> None:
        """At most `per_hour` unasked utterances an hour, at least `gap_s` apart."""
        self.per_hour = per_hour
        self.gap_s = gap_s
        self.quiet = quiet
        self.allowed = 0
        """Unasked utterances let through since the start."""
        self.held = 0
        """Utterances held back since the start, counts in quiet mode included."""
        self._recent: deque[float] = deque(maxlen=max(per_hour, 1))
        self._safety: dict[str, float] = {}
        self._held_s: float | None = None

    def allow(self, say: Say, now_s: float, wearer_speaking: bool) -> tuple[bool, str]:
        """Whether it may be said now, and the reason if not (`quiet`, `speaking`, `gap`,
        `budget`, `repeated`); what is allowed is taken from the budget."""
        reason = self._objection(say, now_s, wearer_speaking)
        if reason:
            self.held += 1
            if say.unasked:
                self._held_s = now_s
            return False, reason
        if say.unasked:
            self.allowed += 1
            self._spend(say, now_s)
        return True, ""

    def withheld(self, now_s: float) -> bool:
        """Whether something was held back just now; goes into `State.withheld`."""
        return self._held_s is not None and now_s - self._held_s <= WITHHELD_S

    def counters(self) -> dict[str, int]:
        """Figures for `status`."""
        return {"unasked_allowed": self.allowed, "unasked_held": self.held}

    def _objection(self, say: Say, now_s: float, wearer_speaking: bool) -> str:
        if not say.unasked:
            counting = say.cause.startswith("count:") and say.kind == "count"
            return "quiet" if self.quiet and counting else ""
        if say.cause in SAFETY:
            last = self._safety.get(say.cause)
            return "repeated" if last is not None and now_s - last < SAFETY_GAP_S else ""
        if self.quiet:
            return "quiet"
        if wearer_speaking:
            return "speaking"
        return self._over_budget(now_s)

    def _over_budget(self, now_s: float) -> str:
        if self._recent and now_s - self._recent[-1] < self.gap_s:
            return "gap"
        used = sum(1 for t in self._recent if now_s - t < HOUR_S)
        return "budget" if used >= self.per_hour else ""

    def _spend(self, say: Say, now_s: float) -> None:
        if say.cause in SAFETY:
            self._safety[say.cause] = now_s
        else:
            self._recent.append(now_s)
