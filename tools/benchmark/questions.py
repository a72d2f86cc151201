"""Suite `questions`: open questions, that the background answers from its manuals or not at all."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from models.toml_file import tomllib
from tools.benchmark import score
from tools.benchmark.items import RATE, Item, in_a_room, levelled, mix
from tools.benchmark.program import Result
from tools.benchmark.source import Source
from tools.benchmark.suite import Suite

REPORTED = Path(__file__).parent / "questions.toml"
TRIED = Path(__file__).parents[2] / "tests" / "background" / "questions_dev.toml"
"""Questions that settings were tried on; none of them is reported."""
TAKES = 2
"""Each question is asked by so many voices."""


@lru_cache(maxsize=2)
def asked(tuning: bool) -> list[tuple[str, str]]:
    """(words, heading of the section that answers them or "") of all questions."""
    if not tuning:
        rows = tomllib.loads(REPORTED.read_text(encoding="utf-8"))["question"]
        return [(row["say"], row["section"]) for row in rows]
    found = tomllib.loads(TRIED.read_text(encoding="utf-8"))
    rows = [(say, section) for section, says in found["questions"].items() for say in says]
    return rows + [(say, "") for say in found["unanswered"]]


def make(source: Source, number: int) -> Item:
    """One question by name; a second take is by another voice."""
    take, i = divmod(number, len(asked(source.tuning)))
    say, section = asked(source.tuning)[i]
    rng = np.random.default_rng([9, source.seed, i, take] if take else [9, source.seed, i])
    spoken = source.speak(rng, ["tagalong", *say.split()], source.voice(rng))
    pcm = levelled(spoken.pcm, -22)
    seconds = 1.0 + len(pcm) / RATE + 6.0
    return Item(f"question-{i}-{take}", mix([(1.0, pcm)], seconds, rng, -65),
                {"section": section, "say": say}, echo=in_a_room(i))


def size(source: Source) -> int:
    """All of them, in every take."""
    return TAKES * len(asked(source.tuning))


def judge(item: Item, result: Result) -> dict:
    """Whether the answer names the right section; naming another is confident and wrong."""
    wanted = item.truth["section"].lower()
    finals = [e for e in result.events if e["kind"] == "answer" and e.get("status") == "final"]
    source = score.sources(result.events)
    said = " ".join(e.get("text") or "" for e in finals).lower()
    right = bool(wanted) and (wanted in source or f"section {wanted}" in said)
    confident = bool(source.strip()) and not right
    return {"wanted": wanted, "delegated": any(e["kind"] == "delegate" for e in result.events),
            "right": right, "wrong": confident, "source": source, "said": said[:90]}


def summary(rows: list[dict]) -> dict:
    """Questions that the manuals answer apart from those that they do not."""
    within, beyond = [r for r in rows if r["wanted"]], [r for r in rows if not r["wanted"]]
    return {"questions": len(within), "delegated %": score.share(sum(r["delegated"] for r in rows),
                                                                len(rows)),
            "right section %": score.share(sum(r["right"] for r in within), len(within)),
            "confident wrong %": score.share(sum(r["wrong"] for r in rows), len(rows)),
            "unanswerable": len(beyond),
            "unanswerable answered": sum(r["wrong"] for r in beyond)}


SUITE = Suite("Open questions: answered from the manuals, or not at all", make, size, judge,
              summary, quick=1, broker=True)
