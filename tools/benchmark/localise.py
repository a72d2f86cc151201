"""Suite `localise`: says "start" when it moves and "stop" when it stands still."""

from __future__ import annotations

import numpy as np

from models.scenarios import recordings
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item
from tools.benchmark.program import FPS, Result
from tools.benchmark.source import COLUMNS, PLAIN_VOICE, REAL, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite
from tools.benchmark.video_items import read
from tools.benchmark.visual_items import moves

REQUEST = "tagalong say start when it moves and stop when it stops"
REAL_SETS = ("reps_exercise", "reps_quva")
TAKES = 4
"""Items of each real clip, with other lengths of stillness around it."""
AFTER_S = 3.0


def make(source: Source, number: int) -> Item:
    """Stillness, motion, stillness; the request is spoken by a voice that training knows."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([16, seed])
    talk = Talk(source, rng, f"espeak:{PLAIN_VOICE}")
    asked_s = talk.end_s(REQUEST, LEAD_S)
    start_s = float(np.ceil(asked_s * FPS) / FPS + rng.uniform(2.0, 6.0))
    build = _real if source.column == REAL else _rendered
    frames, start_s, stop_s = build(source, rng, number, start_s)
    return Item(f"localise-{seed}", talk.sound(len(frames) / FPS), {
        "asked_s": asked_s, "start_s": start_s, "stop_s": stop_s, "seconds": len(frames) / FPS},
        frames)


def _rendered(source: Source, rng, number: int, start_s: float) -> tuple[np.ndarray, float, float]:
    """Frames, and when the motion begins and ends, seconds."""
    stop_s = start_s + float(rng.uniform(3.0, 9.0))
    seconds = float(np.ceil(stop_s + rng.uniform(AFTER_S, 6.0)))
    return moves(rng, seconds, start_s, stop_s, source.stills()), start_s, stop_s


def _real(source: Source, rng, number: int, start_s: float) -> tuple[np.ndarray, float, float]:
    """A real clip between its own first and last frame, which stand still."""
    clips = _clips(source)
    name, row = clips[number % len(clips)]
    frames = read(recordings.DATA / name / row["path"])
    lead = round(start_s * FPS)
    tail = round(rng.uniform(AFTER_S, 6.0) * FPS)
    joined = np.concatenate([np.repeat(frames[:1], lead, 0), frames,
                             np.repeat(frames[-1:], tail, 0)])
    return joined, lead / FPS, (lead + len(frames)) / FPS


def _clips(source: Source) -> list[tuple[str, dict]]:
    """Clips in which something moves all the time: holds are left out."""
    return [(name, row) for name in REAL_SETS for row in source.recorded(name)
            if row["rep_times_s"]]


def judge(item: Item, result: Result) -> dict:
    """Temporal IoU of what was said; `whole` is that of calling the whole time motion."""
    t = item.truth
    said = [(start_s, text.split()) for start_s, text in score.spoken(result.events)
            if start_s > t["asked_s"]]
    start_s = next((s for s, words in said if words == ["start"]), None)
    stop_s = next((s for s, words in said if words == ["stop"] and start_s is not None
                   and s > start_s), t["seconds"])
    truth = (t["start_s"], t["stop_s"])
    iou = 0.0 if start_s is None else overlap((start_s, stop_s), truth)
    return {"iou": round(iou, 3), "said": start_s is not None,
            "whole": round(overlap((t["asked_s"], t["seconds"]), truth), 3)}


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans of time."""
    inside = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    return inside / (a[1] - a[0] + b[1] - b[0] - inside)


def summary(rows: list[dict]) -> dict:
    """Mean IoU beside that of saying "start" at once and "stop" never."""
    n = len(rows)
    return {"mean temporal IoU %": score.share(sum(r["iou"] for r in rows), n),
            "said start %": score.share(sum(r["said"] for r in rows), n),
            "whole time called motion, IoU %": score.share(sum(r["whole"] for r in rows), n)}


def size(source: Source) -> int:
    """Real clips several times, each time with other stillness around."""
    return TAKES * len(_clips(source)) if source.column == REAL else 100


SUITE = Suite("Localise: start when it moves, stop when it stops", make, size, judge, summary,
              quick=1, columns=COLUMNS, baseline=False)
