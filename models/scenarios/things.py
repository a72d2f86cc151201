"""Things that move: tools, wheels, doors, passers-by, and the room around a moving wearer."""

from __future__ import annotations

import numpy as np

from models.scenarios.figures import Layer, Part, colour, person
from models.scenarios.motion import Camera, fidget, smooth_noise


def _line(rng: np.random.Generator, depth: np.ndarray) -> np.ndarray:
    """(n, 2) path between two random places of the picture."""
    start = rng.uniform([-60, -40], [60, 40])
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(10, 70)
    return start + reach * depth[:, None] * [np.cos(angle), np.sin(angle)]


def slider(rng: np.random.Generator, depth: np.ndarray, _: np.ndarray) -> Layer:
    """A block that goes to and fro."""
    half = rng.uniform([4, 4], [25, 25])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    points = _line(rng, depth)[:, None, :] + corners
    parts = (Part("area", (0, 1, 2, 3), colour(rng)), Part("disc", (0,), colour(rng), 3))
    return Layer(points, parts)


def ball(rng: np.random.Generator, depth: np.ndarray, _: np.ndarray) -> Layer:
    """A ball that goes to and fro."""
    parts = (Part("disc", (0,), colour(rng), rng.uniform(4, 20)),)
    return Layer(_line(rng, depth)[:, None, :], parts)


def lever(rng: np.random.Generator, depth: np.ndarray, _: np.ndarray) -> Layer:
    """A bar that swings about one end: door, pendulum, handle."""
    pivot = rng.uniform([-50, -45], [50, 45])
    angle = rng.uniform(0, 2 * np.pi) + rng.uniform(0.4, 2.0) * depth
    tip = pivot + rng.uniform(25, 75) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.stack([np.broadcast_to(pivot, tip.shape), tip], axis=1)
    parts = (Part("limb", (0, 1), colour(rng), rng.uniform(3, 14)),)
    return Layer(points, parts + (Part("disc", (1,), colour(rng), rng.uniform(3, 12)),))


def wheel(rng: np.random.Generator, _: np.ndarray, phase: np.ndarray) -> Layer:
    """A crank that goes round: one turn is one repetition."""
    centre, radius = rng.uniform([-40, -25], [40, 25]), rng.uniform(15, 45)
    angle = rng.choice([-1, 1]) * 2 * np.pi * phase + rng.uniform(0, 6)
    tip = centre + radius * np.stack([np.cos(angle), rng.uniform(0.5, 1) * np.sin(angle)], axis=1)
    points = np.stack([np.broadcast_to(centre, tip.shape), tip], axis=1)
    parts = (Part("limb", (0, 1), colour(rng), rng.uniform(2, 9)),)
    return Layer(points, parts + (Part("disc", (1,), colour(rng), rng.uniform(4, 14)),))


def growing(rng: np.random.Generator, depth: np.ndarray, _: np.ndarray) -> Layer:
    """Something that comes nearer and goes away."""
    centre, half = rng.uniform([-45, -30], [45, 30]), rng.uniform([8, 8], [25, 25])
    corners = np.array([[-1, -1], [1, -1], [0.8, 1], [-0.9, 0.8]]) * half
    scale = 1 + rng.uniform(0.4, 1.5) * depth
    points = centre + corners * scale[:, None, None]
    return Layer(points, (Part("area", (0, 1, 2, 3), colour(rng)),))


