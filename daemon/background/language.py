"""A language model and a dictionary for questions about a folder of manuals, made at start.

The general English model that comes with PocketSphinx rarely finds the words of a manual in a
synthetic or accented voice. Here the words are those of the manuals and of questions, and the
likely sequences are a question's opening followed by a heading or by a clause of a section.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from daemon.background.spoken import words_of
from daemon.background.tools.manual_search import Section

_OPENINGS = """
what is the|what is a|what is|what are the|what|which|what size is the|what colour is the
what colour is|which colour is the|how do i|how can i|how should i|how to|how do you|how does
how much|how many|how often do i|how often should i|how often may i|how long do i
how long should i|how long can i|how long does|how long|how deep|how deep do i|how high should the
how high|how hot should the|how hot|how tight should the|how tight should a|how tight
how fast should i|how fast|how far|how far away|how thick|how old|how big|how heavy|how strong
when do i|when should i|when is the|when does the|when|where do i|where does the|where is the|where
why must i|why do i|why does the|why|who may|who|should i|may i|can i|do i|do i need to|do i have to
does the|is the|is there|must i|at what|at which|in which|on which|with what|what do i do when
what do i do if|what do i do with a|what do i do|what should i do when|what should i do with a
what should i do|what to do when|what helps against a|what helps against|what can i do about a
what can i do|what torque for|what torque does|what pressure for|what pressure does
what temperature for|what size for|what do i need for|which do i need for|what does the
what does a|what happens when|tell me the|tell me about the|tell me how to|i need the|look up the
my|the|there is|somebody has a|help with a
"""
_LINKS = """
should the be|should a be|should i use|do i need for|do i need for a|does the need|does a need
does it take|can i use|is allowed|is needed|must be|should have|have to be|has to be|do i use for
do i use|of a|of the|for a|for the|in the|in a|with a|to the|on the|be in|be in the|is it
should it be|again|before i|after i|do i have to|what can i do|what should i do|what do i do
how do i|how much|am i|need to be|it|off again|i do
"""
_COMMON = """
a about above after again against all allowed am an and any are as at away be before below best
between bad big but by can could cut deep did do does done dry each else end enough every far fast
few find first fit fix for from get give go good had hard has have heavy help high hot how i if in
into is it its keep kind last less let like long look low make many may me mean more most much must
my need needed needs new next no not now of off often old on one only open or other out over own
put rate remove replace right same set should side size so some somebody something start still stop
take tell than that the them then there these they this tight time to too turn under until up use
used very want was water way what when where which while who why will with without work would you
your hey tagalong
"""
# Weights of kinds of lines, found by trial on questions and voices of our own.
_HEADING, _OPENED_HEADING, _LINKED_HEADING = 3.0, 0.3, 0.1
_SENTENCE, _OPENED_CLAUSE, _OPENING = 2.0, 0.05, 5.0
_COMMON_COUNT, _FLOOR_COUNT = 10.0, 2.0
_DISCOUNT = 0.5
_SMALLEST_CONTEXT = 100.0
_WORDS_OF_CLAUSE = 4

Pronunciations = dict[str, list[str]]


def _phrases(block: str) -> list[list[str]]:
    return [p.split() for p in block.replace("\n", "|").split("|") if p.strip()]


class Trigrams:
    """Weighted counts of word triples, written as an ARPA model with constant discount.

    Source: Katz back-off with a fixed discount mass, as in CMU's SimpleLM.
    """

    def __init__(self) -> None:
        self._one: defaultdict[str, float] = defaultdict(float)
        self._two: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._three: defaultdict[tuple[str, str, str], float] = defaultdict(float)

    def add(self, words: Sequence[str], weight: float) -> None:
        """Count a line."""
        for i, word in enumerate(words):
            self._one[word] += weight
            if i + 1 < len(words):
                self._two[word, words[i + 1]] += weight
            if i + 2 < len(words):
                self._three[word, words[i + 1], words[i + 2]] += weight

    @property
    def words(self) -> list[str]:
        """All words, sentence marks left out."""
        return sorted(w for w in self._one if not w.startswith("<"))

    def drop(self, unknown: Iterable[str]) -> None:
        """Forget words that cannot be pronounced, with all that they occur in."""
        out = set(unknown)
        self._one = defaultdict(float, {k: v for k, v in self._one.items() if k not in out})
        self._two = defaultdict(float, {k: v for k, v in self._two.items() if not out & {*k}})
        self._three = defaultdict(float, {k: v for k, v in self._three.items() if not out & {*k}})

    def arpa(self) -> str:
        """The model as ARPA text."""
        following: defaultdict[str, float] = defaultdict(float)
        for (a, _), weight in self._two.items():
            following[a] += weight
        # A context weighs at least what follows it, so that no probability exceeds one.
        one = {w: max(k + _FLOOR_COUNT, following[w]) for w, k in self._one.items()}
        for mark in ("<s>", "</s>"):
            one[mark] = max(one.get(mark, 0.0), _SMALLEST_CONTEXT)
        total = sum(one.values())
        p1 = {w: k * (1 - _DISCOUNT) / total for w, k in one.items()}
        p2 = {g: k * (1 - _DISCOUNT) / one[g[0]] for g, k in self._two.items()}
        p3 = {g: k * (1 - _DISCOUNT) / self._two[g[:2]] for g, k in self._three.items()}
        seen1: defaultdict[str, float] = defaultdict(float)
        for a, b in self._two:
            seen1[a] += p1[b]
        seen2: defaultdict[tuple[str, str], float] = defaultdict(float)
        for a, b, c in self._three:
            seen2[a, b] += p2[b, c]
        lines = ["\\data\\", f"ngram 1={len(p1)}", f"ngram 2={len(p2)}", f"ngram 3={len(p3)}"]
        lines += ["", "\\1-grams:"]
        lines += [
            f"{_log(p)} {w} {_log(_DISCOUNT / (1 - seen1[w]))}" for w, p in sorted(p1.items())
        ]
        lines += ["", "\\2-grams:"]
        for g, p in sorted(p2.items()):
            lines.append(f"{_log(p)} {' '.join(g)} {_log(_DISCOUNT / (1 - seen2[g]))}")
        lines += ["", "\\3-grams:"]
        lines += [f"{_log(p)} {' '.join(g)}" for g, p in sorted(p3.items())]
        return "\n".join([*lines, "", "\\end\\", ""])


def _log(p: float) -> str:
    return f"{math.log10(p):.4f}"


def question_model(sections: Sequence[Section]) -> Trigrams:
    """Counts for questions about these sections."""
    model = Trigrams()
    openings, links = _phrases(_OPENINGS), _phrases(_LINKS)
    for section in sections:
        _add_heading(model, words_of(section.heading), openings, links)
        for sentence in section.sentences:
            model.add(["<s>", *words_of(sentence), "</s>"], _SENTENCE)
            _add_clauses(model, sentence, openings)
    for opening in openings:
        model.add(["<s>", *opening], _OPENING)
    for word in _COMMON.split():
        model.add([word], _COMMON_COUNT)
    return model


def _add_heading(
    model: Trigrams, heading: list[str], openings: list[list[str]], links: list[list[str]]
) -> None:
    model.add(["<s>", *heading, "</s>"], _HEADING)
    for opening in openings:
        model.add(["<s>", *opening, *heading, "</s>"], _OPENED_HEADING)
    for link in links:
        model.add([*heading, *link], _LINKED_HEADING)
        model.add([*link, *heading], _LINKED_HEADING)


def _add_clauses(model: Trigrams, sentence: str, openings: list[list[str]]) -> None:
    for clause in re.split(r"[,.;:]|\band\b", sentence):
        words = words_of(clause)[:_WORDS_OF_CLAUSE]
        for opening in openings if words else []:
            model.add(["<s>", *opening, *words], _OPENED_CLAUSE)


def read_dictionary(path: Path) -> Pronunciations:
    """Word -> pronunciations of a file in the format of CMUdict."""
    found: Pronunciations = {}
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.strip().partition(" ")
            if phones and not word.startswith("#"):
                base = word.partition("(")[0]
                found.setdefault(base, []).append(phones.strip())
    return found


def pronounce(word: str, known: Pronunciations) -> list[str]:
    """Pronunciations of a word; a compound of two known words is put together; [] if unknown."""
    if word in known:
        return known[word]
    cuts = range(3, len(word) - 2)
    parts = [(word[:i], word[i:]) for i in cuts if word[:i] in known and word[i:] in known]
    if not parts:
        return []
    first, second = max(parts, key=lambda p: min(len(p[0]), len(p[1])))
    return [f"{known[first][0]} {known[second][0]}"]


def dictionary_text(words: Sequence[str], known: Pronunciations) -> tuple[str, list[str]]:
    """A dictionary of these words for PocketSphinx, and the words nobody can pronounce."""
    lines: list[str] = []
    unknown: list[str] = []
    for word in words:
        ways = pronounce(word, known)
        if not ways:
            unknown.append(word)
        for i, phones in enumerate(ways):
            lines.append(f"{word}{f'({i + 1})' if i else ''} {phones}")
    return "\n".join([*lines, ""]), unknown
