"""Suite `present`: it stays in the room. While something is looked up, two local requests and a
set of repetitions go on; the answer then begins in a pause."""

from __future__ import annotations

import numpy as np

from models.scenarios import video
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item, in_a_room
from tools.benchmark.program import FPS, Result
from tools.benchmark.questions import asked
from tools.benchmark.source import Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite, always

LOCAL = {"date": "what is the date", "clock": "what time is it", "how_many": "how many was that",
         "louder": "louder", "battery": "battery level", "stopwatch": "start a stopwatch",
         "softer": "not so loud", "status": "what is running"}
"""Requests that need nobody else, by intent."""
NORMAL_S = 0.8
"""A local reply begins by then, as the 95th percentile of all must."""
GAP_S = 1.4
"""Between two of the wearer's sentences: shorter than a reply and an answer together."""
AFTER_S = 14.0


def make(source: Source, number: int) -> Item:
    """A question, two requests while it is open, a set in sight from the beginning."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([15, seed])
    talk, spans = Talk(source, rng), []
    questions = [say for say, section in asked(source.tuning) if section]
    first, second = (str(name) for name in rng.permutation(list(LOCAL))[:2])
    says = [questions[rng.integers(len(questions))], LOCAL[first], LOCAL[second]]
    at_s = LEAD_S
    for say in says:
        end_s = talk.end_s(f"tagalong {say}", at_s)
        spans.append((at_s, end_s))
        at_s = end_s + GAP_S
    seconds = float(np.ceil((at_s + AFTER_S) * 5) / 5)
    made = video.clip(rng, seconds, "exercise", source.stills())
    return Item(f"present-{seed}", talk.sound(seconds), {
        "spans": spans, "local": [first, second], "fps": FPS,
        "ends": [float(t) for t in made.motion.ends]}, made.frames, task="count_reps",
        echo=in_a_room(seed))


def judge(item: Item, result: Result) -> dict:
    """What was served, and whether the answer was ever begun over the wearer's words."""
    t = item.truth
    late_s = [_late_s(name, end_s, result)
              for name, (_, end_s) in zip(t["local"], t["spans"][1:])]
    answers = score.begun(result.events, "answer:")
    over = [s for s in answers if any(a <= s <= b for a, b in t["spans"])]
    asked_s = t["spans"][0][1]
    numbers = [s for s in score.begun(result.events, "count:") if s > asked_s]
    repeated = sum(e > asked_s for e in t["ends"])
    served = [s is not None and s <= NORMAL_S for s in late_s]
    return {"delegated": any(e["kind"] == "delegate" for e in result.events),
            "served": served, "late_s": [s for s in late_s if s is not None],
            "repeated": repeated, "counted": bool(numbers), "answered": bool(answers),
            "over": len(over), "right": all(served) and bool(answers) and not over
            and (bool(numbers) or not repeated)}


def _late_s(name: str, end_s: float, result: Result) -> float | None:
    """From the end of a request to its reply; None where it was not carried out."""
    if not any(a["text"] == name and a.get("outcome") == "done"
               for a in score.acts(result.events)):
        return None
    begun = [s for s in score.begun(result.events, f"act:{name}") if s > end_s - 0.2]
    return round(min(begun) - end_s, 3) if begun else None


def summary(rows: list[dict]) -> dict:
    """All served, and the parts of it."""
    n, late = len(rows), [s for r in rows for s in r["late_s"]]
    moving = [r for r in rows if r["repeated"]]
    answers = [r for r in rows if r["answered"]]
    return {"all served %": score.share(sum(r["right"] for r in rows), n),
            "delegated %": score.share(sum(r["delegated"] for r in rows), n),
            "local requests in time %": score.share(sum(sum(r["served"]) for r in rows), 2 * n),
            "counted meanwhile %": score.share(sum(r["counted"] for r in moving), len(moving)),
            "answered %": score.share(len(answers), n),
            "answers begun over the wearer %": score.share(sum(bool(r["over"]) for r in answers),
                                                           len(answers)),
            "local reply, median s": score.percentile(late, 50),
            "local reply, p95 s": score.percentile(late, 95)}


SUITE = Suite("Present: it serves while something is looked up", make, always(100), judge, summary,
              quick=1, broker=True)
