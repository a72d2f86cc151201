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

from daemon.background.spoken import stem, words_of
from daemon.background.tools.manual_files import Section

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
_HEADING, _OPENED_HEADING, _LINKED_HEADING = 3.0, 0.1, 0.1
_SENTENCE, _OPENED_CLAUSE, _OPENING = 6.0, 0.05, 5.0
_COMMON_COUNT, _OTHER_COUNT, _FLOOR_COUNT = 10.0, 1.0, 2.0
_WORDS_OF_CLAUSE = 12
_INFLECTED = 0.05
"""Another form of a word of the manuals weighs this share of it."""
_PRIOR = (100.0, 20.0)
"""Weight of the lower order against the counts, of pairs and of triples."""
_ENDS = 0.1
"""Probability that a line ends after a word that was never counted."""
_OTHER_WORDS = Path(__file__).with_name("common_words.txt")

Pronunciations = dict[str, list[str]]
Grams = dict[tuple[str, ...], float]


def _phrases(block: str) -> list[list[str]]:
    return [p.split() for p in block.replace("\n", "|").split("|") if p.strip()]


class Trigrams:
    """Weighted counts of word triples, written as an ARPA model.

    Each order is smoothed towards the next lower one as if that had been seen `_PRIOR` times.
    Source: MacKay and Peto, A hierarchical Dirichlet language model, 1995, eq. 12.
    """

    def __init__(self) -> None:
        self._one: defaultdict[str, float] = defaultdict(float)
        self._two: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._three: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, words: Sequence[str], weight: float) -> None:
        """Count a line."""
        for i, word in enumerate(words):
            self._one[word] += weight
            if i + 1 < len(words):
                self._two[word, words[i + 1]] += weight
            if i + 2 < len(words):
                self._three[word, words[i + 1], words[i + 2]] += weight

    def weight(self, word: str) -> float:
        """What has been counted of a word."""
        return self._one.get(word, 0.0)

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
        """The model as ARPA text; after each context the probabilities add up to one."""
        total = sum(w for k, w in self._one.items() if not k.startswith("<"))
        p1 = {(w,): k / total * (1 - _ENDS) for w, k in self._one.items() if not w.startswith("<")}
        p1[("</s>",)] = _ENDS
        p2, back1 = _smoothed(self._two, p1, _PRIOR[0])
        p3, back2 = _smoothed(self._three, p2, _PRIOR[1])
        back1.setdefault(("<s>",), 1.0)
        p1[("<s>",)] = 1e-9  # never follows anything; the format wants a line for it
        lines = ["\\data\\", *(f"ngram {i + 1}={len(p)}" for i, p in enumerate((p1, p2, p3)))]
        for order, (p, back) in enumerate(((p1, back1), (p2, back2), (p3, {})), start=1):
            lines += ["", f"\\{order}-grams:"]
            for gram, value in sorted(p.items()):
                tail = f" {_log(back.get(gram, 1.0))}" if order < 3 else ""
                lines.append(f"{_log(value)} {' '.join(gram)}{tail}")
        return "\n".join([*lines, "", "\\end\\", ""])


def _smoothed(counts: Grams, lower: Grams, prior: float) -> tuple[Grams, Grams]:
    """Probabilities of the counted n-grams, and the back-off factor of each context."""
    seen: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for gram, count in counts.items():
        seen[gram[:-1]] += count
    back = {context: prior / (count + prior) for context, count in seen.items()}
    found: Grams = {}
    for gram, count in counts.items():
        context = gram[:-1]
        found[gram] = count / (seen[context] + prior) + back[context] * lower[gram[1:]]
    return found, back


def _log(p: float) -> str:
    return f"{math.log10(p):.4f}"


def question_model(sections: Sequence[Section], spoken: Iterable[str] = ()) -> Trigrams:
    """Counts for questions about these sections.

    Of the words `spoken`, which can be pronounced, other forms of the manuals' words are taken.
    """
    model = Trigrams()
    openings, links = _phrases(_OPENINGS), _phrases(_LINKS)
    for section in sections:
        _add_heading(model, words_of(section.heading), openings, links)
        for sentence in section.sentences:
            model.add(["<s>", *words_of(sentence), "</s>"], _SENTENCE)
            _add_clauses(model, sentence, openings)
    for opening in openings:
        model.add(["<s>", *opening], _OPENING)
        model.add(["<s>", "tagalong", *opening], _OPENING)
    for word in model.words:
        model.add([word], _FLOOR_COUNT)
    _add_forms(model, spoken)
    for word in _COMMON.split():
        model.add([word], _COMMON_COUNT)
    for word in _OTHER_WORDS.read_text(encoding="utf-8").split():
        model.add([word], _OTHER_COUNT)
    return model


def _add_forms(model: Trigrams, spoken: Iterable[str]) -> None:
    """Drips, dripped and dripping, where the manuals have "drip"."""
    own: defaultdict[str, float] = defaultdict(float)
    for word in model.words:
        if len(word) > 2:
            own[stem(word)] += model.weight(word)
    for word in spoken:
        count = own.get(stem(word))
        if count and word.isalpha() and not model.weight(word):
            model.add([word], count * _INFLECTED)


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
