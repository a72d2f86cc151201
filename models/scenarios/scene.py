"""Pictures from a scene: a textured backdrop, layers in front, a camera, light and sensor noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from models.scenarios.figures import (
    HEIGHT, WIDTH, Layer, backdrop_matrix, colour, draw, project,
)  # fmt: skip
from models.scenarios.motion import Camera, smooth_noise
from models.scenarios.stills import posture

CANVAS = (300, 220)
"""Width and height of a drawn backdrop, px; beyond its edge it is mirrored."""


@dataclass(frozen=True)
class Light:
    """Brightness over time; gain (n,), offset (n,) in gray levels, noise of the sensor."""

    gain: np.ndarray
    offset: np.ndarray
    noise: int
    """Half width of the noise in gray levels, 0 to 12."""
    blur: int
    """Side of the box blur, px; 1 = sharp."""


@dataclass
class Scene:
    """All that is needed to render a clip."""

    camera: Camera
    light: Light
    backdrop: np.ndarray
    """(H, W, 3), or (steps, H, W, 3) from the start to the end posture."""
    depth: np.ndarray
    """(n,) posture shown by a backdrop with steps."""
    layers: list[Layer] = field(default_factory=list)
    """Farthest first."""


def drawn_backdrop(rng: np.random.Generator) -> np.ndarray:
    """(220, 300, 3) uint8: a wall and a floor, coarse and fine texture, shapes."""
    width, height = CANVAS
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = colour(rng)
    horizon = int(rng.uniform(0.4, 0.9) * height)
    if rng.random() < 0.7:
        canvas[horizon:] = colour(rng)
    for cells in (4, 12, 40):
        coarse = rng.normal(0, rng.uniform(2, 25), (cells, cells, 3)).astype(np.float32)
        if rng.random() < 0.85:
            coarse = np.repeat(coarse[..., :1], 3, axis=2)
        texture = cv2.resize(coarse, CANVAS, interpolation=cv2.INTER_CUBIC)
        canvas = np.clip(canvas + texture, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(0, 22)):
        _shape(rng, canvas)
    if rng.random() < 0.3:
        _grid(rng, canvas)
    return canvas


def _shape(rng: np.random.Generator, canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    a = (int(rng.uniform(-20, width)), int(rng.uniform(-20, height)))
    size = np.exp(rng.uniform(np.log(4), np.log(90), 2)).astype(int)
    b, paint = (a[0] + int(size[0]), a[1] + int(size[1])), colour(rng)
    kind = rng.integers(3)
    if kind == 0:
        cv2.rectangle(canvas, a, b, paint, -1)
    elif kind == 1:
        cv2.ellipse(canvas, a, (int(size[0]) // 2, int(size[1]) // 2), 0, 0, 360, paint, -1)
    else:
        cv2.line(canvas, a, b, paint, int(rng.integers(1, 6)), cv2.LINE_AA)


def _grid(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Tiles, planks, racks: lines at equal distances."""
    height, width = canvas.shape[:2]
    step, paint = int(rng.integers(7, 40)), colour(rng)
    for x in range(0, width, step):
        cv2.line(canvas, (x, 0), (x, height), paint, 1)
    if rng.random() < 0.5:
        for y in range(0, height, step):
            cv2.line(canvas, (0, y), (width, y), paint, 1)


def light(rng: np.random.Generator, n: int, steps: bool = False) -> Light:
    """Slow changes; with `steps`, lamps that switch and a camera that adapts its exposure."""
    gain = rng.uniform(0.55, 1.2) * np.exp(rng.uniform(0, 0.05) * smooth_noise(rng, n, 25))
    offset = np.full(n, rng.uniform(-15, 25))
    if steps:
        for _ in range(rng.integers(1, 6)):
            since = np.arange(n) - rng.uniform(0, n)
            size = rng.normal(0, 0.35)
            adapt = np.exp(-np.clip(since, 0, None) / rng.uniform(4, 40)) * (rng.random() < 0.6)
            gain = gain * np.exp(np.where(since > 0, size * np.maximum(adapt, 0.3), 0))
    noise, blur = int(rng.choice([0, 2, 4, 7, 12])), int(rng.choice([1, 1, 1, 3]))
    return Light(np.clip(gain, 0.15, 2.2), offset, noise, blur)


def render(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """(n, 120, 160, 3) uint8 RGB."""
    n = len(scene.camera.zoom)
    frames = np.empty((n, HEIGHT, WIDTH, 3), np.uint8)
    points = [project(layer, scene.camera) for layer in scene.layers]
    grain = _grain(rng, scene.light.noise)
    for k in range(n):
        canvas = scene.backdrop
        if canvas.ndim == 4:
            canvas = posture(canvas, scene.depth[k])
        matrix = backdrop_matrix(scene.camera, canvas, k)
        image = cv2.warpAffine(
            canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        for layer, where in zip(scene.layers, points):
            draw(image, layer, where[k], scene.camera.zoom[k])
        frames[k] = _expose(rng, image, scene.light, k, grain)
    return frames


def _grain(rng: np.random.Generator, noise: int) -> np.ndarray | None:
    """A tile of noise, larger than the picture, to be cut at random offsets."""
    if not noise:
        return None
    return rng.integers(0, 2 * noise + 1, (HEIGHT + 40, WIDTH + 40, 3), dtype=np.uint8)


def _expose(
    rng: np.random.Generator, image: np.ndarray, light: Light, k: int, grain: np.ndarray | None
) -> np.ndarray:
    if light.blur > 1:
        image = cv2.blur(image, (light.blur, light.blur))
    gain, offset = float(light.gain[k]), float(light.offset[k])
    image = cv2.addWeighted(image, gain, image, 0.0, offset)
    if grain is None:
        return image
    y, x = rng.integers(0, 40, 2)
    image = cv2.add(image, np.ascontiguousarray(grain[y : y + HEIGHT, x : x + WIDTH]))
    return cv2.subtract(image, np.full_like(image, light.noise))
