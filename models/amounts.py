"""Numbers and lengths of time as people say them: in words, with slips put right, in two parts.

Numbers are 0 to 999. "Ten, no, fifteen" is fifteen; "two and a half minutes" is two minutes and
thirty seconds, which the slots hold as two numbers with their units.
"""

from __future__ import annotations

import re

TIME_UNITS = ("second", "minute", "hour")
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBER_WORDS = tuple(_SMALL + _TENS + ["hundred"])
_PLAIN = r"(?:(?:a|" + "|".join(NUMBER_WORDS + ("and",)) + r")(?: |$))+?"
NUMBER = f"(?:{_PLAIN}no )?{_PLAIN}"
"""A number, perhaps with the wrong one said first: `ten no fifteen`."""


def number_words(n: int) -> list[str]:
    """English words of n, 0 to 999; 'and' is left out (sampled in by `sample`)."""
    if not 0 <= n <= 999:
        raise ValueError(f"number {n} is outside 0 to 999")
    hundreds, rest = divmod(n, 100)
    words = [_SMALL[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10 - 2])
        rest %= 10
        if not rest:
            return words
    if rest or not words:
        words.append(_SMALL[rest])
    return words


def parse_number(words: list[str]) -> int | None:
    """Inverse of `number_words`; accepts 'a hundred', 'and' and the correction 'ten no fifteen'.
    None if it is no number."""
    if "no" in words:
        at = len(words) - 1 - words[::-1].index("no")
        return None if parse_number(words[:at]) is None else parse_number(words[at + 1 :])
    words = [w for w in words if w != "and"]
    if words[:1] == ["a"]:
        words = ["one"] + words[1:]
    total = 0
    if len(words) >= 2 and words[1] == "hundred" and words[0] in _SMALL[1:10]:
        total, words = _SMALL.index(words[0]) * 100, words[2:]
        if not words:
            return total
    if len(words) == 2 and words[0] in _TENS and words[1] in _SMALL[1:10]:
        return total + (_TENS.index(words[0]) + 2) * 10 + _SMALL.index(words[1])
    if len(words) == 1 and words[0] in _TENS:
        return total + (_TENS.index(words[0]) + 2) * 10
    if len(words) == 1 and words[0] in _SMALL and not (total and words[0] == "zero"):
        return total + _SMALL.index(words[0])
    return None


_COUNTED = frozenset((*NUMBER_WORDS, "and", "a"))


def settle(words) -> tuple[str, ...]:
    """The words without numbers that were taken back: `timer for ten no fifteen` without `ten
    no`."""
    kept: list[str] = []
    words = tuple(words)
    for i, word in enumerate(words):
        takes_back = word == "no" and (i + 1 == len(words) or words[i + 1] in _COUNTED)
        if takes_back and kept and kept[-1] in NUMBER_WORDS:
            while kept and kept[-1] in _COUNTED:
                kept.pop()
            continue
        kept.append(word)
    return tuple(kept)


CORRECTED = 0.06
"""Share of the numbers before which another one is said by mistake."""


def sample_number(rng, top: int) -> tuple[list[str], int]:
    words, n = _plain_number(rng, top)
    if rng.random() < CORRECTED:
        words = [*_plain_number(rng, top)[0], "no", *words]
    return words, n


def _plain_number(rng, top: int) -> tuple[list[str], int]:
    n = int(rng.integers(0, min(top, rng.choice([12, 30, 100, 999])) + 1))
    words = number_words(n)
    if n > 100 and n % 100 and rng.random() < 0.5:
        words.insert(2, "and")
    if 100 <= n < 200 and rng.random() < 0.3:
        words[0] = "a"
    return words, n


def sample_duration(rng) -> tuple[list[str], dict]:
    unit = TIME_UNITS[rng.choice(3, p=[0.5, 0.4, 0.1])]
    draw = rng.random()
    if draw < 0.06 and unit != "second":
        number = 30
        smaller = "second" if unit == "minute" else "minute"
        return ["half", "an" if unit == "hour" else "a", unit], {"number": number, "unit": smaller}
    if draw < 0.18:
        return ["an" if unit == "hour" else "a", unit], {"number": 1, "unit": unit}
    if draw < 0.30 and unit != "second":
        return _two_parts(rng, unit)
    words, n = sample_number(rng, 120)
    if n == 0:
        words, n = ["ten"], 10
    singular = n == 1 or rng.random() < 0.15  # "a ten minute timer"
    return words + [unit if singular else unit + "s"], {"number": n, "unit": unit}


SMALLER = {"minute": "second", "hour": "minute"}
"""Unit of the second part of a duration."""


def _two_parts(rng, unit: str) -> tuple[list[str], dict]:
    """`two minutes and thirty seconds`, `a minute and a half`, `two and a half hours`."""
    n, draw = int(rng.integers(1, 13)), rng.random()
    slots = {"number": n, "unit": unit, "number2": 30, "unit2": SMALLER[unit]}
    if draw < 0.2:
        one = "an" if unit == "hour" else "a"
        return [one, unit, "and", "a", "half"], slots | {"number": 1}
    whole = [*number_words(n), unit + "s" * (n > 1)]
    if draw < 0.4 and n > 1:
        return [*number_words(n), "and", "a", "half", unit + "s"], slots
    part = int(rng.choice([5, 10, 15, 20, 30, 40, 45, 50]))
    joint = ["and"] if rng.random() < 0.6 else []
    return [*whole, *joint, *number_words(part), SMALLER[unit] + "s"], slots | {"number2": part}


def parse_duration(words: list[str]) -> dict | None:
    """Slots of a duration of one part or of two, the second in the next smaller unit."""
    half = " ".join(words)
    match = re.fullmatch(r"(?:(an?) (minute|hour) and a half|(.+) and a half (minute|hour)s)", half)
    if match:
        unit = match.group(2) or match.group(4)
        n = 1 if match.group(1) else parse_number(match.group(3).split())
        return None if n is None else {
            "number": n, "unit": unit, "number2": 30, "unit2": SMALLER[unit]}
    inside = [i for i, w in enumerate(words[:-1]) if w.rstrip("s") in SMALLER]
    if inside:
        first, rest = words[: inside[0] + 1], words[inside[0] + 1 :]
        one = _one_part(first)
        two = _one_part(rest[1:] if rest[0] == "and" else rest)
        if one is None or two is None or SMALLER.get(one["unit"]) != two["unit"]:
            return None
        return {**one, "number2": two["number"], "unit2": two["unit"]}
    return _one_part(words)


def _one_part(words: list[str]) -> dict | None:
    unit = words[-1].rstrip("s")
    if words[0] == "half":
        smaller = {"minute": "second", "hour": "minute"}.get(unit)
        return {"number": 30, "unit": smaller} if smaller else None
    if words[0] in ("a", "an") and len(words) == 2:
        return {"number": 1, "unit": unit} if words[-1] == unit else None  # "a hours" was eight
    n = parse_number(words[:-1])
    return None if n is None else {"number": n, "unit": unit}
