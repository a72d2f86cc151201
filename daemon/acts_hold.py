"""What words can still become: a command that is not finished, or one that lost a word.

The network says when a command is over; in a pause inside a command it sometimes says so too
early. The words show it: `timer for` is the beginning of a command and none itself. And of words
that form no command because one was misheard, only few commands are one word away.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain

from models import grammar

NEAR_WORDS = 3
"""With fewer words one of them is too much to be wrong."""

_DURATIONS = (("{number}", "{time}"), ("half", "{one}", "{time}"), ("{one}", "{time}"),
              ("{number}", "and", "a", "half", "{time}"))
"""Ways to say `{duration}`."""
_TWO_PARTS = (("{number}", "{time}", "and", "{number}", "{time}"),
              ("{number}", "{time}", "{number}", "{time}"),
              ("{one}", "{time}", "and", "a", "half"))
"""Ways that go on where one of the others has ended."""
_AS_HEARD = ("{number}", "{number2}", "{one}", "{routine}")
"""Tokens that are only taken as they were heard: a number that was not said is wrong, and a name
that is none of these may be a routine of the wearer's own."""
_MEASURES = tuple(chain.from_iterable(grammar.MEASURES))
_CLOSED: dict[str, tuple[str, ...]] = {
    "{one}": ("a", "an"),
    "{time}": tuple(u + s for u in grammar.TIME_UNITS for s in ("", "s")),
    "{exercise}": grammar.EXERCISES, "{object}": grammar.OBJECTS, "{thing}": grammar.THINGS,
    "{operator}": grammar.OPERATORS, "{colour}": grammar.COLOURS, "{weight}": grammar.WEIGHTS,
    "{measure}": _MEASURES, "{measure2}": _MEASURES, "{routine}": grammar.ROUTINES,
    "{word}": grammar.CUES, "{word2}": grammar.CUE_REPLIES,
}
"""Slot -> the values that it can be."""
_NUMBER_WORDS = frozenset((*grammar.NUMBER_WORDS, "half", "a", "an"))
"""Words that are never taken for noise or for another word."""
Words = tuple[str, ...]


def unfinished(words: Words, slack: int = 0) -> bool:
    """Whether some command begins with the words and goes on; `slack` words may be wrong, missing
    or too many where there are enough of them. After `ten minutes` nobody waits for seconds."""
    words = grammar.settle(words)
    slack = slack if len(words) >= NEAR_WORDS else 0
    lines = _lines() if grammar.parse(words) else (*_lines(), *_longer_lines())
    return bool(words) and any(_goes_on(words, line, slack) for line in lines)


def near(words: Words, intent: str | None = None) -> list[tuple[str, dict, Words]]:
    """Intents, slots and words of the commands (of one intent) that are one word away: another,
    a missing one or one too many. Numbers must have been heard as they are."""
    found: dict[str, tuple[str, dict, Words]] = {}
    if len(words) >= NEAR_WORDS:
        lines = (*_lines(intent), *_longer_lines(intent))
        for sentence in {s for line in lines for s in _repaired(words, line, 1)}:
            parsed = grammar.parse(sentence)
            if parsed is not None:
                found.setdefault(repr(parsed), (*parsed, sentence))
    return list(found.values())


def warm_up() -> None:
    """Build now what the first act would otherwise wait for."""
    for intent in grammar.INTENTS:
        _lines(intent)
        _longer_lines(intent)
    for token in chain.from_iterable((*_lines(), *_longer_lines())):
        _values(token)


@cache
def _lines(intent: str | None = None) -> tuple[Words, ...]:
    """Token sequences of an intent (None: of all), durations taken apart."""
    sequences = (s for s, name in grammar.sequences().items() if intent in (None, name))
    return tuple(chain.from_iterable(_apart(s, _DURATIONS) if "{duration}" in s else (s,)
                                     for s in sequences))


@cache
def _longer_lines(intent: str | None = None) -> tuple[Words, ...]:
    """The same with durations of two parts."""
    sequences = (s for s, name in grammar.sequences().items()
                 if "{duration}" in s and intent in (None, name))
    return tuple(chain.from_iterable(_apart(s, _TWO_PARTS) for s in sequences))


def _apart(sequence: Words, ways: tuple[Words, ...]) -> Iterator[Words]:
    """The sequence once for every way to say its duration."""
    at = sequence.index("{duration}")
    for duration in ways:
        yield (*sequence[:at], *duration, *sequence[at + 1 :])


@cache
def _values(token: str) -> tuple[frozenset[Words], frozenset[Words]]:
    """What can stand for a token of a line, and the proper beginnings of that."""
    if token in ("{number}", "{number2}"):
        whole = frozenset(chain.from_iterable(_number_sayings(n) for n in range(1000)))
    else:
        whole = frozenset(tuple(v.split()) for v in _CLOSED.get(token, (token,)))
    return whole, frozenset(v[:n] for v in whole for n in range(1, len(v)))


def _number_sayings(n: int) -> Iterator[Words]:
    """Ways to say a number of 0 to 999."""
    words = tuple(grammar.number_words(n))
    ways = [words]
    if n > 100 and n % 100:
        ways.append((*words[:2], "and", *words[2:]))
    for way in ways:
        yield way
        if 100 <= n < 200:
            yield ("a", *way[1:])


def _goes_on(words: Words, line: Words, slack: int) -> bool:
    """Whether the words, but for `slack` of them, are a proper beginning of the line."""
    if not words or not line:
        return not words and bool(line)
    whole, begun = _values(line[0])
    if words in begun:
        return True
    for n in range(1, len(words) + 1):
        if words[:n] in whole and _goes_on(words[n:], line[1:], slack):
            return True
    if not slack:
        return False
    if _goes_on(words[1:], line, 0):
        return True
    literal = (line[0],) in whole
    return literal and (_goes_on(words, line[1:], 0) or _goes_on(words[1:], line[1:], 0))


def _repaired(words: Words, line: Words, slack: int) -> Iterator[Words]:
    """Ways to say the line that are at most `slack` words away from the words."""
    if not line:
        if not words or slack and len(words) == 1 and words[0] not in _NUMBER_WORDS:
            yield ()
        return
    whole, _ = _values(line[0])
    heard = [(words[:n], n, slack) for n in range(1, len(words) + 1) if words[:n] in whole]
    if slack and line[0] not in _AS_HEARD:
        least = 1 if line[0] in _CLOSED else 0  # a value of which nothing was heard is a guess
        heard += [(value, n, 0) for value in whole
                  for n in range(max(len(value) - 1, least), len(value) + 1)
                  if words[:n] not in whole and _one_off(words[:n], value)]
    for value, n, left in heard:
        for rest in _repaired(words[n:], line[1:], left):
            yield value + rest
    if slack and words and words[0] not in _NUMBER_WORDS:
        yield from _repaired(words[1:], line, 0)


def _one_off(words: Words, value: Words) -> bool:
    """Whether a value has one word more, or as many of which one is not the number heard there."""
    if len(words) == len(value):
        other = [w for w, v in zip(words, value) if w != v]
        return len(other) == 1 and other[0] not in _NUMBER_WORDS
    return len(words) == len(value) - 1 and any(
        value[:k] + value[k + 1 :] == words for k in range(len(value)))
