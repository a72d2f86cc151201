"""Pictures in which something begins, ends, changes or comes in at a known time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from models.scenarios import motion, things
from models.scenarios.figures import EXERCISES, Layer, Part, person
from models.scenarios.scene import Scene, drawn_backdrop, light, render
from models.scenarios.stills import Stills
from tools.benchmark.program import FPS

PHOTOS = 0.5
"""Share of the backdrops that are photos."""
LIGHTS = {"red": (225, 40, 35), "green": (50, 200, 70), "blue": (50, 90, 230),
          "yellow": (240, 215, 60)}


@dataclass(frozen=True)
class Shown:
    """Frames and when it happens in them."""

    frames: np.ndarray
    """(n, 120, 160, 3) uint8 at 10 per second."""
    at_s: float
    """Seconds from the first frame."""
    truth: dict
    """What more there is to know."""


def _room(rng: np.random.Generator, n: int, stills: Stills | None) -> Scene:
    """A room that a still or nearly still wearer looks at."""
    camera = motion.moving_camera(rng, n, str(rng.choice(["fixed", "handheld"])))
    backdrop = drawn_backdrop(rng)
    if stills and rng.random() < PHOTOS:
        backdrop = stills.picture(rng, (int(rng.integers(170, 320)), int(rng.integers(130, 230))))
    return Scene(camera, light(rng, n), backdrop, np.zeros(n))


def moves(rng: np.random.Generator, seconds: float, start_s: float, stop_s: float,
          stills: Stills | None) -> np.ndarray:
    """Something stands still, moves from `start_s` to `stop_s`, and stands still again."""
    n = round(seconds * FPS)
    t_s = (np.arange(n) + 1) / FPS
    inside = np.clip(t_s - start_s, 0, stop_s - start_s)
    cycles = inside / float(rng.uniform(0.8, 3.0))
    depth = 0.5 - 0.5 * np.cos(2 * np.pi * cycles)
    if rng.random() < 0.4:  # one way, never back
        depth, cycles = inside / (stop_s - start_s), 0.4 * inside
    scene = _room(rng, n, stills)
    if rng.random() < 0.5:
        make = things.MOVERS[rng.integers(len(things.MOVERS))]
        scene.layers.append(make(rng, depth, cycles))
    else:
        exercise = str(rng.choice(list(EXERCISES)))
        scene.layers.append(person(rng, depth, exercise, float(rng.uniform(80, 170))))
    return render(rng, scene)


def _spliced(seed: list[int], n: int, at: int, make: Callable[[np.random.Generator, bool], Scene]
             ) -> np.ndarray:
    """Frames of a scene before frame `at` and of the changed one from there on; both are drawn
    with the same numbers, so that nothing else differs."""
    before, after = (render(np.random.default_rng([*seed, 1]),
                            make(np.random.default_rng(seed), changed))
                     for changed in (False, True))
    return np.concatenate([before[:at], after[at:n]])


def lamp(seed: list[int], seconds: float, at_s: float, stills: Stills | None) -> Shown:
    """A lamp of one colour turns another."""
    n, rng = round(seconds * FPS), np.random.default_rng([*seed, 2])
    first, second = (str(c) for c in rng.permutation(list(LIGHTS))[:2])
    place, size = rng.uniform([-40, -30], [40, 20]), float(rng.uniform(6, 18))

    def make(drawn: np.random.Generator, changed: bool) -> Scene:
        scene = _room(drawn, n, stills)
        points = np.broadcast_to(place, (n, 1, 2))
        paint = LIGHTS[second if changed else first]
        scene.layers.append(Layer(points, (Part("disc", (0,), (40, 40, 40), size + 3),
                                           Part("disc", (0,), paint, size))))
        return scene

    return Shown(_spliced(seed, n, round(at_s * FPS), make), at_s, {"colour": second})


def comes_in(seed: list[int], seconds: float, at_s: float, stills: Stills | None) -> Shown:
    """Somebody comes in from the side and stays; they are half in sight at `at_s`. The room is a
    drawn one: in the photos there is somebody already."""
    rng, n = np.random.default_rng(seed), round(seconds * FPS)
    scene = _room(rng, n, None)
    t_s = (np.arange(n) + 1) / FPS
    side, rest = float(rng.choice([-1, 1])), float(rng.uniform(-30, 30))
    way = np.clip((t_s - at_s) * float(rng.uniform(0.7, 1.6)) + 0.4, 0, 1)
    figure = person(rng, 0.15 * np.sin(2.2 * t_s) * (way < 1), "arm_work",
                    float(rng.uniform(90, 160)))
    figure.points[:] += np.stack([side * 125 * (1 - way) + rest * way, np.zeros(n)], 1)[:, None]
    scene.layers.append(figure)
    return Shown(render(rng, scene), at_s, {})


def needle(seed: list[int], seconds: float, at_s: float, stills: Stills | None) -> Shown:
    """A needle turns and passes a mark at `at_s`."""
    rng, n = np.random.default_rng(seed), round(seconds * FPS)
    scene = _room(rng, n, stills)
    t_s, speed = (np.arange(n) + 1) / FPS, float(rng.uniform(0.12, 0.4) * rng.choice([-1, 1]))
    mark = float(rng.uniform(-2.5, -0.6))
    angle = mark + speed * np.clip(t_s - at_s, -6.0, 2.0)
    centre, radius = rng.uniform([-25, -15], [25, 15]), float(rng.uniform(30, 48))

    def ray(at: np.ndarray | float, share: float) -> np.ndarray:
        return centre + share * radius * np.stack([np.cos(at), np.sin(at)], -1)

    still = [np.broadcast_to(p, (n, 2)) for p in (centre, ray(mark, 0.8), ray(mark, 1.0))]
    points = np.stack([*still, ray(angle, 0.9)], 1)
    scene.layers.append(Layer(points, (
        Part("disc", (0,), (235, 235, 230), radius + 4), Part("limb", (1, 2), (210, 30, 30), 4),
        Part("limb", (0, 3), (20, 20, 20), 3), Part("disc", (0,), (20, 20, 20), 4))))
    return Shown(render(rng, scene), at_s, {})


def again(seed: list[int], seconds: float, at_s: float, stills: Stills | None) -> Shown:
    """A view for four seconds, another one, and at `at_s` the first one again."""
    rng, n, back = np.random.default_rng(seed), round(seconds * FPS), round(at_s * FPS)
    first, other = (render(np.random.default_rng([*seed, k]), _room(rng, n, stills))
                    for k in (1, 2))
    frames = np.concatenate([first[: 4 * FPS], other[4 * FPS : back], first[back:]])
    return Shown(frames, at_s, {})


def held(pictures: list[tuple[np.ndarray, float]], fade_s: float = 0.3) -> np.ndarray:
    """Still pictures (120, 160, 3), each for some seconds, faded into one another."""
    parts, fade = [np.repeat(pictures[0][0][None], round(pictures[0][1] * FPS), 0)], round(
        fade_s * FPS)
    for (before, _), (after, seconds) in zip(pictures, pictures[1:]):
        shares = np.linspace(0, 1, fade + 2)[1:-1].tolist()
        parts.append(np.stack([cv2.addWeighted(before, 1 - s, after, s, 0) for s in shares]))
        parts.append(np.repeat(after[None], max(round(seconds * FPS) - fade, 1), 0))
    return np.concatenate(parts)
