"""Hand-made events and sound for the benchmark's scorers."""

from __future__ import annotations

import numpy as np

from tools.benchmark.items import RATE, Item
from tools.benchmark.program import Result


def spoken(text: str, start_s: float, length_s: float = 0.5, number: int = 0,
           cut: bool = False) -> dict:
    """A sentence as it was played."""
    return {"kind": "spoken", "t_s": start_s + length_s, "text": text, "utterance": number,
            "start_s": start_s, "end_s": start_s + length_s, "cut": cut}


def say(text: str, at_s: float, cause: str, number: int = 0) -> dict:
    """A sentence as it was handed to the voice."""
    return {"kind": "say", "t_s": at_s, "text": text, "cause": cause, "utterance": number}


def act(name: str, at_s: float, outcome: str = "done", **slots) -> dict:
    """A command as it was understood."""
    return {"kind": "act", "t_s": at_s, "text": name, "slots": slots, "outcome": outcome}


def answer(text: str, at_s: float, source: str) -> dict:
    """The end of a delegation."""
    return {"kind": "answer", "t_s": at_s, "text": text, "status": "final", "source": source}


def result(*events: dict, seconds: float = 30.0, tone: tuple[float, float] | None = None) -> Result:
    """What came out of a run; `tone`: where its sound is heard, seconds."""
    own = np.zeros(int(seconds * RATE), np.int16)
    if tone is not None:
        t = np.arange(int(tone[0] * RATE), int(tone[1] * RATE))
        own[t] = 3_000 * np.sin(2 * np.pi * 440 * t / RATE)
    return Result(list(events), own, 0.1, {})


def item(**truth) -> Item:
    """An item of which only the truth matters."""
    return Item("made-up", np.zeros(RATE, np.int16), truth)
