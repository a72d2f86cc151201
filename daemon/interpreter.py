"""Interprets what the wearer says, phrase by phrase, while they go on talking.

The words heard, and what they may have been instead, are compared with every phrase of the
phrasebook (`daemon.phrase_match`). What resembles no phrase is left; open speech is for a larger
model.
"""

from __future__ import annotations

from daemon.acts_effects import Effect, Note, Say
from daemon.ledger import Ledger
from daemon.phrase_match import PhraseMatcher
from models.phrasebook import VOICE, Phrase, phrasebook

WHOLE = 92.0
"""Least likeness, percent, of a phrase that is said as soon as it is there."""
LIKE = 75.0
"""Of one that is said when a pause has followed. Both chosen on tuning voices."""
PAUSE_S = 0.6
"""Without a word."""
FORGET_S = 2.0
"""Words that came to nothing are forgotten when none has followed for so long."""
SETTLE_S = 0.6
"""Words heard so soon after the request are still its own."""


class Interpreter:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._matcher = PhraseMatcher([p.english for p in phrasebook()])
        self._last_s: float | None = None
        """When the newest word was heard; None while there is none."""
        self._begun = False
        """Whether the matcher has anything."""
        self._best: tuple[int, float] = (0, 0.0)
        """Number of the closest phrase, and how much it is like what was heard, percent."""

    def hear(self, words: tuple[str, ...], now_s: float,
             rivals: tuple[tuple[str, float], ...] = ()) -> list[Effect]:
        """The words of a micro-turn, none too, and what these may have been instead; what there is
        to say in the other language."""
        mode = self._ledger.book.interpreting
        if mode is None or now_s - mode.since_at_s < SETTLE_S:
            self._forget()
            return []
        for word in words or ("",) * bool(rivals):
            self._matcher.hear(word, rivals)
        if words:
            self._last_s = now_s
        if words or rivals:
            self._begun, self._best = True, self._matcher.best()
        if self._last_s is None:
            return []
        paused = now_s - self._last_s >= PAUSE_S - 1e-6
        number, likeness = self._best
        if likeness >= (LIKE if paused else WHOLE):
            self._forget()
            return _spoken(phrasebook()[number], mode.language, likeness)
        if now_s - self._last_s >= FORGET_S:
            self._forget()
        return []

    def _forget(self) -> None:
        if self._begun:
            self._matcher.reset()
        self._begun, self._last_s, self._best = False, None, (0, 0.0)


def _spoken(phrase: Phrase, language: str, likeness: float) -> list[Effect]:
    text = getattr(phrase, language)
    return [Say(text, cause=f"interpret:{language}", over=True, language=VOICE[language]),
            Note("interpreted", text, {"from": phrase.english, "language": language,
                                       "likeness": round(likeness)})]
