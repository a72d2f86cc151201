"""Suite `nothing`: distractors, walking, pans and one-way motion while a set is being counted."""

from __future__ import annotations

import numpy as np

from models.scenarios import video
from tools.benchmark import score
from tools.benchmark.items import Item, mix
from tools.benchmark.program import Result
from tools.benchmark.source import Source
from tools.benchmark.suite import Suite, always

KINDS = tuple(k for k in video.KINDS if k not in video.COUNTED)
CLIP_S = 20.0


def make(source: Source, number: int) -> Item:
    """A clip in which nothing repeats."""
    rng = np.random.default_rng([4, source.seed, number])
    kind = KINDS[number % len(KINDS)]
    made = video.clip(rng, CLIP_S, kind, source.stills())
    return Item(f"nothing-{number}-{kind}", mix([], CLIP_S, rng, -65), {"kind": kind}, made.frames,
                task="count_reps")


def judge(item: Item, result: Result) -> dict:
    """Any number is one too many."""
    counts = sum(e["kind"] == "count" for e in result.events)
    return {"kind": item.truth["kind"], "counts": counts, "silent": not counts}


def summary(rows: list[dict]) -> dict:
    """Clips without a number, by kind of clip."""
    out = {"clips": len(rows), "silent %": score.share(sum(r["silent"] for r in rows), len(rows))}
    for kind in sorted({r["kind"] for r in rows}):
        part = [r for r in rows if r["kind"] == kind]
        out[f"{kind} silent"] = f"{sum(r['silent'] for r in part)} of {len(part)}"
    return out


SUITE = Suite("Nothing to count, while it counts", make, always(100), judge, summary, quick=2,
              baseline=False)
