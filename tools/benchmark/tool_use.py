"""Suite `tools`: requests that need the background, half of them corrected in the middle.

Right is: the right tool, with the right values, its answer played, and nothing else done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from daemon.background.tools.calculate import calculate
from daemon.background.tools.convert import convert
from models import grammar
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item, in_a_room
from tools.benchmark.program import Result
from tools.benchmark.questions import asked
from tools.benchmark.source import Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite, always

KINDS = ("convert", "calculate", "workout_log", "manual_search")
ACT = {"convert": "convert", "calculate": "calculate", "workout_log": "history",
       "manual_search": grammar.ASK}
"""The act that asks for the tool."""
PAUSE_S = 4.0
"""Between a set that is logged and the question for it."""
ANSWER_S = 12.0
"""What is recorded after the request; an answer comes after a second and waits for a pause."""
Made = tuple[float, float, dict]
"""When the request began and ended, and what is wanted."""


def make(source: Source, number: int) -> Item:
    """One request; every second one with a slip that is put right."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([12, seed])
    kind, slip = KINDS[number % 4], number // 4 % 2 == 1
    talk = Talk(source, rng)
    begin_s, end_s, truth = _BUILD[kind](talk, rng, slip)
    return Item(f"tools-{seed}-{kind}", talk.sound(end_s + ANSWER_S, -65), {
        "kind": kind, "slip": slip, "begin_s": begin_s, "end_s": end_s, **truth},
        echo=in_a_room(seed))


def _number(rng, slip: bool, low: int = 2, high: int = 99) -> tuple[str, int]:
    """Words of a number, perhaps with another one said first by mistake; its value."""
    n, other = (int(v) for v in rng.integers(low, high, 2))
    words = grammar.number_words(n)
    if slip:
        words = [*grammar.number_words(other), "no", *words]
    return " ".join(words), n


def _convert(talk: Talk, rng, slip: bool) -> Made:
    words, n = _number(rng, slip)
    group = grammar.MEASURES[rng.integers(len(grammar.MEASURES))]
    unit, unit2 = (group[i] for i in rng.permutation(len(group))[:2])
    end_s = talk.end_s(f"tagalong convert {words} {unit} to {unit2}", LEAD_S)
    slots = {"number": n, "unit": unit, "unit2": unit2}
    return LEAD_S, end_s, {"slots": slots, "answer": convert(slots).sentences[0]}


def _calculate(talk: Talk, rng, slip: bool) -> Made:
    words, n = _number(rng, slip)
    operator, n2 = str(rng.choice(grammar.OPERATORS)), int(rng.integers(2, 30))
    second = " ".join(grammar.number_words(n2))
    end_s = talk.end_s(f"tagalong what is {words} {operator} {second}", LEAD_S)
    slots = {"number": n, "item": operator, "number2": n2}
    found = calculate({"number": n, "op": operator, "number2": n2})
    return LEAD_S, end_s, {"slots": slots, "answer": found.sentences[0]}


def _workout_log(talk: Talk, rng, slip: bool) -> Made:
    """A set is logged, then asked for."""
    words, n = _number(rng, slip)
    exercise = str(rng.choice(grammar.EXERCISES))
    begin_s = talk.end_s(f"tagalong log {words} {exercise}", LEAD_S) + PAUSE_S
    end_s = talk.end_s(f"tagalong how many {exercise} today", begin_s)
    return begin_s, end_s, {"slots": {"item": exercise}, "beside": {
        "log_set": {"number": n, "item": exercise}},
        "answer": f"{n} {exercise} in one set today."}


@lru_cache(maxsize=2)
def _answered(tuning: bool) -> list[tuple[str, str]]:
    return [(say, section) for say, section in asked(tuning) if section]


def _manual_search(talk: Talk, rng, slip: bool) -> Made:
    """A question that the manuals answer; a slip is the beginning of another one."""
    questions = _answered(talk.source.tuning)
    say, section = questions[rng.integers(len(questions))]
    if slip:
        other = questions[rng.integers(len(questions))][0]
        say = " ".join([*other.split()[:3], "no", say])
    end_s = talk.end_s(f"tagalong {say}", LEAD_S)
    return LEAD_S, end_s, {"slots": {}, "section": section.lower()}


_BUILD: dict[str, Callable[..., Made]] = {
    "convert": _convert, "calculate": _calculate, "workout_log": _workout_log,
    "manual_search": _manual_search}


def judge(item: Item, result: Result) -> dict:
    """Tool, values, the answer as it was played, and what else was done."""
    t = item.truth
    done = [a for a in score.acts(result.events) if a.get("outcome") == "done"]
    asked_for = [a for a in done if a["text"] == ACT[t["kind"]]]
    found = t.get("section", "") in score.sources(result.events)
    right = [a for a in asked_for if score.same_slots(t["slots"], a.get("slots")) and found]
    spoken_s = _answer_s(t, result)
    sound_s = score.first_sound_s(result.own, t["end_s"], t["end_s"] + 3.0)
    wrong = [a["text"] for a in done if a not in right and not _beside(t, a)]
    return {"kind": t["kind"], "slip": t["slip"], "tool": bool(asked_for), "values": bool(right),
            "answered": spoken_s is not None, "wrong": wrong,
            "pass": bool(right) and spoken_s is not None and not wrong,
            "first_s": None if sound_s is None else round(sound_s - t["end_s"], 3),
            "answer_s": None if spoken_s is None else round(spoken_s - t["end_s"], 3)}


def _beside(truth: dict, act: dict) -> bool:
    """Whether an act is the one that leads up to the request."""
    slots = truth.get("beside", {}).get(act["text"])
    return slots is not None and score.same_slots(slots, act.get("slots"))


def _answer_s(truth: dict, result: Result) -> float | None:
    """When the answer was begun, seconds; None where the right one was not played."""
    wanted = score.plain(truth.get("answer", f"section {truth.get('section')}."))
    played = any(text.endswith(wanted) and start_s > truth["begin_s"]
                 for start_s, text in score.spoken(result.events))
    begun = [s for s in score.begun(result.events, "answer:") if s > truth["begin_s"]]
    return min(begun) if played and begun else None


def summary(rows: list[dict]) -> dict:
    """Pass@1 over all and by tool; with and without a slip."""
    n = len(rows)
    first = [r["first_s"] for r in rows if r["first_s"] is not None]
    answer = [r["answer_s"] for r in rows if r["answer_s"] is not None]
    out = {"Pass@1 %": score.share(sum(r["pass"] for r in rows), n)}
    for name, part in (("with a slip", [r for r in rows if r["slip"]]),
                       ("without", [r for r in rows if not r["slip"]]),
                       *((k, [r for r in rows if r["kind"] == k]) for k in KINDS)):
        out[f"Pass@1 %, {name}"] = score.share(sum(r["pass"] for r in part), len(part))
    return out | {
        "right tool %": score.share(sum(r["tool"] for r in rows), n),
        "right values %": score.share(sum(r["values"] for r in rows), n),
        "answer spoken %": score.share(sum(r["answered"] for r in rows), n),
        "acts wrongly executed %": score.share(sum(bool(r["wrong"]) for r in rows), n),
        "first word, median s": score.percentile(first, 50),
        "first word, p95 s": score.percentile(first, 95),
        "answer, median s": score.percentile(answer, 50)}


SUITE = Suite("Tools: right tool, right values, answer spoken", make, always(120), judge, summary,
              quick=1, broker=True)
