"""One small set of phone classes for the phones of all synthesisers (an auxiliary target)."""

from __future__ import annotations

PHONES = (
    "sil aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th "
    "uh uw v w y z zh"
).split()
"""ARPAbet without stress; class 0 is silence."""

_ESPEAK = {
    "I": "ih", "I2": "ih", "I#": "ih", "i": "iy", "i:": "iy", "E": "eh", "a": "ae", "a#": "ax",
    "@": "ax", "@2": "ax", "@-": "ax", "@5": "ax", "3": "er", "3:": "er", "VR": "er", "V": "ah",
    "0": "aa", "0#": "aa", "A:": "aa", "A@": "aa", "O2": "ao", "O:": "ao", "O@": "ao", "O": "ao",
    "o@": "ao", "U": "uh", "u:": "uw", "aI": "ay", "aI2": "ay", "aI@": "ay", "aU": "aw",
    "eI": "ey", "oU": "ow", "OI": "oy", "i@": "iy", "i@3": "iy", "IR": "iy", "e@": "eh",
    "@L": "l", "D": "dh", "T": "th", "N": "ng", "S": "sh", "Z": "zh", "tS": "ch", "dZ": "jh",
    "j": "y", "h": "hh", "t2": "t", "t#": "t", "w#": "w", "r-": "r", "g": "g", "aa": "aa",
}
_INDEX = {name: i for i, name in enumerate(PHONES)}
_SILENCE = {"_", "_:", "_!", "pau", "", ";", "|", "brth", "h#", "#"}


def phone_class(name: str) -> int:
    """Class of a phone name of espeak-ng, flite or festival; unknown ones count as silence."""
    if name in _SILENCE:
        return 0
    if name in _ESPEAK:
        return _INDEX[_ESPEAK[name]]
    lower = name.lower()
    for candidate in (lower, lower[:2], lower[:1]):
        if candidate in _INDEX:
            return _INDEX[candidate]
    return 0


_IPA = {
    "\u02c8": "", "\u02cc": "", "\u02d0": "", "\u0329": "",   # stress, length, syllabic
    "\u0279": "r", "\u0261": "g", "\u014b": "ng", "\u03b8": "th", "\u00f0": "dh", "\u0283": "sh",
    "\u0292": "zh", "\u02a4": "jh", "\u02a7": "ch", "j": "y", "h": "hh", "\u027e": "t", "\u0294": "t",
    "\u026b": "l", "i": "iy", "\u026a": "ih", "\u1d7b": "ih", "\u025b": "eh", "\u00e6": "ae", "\u0251": "aa",
    "\u0252": "aa", "\u0254": "ao", "\u028a": "uh", "u": "uw", "\u028c": "ah", "\u0259": "ax", "\u0250": "ax",
    "\u1d4a": "ax", "\u025a": "er", "\u025c": "er", "e": "ey", "a": "ae", "o": "ow",
    "A": "ey", "I": "ay", "O": "ow", "W": "aw", "Y": "oy",
}
_IPA_PAIRS = {
    "e\u026a": "ey", "a\u026a": "ay", "a\u028a": "aw", "o\u028a": "ow", "\u0254\u026a": "oy", "t\u0283": "ch",
    "d\u0292": "jh",
}


def ipa_classes(symbols: list[str]) -> list[int]:
    """Class of each IPA character, as espeak-ng and misaki write English (capitals are diphthongs).

    A diphthong or affricate told as two characters is one phone; marks of stress and length, and
    the blanks between, belong to the phone before, at the beginning of a word to the one after.
    """
    classes: list[int | None] = []
    last = ""
    for symbol in symbols:
        pair = _IPA_PAIRS.get(last + symbol)
        if pair:
            at = max(i for i, s in enumerate(symbols[: len(classes)]) if s == last)
            classes[at:] = [_INDEX[pair]] * (len(classes) - at)
            classes.append(_INDEX[pair])
        elif symbol in ("", *(k for k, v in _IPA.items() if not v)):
            classes.append(None)
            continue
        else:
            classes.append(0 if symbol == " " else _INDEX.get(_IPA.get(symbol, symbol), 0))
        last = symbol
    out, before = [], 0
    for value in classes:
        before = before if value is None else value
        out.append(before)
    for i in range(len(out) - 2, -1, -1):
        if classes[i] is None and out[i] == 0:
            out[i] = out[i + 1]
    return out
