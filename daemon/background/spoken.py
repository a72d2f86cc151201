"""Text as it is spoken: lower-case words, numbers and units written out. And stems of words."""

from __future__ import annotations

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {w: i for i, w in enumerate(_SMALL)} | {w: 10 * (i + 2) for i, w in enumerate(_TENS)}
NUMBERS = frozenset((*_VALUES, "hundred", "thousand", "point"))
"""Words that numbers are made of."""
_UNITS = {
    "mm": "millimetres",
    "cm": "centimetres",
    "nm": "newton metres",
    "kg": "kilograms",
    "%": "percent",
    "°c": "degrees celsius",
    "°": "degrees",
    "a": "a",
}
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[a-z]+(?:'[a-z]+)?|%|°c?")


def number_words(text: str) -> list[str]:
    """Words of a number written with digits, "19.5" -> nineteen point five; below a million."""
    whole, _, decimals = text.replace(",", ".").partition(".")
    words = _integer_words(int(whole))
    if decimals:
        words += ["point", *(_SMALL[int(d)] for d in decimals)]
    return words


def _integer_words(n: int) -> list[str]:
    if n >= 1_000_000:
        return [_SMALL[int(d)] for d in str(n)]
    if n >= 1_000:
        rest = _integer_words(n % 1_000) if n % 1_000 else []
        return [*_integer_words(n // 1_000), "thousand", *rest]
    if n >= 100:
        rest = _integer_words(n % 100) if n % 100 else []
        return [_SMALL[n // 100], "hundred", *rest]
    if n >= 20:
        return [_TENS[n // 10 - 2], *([_SMALL[n % 10]] if n % 10 else [])]
    return [_SMALL[n]]


def words_of(text: str) -> list[str]:
    """The words of a text as they are spoken: "M8: 16 Nm" -> m eight sixteen newton metres."""
    words: list[str] = []
    for token in _TOKEN.findall(text.lower()):
        if token[0].isdigit():
            words += number_words(token)
        else:
            words += _UNITS.get(token, token).split()
    return words


def parse_number(words: list[str]) -> float | None:
    """The number that all these words say, None when they say none: twelve point five -> 12.5."""
    if "point" in words:
        at = words.index("point")
        whole = parse_number(words[:at]) if at else 0.0
        digits = [_VALUES.get(w, 10) for w in words[at + 1 :]]
        if whole is None or not digits or max(digits) > 9:
            return None
        return whole + int("".join(map(str, digits))) / 10 ** len(digits)
    return _parse_integer(words)


def _parse_integer(words: list[str]) -> float | None:
    total, current, seen = 0, 0, False
    for word in words:
        if re.fullmatch(r"\d+(\.\d+)?", word) and len(words) == 1:
            return float(word)
        if word == "and" and seen:
            continue
        if word == "hundred":
            current = max(current, 1) * 100
        elif word == "thousand":
            total, current = total + max(current, 1) * 1_000, 0
        elif word in _VALUES:
            current += _VALUES[word]
        else:
            return None
        seen = True
    return float(total + current) if seen else None


def stem(word: str) -> str:
    """A word without its common English endings; crude, but the same for question and manual."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and not word.endswith("eed") and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
