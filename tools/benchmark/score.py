"""Deterministic scoring: events and sound against what was wanted."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from models import grammar

RATE = 16_000


def word_errors(reference: list[str], heard: list[str]) -> int:
    """Edit distance in words."""
    row = np.arange(len(heard) + 1)
    for i, word in enumerate(reference, 1):
        previous, row = row, np.empty_like(row)
        row[0] = i
        for j, other in enumerate(heard, 1):
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (word != other))
    return int(row[-1])


def heard_words(events: list[dict], from_s: float = 0.0, to_s: float = 1e9) -> list[str]:
    """Words of the heard stream in a window."""
    return [w for e in events if e["kind"] == "heard" and from_s <= e["t_s"] <= to_s
            for w in e["text"].split()]


def first_sound_s(own: np.ndarray, from_s: float, to_s: float) -> float | None:
    """First 10 ms block over -50 dBFS in a window of the output, seconds; None if silent."""
    block = RATE // 100
    first = int(from_s * 100)
    part = own[first * block : int(to_s * RATE)].astype(np.float32)
    part = part[: len(part) // block * block].reshape(-1, block)
    loud = np.flatnonzero(np.sqrt((part**2).mean(1)) > 32768 * 10 ** (-50 / 20))
    return (first + int(loud[0])) / 100 if len(loud) else None


def acts(events: list[dict]) -> list[dict]:
    """Commands understood."""
    return [e for e in events if e["kind"] == "act"]


def same_slots(wanted: dict, found: dict) -> bool:
    """Equal values in all slots that either has."""
    found = {k: v for k, v in (found or {}).items() if v is not None}
    return wanted == found


def level_db(own: np.ndarray, at_s: float, seconds: float = 0.05) -> float:
    """Level of the output in dBFS."""
    part = own[int(at_s * RATE) : int((at_s + seconds) * RATE)].astype(np.float32)
    return float(20 * np.log10(np.sqrt((part**2).mean()) / 32768 + 1e-7)) if len(part) else -140.0


def silent_from_s(own: np.ndarray, from_s: float, to_s: float, hold_s: float = 0.5) -> float | None:
    """When the output has gone silent and stays so for `hold_s`."""
    t = from_s
    while t + hold_s <= to_s:
        if first_sound_s(own, t, t + hold_s) is None:
            return t
        t += 0.02
    return None


def percentile(values: list[float], q: float) -> float | None:
    """Percentile, None of nothing."""
    return round(float(np.percentile(values, q)), 3) if values else None


def share(part: int, whole: int) -> float | None:
    """Percent with one decimal, None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def within_one(spoken: list[tuple[float, int]], ends: list[float]) -> tuple[int, bool]:
    """RepCount-A online: the last number said after the last-but-one true repetition, and whether
    it is within one. `spoken` is (start_s, number) of numbers as played."""
    after = ends[-2] if len(ends) > 1 else 0.0
    numbers = [n for t, n in spoken if t >= after]
    last = numbers[-1] if numbers else (spoken[-1][1] if spoken and len(ends) < 2 else 0)
    return last, abs(last - len(ends)) <= 1


def interval(hits: list[bool], draws: int = 2000) -> str | None:
    """95 % bootstrap interval of a share, percent; None of nothing. Always the same draws."""
    if not hits:
        return None
    rng = np.random.default_rng(0)
    shares = np.array(hits, float)[rng.integers(0, len(hits), (draws, len(hits)))].mean(1)
    low, high = 100 * np.percentile(shares, [2.5, 97.5])
    return f"{low:.0f} to {high:.0f}"


def number_in(text: str) -> int | None:
    """The number that a sentence is, but for a "done" after it; None for any other sentence."""
    words = re.sub(r"[^a-z ]", "", text.lower()).replace(" done", "").split()
    return grammar.parse_number(words)


def plain(text: str) -> str:
    """Lower case, without signs and accents: the same words compare equal."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    return " ".join(re.sub(r"[^a-z0-9 ]", "", letters).split())


def spoken(events: list[dict]) -> list[tuple[float, str]]:
    """(start in s, words) of every sentence as it was played, in the order of their sounding;
    lower case, without signs."""
    found = [(e["start_s"], plain(e.get("text") or "")) for e in events
             if e["kind"] == "spoken" and e["end_s"] > e["start_s"]]
    return sorted(found)


def begun(events: list[dict], cause: str) -> list[float]:
    """When the sentences of a cause (`act:louder`, `answer:` for any answer) were first heard."""
    numbers = {e["utterance"] for e in events
               if e["kind"] == "say" and e.get("cause", "").startswith(cause)}
    return sorted(e["start_s"] for e in events if e["kind"] == "spoken"
                  and e["utterance"] in numbers and e["end_s"] > e["start_s"])


def sources(events: list[dict]) -> str:
    """Where the answers were found, lower case."""
    return " ".join(str(e.get("source") or "") for e in events
                    if e["kind"] == "answer" and e.get("status") == "final").lower()
