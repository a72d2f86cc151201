"""Drawn bodies and things that move: joints over time, turned into limbs, discs and areas.

Every figure is a `Layer`: world points for each frame and the parts drawn between them. World
coordinates are pixels of the 160 x 120 picture with the origin at its centre, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.scenarios.motion import Camera

WIDTH, HEIGHT = 160, 120
_SHIFT = 4
"""Fractional bits of drawn coordinates: slow motion must not jump from pixel to pixel."""


@dataclass(frozen=True)
class Part:
    """One drawn piece of a layer."""

    shape: str
    """limb (2 joints), disc (1 joint) or area (3 or more)."""
    joints: tuple[int, ...]
    colour: tuple[int, int, int]
    width: float = 1.0
    """Thickness of a limb or radius of a disc, px."""


@dataclass(frozen=True)
class Layer:
    """Something in front of the backdrop."""

    points: np.ndarray
    """(n, J, 2) world positions."""
    parts: tuple[Part, ...]
    nearness: float = 1.0
    """How much faster than the backdrop it shifts when the camera moves."""


def backdrop_matrix(camera: Camera, canvas: np.ndarray, k: int) -> np.ndarray:
    """(2, 3) affine from pixels of the canvas (its centre is the world's origin) to the picture."""
    cos, sin = np.cos(camera.roll[k]) * camera.zoom[k], np.sin(camera.roll[k]) * camera.zoom[k]
    x = canvas.shape[1] / 2 + camera.shift[k, 0]
    y = canvas.shape[0] / 2 + camera.shift[k, 1]
    return np.array(
        [
            [cos, -sin, WIDTH / 2 - cos * x + sin * y],
            [sin, cos, HEIGHT / 2 - sin * x - cos * y],
        ]
    )


def project(layer: Layer, camera: Camera) -> np.ndarray:
    """Fixed-point picture positions of all joints in all frames, (n, J, 2) int32."""
    points = layer.points - layer.nearness * camera.shift[:, None, :]
    cos, sin = np.cos(camera.roll)[:, None], np.sin(camera.roll)[:, None]
    x = cos * points[..., 0] - sin * points[..., 1]
    y = sin * points[..., 0] + cos * points[..., 1]
    seen = np.stack([x, y], axis=-1) * camera.zoom[:, None, None] + [WIDTH / 2, HEIGHT / 2]
    return np.round(np.clip(seen, -900, 900) * 2**_SHIFT).astype(np.int32)


def draw(image: np.ndarray, layer: Layer, points: np.ndarray, zoom: float) -> None:
    """Draw one frame of a layer; points: (J, 2) from `project`."""
    for part in layer.parts:
        width = max(1, round(part.width * zoom))
        if part.shape == "limb":
            a, b = points[part.joints[0]].tolist(), points[part.joints[1]].tolist()
            cv2.line(image, a, b, part.colour, width, cv2.LINE_AA, _SHIFT)
        elif part.shape == "disc":
            centre = points[part.joints[0]].tolist()
            radius = round(part.width * zoom * 2**_SHIFT)
            cv2.circle(image, centre, radius, part.colour, -1, cv2.LINE_AA, _SHIFT)
        else:
            area = points[list(part.joints)]
            cv2.fillPoly(image, [area], part.colour, cv2.LINE_AA, _SHIFT)


def colour(rng: np.random.Generator, low: int = 10, high: int = 245) -> tuple[int, int, int]:
    """A random colour, mostly a dull one as in real rooms."""
    tone = rng.uniform(low, high)
    vivid = rng.beta(1, 2.5)
    mixed = (1 - vivid) * tone + vivid * rng.uniform(low, high, 3)
    return tuple(int(v) for v in mixed)


def bend(a: np.ndarray, b: np.ndarray, upper: float, lower: float, side: float) -> np.ndarray:
    """Middle joint of a two-part limb from a (n, 2) to b (n, 2), bent to one side (+1 or -1)."""
    way = b - a
    distance = np.clip(np.linalg.norm(way, axis=1), 1e-6, upper + lower - 1e-6)
    along = (distance**2 + upper**2 - lower**2) / (2 * distance)
    off = np.sqrt(np.maximum(upper**2 - along**2, 0))
    unit = way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None]
    normal = np.stack([-unit[:, 1], unit[:, 0]], axis=1)
    return a + unit * along[:, None] + side * normal * off[:, None]


def _at(x: np.ndarray | float, y: np.ndarray | float, n: int) -> np.ndarray:
    return np.stack([np.broadcast_to(x, n), np.broadcast_to(y, n)], axis=1).astype(np.float64)


def _turned(origin: np.ndarray, length: float, angle: np.ndarray | float) -> np.ndarray:
    """origin + length in the direction of `angle` (0 = up, positive = to the right)."""
    angle = np.broadcast_to(angle, len(origin))
    return origin + length * np.stack([np.sin(angle), -np.cos(angle)], axis=1)


