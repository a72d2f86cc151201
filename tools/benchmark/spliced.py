"""Suites `orders` and `spliced`: real voices after a spoken request of ours.

Nobody recorded commands for tagalong, so what real people said is spliced behind words by a
synthesiser: orders of coffee (`barista_commands`) after "tagalong, take an order", or after
nothing; single words by one speaker (`speech_commands`, `fsdd_digits`) after the beginning of a
command.
"""

from __future__ import annotations

import json

import numpy as np

from models import grammar, orders
from models.scenarios import recordings
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item, in_a_room
from tools.benchmark.program import Result
from tools.benchmark.source import REAL, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite

GAP_S = 0.7
"""From the end of the request to the recording: a sound of tagalong's lies in it."""
TAIL_S = 4.0
LABELS = {"size": "size", "roast": "roast", "numberOfShots": "shots", "coffeeDrink": "drink",
          "milkAmount": "milk", "sugarAmount": "sugar"}
"""Slot of `barista_commands` -> part of an order."""
SPLICED = (
    ("", ("stop", "yes", "no", "go on")),
    ("set the count to", ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
                          "nine")),
    ("volume", ("five", "six", "seven", "eight", "nine")),
    ("count down from", ("three", "four", "five", "six", "seven", "eight", "nine")),
)
"""Beginning said by a synthesiser, and the words by one real speaker that complete it."""


def _orders(source: Source) -> list[dict]:
    return source.recorded("barista_commands")


def make_order(source: Source, number: int) -> Item:
    """An even number: a request, then an order; odd: the same recording alone."""
    row, asked = _orders(source)[number // 2], number % 2 == 0
    rng = np.random.default_rng([23, source.item_seed(number)])
    talk, at_s = Talk(Source(seed=source.seed), rng), LEAD_S
    if asked:
        at_s = talk.end_s("tagalong take an order", LEAD_S) + GAP_S
    end_s = talk.recording(recordings.decode(recordings.DATA / "barista_commands" / row["path"]),
                           at_s)
    said = json.loads(row["slots_json"])
    truth = {"asked": asked, "at_s": at_s, "end_s": end_s,
             "order": {LABELS[k]: v.strip() for k, v in said.items()}}
    return Item(f"order-{number}", talk.sound(end_s + TAIL_S), truth, echo=in_a_room(number))


def judge_order(item: Item, result: Result) -> dict:
    """The parts of the order, or whether anything was done or said without the request."""
    wanted = item.truth["order"]
    if not item.truth["asked"]:
        done = [a for a in score.acts(result.events) if a.get("outcome") in ("done", "asked")]
        said = [text for _, text in score.spoken(result.events)]
        return {"asked": False, "ignored": not done and not said, "said": said}
    found = next((e["order"] for e in result.events if e["kind"] == "order"), {})
    return {"asked": True, "taken": bool(found), "right": found == wanted,
            "request": any(a["text"] == "take_order" for a in score.acts(result.events)),
            "parts": len(wanted), "hits": sum(found.get(k) == v for k, v in wanted.items()),
            "heard": " ".join(score.heard_words(result.events, item.truth["at_s"])),
            "wanted": orders.spoken(wanted)}


def order_summary(rows: list[dict]) -> dict:
    """Orders with and without the request apart."""
    asked = [r for r in rows if r["asked"]]
    others = [r for r in rows if not r["asked"]]
    return {"orders": len(asked),
            "all parts right %": score.share(sum(r["right"] for r in asked), len(asked)),
            "parts right %": score.share(sum(r["hits"] for r in asked),
                                         sum(r["parts"] for r in asked)),
            "request understood %": score.share(sum(r["request"] for r in asked), len(asked)),
            "ignored without the request %": score.share(sum(r["ignored"] for r in others),
                                                         len(others))}


def _words(source: Source) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(set, speaker), word -> files, of speakers with more than one word of ours."""
    found: dict = {}
    for name in ("speech_commands", "fsdd_digits"):
        for row in source.recorded(name):
            found.setdefault((name, row["speaker"]), {}).setdefault(row["label"], []).append(
                row["path"])
    return found


def make_spliced(source: Source, number: int) -> Item:
    """The beginning of a command by a synthesiser, its end by a real speaker."""
    rng = np.random.default_rng([24, source.item_seed(number)])
    beginning, endings = SPLICED[number % len(SPLICED)]
    by_speaker = _words(source)
    endings = [e for e in endings if any(set(e.split()) <= set(w) for w in by_speaker.values())]
    ending = endings[rng.integers(len(endings))]
    speakers = sorted(k for k, w in by_speaker.items() if set(ending.split()) <= set(w))
    folder, speaker = speakers[rng.integers(len(speakers))]
    talk = Talk(Source(seed=source.seed), rng)
    at_s = talk.end_s(f"tagalong {beginning}".strip(), LEAD_S) + 0.08
    for word in ending.split():
        files = by_speaker[folder, speaker][word]
        path = recordings.DATA / folder / files[rng.integers(len(files))]
        at_s = talk.recording(recordings.decode(path), at_s) + 0.08
    intent, slots = grammar.parse(f"{beginning} {ending}".split())
    return Item(f"spliced-{number}-{intent}", talk.sound(at_s + TAIL_S),
                {"intent": intent, "slots": slots, "words": ending})


def judge_spliced(item: Item, result: Result) -> dict:
    """Whether the command was understood with its values, and whether another was done."""
    found = score.acts(result.events)
    right = [a for a in found if a["text"] == item.truth["intent"]
             and score.same_slots(item.truth["slots"], a.get("slots", {}))]
    wrong = [a for a in found if a not in right and a.get("outcome") == "done"]
    return {"intent": item.truth["intent"], "right": bool(right), "wrong": bool(wrong),
            "heard": " ".join(score.heard_words(result.events)), "words": item.truth["words"]}


def spliced_summary(rows: list[dict]) -> dict:
    """All, and each intent."""
    out = {"intent and all slots %": score.share(sum(r["right"] for r in rows), len(rows)),
           "acts wrongly executed %": score.share(sum(r["wrong"] for r in rows), len(rows))}
    for intent in sorted({r["intent"] for r in rows}):
        part = [r for r in rows if r["intent"] == intent]
        out[f"right %, {intent}"] = score.share(sum(r["right"] for r in part), len(part))
    return out


ORDERS = Suite("Spliced real orders of coffee", make_order, lambda s: 2 * len(_orders(s)),
               judge_order, order_summary, quick=4, columns=(REAL,), baseline=False)
SPLICED_WORDS = Suite("Commands completed by real voices (spliced)", make_spliced,
                      lambda s: 100 if _words(s) else 0, judge_spliced, spliced_summary, quick=4,
                      columns=(REAL,))