def hands(rng: np.random.Generator, depth: np.ndarray, _: np.ndarray) -> Layer:
    """One or two forearms from the lower edge that work with a tool: saw, knife, spanner."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(8, 45)
    stroke = reach * depth[:, None] * [np.cos(angle), np.sin(angle)]
    right = rng.uniform([-10, -15], [40, 25]) + stroke
    left = np.broadcast_to(rng.uniform([-50, -10], [-10, 30]), right.shape)
    from_right = np.broadcast_to([rng.uniform(30, 90), 90.0], right.shape)
    from_left = np.broadcast_to([rng.uniform(-90, -30), 90.0], right.shape)
    tool = right + rng.uniform([-40, -30], [5, 5])
    points = np.stack([from_right, right, tool, from_left, left], axis=1)
    skin = tuple(int(v * rng.uniform(0.35, 1.0)) for v in (235, 190, 160))
    sleeve, wide = (skin if rng.random() < 0.5 else colour(rng)), rng.uniform(14, 26)
    parts = (Part("limb", (1, 2), colour(rng), rng.uniform(2, 8)),)
    parts += (Part("limb", (0, 1), sleeve, wide), Part("disc", (1,), skin, 0.6 * wide))
    if rng.random() < 0.6:
        parts += (Part("limb", (3, 4), sleeve, wide), Part("disc", (4,), skin, 0.6 * wide))
    return Layer(points, parts)


MOVERS = (slider, ball, lever, wheel, growing)


def passer_by(rng: np.random.Generator, n: int) -> Layer:
    """Somebody or something crosses the picture once or twice and does not come back in rhythm."""
    speed = rng.choice([-1, 1]) * rng.uniform(1.5, 9)
    x = speed * (np.arange(n) - rng.uniform(0, n))
    step = np.abs(speed) * np.arange(n) / rng.uniform(6, 14)
    size, wide = rng.uniform(40, 150), rng.uniform(0.12, 0.3)
    top = np.stack([x, np.full(n, -0.5 * size) + 0.02 * size * np.cos(2 * step)], axis=1)
    hip = top + [0, 0.5 * size]
    stride = 0.14 * size * np.sin(step)
    feet = [hip + np.stack([s * stride, np.full(n, 0.45 * size)], axis=1) for s in (1, -1)]
    points = np.stack([top, hip, *feet], axis=1) + [0, rng.uniform(-10, 30)]
    cloth, legs = colour(rng), colour(rng)
    limbs = (Part("limb", (1, 2), legs, 0.08 * size), Part("limb", (1, 3), legs, 0.08 * size))
    body = (Part("limb", (0, 1), cloth, wide * size), Part("disc", (0,), colour(rng), 0.08 * size))
    return Layer(points, limbs + body, nearness=rng.uniform(0.9, 1.3))


def bystander(rng: np.random.Generator, n: int) -> Layer:
    """A person who moves the arms without a rhythm: talks, looks for something."""
    return person(rng, fidget(rng, n).depth, "arm_work", rng.uniform(40, 110))


def occluder(rng: np.random.Generator, n: int) -> Layer:
    """Something large and near that covers part of the picture for a while."""
    start, length = rng.uniform(0, n), rng.uniform(8, 60)
    since = np.arange(n) - start
    inside = np.clip(since / 4, 0, 1) - np.clip((since - length) / 4, 0, 1)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform([15, 15], [50, 70])
    angle = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(angle), np.sin(angle)]) * 190
    centre = away * (1 - inside[:, None]) + rng.uniform([-50, -30], [50, 30]) * inside[:, None]
    parts = (Part("area", (0, 1, 2, 3), colour(rng)),)
    return Layer(centre[:, None, :] + corners, parts, nearness=0.0)


def furniture(rng: np.random.Generator, n: int, nearness: tuple[float, float]) -> list[Layer]:
    """Some still pieces nearer than the backdrop; they show parallax when the camera moves."""
    layers = []
    for _ in range(rng.integers(1, 5)):
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform([4, 4], [30, 30])
        corners = corners + rng.uniform(-4, 4, (4, 2)) + rng.uniform([-90, -60], [90, 60])
        points = np.broadcast_to(corners, (n, 4, 2))
        parts = (Part("area", (0, 1, 2, 3), colour(rng)), Part("limb", (0, 2), colour(rng), 2))
        layers.append(Layer(points, parts, nearness=rng.uniform(*nearness)))
    return layers


def wearer_moves(rng: np.random.Generator, depth: np.ndarray, camera: Camera) -> None:
    """The wearer repeats: the room bobs, tilts or comes nearer. Changes the camera in place."""
    n = len(depth)
    style = rng.choice(["squat", "push_up", "sit_up", "jump"], p=[0.5, 0.2, 0.15, 0.15])
    lag = np.convolve(depth, [0.3, 0.7], mode="same")
    if style == "push_up":
        camera.zoom[:] *= np.exp(rng.uniform(0.2, 0.7) * depth)
        camera.shift[:, 1] += rng.normal(0, 10) * lag
    else:
        reach = {"squat": 1, "sit_up": -1.8, "jump": -0.6}[style] * rng.uniform(10, 40)
        camera.shift[:, 1] += reach * depth
        camera.shift[:, 1] += rng.normal(0, 8) * lag * (style == "squat")
        camera.zoom[:] *= np.exp(rng.normal(0, 0.08) * depth)
    camera.shift[:, 0] += rng.normal(0, 4) * depth + rng.uniform(0, 2) * smooth_noise(rng, n, 5)
    camera.roll[:] += rng.normal(0, 0.03) * lag
