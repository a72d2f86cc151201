"""Find the section of a folder of manuals that a question is about. Nothing is rewritten:
what is spoken is a sentence of the manual, figures and all, with manual and section named.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from daemon.background.spoken import stem, words_of
from daemon.background.cards import Card, TextPart
from daemon.background.tools.manual_files import Section
from daemon.background.tools.result import Result

HEADING_WEIGHT, TITLE_WEIGHT = 2.5, 0.5
"""A word of a section's heading counts this much, one of the manual's title that."""
K1, B = 1.2, 0.75
"""BM25. Source: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, 3.4."""
ALIKE = 0.5
"""Sentences of a section that share this much of their words say the same of different things."""
SURE = 0.7
"""By so much the words that only one of them has must have been heard better, 0 to 1."""
_STOP = frozenset(
    "a about am an and any are as at be been before by can could did do does for from had has have "
    "hey how i if in is it its long many may me much must my need needed needs of often on or "
    "please shall should so tagalong take takes tell that the them then there these they this "
    "those time to up use used want was we were what when where which who why will with would "
    "you your".split()
)


@dataclass(frozen=True)
class Hit:
    """The best section for a question, with what tells how sure that is."""

    section: Section
    score: float
    """BM25, 0 or more."""
    margin: float
    """How far the next section is behind, as a share of the score, 0 to 1."""
    cover: float
    """Share of the question's weight that occurs in the section, 0 to 1."""
    heading: float
    """Share of the heading's words that were asked for, 0 to 1."""


def terms_of(words: Sequence[str]) -> list[str]:
    """Stems of the words that carry meaning."""
    return [stem(w) for w in words if w not in _STOP]


class ManualIndex:
    """BM25 over the sections, for questions whose words are more or less sure."""

    def __init__(self, sections: Sequence[Section],
                 candidates: Callable[[Iterable[str]], Sequence[int]] | None = None) -> None:
        """`candidates` names those of the sections that have any of some stems; None: all may."""
        self._candidates = candidates or (lambda terms: range(len(sections)))
        self.sections = tuple(sections)
        self._counts = [self._count(s) for s in sections]
        self._lengths = [sum(c.values()) for c in self._counts]
        self._mean_length = sum(self._lengths) / max(len(self._lengths), 1)
        self._frequency: Counter[str] = Counter(t for c in self._counts for t in c)

    @staticmethod
    def _count(section: Section) -> dict[str, float]:
        count: Counter[str] = Counter()
        weighted = (
            (section.manual, TITLE_WEIGHT),
            (section.heading, HEADING_WEIGHT),
            (section.text, 1.0),
        )
        for text, weight in weighted:
            for term in terms_of(words_of(text)):
                count[term] += weight  # type: ignore[assignment]
        return dict(count)

    def rarity(self, term: str) -> float:
        """Weight of a stem, 0 or more: the fewer sections have it, the more it tells."""
        seen = self._frequency.get(term, 0)
        return math.log(1 + (len(self.sections) - seen + 0.5) / (seen + 0.5))

    def _score(self, at: int, terms: Mapping[str, float]) -> float:
        count = self._counts[at]
        norm = K1 * (1 - B + B * self._lengths[at] / self._mean_length)
        return sum(
            weight * self.rarity(t) * count[t] * (K1 + 1) / (count[t] + norm)
            for t, weight in terms.items()
            if t in count
        )

    def ranked(self, terms: Mapping[str, float], most: int) -> list[Section]:
        """At most so many sections that have any of the stems, the best first."""
        scores = self._scores(terms)
        return [self.sections[at] for at in sorted(scores, key=lambda a: -scores[a])[:most]]

    def _scores(self, terms: Mapping[str, float]) -> dict[int, float]:
        return {at: self._score(at, terms) for at in sorted(self._candidates(terms))}

    def search(self, terms: Mapping[str, float]) -> Hit | None:
        """The best section for stems with weights 0 to 1; None when nothing fits."""
        scores = self._scores(terms)
        if not scores or max(scores.values()) <= 0:
            return None
        best = max(scores, key=scores.__getitem__)
        second = max((score for at, score in scores.items() if at != best), default=0.0)
        weight = {t: w * self.rarity(t) for t, w in terms.items()}
        inside = sum(w for t, w in weight.items() if t in self._counts[best])
        heading = set(terms_of(words_of(self.sections[best].heading)))
        return Hit(
            section=self.sections[best],
            score=scores[best],
            margin=1 - second / scores[best],
            cover=inside / max(sum(weight.values()), 1e-9),
            heading=sum(terms.get(t, 0.0) for t in heading) / max(len(heading), 1),
        )

    def spoken(self, section: Section, terms: Mapping[str, float]) -> tuple[str, ...]:
        """The sentence of a section that fits best, the first among equals, and those that say the
        same of something else, unless it is sure which was asked about: a torque for steel must
        never be all that is said to a question about aluminium."""
        own = {s: set(terms_of(words_of(re.sub(r"\b\d[\d.,]*\b", "", s))))
               for s in section.sentences}

        def fit(sentence: str) -> float:
            return sum(w * self.rarity(t) for t, w in terms.items() if t in own[sentence])

        def alone(sentence: str, other: str) -> float:
            return sum(terms.get(t, 0.0) for t in own[sentence] - own[other])

        best = max(section.sentences, key=fit)
        return tuple(s for s in section.sentences if s == best or (
            len(own[s] & own[best]) >= ALIKE * len(own[s] | own[best])
            and alone(best, s) - alone(s, best) < SURE))

    def answer(self, hit: Hit, terms: Mapping[str, float]) -> Result:
        """The sentence and where it stands."""
        return cited(hit.section, self.spoken(hit.section, terms))


def cited(section: Section, sentences: Sequence[str]) -> Result:
    """Sentences of a section as an answer that says where they stand."""
    source = section.place
    return Result((*(s[:2_000] for s in sentences), f"From {source}."), source=source[:200],
                  card=card_of(section))


def card_of(section: Section) -> Card:
    """A section as a card."""
    return Card(title=section.heading[:200], parts=(TextPart(text=section.text[:2_000]),))
