"""Whether a sentence of a manual answers a question that is known word for word.

A near miss is worse than no answer: the torque of another screw sounds as sure as the right one. So
the sentence, with heading and title, must have the things that the question names, and a figure of
the kind that it asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from daemon.background.spoken import NUMBERS, stem, words_of
from daemon.background.tools.manual_files import Section
from daemon.background.tools.manual_search import terms_of

LEAST_COVER = 0.8
"""Share of the weight of the question's things that must be in the passage."""
LEAST_HOW = 0.6
"""The same where it is asked how or why: a procedure says it in other words, and has no figure that
could be another's."""
_HOW = re.compile(r"how (?:do|can|should|must)\b|why\b|what (?:do|should|can|must) i\b")
BEFORE = 0.7
"""What a thing counts that is named in the sentence before; all, where the sentence points back."""
LENGTH = r"mm|cm|m|km|micrometres?|millimetres?|centimetres?|metres?|kilometres?|inch(?:es)?"
WEIGHT = r"kg|g|kilograms?|grams?"
TIME = (r"ms|s|seconds?|minutes?|h|hours?|days?|weeks?|months?|years?|times|km|kilometres?|"
        r"day|week|month|year")


@dataclass(frozen=True)
class Kind:
    """A kind of figure."""

    asked: str
    """Pattern of words that ask for it."""
    units: str
    """Pattern of what stands behind its number."""


MEASURES = (
    r"wide|width", r"high|height|tall", r"long|length", r"heavy|weight|weigh",
    r"thick|thin|thickness", r"diameter", r"deep|depth",
)
"""Words of one measure each: a question with one needs a sentence with it (but for the last two, of
which sentences often say it in other words), and none that has only another."""
LOOSE = MEASURES[-2:]
KINDS = (
    Kind(r"torque|how tight\b", r"nm|newton metres?"),
    Kind(r"pressure|how many bar\b|how hard", r"bar|psi|kpa|mbar"),
    Kind(r"how often|how long (?:must|do|does|may|should|is|are) (?:i|you|it|a|the)\b.*"
         r"\b(?:wait|take|last|charg\w*|cur\w*|run)|after how many|when is .* (?:changed|replaced)|"
         r"lifetime|warranty", TIME),
    Kind(r"how long does a|how long may", TIME),
    Kind(r"how heavy|weight|weigh", WEIGHT),
    Kind(r"how much .*(?:hold|carry)", WEIGHT + r"|litres?"),
    Kind(r"how (?:wide|high|deep|big|thick|thin|far)|how long is|length|width|diameter|size|"
         r"clearance|gap|how much space|how fine|travel", LENGTH + r"|teeth|x \d.*"),
    Kind(r"voltage|how many volts", r"v|volts?"),
    Kind(r"current|how many amps|breaker|fuse", r"a|amps?|amperes?"),
    Kind(r"how much power|how many watts", r"k?w|watts?|kilowatts?"),
    Kind(r"resistance|how many ohms|ohm value", r"(?:kil)?ohms?|%|percent"),
    Kind(r"temperature|how many degrees|how hot|how warm|how cold", r"degrees?|°c?"),
    Kind(r"how fast|speed|revolutions", r"rpm|km an hour|km/h|hz"),
    Kind(r"how loud|sound power", r"db|decibels?"),
    Kind(r"how bright|lumens|lux", r"lux|lumens?"),
    Kind(r"how many litres|how much (?:oil|water|fuel|antifreeze|coolant)", r"litres?|ml|l"),
    Kind(r"number of", r"\d|"),
)
_ASKING = frozenset(stem(w) for w in (
    "torque tight pressure often wait last heavy weight weigh wide high deep big thick thin far "
    "length width diameter size space voltage volts current amps power watts resistance ohms "
    "temperature degrees hot warm cold fast speed loud bright bar mean means number value much "
    "need needs go goes into get come must allow most least set sets first have time replaced "
    "change stop fix make too and kilos kilo kilograms grams metres millimetres litres minutes "
    "hours seconds percent"
).split()) | frozenset(map(stem, NUMBERS))
"""What is asked for, not what it is asked about."""
_BACK = re.compile(r"\b(?:it|its|them|they|this|that)\b", re.IGNORECASE)
"""The sentence speaks of what the one before it named."""
_CODE = re.compile(r"\b(?:[a-z]{1,2}\d{1,4}|(?:error|code|fault)\s+\w?\d+)\b")
_COUNT = re.compile(r"how many (\w+)")


def things(words: Sequence[str]) -> list[str]:
    """Stems of what a question is about."""
    return [t for t in terms_of(words) if t not in _ASKING]


def kind_of(text: str) -> Kind | None:
    """The kind of figure that a question asks for; None where it asks for none that is known."""
    return next((k for k in KINDS if re.search(rf"\b(?:{k.asked})", text)), None)


def has_figure(sentence: str, kind: Kind) -> bool:
    """Whether a number with a unit of the kind is in the sentence."""
    number = r"(?:\d[\d.,]*|\bevery)\s*(?:\d\S*\s+)?"
    return bool(re.search(rf"{number}-?(?:{kind.units})(?![a-z])", sentence.lower()))


def answering(text: str, sections: Iterable[Section],
              rarity: Callable[[str], float]) -> tuple[Section, str] | None:
    """The section and its sentence that answer a question, of `sections` in the order in which they
    fit; None where no sentence does. rarity: weight of a stem, 0 or more."""
    lowered = text.lower()
    wanted, asked = things(words_of(text)), terms_of(words_of(text))
    kind, codes = kind_of(lowered), set(_CODE.findall(lowered))
    how = kind is None and not codes and _HOW.match(lowered) is not None
    least = (LEAST_HOW if how else LEAST_COVER) * sum(rarity(t) for t in wanted)
    best: tuple[float, Section, str] | None = None
    for section in sections:
        around = f"{section.manual} {section.heading}"
        for at, sentence in enumerate(section.sentences):
            if not _answers(sentence, kind, codes, lowered):
                continue
            before = section.sentences[at - 1] if at else ""
            share = 1.0 if _BACK.search(sentence) else BEFORE
            own, told = _terms(f"{around} {sentence}"), _terms(before)
            here = sum(rarity(t) * (1.0 if t in own else share) for t in wanted if t in own | told)
            if here < least or not here:
                continue
            fit = here + 0.1 * sum(rarity(t) for t in asked if t in _terms(sentence))
            if best is None or fit > best[0] + 1e-9:
                best = (fit, section, sentence)
    return None if best is None else best[1:]


def _terms(text: str) -> set[str]:
    return set(terms_of(words_of(text)))


def _measured(sentence: str, asked: str) -> bool:
    """Whether the sentence speaks of the measure that is asked for, if one is."""
    of = next((m for m in MEASURES if re.search(rf"\b(?:{m})", asked)), None)
    if of is None or re.search(rf"\b(?:{of})", sentence):
        return True
    return of in LOOSE and not any(re.search(rf"\b(?:{m})", sentence) for m in MEASURES)


def _answers(sentence: str, kind: Kind | None, codes: set[str], asked: str) -> bool:
    low = sentence.lower()
    if not all(re.search(rf"\b{re.escape(code.split()[-1])}\b", low) for code in codes):
        return False
    if kind is not None:
        return has_figure(sentence, kind) and (kind.units == TIME or _measured(low, asked))
    counted = _COUNT.search(asked)
    return counted is None or bool(
        re.search(rf"\d\S*\s+(?:\w+\s+)?{re.escape(stem(counted[1]))}", low))
