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
"""What a letter that was heard otherwise counts against one that was heard rightly."""
PRICE = 3.0
"""Letters that a part must have beyond that: words that are like a short one are frequent."""
TAKES_BACK = frozenset(("no", "sorry", "actually", "rather", "instead"))
"""After these a field that is named again is meant the second time; else the one heard better."""
Stretch = tuple[int, float, int]
"""Where it begins, its gain in letters, the number of its part."""


class OrderMatcher:
    """Made once: it holds every part in every form."""

    def __init__(self) -> None:
        self._parts = [(field, value) for field, values in orders.forms().items()
                       for value in values]
        self._matcher = PhraseMatcher([value for _, value in self._parts], anywhere=False)

    def find(self, places: Sequence[Place]) -> dict[str, str]:
        """Fields of the order."""
        best: list[tuple[float, tuple[Stretch, ...]]] = [(0.0, ())]
        found = self._stretches(places)
        for end in range(1, len(places) + 1):
            best.append(max([best[-1], *((best[s[0]][0] + s[1], (*best[s[0]][1], s))
                                         for s in found.get(end, ()))]))
        taken: dict[str, Stretch] = {}
        for stretch in best[-1][1]:
            field = self._parts[stretch[2]][0]
            old = taken.get(field)
            between = {w for w, _ in places[old[0] : stretch[0]]} if old else set()
            if old is None or stretch[1] > old[1] or between & TAKES_BACK:
                taken[field] = stretch
        return {f: self._parts[taken[f][2]][1] for f in orders.FIELDS if f in taken}

    def _stretches(self, places: Sequence[Place]) -> dict[int, list[Stretch]]:
        """End -> the stretches that pay."""
        found: dict[int, list[Stretch]] = {}
        for begin in range(len(places)):
            self._matcher.reset()
            for end in range(begin + 1, min(begin + LONGEST, len(places)) + 1):
                self._matcher.hear(*places[end - 1])
                gains = self._matcher.letters - AGAINST * self._matcher.costs() - PRICE
                found.setdefault(end, []).extend(
                    (begin, float(gains[part]), int(part)) for part in (gains > 0).nonzero()[0])
        return found
