"""Whether a sentence of a manual answers a question that is known word for word.

A near miss is worse than no answer: the torque of another screw sounds as sure as the right one. So
the sentence, with heading and title, must have the things that the question names, and a figure of
the kind that it asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from daemon.background.spoken import stem, words_of
from daemon.background.tools.manual_files import Section
from daemon.background.tools.manual_search import terms_of
from daemon.background.tools.manual_words import ASKING, same

LEAST_COVER = 0.8
"""Share of the weight of the question's things that must be in the passage."""
LEAST_HOW = 0.6
"""The same where it is asked how or why: a procedure says it in other words, and has no figure that
could be another's."""
_HOW = re.compile(r"how (?:do|can|should|must)\b|why\b|what (?:do|should|can|must) i\b")
_YES_OR_NO = re.compile(r"(?:can|could|may|must|is|are|do|does|should)\b")
FASTENERS = frozenset(map(stem, ("bolt", "screw")))
FASTENER = 0.3
"""What these count where a torque is asked for: "the feet take 40 Nm" is of their screws."""
_EXTREMES = (re.compile(r"\b(?:most|maximum|max|longest|highest|up to|stays? below)\b"),
             re.compile(r"\b(?:least|minimum|min|shortest|lowest)\b"))
EXTREME = 1.0
"""What it counts that question and sentence both speak of a limit."""
LEAST_CODE = 0.55
"""Share of the weight where a code is named, itself among the things."""
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
    measured: bool = True
    """Whether the sentence must speak of the measure that the question names."""


MEASURES = (
    r"wide|width", r"high|height|tall", r"long|length", r"heavy|weight|weigh",
    r"thick|thin|thickness", r"diameter", r"deep|depth",
)
"""Words of one measure each: a question with one needs a sentence with it (but for the last two, of
which sentences often say it in other words), and none that has only another."""
LOOSE = MEASURES[-2:]
TORQUE = Kind(r"torque|how tight\b|how many (?:newton metres|nm)\b", r"nm|newton metres?")
KINDS = (
    TORQUE,
    Kind(r"capacity|how many (?:watt|amp\w*) hours", r"wh|ah|watt hours|litres?"),
    Kind(r"pressure|how many bar\b|how hard", r"bar|psi|kpa|mbar"),
    Kind(r"how (?:often|frequently)|"
         r"how long (?:must|do|does|may|should|is|are) (?:i|you|it|a|the)\b.*"
         r"\b(?:wait|take|last|charg\w*|cur\w*|run)|"
         r"(?:after )?how many (?:hours|days|weeks|months)|"
         r"when (?:is|are|do|does|must|should) .*\b(?:chang\w+|replac\w+|due)|lifetime|warranty", TIME),
    Kind(r"how long (?:does a|may|must)", TIME),
    Kind(r"how much .*(?:hold|carry|bear|put on)", WEIGHT + r"|litres?", measured=False),
    Kind(r"how heavy|weight|weigh", WEIGHT),
    Kind(r"breaker|fuse", r"a|amps?|amperes?"),
    Kind(r"how (?:big|large)", LENGTH + r"|litres?|square metres?|teeth", measured=False),
    Kind(r"how (?:wide|high|deep|thick|thin|far(?! off))|how long is|length|width|thickness|"
         r"diameter|size|clearance|gap|how much (?:space|room)|how fine|travel", LENGTH + r"|teeth|x \d.*"),
    Kind(r"voltage|how many volts", r"v|volts?"),
    Kind(r"current|how many amps", r"a|amps?|amperes?"),
    Kind(r"how much power|how many watts", r"k?w|watts?|kilowatts?"),
    Kind(r"how (?:strong|powerful)", r"k?w|watts?|kilowatts?|nm|newton metres?"),
    Kind(r"resistance|how many ohms|ohm value", r"(?:kil)?ohms?|%|percent"),
    Kind(r"temperature|how many degrees|how hot|how warm|how cold", r"degrees?|°c?"),
    Kind(r"how fast|speed|revolutions", r"rpm|km an hour|km/h|hz"),
    Kind(r"how (?:loud|quiet)|sound power", r"db|decibels?"),
    Kind(r"how bright|lumens|lux", r"lux|lumens?"),
    Kind(r"how many litres|how much (?:oil|water|fuel|antifreeze|coolant)", r"litres?|ml|l"),
    Kind(r"number of", r"\d|"),
)
_BACK = re.compile(r"\b(?:it|its|them|they|this|that)\b", re.IGNORECASE)
"""The sentence speaks of what the one before it named."""
_CODE = re.compile(r"\b(?:[a-z]{1,2}\d{1,4}|(?:error|code|fault)\s+\w?\d+)\b")
_COUNT = re.compile(r"how many (\w+)")


