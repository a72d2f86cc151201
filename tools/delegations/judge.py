"""What became of every request, from what the wearer of `tools/chaos` would have heard.

Source of the terms: a promise is *lost* when it is neither answered nor expired aloud; a sentence
is *lost* when its answer is over and it was never completed, *twice* when it was completed (it
sounded to its end and that is on disk) and is spoken again. A process that is killed between the
last sample of a sentence and its mark says that sentence again, after "as I was saying"; nothing
can close that gap between a loudspeaker and a disk, so it is counted by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from daemon.phrases import AS_I_WAS_SAYING
from tools.delegations.helper import sentences_of

Events = Sequence[dict[str, Any]]


def unpromised(events: Events, numbers: Sequence[int]) -> list[int]:
    """Those of the requests that nobody has promised to look up."""
    promised = {e["number"] for e in events if e["event"] == "promise"}
    return [number for number in numbers if number not in promised]


def pending(events: Events) -> set[str]:
    """Promised requests that are not over."""
    over = {e["id"] for e in events if e["event"] == "over"}
    return {e["id"] for e in events if e["event"] == "promise"} - over


def _sentences(events: Events) -> dict[str, int]:
    """Faults of sentences."""
    ended: defaultdict[tuple[str, int], int] = defaultdict(int)
    completed: set[tuple[str, int]] = set()
    figures = dict.fromkeys(("sentences", "sentences_twice", "heard_again", "resumed"), 0)
    for event in events:
        key = (event.get("id", ""), event.get("n", -1))
        if event["event"] == "begin":
            figures["sentences_twice"] += key in completed
            figures["heard_again"] += ended[key] > 0 and key not in completed
            figures["resumed"] += event["text"].startswith(AS_I_WAS_SAYING)
        elif event["event"] == "end":
            figures["sentences"] += not ended[key]
            ended[key] += 1
        elif event["event"] == "completed":
            completed.add(key)
    over = [e for e in events if e["event"] == "over"]
    missing = [(e["id"], n) for e in over for n in range(e["sentences"])
               if not ended[e["id"], n]]
    return {**figures, "sentences_lost": len(set(missing))}


def _wrong(events: Events) -> int:
    """Sentences that are not the right ones of the request that they answer."""
    number_of = {e["id"]: e["number"] for e in events if e["event"] == "promise"}
    status = {e["id"]: e["status"] for e in events if e["event"] == "over"}
    wrong = 0
    for event in events:
        id = event.get("id")
        if event["event"] == "begin" and id in number_of and status.get(id) == "final":
            text = event["text"].removeprefix(AS_I_WAS_SAYING).strip()
            right = sentences_of(number_of[id])
            wrong += not (event["n"] < len(right) and right[event["n"]] == text)
    return wrong


def judge(events: Events, numbers: Sequence[int]) -> dict[str, Any]:
    """Figures of a run that is over."""
    promises = {e["id"]: e for e in events if e["event"] == "promise"}
    over = {e["id"]: e for e in events if e["event"] == "over"}
    statuses = [over[id]["status"] for id in promises if id in over]
    waits_s = [over[id]["t_s"] - e["t_s"] for id, e in promises.items() if id in over]
    return {
        "requests": len(numbers),
        "promises": len(promises),
        "answered": statuses.count("final"),
        "expired_aloud": statuses.count("expired"),
        "lost": len(pending(events)) + len(unpromised(events, numbers)),
        "ended_again": sum(e["event"] == "over" for e in events) - len(over),
        "refused_aloud": sum(e["event"] == "refused" for e in events),
        **_sentences(events),
        "wrong_sentences": _wrong(events),
        "promise_to_end_p50_s": round(float(np.percentile(waits_s or [0], 50)), 3),
        "promise_to_end_p99_s": round(float(np.percentile(waits_s or [0], 99)), 3),
    }


def failed(figures: dict[str, Any]) -> list[str]:
    """Names of the figures that must be nought and are not."""
    must = ("lost", "sentences_lost", "sentences_twice", "wrong_sentences", "fell_over")
    return [name for name in must if figures[name]]
