"""Which phrase of a closed set was said, however badly it was heard.

Every phrase is aligned with the words as they come, by weighted edit distance over words (Wagner and
Fischer 1974), all phrases at once. A word may be another one at the cost that the network gives its
rival, or one that is spelled alike (normalised indel similarity, rapidfuzz): words outside the
vocabulary are spelled in pieces and seldom come out whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz import fuzz, process

DEAREST = 4.0
"""Logits by which a rival may be behind and still count for something."""
RIVAL = 0.6
"""Cost of the dearest rival, as a share of the word."""
MISSING = 0.6
"""Of a word of the phrase that was not heard, or a heard one that is not in it."""


class PhraseMatcher:
    """Costs of all phrases against the words so far."""

    def __init__(self, phrases: Sequence[str], anywhere: bool = True) -> None:
        """anywhere: a phrase may begin at any word, else only at the first."""
        self._anywhere = anywhere
        words = [p.split() for p in phrases]
        self._vocabulary = sorted({w for p in words for w in p})
        at = {w: i for i, w in enumerate(self._vocabulary)}
        longest = max(map(len, words))
        self._ids = np.array([[at[w] for w in p] + [0] * (longest - len(p)) for p in words])
        self._letters = np.array([[len(w) for w in p] + [0] * (longest - len(p)) for p in words],
                                 np.float32)
        self._last = np.array([len(p) for p in words])
        self._whole = self._letters.sum(1)
        self._index = at
        self.reset()

    def reset(self) -> None:
        """Forget all words."""
        missing = np.cumsum(MISSING * self._letters, 1)
        self._cost = np.concatenate([np.zeros((len(missing), 1), np.float32), missing], 1)

    def hear(self, word: str, rivals: Sequence[tuple[str, float]]) -> None:
        """A word, "" for none, and what it may have been instead: (word, logits behind)."""
        share = np.ones(len(self._vocabulary), np.float32)
        if word:
            alike = process.cdist([word], self._vocabulary, scorer=fuzz.ratio)[0]
            share = 1.0 - alike.astype(np.float32) / 100
        for rival, behind in rivals:
            if rival in self._index:
                place = self._index[rival]
                share[place] = min(share[place], RIVAL * min(behind / DEAREST, 1.0))
        other = self._cost[:, :-1] + share[self._ids] * self._letters
        over = self._cost + MISSING * len(word)
        new = over
        new[:, 1:] = np.minimum(over[:, 1:], other)
        if self._anywhere:
            new[:, 0] = 0.0
        for n in range(1, new.shape[1]):
            new[:, n] = np.minimum(new[:, n], new[:, n - 1] + MISSING * self._letters[:, n - 1])
        self._cost = new

    def costs(self) -> np.ndarray:
        """(phrases,) letters of each that were heard otherwise, when it ends here."""
        return self._cost[np.arange(len(self._last)), self._last]

    @property
    def letters(self) -> np.ndarray:
        """(phrases,) letters of each."""
        return self._whole

    def best(self) -> tuple[int, float]:
        """Number of the phrase that ends here with the least cost, of equals the longest, and how
        much of it was heard, percent."""
        likeness = 100 * (1 - self.costs() / self._whole)
        found = int(np.lexsort((self._whole, np.round(likeness, 3)))[-1])
        return found, float(likeness[found])
