"""The view descriptor: light and small movements cost little, another place much."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.sight import SAME
from kernels.patches_ref import resize_area
from kernels.views_ref import BINS, GRID, MOST, describe, packed, similarity, unpacked

pytestmark = pytest.mark.unit
DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def scene(seed: int) -> np.ndarray:
    """(140, 180, 3) uint8: boxes of random size, place and colour on a wall."""
    rng = np.random.default_rng(seed)
    picture = np.full((140, 180, 3), 110, np.uint8)
    for _ in range(25):
        y, x = rng.integers(0, 120), rng.integers(0, 160)
        picture[y : y + rng.integers(8, 50), x : x + rng.integers(8, 50)] = rng.integers(0, 255, 3)
    return picture


def seen(picture: np.ndarray, down: int = 10, right: int = 10) -> np.ndarray:
    return np.ascontiguousarray(picture[down : down + 120, right : right + 160])


def lit(rgb: np.ndarray, gain: float, slope: float = 0.0) -> np.ndarray:
    ramp = gain * (1 + slope * np.linspace(-1, 1, rgb.shape[1]))[None, :, None]
    return np.clip(rgb * ramp, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_place_from_another_angle_in_another_light(seed: int) -> None:
    before = describe(seen(scene(seed)))
    assert similarity(before, before) == pytest.approx(1.0)
    assert similarity(before, describe(lit(seen(scene(seed)), 0.6))) > 0.8
    moved = describe(lit(seen(scene(seed), 6, 14), 0.8, slope=0.3))
    assert similarity(before, moved) > SAME


def test_another_place_is_not_similar() -> None:
    views = [describe(seen(scene(seed))) for seed in range(12)]
    others = [similarity(a, b) for n, a in enumerate(views) for b in views[:n]]
    assert max(others) < SAME and np.median(others) < 0.1


def test_something_new_in_a_ninth_of_the_picture_is_noticed() -> None:
    picture = scene(3)
    before = describe(seen(picture))
    stripes = np.where(np.arange(50) % 12 < 6, 240, 10).astype(np.uint8)
    picture[55:105, 70:120] = stripes[:, None, None]
    assert similarity(before, describe(seen(picture))) < SAME


def test_empty_pictures_are_alike_and_noise_is_no_structure() -> None:
    rng = np.random.default_rng(0)
    wall = describe(np.full((120, 160, 3), 90, np.uint8))
    noisy = describe((90 + rng.normal(0, 2, (120, 160, 3))).astype(np.uint8))
    assert similarity(wall, wall) == pytest.approx(1.0)
    assert noisy.max() < 0.2, "far from what a structure gives"
    assert similarity(wall, describe(seen(scene(1)))) < SAME


def test_shape_range_and_packing() -> None:
    view = describe(seen(scene(2)))
    assert view.shape == (*GRID, BINS) and view.dtype == np.float32
    assert 0.0 <= view.min() and view.max() <= MOST
    back = unpacked(packed(view))
    assert np.abs(back - view).max() <= MOST / 255 and similarity(view, back) > 0.999
    for text in ("AAAA", "no base64!"):
        with pytest.raises(ValueError):
            unpacked(text)
    with pytest.raises(ValueError, match="120, 160, 3"):
        describe(np.zeros((120, 160), np.uint8))


def photographs() -> list[np.ndarray]:
    """One of every third exercise and device, cut to 4:3."""
    if not (DATA / "exercise_stills/labels.csv").exists():
        pytest.skip(f"no photographs at {DATA}")
    with open(DATA / "exercise_stills/labels.csv", encoding="utf-8") as file:
        paths = [DATA / "exercise_stills" / r["dir"] / r["frame0"] for r in csv.DictReader(file)]
    with open(DATA / "gauges/labels.csv", encoding="utf-8") as file:
        paths += {r["device"]: DATA / "gauges" / r["path"] for r in csv.DictReader(file)}.values()
    return [_frame(path) for path in paths[::3] if path.exists()]


def _frame(path: Path) -> np.ndarray:
    rgb = np.asarray(Image.open(path).convert("RGB"))
    height, width = rgb.shape[:2]
    rows, columns = min(height, width * 3 // 4), min(width, height * 4 // 3)
    top, left = (height - rows) // 2, (width - columns) // 2
    return resize_area(np.ascontiguousarray(rgb[top : top + rows, left : left + columns]))


def test_on_photographs() -> None:
    frames = photographs()
    views = [describe(frame) for frame in frames]
    returns = [similarity(view, describe(lit(np.roll(frame, (4, -6), (0, 1)), 0.7, 0.25)))
               for view, frame in zip(views, frames)]
    others = [similarity(a, b) for n, a in enumerate(views) for b in views[:n]]
    assert np.mean(np.array(returns) >= SAME) >= 0.95
    assert np.mean(np.array(others) >= SAME) <= 0.003
