"""Clips with a known number of repetitions (or none), rendered for training and for tests.

`clip` renders one; `VideoClips` makes training batches; `prerender` writes them as shards that
`models.clips` reads, because rendering costs more than a training step. All clips are 10 fps; a
micro-turn takes two frames.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Callable

import cv2
import numpy as np

from kernels.similarity_ref import ROW, similarity_rows
from models.scenarios import motion, things
from models.scenarios.figures import EXERCISES, Layer, person
from models.scenarios.motion import FPS, Camera, Motion
from models.scenarios.scene import Scene, drawn_backdrop, light, render
from models.scenarios.stills import DEFAULT_FOLDER, Stills

FRAMES_A_TURN = 2
SHARD_CLIPS = 40
"""Clips in one shard file."""
KINDS = {
    "exercise": 0.24, "photo_exercise": 0.20, "mover": 0.08, "hands": 0.06, "wearer": 0.08,
    "empty": 0.05, "one_way": 0.06, "fidget": 0.05, "photo_one_way": 0.04, "photo_still": 0.04,
    "walk": 0.04, "nod": 0.02, "gaze": 0.02, "lamps": 0.02,
}  # fmt: skip
"""Share of each kind; the second and third line have nothing to count."""
COUNTED = ("exercise", "photo_exercise", "mover", "hands", "wearer")


@dataclass(frozen=True)
class Clip:
    """Frames and truth; frame k is captured at (k + 1) / 10 s."""

    frames: np.ndarray
    """(n, 120, 160, 3) uint8 RGB."""
    motion: Motion
    kind: str

    @property
    def count(self) -> int:
        """Completed repetitions."""
        return len(self.motion.ends)


def clip(
    rng: np.random.Generator, seconds: float, kind: str | None = None, stills: Stills | None = None
) -> Clip:
    """Render a clip of `seconds`, of a given kind of `KINDS` or a random one.

    Without photos the photo kinds become drawn ones. Raises ValueError for an unknown kind.
    """
    if kind is None:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind not in KINDS:
        raise ValueError(f"unknown kind of clip {kind!r}, expected one of {', '.join(KINDS)}")
    if not stills and kind.startswith("photo"):
        kind = {"photo_exercise": "exercise", "photo_one_way": "one_way"}.get(kind, "empty")
    n = round(seconds * FPS)
    cv2.setNumThreads(1)
    if kind in COUNTED:
        moved, scene = _counted_scene(rng, n, kind, stills)
    else:
        moved, scene = _uncounted_scene(rng, n, kind, stills)
    return Clip(render(rng, scene), moved, kind)


def _backdrop(rng: np.random.Generator, stills: Stills | None, photos: float = 0.25) -> np.ndarray:
    if stills and rng.random() < photos:
        return stills.picture(rng, (int(rng.integers(170, 320)), int(rng.integers(130, 230))))
    return drawn_backdrop(rng)


def _camera(rng: np.random.Generator, n: int, styles: dict[str, float]) -> Camera:
    style = str(rng.choice(list(styles), p=list(styles.values())))
    return motion.moving_camera(rng, n, style)


WATCHING = {"fixed": 0.45, "handheld": 0.3, "pan": 0.08, "zoom": 0.07, "walk": 0.05, "gaze": 0.05}
"""Cameras of clips in which somebody repeats."""
IDLE = {"fixed": 0.25, "handheld": 0.35, "pan": 0.12, "zoom": 0.08, "walk": 0.08, "gaze": 0.12}
"""Cameras of clips without repetitions."""


def _counted_scene(
    rng: np.random.Generator, n: int, kind: str, stills: Stills | None
) -> tuple[Motion, Scene]:
    shortest = {"wearer": 0.9, "exercise": 0.45}.get(kind, 0.35)
    moved = motion.rep_set(rng, n, shortest)
    cycles = np.nan_to_num(moved.phase, nan=0.0)
    camera = _camera(rng, n, WATCHING)
    scene = Scene(camera, light(rng, n, rng.random() < 0.08), np.zeros(0), moved.depth)
    if kind == "photo_exercise":
        scene.backdrop = stills.sequence(rng)
        camera.shift[:] -= motion.tracking(rng, camera)
    else:
        scene.backdrop = _backdrop(rng, stills, 0.5 if kind == "wearer" else 0.25)
    if kind == "wearer":
        scene.camera = motion.moving_camera(rng, n, "handheld")
        things.wearer_moves(rng, moved.depth, scene.camera)
        scene.layers += things.furniture(rng, n, (1.1, 2.2))
    elif kind == "exercise":
        exercise = str(rng.choice(list(EXERCISES)))
        size = float(rng.uniform(65, 175))
        scene.layers.append(person(rng, moved.depth, exercise, size))
    elif kind == "mover":
        make = things.MOVERS[rng.integers(len(things.MOVERS))]
        scene.layers.append(make(rng, moved.depth, cycles))
    elif kind == "hands":
        scene.layers.append(things.hands(rng, moved.depth, cycles))
    if kind in ("exercise", "mover", "hands"):
        scene.layers[0].points[:] += motion.tracking(rng, camera)[:, None, :]
    _distract(rng, n, scene, 0.3)
    return moved, scene


def _uncounted_scene(
    rng: np.random.Generator, n: int, kind: str, stills: Stills | None
) -> tuple[Motion, Scene]:
    style = kind if kind in ("walk", "nod", "gaze") else None
    camera = motion.moving_camera(rng, n, style) if style else _camera(rng, n, IDLE)
    moved = motion.one_way(rng, n) if "one_way" in kind else motion.still(n)
    moved = motion.fidget(rng, n) if kind == "fidget" else moved
    backdrop = _backdrop(rng, stills, 0.4)
    scene = Scene(camera, light(rng, n, kind == "lamps"), backdrop, moved.depth)
    if kind == "photo_one_way":
        scene.backdrop = stills.sequence(rng)
        if rng.random() < 0.5:
            moved = motion.fidget(rng, n)
            scene.depth = moved.depth
    elif kind == "photo_still":
        scene.backdrop = stills.sequence(rng)
    elif kind in ("one_way", "fidget"):
        scene.layers.append(_restless(rng, moved.depth))
    elif kind != "empty":
        scene.layers += things.furniture(rng, n, (0.9, 1.6))
        if rng.random() < 0.3:
            scene.layers.append(_restless(rng, np.zeros(n)))
    _distract(rng, n, scene, 0.4)
    return moved, scene


def _restless(rng: np.random.Generator, depth: np.ndarray) -> Layer:
    """A figure or thing that follows `depth`, which is no set of repetitions."""
    sway = rng.uniform(0, 0.03) * motion.smooth_noise(rng, len(depth), rng.uniform(3, 15))
    if rng.random() < 0.7:
        exercise = str(rng.choice(list(EXERCISES)))
        return person(rng, depth + sway, exercise, float(rng.uniform(55, 170)))
    make = things.MOVERS[rng.integers(len(things.MOVERS))]
    return make(rng, depth + sway, 0.5 * depth)


def _distract(rng: np.random.Generator, n: int, scene: Scene, share: float) -> None:
    """Add what also happens in a room, behind or in front of the rest."""
    if rng.random() < 0.3 and scene.backdrop.ndim == 3:
        scene.layers = things.furniture(rng, n, (0.95, 1.3)) + scene.layers
    if rng.random() < share:
        make = [things.passer_by, things.passer_by, things.bystander][rng.integers(3)]
        scene.layers.insert(0 if rng.random() < 0.7 else len(scene.layers), make(rng, n))
    if rng.random() < 0.25 * share:
        scene.layers.append(things.occluder(rng, n))


def turn_arrays(made: Clip, rgb: bool) -> dict[str, np.ndarray]:
    """A clip as arrays per micro-turn of two frames; the truth is that of the second frame."""
    turns = len(made.frames) // FRAMES_A_TURN
    frames, moved = made.frames[: turns * FRAMES_A_TURN], made.motion
    last = slice(FRAMES_A_TURN - 1, turns * FRAMES_A_TURN, FRAMES_A_TURN)
    angle = 2 * np.pi * np.nan_to_num(moved.phase[last])
    active = moved.active[last]
    of_turn = np.ceil(moved.ends * FPS / FRAMES_A_TURN - 1e-6).astype(int) - 1
    arrays = {
        "similarity": similarity_rows(frames).reshape(turns, FRAMES_A_TURN, ROW).astype(np.float16),
        "active": active.astype(np.float32),
        "phase_cos": (np.cos(angle) * active).astype(np.float32),
        "phase_sin": (np.sin(angle) * active).astype(np.float32),
        "rate": moved.rate_hz[last].astype(np.float32),
        "ends": np.bincount(of_turn, minlength=turns)[:turns].astype(np.int8),
        "mask": np.ones(turns, np.float32),
    }
    if rgb:
        arrays["patches_rgb"] = frames[::FRAMES_A_TURN]
    return arrays


class VideoClips:
    """Training batches rendered on the spot."""

    def __init__(self, stills_folder: Path = DEFAULT_FOLDER, unseen: bool = False) -> None:
        """unseen: use the held-out photos, for evaluation."""
        self.stills = Stills(stills_folder, unseen)
        if not len(self.stills):
            print(f"no exercise photos in {stills_folder}: drawn clips only")

    def batch(
        self, rng: np.random.Generator, n: int, turns: int = 100, rgb: bool = False
    ) -> dict[str, np.ndarray]:
        """n clips of `turns` micro-turns.

        similarity (n, turns, 2, 400) float16; active, phase_cos, phase_sin, rate (Hz), mask
        (n, turns) float32, phase and rate 0 while inactive; ends (n, turns) int8, repetitions
        completed in the turn; kind (n,) str; with `rgb` also patches_rgb (n, turns, 120, 160, 3)
        uint8, the first frame of each turn.
        """
        made = [clip(rng, turns * FRAMES_A_TURN / FPS, stills=self.stills) for _ in range(n)]
        parts = [turn_arrays(one, rgb) for one in made]
        arrays = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
        return arrays | {"kind": np.array([one.kind for one in made])}


def prerender(path: Path, clips: int, seed: int, turns: int = 100, rgb_share: float = 0.2) -> None:
    """Write `clips` clips as shards `<seed>-<number>.npz` (and `.rgb.npy` for a share of them).

    A shard that exists is kept, so a stopped run can be continued. The pictures of the first
    `rgb_share` of a shard's clips stand in the file beside it, so that they can be memory-mapped.
    """
    path.mkdir(parents=True, exist_ok=True)
    source, with_rgb = VideoClips(), round(rgb_share * SHARD_CLIPS)
    for number in range(-(-clips // SHARD_CLIPS)):
        target = path / f"{seed:04d}-{number:05d}.npz"
        if target.exists():
            continue
        rng = np.random.default_rng([seed, number])
        arrays = source.batch(rng, with_rgb, turns, rgb=True)
        pictures = arrays.pop("patches_rgb")
        rest = source.batch(rng, SHARD_CLIPS - with_rgb, turns)
        joined = {key: np.concatenate([arrays[key], rest[key]]) for key in arrays}
        _replace(target.with_suffix(".rgb.npy"), lambda file: np.save(file, pictures))
        _replace(target, lambda file: np.savez(file, **joined))


def _replace(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write under a temporary name first: a reader never sees half a file."""
    unfinished = target.with_name("writing-" + target.name)
    with open(unfinished, "wb") as file:
        write(file)
    unfinished.replace(target)


def main() -> None:
    """Pre-render clips into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    prerender(options.path, options.clips, options.seed)


if __name__ == "__main__":
    main()
