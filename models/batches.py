"""Training batches: shards of rendered streams, made by producer processes while training runs, or
before it, where the trainer needs all cores:

    python -m models.batches DIR/speech --minutes 11 --processes 2 --wearers espeak flite hibari piper
    python -m models.batches DIR/speech --minutes 10 --processes 2 --wearers kokoro
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.augment import vary_levels
from models.scenarios.stream import WEARERS, Stream, stream

SHARD = 32
"""Streams in a shard."""
AHEAD = 12
"""Shards that the producers may be ahead of the reader."""
FIELDS = tuple(f.name for f in fields(Stream))


def write_shard(folder: Path, number: int, wearers: tuple[str, ...] = tuple(WEARERS)) -> None:
    """Render the streams of shard `number` (its seeds follow from the number)."""
    made = [stream(number * SHARD + i, wearers) for i in range(SHARD)]
    arrays = {name: np.stack([getattr(s, name) for s in made]) for name in FIELDS}
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


def _render(folder: Path, first: int, step: int, until: float, wearers: tuple[str, ...]) -> None:
    """Write shards first, first + step ... until the time is up."""
    number = first
    while time.time() < until:
        write_shard(folder, number, wearers)
        number += step


def start_producers(folder: Path, count: int, first: int) -> list[multiprocessing.Process]:
    """Producer processes that end with this one."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [multiprocessing.Process(target=_produce, args=(folder, first + i, count), daemon=True)
            for i in range(count)]
    for process in made:
        process.start()
    return made


class StreamBank:
    """Streams of the shards on the training device; draws batches, each stream about `reuse` times.

    The newest `keep` streams stay; those of `more`, a folder of shards rendered elsewhere (of slow
    voices, say), stay beside them and are a share `more_share` of what is drawn.
    """

    def __init__(self, folder: Path, rng: torch.Generator, reuse: float = 3.0, keep: int = 3200,
                 more: Path | None = None, more_share: float = 0.1) -> None:
        """rng: of the device that the streams lie on."""
        self.folder, self.rng, self.reuse, self.keep = folder, rng, reuse, keep
        folder.mkdir(parents=True, exist_ok=True)
        self._read: set[Path] = set()
        self._rows: dict[str, Tensor] = {}
        self._written = 0
        self.next_shard = 0
        """Number after the newest shard read."""
        self.drawn = 0
        self._more: dict[str, Tensor] = {}
        self._more_share = more_share
        if more is not None:
            parts = [_load(file) for file in sorted(more.glob("[0-9]*.npz"))]
            if not parts:
                raise FileNotFoundError(f"no shards of streams in {more}")
            self._more = {k: torch.cat([p[k] for p in parts]).to(rng.device) for k in FIELDS}

    def refresh(self, first: int = 0) -> int:
        """Read new shards, tell the producers how far the reader is; returns the streams held."""
        (self.folder / "wanted").write_text(str(first + int(self.drawn / self.reuse / SHARD)))
        for file in sorted(self.folder.glob("[0-9]*.npz")):
            if file not in self._read:
                self._take(_load(file))
                self._read.add(file)
                self.next_shard = max(self.next_shard, int(file.stem) + 1)
        return min(self._written, self.keep)

    def _take(self, part: dict[str, Tensor]) -> None:
        """Over the oldest streams once there are `keep`."""
        n = len(part["act"])
        if not self._rows:
            self._rows = {k: torch.zeros((self.keep, *v.shape[1:]), dtype=v.dtype,
                                         device=self.rng.device) for k, v in part.items()}
        at = torch.arange(self._written, self._written + n, device=self.rng.device) % self.keep
        for name, rows in part.items():
            self._rows[name][at] = rows.to(self.rng.device)
        self._written += n

    def batch(self, n: int, first: int = 0) -> dict[str, Tensor]:
        """n streams, augmented; integers as int64 but levels (uint8), the others as float32."""
        # reading the folder costs more than drawing
        if self.drawn % (64 * n) == 0:
            self.refresh(first)
        while not self._written:
            time.sleep(0.5)
            self.refresh(first)
        self.drawn += n
        others = round(self._more_share * n) if self._more else 0
        parts = [_drawn(self.rng, self._rows, min(self._written, self.keep), n - others)]
        if others:
            parts.append(_drawn(self.rng, self._more, len(self._more["act"]), others))
        out = {k: torch.cat([p[k] for p in parts]) for k in FIELDS}
        out["levels"] = vary_levels(self.rng, out["levels"])
        return {k: v if k == "levels" else v.float() if v.is_floating_point() else v.long()
                for k, v in out.items()}


def _load(file: Path) -> dict[str, Tensor]:
    with np.load(file) as stored:
        return {k: torch.from_numpy(stored[k]) for k in FIELDS}


def _drawn(rng: torch.Generator, rows: dict[str, Tensor], held: int, n: int) -> dict[str, Tensor]:
    at = torch.randint(held, (n,), generator=rng, device=rng.device)
    return {k: v[at] for k, v in rows.items()}


def main() -> None:
    """Render shards after those that are in the folder."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first shard, at least")
    parser.add_argument("--wearers", nargs="+", choices=tuple(WEARERS), default=tuple(WEARERS))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    there = [int(f.stem) + 1 for f in options.folder.glob("[0-9]*.npz")]
    first, until = max([options.first, *there]), time.time() + options.minutes * 60
    running = [multiprocessing.Process(target=_render, args=(
        options.folder, first + i, options.processes, until, tuple(options.wearers)))
        for i in range(options.processes)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    print(f"{len(list(options.folder.glob('[0-9]*.npz'))) * SHARD} streams in {options.folder}")


if __name__ == "__main__":
    main()
