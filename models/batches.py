"""Training batches: shards of rendered streams, made by producer processes while training runs."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from models import tokens
from models.scenarios.simulation import TURNS
from models.scenarios.stream import Stream, stream

SHARD = 32
"""Streams in a shard."""
AHEAD = 12
"""Shards that the producers may be ahead of the reader."""
BAND_TOP = 58
"""Mel channel at 3.4 kHz."""


def write_shard(folder: Path, number: int) -> None:
    """Render the streams of shard `number` (its seeds follow from the number)."""
    made = [stream(number * SHARD + i) for i in range(SHARD)]
    arrays = {f.name: np.stack([getattr(s, f.name) for s in made]) for f in fields(Stream)}
    target = folder / f"{number:06d}.npz"
    unfinished = folder / f"writing-{number:06d}.npz"
    np.savez(unfinished, **arrays)
    unfinished.replace(target)


def _produce(folder: Path, first: int, step: int) -> None:
    """Write shards first, first + step ... as far as the reader's need allows."""
    os.nice(5)
    number = first
    while True:
        if (folder / f"{number:06d}.npz").exists():
            number += step
            continue
        wanted = folder / "wanted"
        if number > (int(wanted.read_text() or 0) if wanted.exists() else 0) + AHEAD:
            time.sleep(0.5)
            continue
        write_shard(folder, number)
        number += step


def start_producers(folder: Path, count: int, first: int) -> list[multiprocessing.Process]:
    """Producer processes that end with this one."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [multiprocessing.Process(target=_produce, args=(folder, first + i, count), daemon=True)
            for i in range(count)]
    for process in made:
        process.start()
    return made


class StreamShards:
    """Draws batches from the shards; each stream is used about `reuse` times."""

    def __init__(self, folder: Path, rng: np.random.Generator, reuse: float = 3.0,
                 keep: int = 100) -> None:
        self.folder, self.rng, self.reuse, self.keep = folder, rng, reuse, keep
        folder.mkdir(parents=True, exist_ok=True)
        self.shards: dict[Path, dict[str, np.ndarray]] = {}
        self.drawn = 0

    def _refresh(self, first: int) -> None:
        (self.folder / "wanted").write_text(str(first + int(self.drawn / self.reuse / SHARD)))
        for file in sorted(self.folder.glob("[0-9]*.npz"))[-self.keep :]:
            if file not in self.shards:
                with np.load(file) as stored:
                    self.shards[file] = {k: stored[k] for k in stored.files}
        for old in sorted(self.shards)[: -self.keep]:
            del self.shards[old]

    def batch(self, n: int, first: int = 0) -> dict[str, np.ndarray]:
        """n streams as arrays of `Stream`'s fields, augmented."""
        if self.drawn % (SHARD // 2) < n:
            self._refresh(first)
        while not self.shards:
            time.sleep(0.5)
            self._refresh(first)
        self.drawn += n
        files = sorted(self.shards)
        picks = [(files[self.rng.integers(len(files))], int(self.rng.integers(SHARD)))
                 for _ in range(n)]
        out = {k: np.stack([self.shards[f][k][i] for f, i in picks])
               for k in self.shards[files[0]]}
        out["levels"] = np.stack([augment(self.rng, levels) for levels in out["levels"]])
        return out


def augment(rng: np.random.Generator, levels: np.ndarray) -> np.ndarray:
    """Another size of speaker, another gain and band, masked channels and moments, on (T, 8, 80)
    levels."""
    out = levels.reshape(-1, 80).astype(np.int16)
    if rng.random() < 0.5:
        out = _warp(out, float(rng.uniform(0.93, 1.08)))
    if rng.random() < 0.5:
        out += _equaliser(rng)
    if rng.random() < 0.3:
        out += int(rng.integers(-1, 2))
    if rng.random() < 0.3:
        out += (rng.random(out.shape) < 0.06) * rng.integers(-1, 2, out.shape)
    if rng.random() < 0.15:  # a telephone's band: nothing above 3.4 to 6 kHz
        out[:, int(rng.integers(BAND_TOP, 74)) :] = 0
    for _ in range(rng.integers(0, 3)):
        width, at = int(rng.integers(1, 9)), int(rng.integers(0, 72))
        out[:, at : at + width] = 0
    for _ in range(rng.integers(0, 4)):
        width, at = int(rng.integers(1, 5)), int(rng.integers(0, len(out) - 5))
        out[at : at + width] = 0
    return np.clip(out, 0, 15).astype(np.uint8).reshape(levels.shape)


def _equaliser(rng: np.random.Generator) -> np.ndarray:
    """(80,) smooth offsets of up to two levels (12 dB): another mouth and another microphone."""
    at = np.linspace(0, np.pi, 80)
    curve = sum(rng.normal(0, 0.8) * np.cos(k * at + rng.uniform(0, 2 * np.pi)) / k
                for k in (1, 2, 3, 5))
    return np.rint(np.clip(curve, -2, 2)).astype(np.int16)


def _warp(levels: np.ndarray, factor: float) -> np.ndarray:
    """(n, 80) levels with the mel axis stretched: a vocal tract of another length."""
    at = np.clip(np.arange(80) / factor, 0, 79)
    low = at.astype(int)
    share = (at - low).astype(np.float32)
    high = np.minimum(low + 1, 79)
    return np.rint(levels[:, low] * (1 - share) + levels[:, high] * share).astype(np.int16)


def feed_back(rng: np.random.Generator, batch: dict[str, np.ndarray], drop: float = 0.2,
              swap: float = 0.06) -> np.ndarray:
    """(B, T, 4) outputs of the micro-turn before, a quarter of the words corrupted: the network
    must not lean on its own text (the words it feeds back when it runs free are imperfect)."""
    previous = np.stack([batch["heard"][..., 0], batch["heard"][..., 1], batch["act"],
                         batch["floor"]], -1).astype(np.int64)
    previous = np.maximum(previous, 0)
    previous[rng.random(previous.shape) < drop] = 0
    words = previous[..., :2]
    swapped = rng.random(words.shape) < np.where(words > 0, swap, swap / 25)
    words[swapped] = rng.integers(1, len(tokens.HEARD), int(swapped.sum()))
    shifted = np.zeros_like(previous)
    shifted[:, 1:] = previous[:, :-1]
    return shifted


def camera_faults(rng: np.random.Generator, clips: dict[str, np.ndarray]) -> None:
    """In place: some cameras are off, some frames do not come."""
    rows, mask = clips["similarity"], clips["mask"]
    off = rng.random(len(rows)) < 0.15
    rows[off], mask[off] = 0.0, 0.0
    missing = rng.random(mask.shape) < 0.02
    rows[missing], mask[missing] = 0.0, 0.0
    single = rng.random(mask.shape) < 0.03
    rows[single, 0] = rows[single, 1]


__all__ = ["StreamShards", "TURNS", "augment", "camera_faults", "feed_back", "start_producers",
           "write_shard"]
