"""Suites `reps`, `reps_quva` (real clips) and `own_reps` (the wearer's own, and walking about)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kernels.similarity_ref import Similarity
from models.baseline_counter import BaselineCounter, evaluate_clip, online_count
from models.scenarios import recordings, video, voices
from tools.benchmark import score
from tools.benchmark.items import Item, levelled, mix
from tools.benchmark.program import FPS, Result
from tools.benchmark.source import PLAIN_VOICE, REAL, Source
from tools.benchmark.suite import Suite, always
from tools.benchmark.video_items import read

REQUEST = {"push-up": "push ups", "pull-up": "pull ups", "squat": "squats",
           "jumping jack": "jumping jacks", "jumping jacks": "jumping jacks"}
FROZEN_S, TAIL_S = 1.0, 2.0
OWN_S = 20.0
OWN_KINDS = ("wearer", "walk", "wearer", "nod", "wearer", "gaze")
"""Kinds of `video.KINDS`: half of the clips are sets of the wearer's own, which move the picture;
the others move it too and are none."""


def _request(exercise: str) -> tuple[np.ndarray, float]:
    """ "tagalong, count my ..." by a voice that the network knows: seeing is measured here."""
    words = f"tagalong count my {REQUEST.get(exercise, 'reps')}".split()
    spoken = voices.espeak().speak(words, PLAIN_VOICE)
    return levelled(spoken.pcm, -22), float(spoken.ends_s[-1])


def asked_for(name: str, exercise: str, frames: np.ndarray, truth: dict) -> Item:
    """The request over the frozen first frame, 1 s, the clip, 2 s of its frozen last frame."""
    request, said_s = _request(exercise)
    at_s = float(np.ceil((0.4 + said_s + FROZEN_S) * 5) / 5)
    lead = np.repeat(frames[:1], int(round(at_s * FPS)), 0)
    tail = np.repeat(frames[-1:], int(TAIL_S * FPS), 0)
    pcm = mix([(0.4, request)], at_s + len(frames) / FPS + TAIL_S, np.random.default_rng(1), -65)
    return Item(name, pcm, {"clip_at_s": at_s, **truth}, np.concatenate([lead, frames, tail]))


def _recorded(name: str) -> Callable[[Source, int], Item]:
    def make(source: Source, number: int) -> Item:
        """A clip of the set, with what the non-learned counter makes of it alone."""
        row = source.recorded(name)[number]
        path = recordings.DATA / name / row["path"]
        ends = [float(t) for t in row["rep_times_s"].split(";") if t]
        bar = evaluate_clip(path, ends, BaselineCounter()).online or 0
        return asked_for(Path(row["path"]).stem, row.get("exercise", ""), read(path),
                         {"ends": ends, "baseline": bar})

    return make


def own(source: Source, number: int) -> Item:
    """A rendered clip of `OWN_KINDS`."""
    kind = OWN_KINDS[number % len(OWN_KINDS)]
    rng = np.random.default_rng([14, source.item_seed(number)])
    made = video.clip(rng, OWN_S, kind, source.stills())
    ends = [float(t) for t in made.motion.ends]
    return asked_for(f"own-{source.item_seed(number)}-{kind}", "", made.frames, {
        "ends": ends, "baseline": _alone(made.frames, ends), "kind": kind})


def _alone(frames: np.ndarray, ends: list[float]) -> int:
    """Count of the non-learned counter by itself, in sight of nothing but the clip."""
    similarity, counter, said, count = Similarity(), BaselineCounter(), [], 0
    for k in range(0, len(frames) - 1, 2):
        new = counter.step(np.stack([similarity.push(f) for f in frames[k : k + 2]]))
        if new:
            count += new
            said.append(((k + 2) / FPS, count))
    return online_count(said, ends) or 0


def judge(item: Item, result: Result) -> dict:
    """The numbers as they were played, against the ends of the repetitions."""
    t = item.truth
    shift = t["clip_at_s"]
    spoken = [(e["start_s"] - shift, n) for e in result.events if e["kind"] == "spoken"
              and (n := score.number_in(e.get("text", ""))) is not None]
    last, near = score.within_one(spoken, t["ends"])
    delays = [min((s - e for s, _ in spoken if s >= e), default=None) for e in t["ends"]]
    return {"clip": item.name, "true": len(t["ends"]), "said": last, "within_one": near,
            "exact": last == len(t["ends"]), "baseline": t["baseline"],
            "baseline_near": abs(t["baseline"] - len(t["ends"])) <= 1,
            "kind": t.get("kind", "real"),
            "understood": any(a["text"] == "count_reps" for a in score.acts(result.events)),
            "counts": len(spoken), "delay_s": [round(d, 2) for d in delays if d is not None]}


def best_constant(sets: list[dict]) -> int:
    """Sets that the one number which suits most of them is within one of: what counting nothing
    at all could reach."""
    return max((sum(abs(r["true"] - n) <= 1 for r in sets) for n in range(1, 50)), default=0)


def summary(rows: list[dict]) -> dict:
    """Sets apart from what is no set."""
    sets = [r for r in rows if r["true"]]
    holds = [r for r in rows if not r["true"]]
    delays = [d for r in sets for d in r["delay_s"] if d < 2.0]
    out = {
        "clips": len(sets), "within one %": score.share(sum(r["within_one"] for r in sets),
                                                        len(sets)),
        "within one, interval %": score.interval([r["within_one"] for r in sets]),
        "exact %": score.share(sum(r["exact"] for r in sets), len(sets)),
        "non-learned within one %": score.share(sum(r["baseline_near"] for r in sets), len(sets)),
        "best constant within one %": score.share(best_constant(sets), len(sets)),
        "relative error, mean": round(sum(abs(r["said"] - r["true"]) / r["true"]
                                          for r in sets) / len(sets), 3) if sets else None,
        "number after the repetition, median s": score.percentile(delays, 50),
        "request understood %": score.share(sum(r["understood"] for r in rows), len(rows)),
        "holds silent": f"{sum(not r['counts'] for r in holds)} of {len(holds)}",
        "per clip": {r["clip"]: [r["true"], r["said"], r["baseline"]] for r in rows},
    }
    for kind in sorted({r["kind"] for r in holds} - {"real"}):
        part = [r for r in holds if r["kind"] == kind]
        out[f"{kind} silent %"] = score.share(sum(not r["counts"] for r in part), len(part))
    return out


def _real(title: str, name: str) -> Suite:
    return Suite(title, _recorded(name), lambda source: len(source.recorded(name)), judge, summary,
                 quick=1, columns=(REAL,))


REPS = _real("Repetitions: real clips of exercises", "reps_exercise")
QUVA = _real("Repetitions: the hard real clips, moving cameras", "reps_quva")
OWN = Suite("Own repetitions, walking, nodding, looking around", own, always(120), judge, summary,
            quick=2)
