"""The parts of an order among badly heard words.

Every part that can be ordered is aligned with every stretch of the words (`daemon.phrase_match`);
of stretches that do not overlap those are taken whose letters, less what was heard otherwise, come
to the most (weighted interval scheduling). What belongs to no part costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.phrase_match import PhraseMatcher
from models import orders

Place = tuple[str, tuple[tuple[str, float], ...]]
"""A word, "" for none, and what it may have been instead: (word, logits behind)."""
LONGEST = 9
"""Places of a part at most."""
AGAINST = 3.0
"""What a letter that was heard otherwise counts against one that was heard rightly: a part must
have been heard to two thirds."""


class OrderMatcher:
    """Made once: it holds every part in every form."""

    def __init__(self) -> None:
        self._parts = [(field, value) for field, values in orders.forms().items()
                       for value in values]
        self._matcher = PhraseMatcher([value for _, value in self._parts], anywhere=False)

    def find(self, places: Sequence[Place]) -> dict[str, str]:
        """Fields of the order; of a field named twice the later one, as in a correction."""
        best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        found = self._stretches(places)
        for end in range(1, len(places) + 1):
            best.append(max([best[-1], *((best[begin][0] + gain, (*best[begin][1], part))
                                         for begin, gain, part in found.get(end, ()))]))
        order = dict(self._parts[part] for part in best[-1][1])
        return {field: order[field] for field in orders.FIELDS if field in order}

    def _stretches(self, places: Sequence[Place]) -> dict[int, list[tuple[int, float, int]]]:
        """End -> (begin, gain, part) of every part that pays there."""
        found: dict[int, list[tuple[int, float, int]]] = {}
        for begin in range(len(places)):
            self._matcher.reset()
            for end in range(begin + 1, min(begin + LONGEST, len(places)) + 1):
                self._matcher.hear(*places[end - 1])
                gains = self._matcher.letters - AGAINST * self._matcher.costs()
                found.setdefault(end, []).extend(
                    (begin, float(gains[part]), int(part)) for part in (gains > 0).nonzero()[0])
        return found
