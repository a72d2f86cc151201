"""Interprets what the wearer says, phrase by phrase, while they go on talking.

The words heard are compared, letter by letter, with every phrase of the phrasebook (normalised
indel similarity, rapidfuzz): words that are not in the vocabulary are spelled in pieces and seldom
come out whole. What resembles no phrase is left; open speech is for a larger model.
"""

from __future__ import annotations

from rapidfuzz import fuzz, process

from daemon.acts_effects import Effect, Note, Say
from daemon.ledger import Ledger
from models.phrasebook import VOICE, Phrase, phrasebook

WHOLE = 92.0
"""Least likeness, percent, of a phrase that is said as soon as it is there."""
LIKE = 80.0
"""Of one that is said when a pause has followed. Both chosen on tuning voices."""
PAUSE_S = 0.4
"""Without a word."""
FORGET_S = 2.0
"""Words that came to nothing are forgotten when none has followed for so long."""
WORDS = 14
"""Kept at most; no phrase is longer."""
SETTLE_S = 0.6
"""Words heard so soon after the request are still its own."""


class Interpreter:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._words: tuple[str, ...] = ()
        self._last_s = 0.0
        self._best: tuple[Phrase | None, float] = (None, 0.0)
        """The closest phrase to these words, and how much they are alike, percent."""
        self._english = [p.english for p in phrasebook()]

    def hear(self, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """The words of a micro-turn, none too; what there is to say in the other language."""
        mode = self._ledger.book.interpreting
        if mode is None or now_s - mode.since_at_s < SETTLE_S:
            self._words = ()
            return []
        if words:
            self._words, self._last_s = (self._words + words)[-WORDS:], now_s
            self._best = self._closest()
        if not self._words:
            return []
        paused = now_s - self._last_s >= PAUSE_S - 1e-6
        phrase, likeness = self._best
        if phrase is not None and likeness >= (LIKE if paused else WHOLE):
            self._words = ()
            return _spoken(phrase, mode.language, likeness)
        if now_s - self._last_s >= FORGET_S:
            self._words = ()
        return []

    def _closest(self) -> tuple[Phrase | None, float]:
        """The phrase most like the last words, however many of them, and how much, percent. Of
        equals the one that takes more of the words."""
        best: tuple[Phrase | None, float] = (None, 0.0)
        for at in range(len(self._words)):
            found = process.extractOne(" ".join(self._words[at:]), self._english,
                                       scorer=fuzz.ratio, score_cutoff=best[1])
            if found is not None and found[1] > best[1]:
                best = phrasebook()[found[2]], found[1]
        return best


def _spoken(phrase: Phrase, language: str, likeness: float) -> list[Effect]:
    text = getattr(phrase, language)
    return [Say(text, cause=f"interpret:{language}", over=True, language=VOICE[language]),
            Note("interpreted", text, {"from": phrase.english, "language": language,
                                       "likeness": round(likeness)})]
