"""Sounds of scenarios that are no speech: short ones, and backgrounds that last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 16_000

Rng = np.random.Generator


def _cough(rng: Rng) -> np.ndarray:
    n = int(0.35 * RATE)
    one = rng.standard_normal(n) * np.exp(-np.linspace(0, 6, n))
    return np.concatenate([one, np.zeros(int(0.12 * RATE)), one * 0.7])


def _knock(rng: Rng) -> np.ndarray:
    n = int(0.06 * RATE)
    return rng.standard_normal(n) * np.exp(-np.linspace(0, 6, n))


def _clank(rng: Rng) -> np.ndarray:
    """Weights that are put down: a thud, and metal that rings inharmonically."""
    t = np.arange(int(0.9 * RATE)) / RATE
    ring = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) * np.exp(-t * d)
               for f, d in ((430, 9), (1130, 7), (1870, 8), (2950, 12), (4310, 16)))
    thud = rng.standard_normal(len(t)) * np.exp(-t * 60) * 2.5
    return ring + thud


def _beep(rng: Rng) -> np.ndarray:
    t = np.arange(int(0.25 * RATE)) / RATE
    return np.sin(2 * np.pi * 1000 * t) * np.minimum(1, np.minimum(t, t[-1] - t) * 200)


_MOMENTS: dict[str, Callable[[Rng], np.ndarray]] = {
    "cough": _cough, "knock": _knock, "clank": _clank, "beep": _beep}


def moment(rng: Rng, kind: str) -> np.ndarray:
    """A short sound, float32 (n,), 16 kHz, unit peak."""
    sound = _MOMENTS[kind](rng)
    return (sound / np.abs(sound).max()).astype(np.float32)


def hiss(rng: Rng, n: int, level_db: float) -> np.ndarray:
    """Brownish noise of a room at a level in dBFS, float32 (n,)."""
    white = rng.standard_normal(n).astype(np.float32)
    return levelled(np.convolve(white, np.ones(12, np.float32) / 12, "same"), level_db)


def background(rng: Rng, kind: str, n: int) -> np.ndarray:
    """float32 (n,) of a background that lasts, any level."""
    t = np.arange(n) / RATE
    if kind == "hum":  # a machine: mains, its harmonics, and air
        tones = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5))
        return (tones + 0.3 * rng.standard_normal(n)).astype(np.float32)
    return _music(rng, t)


def _music(rng: Rng, t: np.ndarray) -> np.ndarray:
    """A drum at 120 a minute below four chords, without a voice."""
    beat = t % 0.5
    drum = np.sin(2 * np.pi * 60 * beat) * np.exp(-beat * 14) * 2
    hat = rng.standard_normal(len(t)) * np.exp(-((t + 0.25) % 0.5) * 60) * 0.4
    root = np.array([220.0, 174.6, 261.6, 196.0])[(t // 2).astype(int) % 4]
    chord = sum(np.sign(np.sin(2 * np.pi * root * k * t)) * 0.12 for k in (1.0, 1.26, 1.5))
    return (drum + hat + chord).astype(np.float32)


def recording(path: Path, n: int) -> np.ndarray:
    """float32 (n,) of a sound file, from its beginning and repeated as needed.

    Raises:
        OSError, av.FFmpegError: it cannot be read.
        ValueError: there is no sound in it.
    """
    from models.scenarios.recordings import decode

    pcm = decode(path)
    if not len(pcm):
        raise ValueError("there is no sound in it")
    return np.resize(pcm, n).astype(np.float32)


def levelled(pcm: np.ndarray, level_db: float) -> np.ndarray:
    """The sound with its effective value at a level in dBFS."""
    return pcm / (pcm.std() + 1e-9) * 10 ** (level_db / 20) * 32768
