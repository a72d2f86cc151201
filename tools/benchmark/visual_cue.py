"""Suite `visual_cue`: tells when a light changes, somebody comes in, a needle passes its mark, or a
view is there again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daemon.senses.frames import fit
from models.scenarios import recordings
from tools.benchmark import score, visual_items
from tools.benchmark.items import LEAD_S, Item
from tools.benchmark.program import FPS, Result
from tools.benchmark.source import COLUMNS, PLAIN_VOICE, REAL, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite
from tools.benchmark.video_items import read
from tools.benchmark.visual_items import Shown

WITHIN_S = 1.0
EARLY_S = 0.2
"""Two frames: that early is no false alarm."""
REPLY_S = 3.0
AFTER_S = 5.0
KINDS = {"lamp": visual_items.lamp, "comes_in": visual_items.comes_in,
         "needle": visual_items.needle, "again": visual_items.again}
REAL_KINDS = ("again", "gauge")
REQUEST = {"comes_in": "tell me when someone comes in",
           "needle": "tell me when the needle passes the mark",
           "gauge": "tell me when the needle moves", "again": "remember this view"}
WORDS = {"comes_in": {"someone", "somebody", "in", "person"},
         "needle": {"mark", "needle", "passed"}, "gauge": {"needle", "moved", "moves"},
         "again": {"again", "view", "same", "there"}}
"""One of these must be among what is said."""


def make(source: Source, number: int) -> Item:
    """The request, by a voice that training knows; some seconds later it happens."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([17, seed])
    kinds = REAL_KINDS if source.column == REAL else tuple(KINDS)
    kind = kinds[number % len(kinds)]
    at_s = float(np.round(rng.uniform(11.0, 16.0) * FPS) / FPS)
    shown = (_real(source, rng, kind, at_s) if source.column == REAL else
             KINDS[kind]([18, seed], at_s + AFTER_S, at_s, source.stills()))
    talk = Talk(source, rng, f"espeak:{PLAIN_VOICE}")
    asked = _ask(talk, kind, shown.truth)
    words = {shown.truth["colour"]} if kind == "lamp" else WORDS[kind]
    return Item(f"visual-{seed}-{kind}", talk.sound(len(shown.frames) / FPS), {
        "kind": kind, "at_s": shown.at_s, "asked": asked, "words": sorted(words)}, shown.frames)


def _ask(talk: Talk, kind: str, truth: dict) -> list[float]:
    """When the requests end. A view is remembered first and asked for when it is gone."""
    request = REQUEST.get(kind) or f"tell me when the light turns {truth['colour']}"
    asked = [talk.end_s(f"tagalong {request}", LEAD_S)]
    if kind == "again":
        asked.append(talk.end_s("tagalong tell me when it looks like that again", 5.0))
    return asked


def _real(source: Source, rng, kind: str, at_s: float) -> Shown:
    """Photos of one gauge in two states; or a picture of one clip, another clip, the first."""
    if kind == "gauge":
        first, second = _gauge(source, rng)
        return Shown(visual_items.held([(first, at_s), (second, AFTER_S)]), at_s, {})
    rows = source.recorded("reps_quva")
    paths = [recordings.DATA / "reps_quva" / rows[i]["path"]
             for i in rng.permutation(len(rows))[:2]]
    first, other = read(paths[0])[0], read(paths[1])
    between = np.resize(other, (round((at_s - 4.0) * FPS), *other.shape[1:]))
    still = visual_items.held([(first, 4.0)])
    return Shown(np.concatenate([still, between, visual_items.held([(first, AFTER_S)])]), at_s, {})


def _gauge(source: Source, rng) -> tuple[np.ndarray, np.ndarray]:
    """Two photos of one device, (120, 160, 3) each."""
    devices: dict[str, list[Path]] = {}
    for row in source.recorded("gauges"):
        devices.setdefault(row["device"], []).append(recordings.DATA / "gauges" / row["path"])
    several = sorted(d for d, paths in devices.items() if len(paths) > 1)
    paths = devices[several[rng.integers(len(several))]]
    first, second = (paths[i] for i in rng.permutation(len(paths))[:2])
    return _photo(first), _photo(second)


def _photo(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return fit(np.asarray(image.convert("RGB")))


def judge(item: Item, result: Result) -> dict:
    """Told in time; anything else said that is no reply to a request is a false one."""
    t, told, false = item.truth, None, 0
    for start_s, text in score.spoken(result.events):
        replies = any(end_s <= start_s <= end_s + REPLY_S for end_s in t["asked"])
        in_time = t["at_s"] - EARLY_S <= start_s <= t["at_s"] + WITHIN_S
        if in_time and told is None and set(text.split()) & set(t["words"]):
            told = round(start_s - t["at_s"], 3)
        elif not replies:
            false += 1
    return {"kind": t["kind"], "told_s": told, "false": false,
            "right": told is not None and not false}


def summary(rows: list[dict]) -> dict:
    """Share of right items, by kind."""
    out = {"right %": score.share(sum(r["right"] for r in rows), len(rows))}
    for kind in sorted({r["kind"] for r in rows}):
        part = [r for r in rows if r["kind"] == kind]
        out[f"right %, {kind}"] = score.share(sum(r["right"] for r in part), len(part))
    told = [r["told_s"] for r in rows if r["told_s"] is not None]
    return out | {
        "items with a false one %": score.share(sum(bool(r["false"]) for r in rows), len(rows)),
        "told after, median s": score.percentile(told, 50)}


def size(source: Source) -> int:
    """25 of each kind; of real ones 50."""
    return 100 if source.column != REAL or source.recorded("reps_quva") else 0


SUITE = Suite("Visual cues: a light, a visitor, a needle, a view that is back", make, size, judge,
              summary, quick=1, columns=COLUMNS, baseline=False)
