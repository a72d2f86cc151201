"""Timelines of motion: sets of repetitions with their truth, other motion, moving cameras.

Frame k is captured at (k + 1) / `FPS` seconds, so that the second frame of a micro-turn is at
its very end. All lengths are pixels of a 160 x 120 picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FPS = 10
"""Frames per second of the similarity stream."""
COUNTED_FROM = 0.35
"""A set entered later than this share of its first cycle does not count that cycle."""
PAUSE_S = 1.2
"""Longer rests between repetitions are labelled inactive."""


@dataclass(frozen=True)
class Motion:
    """How far a body is from its start posture, and what there is to count. Arrays are (n,)."""

    depth: np.ndarray
    """0 at the start posture, about 1 at the other end."""
    phase: np.ndarray
    """Cycles since the first start, NaN while inactive."""
    active: np.ndarray
    """bool; a counted repetition or a short rest between two is going on."""
    rate_hz: np.ndarray
    """Repetitions a second, 0 while resting or inactive."""
    ends: np.ndarray
    """(m,) seconds at which the body was back at the start posture."""


@dataclass(frozen=True)
class Camera:
    """Where the camera points: shift (n, 2) px, zoom (n,), roll (n,) radians."""

    shift: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray


@dataclass
class _Segment:
    kind: str
    """rest | rep | partial"""
    start_s: float
    duration_s: float
    peak: float = 0.0
    first: float = 0.0
    """Share of the cycle that is already over at `start_s`."""


def smooth_noise(rng: np.random.Generator, n: int, tau: float) -> np.ndarray:
    """(n,) noise of unit variance, smoothed over `tau` frames."""
    half = int(3 * tau) + 1
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / max(tau, 1e-3)) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    return np.convolve(rng.standard_normal(n + 2 * half), kernel, mode="valid")


def still(n: int) -> Motion:
    """Nothing to count and nobody moves."""
    zeros = np.zeros(n)
    return Motion(zeros, np.full(n, np.nan), np.zeros(n, bool), zeros, np.zeros(0))


def uncounted(depth: np.ndarray) -> Motion:
    """Motion that is no repetition."""
    nothing = still(len(depth))
    return Motion(depth, nothing.phase, nothing.active, nothing.rate_hz, nothing.ends)


def one_way(rng: np.random.Generator, n: int) -> Motion:
    """One to three moves to another posture that do not come back in rhythm."""
    depth, level = np.zeros(n), 0.0
    at = np.arange(n)
    for _ in range(rng.integers(1, 4)):
        start, length = rng.uniform(0, n), rng.uniform(4, 40)
        target = rng.uniform(0, 1) if level else rng.uniform(0.5, 1)
        ramp = np.clip((at - start) / length, 0, 1)
        depth += (target - level) * (0.5 - 0.5 * np.cos(np.pi * ramp))
        level = target
    return uncounted(np.clip(depth, 0, 1.1))


def fidget(rng: np.random.Generator, n: int) -> Motion:
    """Restless motion without a rhythm: gestures of unequal length and size, and rests."""
    depth, at = np.zeros(n), rng.uniform(0, 20)
    while at < n:
        length, size = np.exp(rng.uniform(np.log(3), np.log(40))), rng.uniform(0.1, 1)
        along = np.clip((np.arange(n) - at) / length, 0, 1)
        depth += size * np.sin(np.pi * along) ** rng.uniform(1, 3)
        at += length * rng.uniform(0.4, 1.4) + rng.exponential(8)
    return uncounted(np.clip(depth, 0, 1.2))


def rep_set(
    rng: np.random.Generator, n: int, shortest_s: float = 0.35, longest_s: float = 8.0
) -> Motion:
    """A set of repetitions: own rhythm, drift, pauses, partial ones, entered or left midway."""
    segments = _segments(rng, n / FPS, _period(rng, shortest_s, longest_s))
    shape = _cycle_shape(rng, segments)
    motion = _evaluate(segments, shape, n)
    sway = rng.uniform(0, 0.03) * smooth_noise(rng, n, rng.uniform(3, 15))
    return Motion(motion.depth + sway, motion.phase, motion.active, motion.rate_hz, motion.ends)


def _period(rng: np.random.Generator, shortest_s: float, longest_s: float) -> float:
    """Log-normal around 1.7 s half of the time, log-uniform over the range otherwise."""
    if rng.random() < 0.5:
        return float(np.clip(1.7 * np.exp(0.5 * rng.standard_normal()), shortest_s, longest_s))
    return float(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))))


def _segments(rng: np.random.Generator, seconds: float, period: float) -> list[_Segment]:
    midway = rng.random() < 0.25
    at = 0.0 if midway else float(rng.uniform(0.2, 0.3 * seconds))
    segments = [_Segment("rest", 0.0, at)]
    left = 10**6 if rng.random() < 0.55 else int(rng.integers(1, 13))
    drift, jitter = rng.normal(0, 0.012), rng.uniform(0.01, 0.09)
    pause, partial = rng.choice([0.0, 0.05, 0.2]), rng.choice([0.0, 0.0, 0.08])
    first = float(rng.uniform(0.05, 0.95)) if midway else 0.0
    while at < seconds and left > 0:
        length = max(0.32, period * (1 + jitter * rng.standard_normal()))
        if rng.random() < partial and not first:
            peak = rng.uniform(0.12, 0.4)
            segments.append(_Segment("partial", at, length * rng.uniform(0.5, 0.9), peak))
        else:
            peak = 1 + 0.07 * rng.standard_normal()
            segments.append(_Segment("rep", at - first * length, length, peak, first))
            left -= 1
        at = segments[-1].start_s + segments[-1].duration_s
        first = 0.0
        period = float(np.clip(period * (1 + drift), 0.33, 9.0))
        if rng.random() < pause:
            segments.append(_Segment("rest", at, float(rng.uniform(0.3, 5.0))))
            at += segments[-1].duration_s
    segments.append(_Segment("rest", at, max(0.0, seconds - at) + 1.0))
    return segments


def _cycle_shape(rng: np.random.Generator, segments: list[_Segment]) -> np.ndarray:
    """Ends of moving out, holding out and coming back, as shares of a cycle; (3,)."""
    lengths = [s.duration_s for s in segments if s.kind == "rep"]
    if rng.random() < 0.4 or (lengths and np.median(lengths) < 0.8):
        return np.array([0.5, 0.5, 1.0])
    shares = np.array([rng.uniform(0.5, 1.5), rng.uniform(0, 0.5), 1.0, rng.uniform(0, 0.5)])
    if rng.random() < 0.15:
        shares[3] = rng.uniform(0.5, 2.5)
    return np.cumsum(shares / shares.sum())[:3]


def _depth_at(share: np.ndarray, shape: np.ndarray) -> np.ndarray:
    out = np.clip(share / shape[0], 0, 1)
    back = np.clip((share - shape[1]) / (shape[2] - shape[1]), 0, 1)
    return 0.5 * (np.cos(np.pi * back) - np.cos(np.pi * out))


def _evaluate(segments: list[_Segment], shape: np.ndarray, n: int) -> Motion:
    t = (np.arange(n) + 1) / FPS
    depth, rate, done = np.zeros(n), np.zeros(n), 0
    phase, active, ends = np.full(n, np.nan), np.zeros(n, bool), []
    last = max((i for i, s in enumerate(segments) if s.kind == "rep"), default=-1)
    for i, segment in enumerate(segments):
        share = (t - segment.start_s) / segment.duration_s if segment.duration_s else t * 0 - 1
        inside = (share > 0) & (share <= 1)
        if segment.kind == "rest":
            short = 0 < done and i < last and segment.duration_s <= PAUSE_S
            active[inside], phase[inside] = short, done if short else np.nan
            continue
        depth[inside] = segment.peak * _depth_at(share[inside], shape)
        if segment.kind == "partial":
            continue
        phase[inside], active[inside] = done + share[inside], True
        rate[inside] = 1.0 / segment.duration_s
        done += 1
        end_s = segment.start_s + segment.duration_s
        if segment.first <= COUNTED_FROM and end_s <= n / FPS:
            ends.append(end_s)
    return Motion(depth, phase, active, rate, np.array(ends))


def fixed_camera(n: int) -> Camera:
    """A camera on a stand."""
    return Camera(np.zeros((n, 2)), np.ones(n), np.zeros(n))


def moving_camera(rng: np.random.Generator, n: int, style: str) -> Camera:
    """A camera of one style: fixed, handheld, pan, zoom, walk, nod or gaze."""
    camera = fixed_camera(n)
    if style == "handheld":
        _shake(rng, camera, rng.uniform(0.3, 3.5))
    elif style == "pan":
        camera.shift[:, 0] += _wander(rng, n, rng.uniform(10, 90))
        camera.shift[:, 1] += _wander(rng, n, rng.uniform(0, 20))
        _shake(rng, camera, rng.uniform(0, 1.5))
    elif style == "zoom":
        camera.zoom[:] *= np.exp(_wander(rng, n, rng.uniform(0.05, 0.4)))
        _shake(rng, camera, rng.uniform(0, 1.0))
    elif style == "walk":
        _walk(rng, camera)
    elif style == "nod":
        _nod(rng, camera)
    elif style == "gaze":
        _gaze(rng, camera)
    elif style != "fixed":
        raise ValueError(f"unknown camera style {style!r}")
    return camera


def tracking(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """(n, 2) path of somebody whom the camera follows: what is left of its shift stays small."""
    rest = camera.shift - camera.shift.mean(axis=0)
    reach = max(np.abs(rest).max(), 1e-6)
    return camera.shift - rest * min(1.0, rng.uniform(4, 22) / reach)


def _wander(rng: np.random.Generator, n: int, size: float) -> np.ndarray:
    """A slow path: one direction with a changing speed."""
    speed = rng.choice([-1, 1]) + 0.5 * smooth_noise(rng, n, 20)
    return size * np.cumsum(speed) / n


def _shake(rng: np.random.Generator, camera: Camera, size: float) -> None:
    n = len(camera.zoom)
    for axis in (0, 1):
        camera.shift[:, axis] += size * smooth_noise(rng, n, rng.uniform(4, 15))
        camera.shift[:, axis] += 0.25 * size * smooth_noise(rng, n, 0.8)
    camera.roll[:] += 0.006 * size * smooth_noise(rng, n, 10)


def _walk(rng: np.random.Generator, camera: Camera) -> None:
    """Head bob of walking: steps at 1.5 to 2.2 Hz, sway at half of it, things come nearer."""
    n = len(camera.zoom)
    steps = np.cumsum(rng.uniform(1.5, 2.2) * (1 + 0.05 * smooth_noise(rng, n, 10))) / FPS
    walking = np.clip(1.2 * smooth_noise(rng, n, 40) + rng.uniform(0.3, 2), 0, 1)
    size = rng.uniform(1.0, 5.0) * walking
    camera.shift[:, 1] += size * np.sin(2 * np.pi * steps)
    camera.shift[:, 0] += 0.6 * size * np.sin(np.pi * steps)
    camera.zoom[:] *= np.exp(rng.uniform(0.0, 0.6) * np.cumsum(walking) / n)
    _shake(rng, camera, rng.uniform(0.3, 2.5))


def _nod(rng: np.random.Generator, camera: Camera) -> None:
    """Nods and head shakes: bursts of one to three, far apart."""
    n = len(camera.zoom)
    at = rng.uniform(5, 40)
    while at < n:
        period, swings = rng.uniform(4, 9), rng.integers(1, 4)
        along = (np.arange(n) - at) / period
        burst = np.where((along > 0) & (along < swings), np.sin(np.pi * along) ** 2, 0)
        camera.shift[:, int(rng.random() < 0.7)] += rng.uniform(4, 20) * burst
        at += swings * period + rng.uniform(15, 80)
    _shake(rng, camera, rng.uniform(0.3, 2))


def _gaze(rng: np.random.Generator, camera: Camera) -> None:
    """The head turns elsewhere and stays there a while."""
    n = len(camera.zoom)
    at = rng.uniform(0, 40)
    while at < n:
        ramp = np.clip((np.arange(n) - at) / rng.uniform(3, 10), 0, 1)
        turn = np.array([rng.normal(0, 70), rng.normal(0, 20)])
        camera.shift[:] += turn * (0.5 - 0.5 * np.cos(np.pi * ramp))[:, None]
        at += rng.uniform(10, 90)
    _shake(rng, camera, rng.uniform(0.3, 2))
