"""What of a language model's words may be spoken.

Its words are content: they never change placement, policy, tools or acts. Figures are spoken only
where a tool's result or the question has them; a model that rounds a torque is silent about it.
"""

from __future__ import annotations

import re
import unicodedata

MOST_SENTENCES, MOST_CHARACTERS = 6, 400
_BLOCKS = re.compile(r"```.*?```|<[^<>]{1,200}>", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_SIGNS = re.compile(r"[*_#`|>~]+")
_ADDRESS = re.compile(r"\b(?:https?|ftp|file|javascript|data):\S+", re.IGNORECASE)
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_CUT = re.compile(r"[^.!?]*$")
_LIST = re.compile(r"(?m)^\s*(?:[-•]|\d+[.)])\s+")


def sentences_of_model(text: str) -> tuple[str, ...]:
    """Plain sentences to speak, at most six, without markup, addresses and control characters."""
    text = _LIST.sub("", text)
    text = _SIGNS.sub("", _LINK.sub(r"\1", _BLOCKS.sub(" ", text)))
    text = _ADDRESS.sub(" ", text)
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    text = " ".join(text.split())
    found = [s.strip() for s in re.split(r"(?<=[.!?])\s+(?=\S)", text)]
    return tuple(s[:MOST_CHARACTERS] for s in found if any(map(str.isalnum, s)))[:MOST_SENTENCES]


def finished_sentences(text: str) -> tuple[str, ...]:
    """Sentences of a text that goes on, but for the last; none while markup is open in it, for
    what closes it changes what stood before."""
    open_now = text.count("```") % 2 or any(
        text.rfind(begin) > text.rfind(end) for begin, end in ("<>", "[]", "()"))
    return () if open_now else sentences_of_model(text)[:-1]


def whole_sentences(text: str) -> str:
    """What a budget cut off, up to its last whole sentence."""
    return _CUT.sub("", text)


def figures(text: str) -> set[str]:
    """Numbers in digits, as written; 2,000 and 2000 are the same."""
    return {f.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", f) else f
            for f in _FIGURE.findall(text)}


def vouched(sentences: tuple[str, ...], evidence: str) -> tuple[str, ...]:
    """Those whose figures all stand in the evidence: the question and what the tools returned."""
    known = figures(evidence)
    return tuple(s for s in sentences if figures(s) <= known)
