"""Items with pictures: real repetition clips, and clips in which nothing repeats."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.baseline_counter import BaselineCounter, evaluate_clip
from models.scenarios import recordings, video, voices
from models.scenarios.stills import DEFAULT_FOLDER, Stills
from tools.benchmark import speech_items
from tools.benchmark.speech_items import Item

RATE = 16_000
FPS = 10
REQUEST = {"push-up": "push ups", "pull-up": "pull ups", "squat": "squats",
           "jumping jack": "jumping jacks", "jumping jacks": "jumping jacks"}
FROZEN_S, TAIL_S = 1.0, 2.0


def _request(rng, exercise: str) -> tuple[np.ndarray, float]:
    """ "tagalong, count my ..." by a voice that the network knows: seeing is measured here."""
    words = f"tagalong count my {REQUEST.get(exercise, 'reps')}".split()
    spoken = voices.espeak().speak(words, "m1")
    return speech_items.levelled(spoken.pcm, -22), float(spoken.ends_s[-1])


def read(path: Path) -> tuple[np.ndarray, float]:
    """Frames (n, 120, 160, 3) at 10 per second as the program's camera would fit them."""
    import av

    from daemon.senses.frames import fit

    with av.open(str(path)) as container:
        found = [(float(f.pts * f.time_base), fit(f.to_ndarray(format="rgb24")))
                 for f in container.decode(video=0)]
    times = np.array([t for t, _ in found])
    n = int(np.floor((times[-1] - times[0]) * FPS)) + 1
    picks = np.searchsorted(times - times[0], np.arange(n) / FPS - 1e-6)
    return np.stack([found[min(i, len(found) - 1)][1] for i in picks]), n / FPS


def clips(name: str, n: int) -> Iterator[Item]:
    """The set's clips: the request over the frozen first frame, 1 s, the clip, 2 s frozen."""
    folder = recordings.DATA / name
    if not folder.is_dir():
        return
    with open(folder / "labels.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows[:n] if n else rows:
        rng = np.random.default_rng(1)
        ends = [float(t) for t in row["rep_times_s"].split(";") if t]
        request, said_s = _request(rng, row.get("exercise", ""))
        frames, seconds = read(folder / row["path"])
        at_s = np.ceil((0.4 + said_s + FROZEN_S) * 5) / 5
        lead = np.repeat(frames[:1], int(round(at_s * FPS)), 0)
        tail = np.repeat(frames[-1:], int(TAIL_S * FPS), 0)
        total = at_s + seconds + TAIL_S
        pcm = speech_items.mix([(0.4, request)], total, rng, -65)
        bar = evaluate_clip(folder / row["path"], ends, BaselineCounter())
        yield Item(Path(row["path"]).stem, pcm, {
            "clip_at_s": at_s, "ends": ends, "baseline": bar.online or 0},
            np.concatenate([lead, frames, tail]))


def nothing(n: int, seed: int) -> Iterator[Item]:
    """Clips with distractors, walking, pans and one-way motion while a set is being counted."""
    stills = Stills(DEFAULT_FOLDER, True)
    kinds = [k for k in video.KINDS if k not in video.COUNTED]
    for i in range(n):
        rng = np.random.default_rng([4, seed, i])
        kind = kinds[i % len(kinds)]
        made = video.clip(rng, 20.0, kind, stills)
        pcm = speech_items.mix([], 20.0, rng, -65)
        yield Item(f"nothing-{i}-{kind}", pcm, {"kind": kind}, made.frames, task="count_reps")
