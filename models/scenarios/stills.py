"""Motion of real people from two photos, start and end posture: dense flow warps in between.

The photos lie in a folder with one folder per exercise holding `0.jpg` and `1.jpg`. A quarter of
the exercises, by hash, is never used for training.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.splits import held_out

STEPS = 12
"""Warped pictures between the two postures, both included."""
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "exercise_stills"


def _flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(H, W, 2) where each pixel of `a` is found in `b`, relative, px."""
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)
    return finder.calc(*(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (a, b)), None)


def _pull(picture: np.ndarray, flow: np.ndarray, share: float) -> np.ndarray:
    """The picture moved along `share` of its flow, approximated by backward sampling."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    return cv2.remap(
        picture, x - share * flow[..., 0], y - share * flow[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def between(start: np.ndarray, end: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """(steps, H, W, 3) uint8 from the start to the end posture; both are (H, W, 3) uint8 RGB."""
    out, back = _flow(start, end), _flow(end, start)
    pictures = []
    for share in np.linspace(0, 1, steps).tolist():
        a, b = _pull(start, out, share), _pull(end, back, 1 - share)
        pictures.append(cv2.addWeighted(a, 1 - share, b, share, 0))
    return np.stack(pictures)


class Stills:
    """The exercises of a folder, warped on first use and kept."""

    def __init__(self, folder: Path = DEFAULT_FOLDER, unseen: bool = False) -> None:
        """unseen: take the held-out exercises instead, for evaluation."""
        found = sorted(p.parent for p in Path(folder).glob("*/1.jpg")) if folder.is_dir() else []
        self.exercises = [p for p in found if held_out("exercise_stills", p.name) == unseen]
        self._warped: dict[Path, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.exercises)

    def _load(self, folder: Path) -> np.ndarray:
        if folder not in self._warped:
            pictures = []
            for name in ("0.jpg", "1.jpg"):
                bgr = cv2.imread(str(folder / name))
                if bgr is None:
                    raise ValueError(f"cannot read {folder / name}; delete or replace the exercise")
                pictures.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            pictures[1] = cv2.resize(pictures[1], pictures[0].shape[1::-1])
            self._warped[folder] = between(*pictures)
        return self._warped[folder]

    def sequence(self, rng: np.random.Generator) -> np.ndarray:
        """(STEPS, H, W, 3) of a random exercise, cropped and stretched to a size over 160 x 120."""
        warped = self._load(self.exercises[rng.integers(len(self.exercises))])
        if rng.random() < 0.3:
            warped = warped[::-1]
        if rng.random() < 0.5:
            warped = warped[:, :, ::-1]
        height, width = warped.shape[1:3]
        scale = max(160 / width, 120 / height) * rng.uniform(0.85, 1.4)
        size = (round(width * scale * rng.uniform(0.85, 1.15)), round(height * scale))
        tint = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
        return np.stack([_finish(picture, size, tint) for picture in warped])

    def picture(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """One posture as a backdrop of (width, height) `size`."""
        warped = self._load(self.exercises[rng.integers(len(self.exercises))])
        return _finish(np.ascontiguousarray(warped[rng.integers(2) * -1]), size, np.ones(3))


def _finish(picture: np.ndarray, size: tuple[int, int], tint: np.ndarray) -> np.ndarray:
    resized = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(resized * tint, 0, 255).astype(np.uint8)


def posture(sequence: np.ndarray, depth: float) -> np.ndarray:
    """The picture at `depth` 0 to 1 between the postures, (H, W, 3) uint8."""
    along = min(max(depth, 0.0), 1.0) * (len(sequence) - 1)
    low = min(int(along), len(sequence) - 2)
    return cv2.addWeighted(sequence[low], 1 - (along - low), sequence[low + 1], along - low, 0)
