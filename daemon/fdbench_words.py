"""Full-Duplex-Bench's transcripts: which words were said, and when.

    {"text": "...", "chunks": [{"text": "one", "timestamp": [start_s, end_s]}, ...]}

Where a sentence begins and ends is known to the sample. Within it the words share the time by
their letters: good enough for words a minute, and neither take-overs nor latency depend on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.events import Event

TAKEOVER_S = 1.0
TAKEOVER_WORDS = 3
"""Speech shorter than this that has no more words than this leaves the floor to the other.
Source: Full-Duplex-Bench v1.0, arXiv 2503.04721, and the thresholds of its scripts."""


@dataclass(frozen=True)
class Word:
    """One word as it sounded."""

    text: str
    start_s: float
    """Seconds from sample 0 of the input."""
    end_s: float


def spoken_words(spoken: Sequence[Event], length_s: float, whole_s: Callable[[str], float],
                 after_s: float = 0.0) -> list[Word]:
    """Words that can be heard in an output.

    Args:
        spoken: events of kind `spoken`.
        length_s: length of the output, seconds; what lies behind it is left out.
        whole_s: text -> seconds that it takes uncut. An interrupted sentence's event has its whole
            text, and only from that is it known how much of it sounded.
        after_s: what ends before this is left out, seconds.
    """
    words: list[Word] = []
    for event in sorted(spoken, key=lambda event: event.data["start_s"]):
        start_s, end_s = event.data["start_s"], event.data["end_s"]
        text = event.text or ""
        took_s = max(end_s - start_s, whole_s(text)) if event.data["cut"] else end_s - start_s
        words += _within(_spread(text.split(), start_s, took_s), after_s, min(end_s, length_s))
    return words


def _spread(texts: Sequence[str], start_s: float, took_s: float) -> list[Word]:
    """Words one after the other, each as long as its letters and the gap behind it."""
    total = sum(len(text) + 1 for text in texts)
    words, done = [], 0
    for text in texts:
        begin_s = start_s + took_s * done / total
        done += len(text) + 1
        words.append(Word(text, begin_s, start_s + took_s * done / total))
    return words


def _within(words: Sequence[Word], from_s: float, to_s: float) -> list[Word]:
    """Words of which at least half lies inside, as far as they do."""
    kept = []
    for word in words:
        start_s, end_s = max(word.start_s, from_s), min(word.end_s, to_s)
        if end_s - start_s > 0 and end_s - start_s >= (word.end_s - word.start_s) / 2:
            kept.append(Word(word.text, start_s, end_s))
    return kept


def to_json(words: Sequence[Word]) -> str:
    """The text of a transcript file."""
    chunks = [{"text": word.text, "timestamp": [round(word.start_s, 3), round(word.end_s, 3)]}
              for word in words]
    text = " ".join(word.text for word in words)
    return json.dumps({"text": text, "chunks": chunks}, indent=4, ensure_ascii=False) + "\n"


def read_words(path: Path) -> list[Word] | None:
    """Words of a transcript file, whoever wrote it; None when there is none or it is another."""
    try:
        chunks = json.loads(path.read_text(encoding="utf-8"))["chunks"]
        return [_word(chunk) for chunk in chunks]
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _word(chunk: dict) -> Word:
    """Some recognisers know no end of the last word."""
    start_s, end_s = chunk["timestamp"]
    return Word(str(chunk["text"]), float(start_s), float(start_s if end_s is None else end_s))


def takes_over(words: Sequence[Word]) -> bool:
    """Whether somebody who says this has taken the floor."""
    if not words:
        return False
    return len(words) > TAKEOVER_WORDS or words[-1].end_s - words[0].start_s >= TAKEOVER_S
