"""The words that the device's own network heard, joined with those of the recogniser.

Both are often wrong, but seldom in the same way: a term that both heard is nearly sure. The network
spells what it does not know, so a word that no manual has also counts for those that sound alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from daemon.background.spoken import words_of
from daemon.background.tools.manual_files import Section
from daemon.background.tools.manual_search import terms_of

NAME = "tagalong"
WEIGHT = 0.6
"""A term that the network heard, and one that sounds exactly like it. Found by trial on 76 of the
spoken questions of tests/background/questions_dev.toml, like the two below."""
LEAST_LIKENESS, MOST_ALIKE = 0.55, 3
_LEAST_LETTERS = 3
_MOST_WORDS = 40
_VOWELS = "aeiouy"
_VOWEL_COST = 0.5
_NEAR_COST = 0.4
_NEAR = frozenset(frozenset(p) for p in "bp td kg fv sz mn lr wv sj rw th".split())
_SPELLINGS = (
    ("ough", "o"), ("igh", "i"), ("ph", "f"), ("ck", "k"), ("qu", "kw"), ("tion", "shn"),
    ("c", "k"), ("z", "s"), ("y", "i"), ("x", "ks"), ("ee", "i"), ("ea", "i"), ("ou", "u"),
    ("oo", "u"), ("gh", "g"),
)  # fmt: skip


def sound_of(word: str) -> str:
    """A rough spelling by sound, the same for words that sound the same more often than not."""
    for letters, sound in _SPELLINGS:
        word = word.replace(letters, sound)
    return re.sub(r"(.)\1", r"\1", re.sub(r"e$", "", word))


def _cost(letter: str) -> float:
    return _VOWEL_COST if letter in _VOWELS else 1.0


def _exchange(x: str, y: str) -> float:
    if x == y:
        return 0.0
    near = x in _VOWELS and y in _VOWELS or frozenset((x, y)) in _NEAR
    return _NEAR_COST if near else 1.0


def likeness(a: str, b: str) -> float:
    """1 less the edit distance of two sounds as a share of the longer one; at most 1."""
    previous = [0.0]
    for y in b:
        previous.append(previous[-1] + _cost(y))
    longest = previous[-1]
    for x in a:
        row = [previous[0] + _cost(x)]
        for j, y in enumerate(b, 1):
            row.append(
                min(previous[j] + _cost(x), row[-1] + _cost(y), previous[j - 1] + _exchange(x, y))
            )
        previous = row
    return 1 - previous[-1] / max(longest, sum(map(_cost, a)), 1e-9)


class Overheard:
    """Finds a device's words among those of the manuals. Thread-safe."""

    def __init__(self, sections: Sequence[Section]) -> None:
        texts = (text for s in sections for text in (s.manual, s.heading, s.text))
        self._stems: dict[str, str] = {}
        for text in texts:
            for word in words_of(text):
                self._stems.update((word, term) for term in terms_of([word]))
        self._terms = frozenset(self._stems.values())
        self._sounds = sorted(
            (word, sound_of(word)) for word in self._stems if len(sound_of(word)) >= _LEAST_LETTERS
        )

    def terms(self, text: str) -> dict[str, float]:
        """Stems of the words after the last time that the name was said, weights 0 to 1."""
        words = words_of(text)
        if NAME in words:
            words = words[len(words) - words[::-1].index(NAME) :]
        found: dict[str, float] = {}
        for word in dict.fromkeys(words[-_MOST_WORDS:]):
            for term in terms_of([word]):
                same = term in self._terms
                for alike, weight in [(term, WEIGHT)] if same else self._alike(word):
                    found[alike] = max(found.get(alike, 0.0), weight)
        return found

    def _alike(self, word: str) -> Iterable[tuple[str, float]]:
        """Stems of the manuals' words that sound most like a word, with weights."""
        sound = sound_of(word)
        if len(sound) < _LEAST_LETTERS:
            return []
        ranked = sorted(((likeness(sound, s), w) for w, s in self._sounds), reverse=True)
        best = [(share, w) for share, w in ranked[:MOST_ALIKE] if share >= LEAST_LIKENESS]
        return [(self._stems[w], WEIGHT * share) for share, w in best]


def joined(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Weights of terms that two listeners heard, as if each were right by chance of its own."""
    terms = dict.fromkeys((*a, *b))
    return {t: 1 - (1 - a.get(t, 0.0)) * (1 - b.get(t, 0.0)) for t in terms}
