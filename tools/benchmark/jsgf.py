"""`models.grammar` as JSGF, so that the baseline's recogniser knows the very same commands.

Source of the format: W3C note "JSpeech Grammar Format", 2000.
"""

from __future__ import annotations

import itertools
import re

from models import amounts, grammar

HEADER = "#JSGF V1.0;\ngrammar commands;\n"
_SMALL = "one two three four five six seven eight nine"
_TEENS = ("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _choice(phrases) -> str:
    """`(a | b c)` of phrases."""
    return "(" + " | ".join(phrases) + ")"


def _number_rules() -> list[str]:
    """Numbers 0 to 999 as `grammar.number_words` says them, perhaps with a wrong one first."""
    small, teens, tens = (_choice(words.split()) for words in (_SMALL, _TEENS, _TENS))
    return [f"<small> = {small};", f"<tens> = {teens} | {tens} [<small>];",
            "<below> = <small> | <tens>;",
            "<plain> = zero | <below> | (a | <small>) hundred [[and] <below>];",
            "<number> = <plain> [no <plain>];", "<number2> = <number>;"]


def _duration_rules() -> list[str]:
    """Durations of one part or two, as `grammar` reads them."""
    units = _choice([u + s for u in grammar.TIME_UNITS for s in ("", "s")])
    smaller = _choice([f"{u}s" for u in amounts.SMALLER.values()])
    half = "(a minute | an hour) and a half | <number> and a half (minutes | hours)"
    one = f"(half (a | an) | a | an | <number>) {units}"
    return [f"<duration> = {half} | {one} [[and] <plain> {smaller}];"]


def _value_rules() -> list[str]:
    """Slots with a closed list of values; open words are those that the grammar names."""
    measures = list(itertools.chain.from_iterable(grammar.MEASURES))
    lists = {
        "exercise": grammar.EXERCISES, "object": grammar.OBJECTS, "thing": grammar.THINGS,
        "operator": grammar.OPERATORS, "colour": grammar.COLOURS, "weight": grammar.WEIGHTS,
        "routine": grammar.ROUTINES, "language": grammar.LANGUAGES,
        "measure": measures, "measure2": measures,
        "word": grammar.CUES, "word2": grammar.CUE_REPLIES,
    }
    return [f"<{name}> = {_choice(values)};" for name, values in lists.items()]


def jsgf_of(template: str) -> str:
    """A template of the grammar as JSGF: both write `[optional]` and `(one | other)` alike, but
    `[the|a]` needs no brackets of its own, and a slot is a rule."""
    return re.sub(r"\{(\w+)\}", r"<\1>", template).replace("|", " | ")


def grammar_text() -> str:
    """The whole grammar: a command, with or without the name before it, or the name alone."""
    templates = [jsgf_of(t) for intent in grammar.INTENTS.values() for t in intent.templates]
    names = _choice(grammar.NAMES)
    rules = [*_number_rules(), *_duration_rules(), *_value_rules(),
             f"<command> = {' | '.join(templates)};",
             f"public <said> = {names} | [{names}] <command>;"]
    return HEADER + "\n".join(rules) + "\n"
