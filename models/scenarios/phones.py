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
