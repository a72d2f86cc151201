"""Clips of the pre-rendered video shards on the training device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models import augment
from models.config import VIDEO_SLOTS

FIELDS = ("similarity", "active", "phase_cos", "phase_sin", "rate", "mask")


class ClipBank:
    """Draws varied clips from the shards that `models.scenarios.video` wrote."""

    def __init__(self, path: Path, rng: torch.Generator) -> None:
        """rng: of the device that the clips lie on."""
        self.path, self.rng = Path(path), rng
        self._read: set[Path] = set()
        self._pictures: list[tuple[Path, int]] = []
        """(shard, number) of clips whose pictures are kept."""
        self._clips: dict[str, Tensor] = {}

    def refresh(self) -> int:
        """Load shards that appeared; returns the number of clips. 160 kB of memory a clip."""
        new = [f for f in sorted(self.path.glob("[0-9]*.npz")) if f not in self._read]
        parts = []
        for file in new:
            with np.load(file) as stored:
                parts.append({k: torch.from_numpy(stored[k]) for k in FIELDS})
            pictures = np.load(file.with_suffix(".rgb.npy"), mmap_mode="r")
            self._pictures += [(file, i) for i in range(len(pictures))]
        self._read |= set(new)
        if parts:
            known = [self._clips] if self._clips else []
            self._clips = {k: torch.cat([p[k].to(self.rng.device) for p in known + parts])
                           for k in FIELDS}
        return len(self._clips.get("mask", ()))

    def _need(self) -> None:
        if not self._clips and not self.refresh():
            raise FileNotFoundError(f"no video shards in {self.path}; run models.scenarios.video")

    def batch(self, n: int) -> dict[str, Tensor]:
        """n clips, varied, on cameras with faults: similarity (n, T, 3, 400), and active,
        phase_cos, phase_sin, rate (Hz), mask (n, T), all float32.

        Raises FileNotFoundError when there is no shard yet.
        """
        self._need()
        at = torch.randint(len(self._clips["mask"]), (n,), generator=self.rng,
                           device=self.rng.device)
        return augment.camera_faults(
            self.rng, augment.vary_clips(self.rng, {k: v[at] for k, v in self._clips.items()}))

    def pictured(self, n: int) -> tuple[dict[str, Tensor], Tensor]:
        """n clips as rendered, and normalised patches (n, T, 12, 4800) of their pictures."""
        self._need()
        drawn = torch.randint(len(self._pictures), (n,), generator=self.rng,
                              device=self.rng.device).tolist()
        clips, pictures = [], []
        for file, i in (self._pictures[k] for k in drawn):
            with np.load(file) as stored:
                clips.append({k: torch.from_numpy(stored[k][i]) for k in FIELDS})
            pictures.append(np.load(file.with_suffix(".rgb.npy"), mmap_mode="r")[i])
        joined = {k: torch.stack([c[k] for c in clips]).to(self.rng.device).float() for k in FIELDS}
        joined["similarity"] = augment.with_trend(
            augment.distances(joined["similarity"].flatten(1, 2)))
        x = torch.from_numpy(np.stack(pictures)).to(self.rng.device)
        x = x.unflatten(2, (3, 40)).unflatten(4, (4, 40)).transpose(3, 4).flatten(4)
        x = x.reshape(*x.shape[:2], VIDEO_SLOTS, -1)
        return joined, (x.float() / 255 - 0.5) / 0.25