# Joints of a body, in this order. Body height 1, feet at y = 0.45, y down.
HEAD, NECK, HIP, ELBOW_L, HAND_L, ELBOW_R, HAND_R, KNEE_L, FOOT_L, KNEE_R, FOOT_R = range(11)


def _body(
    hip: np.ndarray,
    lean: np.ndarray | float,
    hands: tuple[np.ndarray, np.ndarray],
    feet: tuple[np.ndarray, np.ndarray],
    elbow_side: tuple[float, float] = (1.0, -1.0),
    knee_side: tuple[float, float] = (-1.0, 1.0),
) -> np.ndarray:
    neck = _turned(hip, 0.30, lean)
    joints = [_turned(neck, 0.09, lean), neck, hip]
    for hand, side in zip(hands, elbow_side):
        joints += [bend(neck, hand, 0.17, 0.17, side), hand]
    for foot, side in zip(feet, knee_side):
        joints += [bend(hip, foot, 0.235, 0.235, side), foot]
    return np.stack(joints, axis=1)


def squat(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From the side or the front, arms raised forward, at the hips or overhead."""
    n, low, side_on = len(d), rng.uniform(0.14, 0.26), rng.random() < 0.5
    spread = 0.03 if side_on else rng.uniform(0.06, 0.14)
    feet = _at(-spread, 0.45, n), _at(spread, 0.45, n)
    hip = _at(-0.12 * d if side_on else 0.0, -0.01 + low * d, n)
    lean = rng.uniform(0.3, 0.8) * d if side_on else 0.0
    neck = _turned(hip, 0.30, lean)
    arms = rng.choice(["raise", "hips", "up"])
    if arms == "raise":
        swing = np.pi - (np.pi / 2) * d
        hands = (_turned(neck, 0.33, swing), _turned(neck, 0.33, swing if side_on else -swing))
    elif arms == "hips":
        hands = (hip + [-0.08, 0.02], hip + [0.08, 0.02])
    else:
        hands = (_turned(neck, 0.32, lean - 0.25), _turned(neck, 0.32, lean + 0.25))
    knees = (-1.0, -1.0) if side_on else (1.0, -1.0)
    return _body(hip, lean, hands, feet, knee_side=knees)


def lunge(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Front and back foot apart, the hip goes down."""
    n, reach = len(d), rng.uniform(0.16, 0.26)
    feet = _at(reach, 0.45, n), _at(-reach, 0.45, n)
    hip = _at(0.0, 0.04 + rng.uniform(0.12, 0.18) * d, n)
    return _body(hip, 0.05, (hip + [0.06, 0.0], hip + [-0.06, 0.0]), feet, knee_side=(-1.0, -1.0))


def push_up(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hands and toes stay on the floor."""
    n = len(d)
    feet = _at(-0.48, 0.30, n), _at(-0.46, 0.30, n)
    neck = _at(0.28, 0.0 + rng.uniform(0.16, 0.24) * d, n)
    hip = feet[0] + 0.60 * (neck - feet[0])
    way = neck - hip
    lean = np.arctan2(way[:, 0], -way[:, 1])
    hands = _at(0.26, 0.32, n), _at(0.32, 0.32, n)
    return _body(hip, lean, hands, feet, elbow_side=(1.0, 1.0), knee_side=(1.0, 1.0))


def pull_up(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hands stay on the bar, the body rises and swings a little."""
    n, grip = len(d), rng.uniform(0.08, 0.2)
    swing = rng.uniform(0, 0.06) * smooth_swing(rng, n)
    hip = _at(swing, 0.20 - rng.uniform(0.2, 0.27) * d, n)
    hands = _at(-grip, -0.44, n), _at(grip, -0.44, n)
    feet = hip + [-0.04, 0.42], hip + [0.04, 0.42]
    return _body(hip, 0.0, hands, feet)


def smooth_swing(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n,) slow sway of a hanging or standing body, about -1 to 1."""
    return np.sin(np.cumsum(rng.uniform(0.02, 0.3) * rng.uniform(0.5, 1.5, n)) + rng.uniform(0, 6))


def jumping_jack(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Arms over the head and feet apart, with a hop."""
    n = len(d)
    hip = _at(0.0, -0.01 - rng.uniform(0.0, 0.08) * np.sin(np.pi * np.clip(d, 0, 1)), n)
    spread = 0.04 + rng.uniform(0.1, 0.18) * d
    feet = (_at(-spread, hip[:, 1] + 0.45, n), _at(spread, hip[:, 1] + 0.45, n))
    neck, angle = _turned(hip, 0.30, 0.0), np.pi * (0.95 - rng.uniform(0.6, 0.9) * d)
    return _body(hip, 0.0, (_turned(neck, 0.33, -angle), _turned(neck, 0.33, angle)), feet)


def sit_up(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, the upper body comes up."""
    n = len(d)
    hip, lean = _at(0.0, 0.28, n), -1.5 + rng.uniform(0.7, 1.5) * d
    neck = _turned(hip, 0.30, lean)
    feet = _at(0.30, 0.30, n), _at(0.31, 0.30, n)
    hands = (neck + [0.02, -0.06], neck + [0.06, -0.02])
    return _body(hip, lean, hands, feet, knee_side=(-1.0, -1.0))


def leg_raise(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, the straight legs come up."""
    n = len(d)
    hip = _at(0.0, 0.28, n)
    foot = _turned(hip, 0.465, 1.5 - rng.uniform(0.7, 1.4) * d)
    hands = (hip + [-0.02, 0.03], hip + [-0.04, 0.03])
    return _body(hip, -1.52, hands, (foot, foot + [0.01, 0.01]))


def arm_work(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Standing still, one or both arms curl, press or lift to the side."""
    n, both = len(d), rng.random() < 0.7
    hip = _at(0.0, -0.01 + rng.uniform(0, 0.02) * d, n)
    neck, move = _turned(hip, 0.30, 0.0), rng.choice(["curl", "press", "lift"])
    if move == "curl":
        angle = np.pi * (1.0 - rng.uniform(0.6, 0.85) * d)
        elbows = neck + [-0.05, 0.17], neck + [0.05, 0.17]
        hands = (_turned(elbows[0], 0.16, angle), _turned(elbows[1], 0.16, angle))
    elif move == "press":
        up = rng.uniform(0.22, 0.3) * d
        hands = (neck + _at(-0.12, -up, n), neck + _at(0.12, -up, n))
    else:
        angle = np.pi * (0.97 - rng.uniform(0.35, 0.6) * d)
        hands = (_turned(neck, 0.33, -angle), _turned(neck, 0.33, angle))
    if not both:
        hands = (hands[0], neck + [0.07, 0.32])
    return _body(hip, 0.0, hands, (_at(-0.07, 0.45, n), _at(0.07, 0.45, n)))


EXERCISES = {
    "squat": squat, "lunge": lunge, "push_up": push_up, "pull_up": pull_up,
    "jumping_jack": jumping_jack, "sit_up": sit_up, "leg_raise": leg_raise, "arm_work": arm_work,
}  # fmt: skip


def person(rng: np.random.Generator, depth: np.ndarray, exercise: str, size: float) -> Layer:
    """A body of `size` pixels that does the exercise, somewhere in the picture, maybe mirrored."""
    joints = EXERCISES[exercise](np.clip(depth, -0.1, 1.25), rng)
    joints[..., 0] *= rng.choice([-1, 1]) * rng.uniform(0.75, 1.15)
    tilt = rng.normal(0, 0.06)
    joints = joints @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return Layer(_placed(rng, joints * size), _clothes(rng, size))


def _placed(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Shift a figure to a random place that keeps nearly all of it in the picture."""
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    room = np.maximum(np.array([WIDTH, HEIGHT]) - (high - low), 0.2 * (high - low)) / 2
    return points - (low + high) / 2 + rng.uniform(-1, 1, 2) * room


def _clothes(rng: np.random.Generator, size: float) -> tuple[Part, ...]:
    skin = tuple(int(v * rng.uniform(0.35, 1.0)) for v in (235, 190, 160))
    shirt, trousers = colour(rng), colour(rng)
    arm = skin if rng.random() < 0.6 else shirt
    leg = skin if rng.random() < 0.3 else trousers
    thick = size * rng.uniform(0.05, 0.09)
    parts = [
        Part("limb", (HIP, KNEE_R), trousers, 1.4 * thick),
        Part("limb", (KNEE_R, FOOT_R), leg, thick),
        Part("limb", (NECK, ELBOW_R), arm, thick),
        Part("limb", (ELBOW_R, HAND_R), skin, 0.8 * thick),
        Part("limb", (NECK, HIP), shirt, size * rng.uniform(0.12, 0.19)),
        Part("limb", (HIP, KNEE_L), trousers, 1.4 * thick),
        Part("limb", (KNEE_L, FOOT_L), leg, thick),
        Part("limb", (NECK, ELBOW_L), arm, thick),
        Part("limb", (ELBOW_L, HAND_L), skin, 0.8 * thick),
        Part("disc", (HEAD,), skin, size * rng.uniform(0.055, 0.075)),
    ]
    if rng.random() < 0.15:  # something held in the hands
        parts.append(Part("limb", (HAND_L, HAND_R), colour(rng), size * 0.03))
    return tuple(parts)