def things(words: Sequence[str]) -> list[str]:
    """Stems of what a question is about."""
    return [t for t in terms_of(words) if t not in ASKING]


def kind_of(text: str) -> Kind | None:
    """The kind of figure that a question asks for; None where it asks for none that is known."""
    if _YES_OR_NO.match(text):
        return None
    return next((k for k in KINDS if re.search(rf"\b(?:{k.asked})", text)), None)


def has_figure(sentence: str, kind: Kind) -> bool:
    """Whether a number with a unit of the kind is in the sentence."""
    number = r"(?:\d[\d.,]*|\bevery)\s*(?:\d\S*\s+)?"
    return bool(re.search(rf"{number}-?(?:{kind.units})(?![a-z])", sentence.lower()))


def answering(text: str, sections: Iterable[Section],
              rarity: Callable[[str], float]) -> tuple[Section, str] | None:
    """The section and its sentence that answer a question, of `sections` in the order in which they
    fit; None where no sentence does. rarity: weight of a stem, 0 or more."""
    lowered, asked = text.lower(), terms_of(words_of(text))
    kind, codes = kind_of(lowered), set(_CODE.findall(lowered))
    weight = {t: _weight(t, kind, rarity) for t in things(words_of(text))}
    how = kind is None and not codes and _HOW.match(lowered) is not None
    share_of_all = LEAST_CODE if codes else LEAST_HOW if how else LEAST_COVER
    best: tuple[float, Section, str] | None = None
    for section in sections:
        around = f"{section.manual} {section.heading}"
        inside = {code for code in codes if code not in around.lower()}
        named = rarity("") * len(inside)  # as rare as a word can be
        least = share_of_all * (sum(weight.values()) + named)
        for at, sentence in enumerate(section.sentences):
            if not _answers(sentence, kind, inside, lowered):
                continue
            before = section.sentences[at - 1] if at else ""
            share = 1.0 if _BACK.search(sentence) else BEFORE
            own, told = _terms(f"{around} {sentence}"), _terms(before)
            here = named + sum(w * (1.0 if same(t) & own else share) for t, w in weight.items()
                               if same(t) & (own | told))
            if here < least or not here:
                continue
            fit = here + 0.1 * sum(rarity(t) for t in asked if t in _terms(sentence))
            fit += EXTREME * sum(bool(e.search(lowered) and e.search(sentence)) for e in _EXTREMES)
            if best is None or fit > best[0] + 1e-9:
                best = (fit, section, sentence)
    return None if best is None else best[1:]


def _weight(term: str, kind: Kind | None, rarity: Callable[[str], float]) -> float:
    """Of a thing that a question names."""
    fastens = kind is TORQUE and term in FASTENERS
    return min(map(rarity, same(term))) * (FASTENER if fastens else 1.0)


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
        return has_figure(sentence, kind) and (
            kind.units == TIME or not kind.measured or _measured(low, asked))
    counted = _COUNT.search(asked)
    return counted is None or bool(
        re.search(rf"\d\S*\s+(?:\w+\s+)?{re.escape(stem(counted[1]))}", low))
