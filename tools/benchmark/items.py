"""An item of a benchmark, and the sounds that items are mixed of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

RATE = 16_000
LEAD_S = 1.0
"""Silence before the first words of an item."""
NAME = ("tagalong",)


@dataclass
class Item:
    """One run of the program."""

    name: str
    pcm: np.ndarray
    """int16, 16 kHz."""
    truth: dict = field(default_factory=dict)
    frames: np.ndarray | None = None
    """(n, 120, 160, 3) uint8 at 10 per second."""
    task: str | None = None
    """Intent that is in force from the start: the set, timer or watch that runs."""
    echo: bool = False
    """The microphone also hears tagalong, through a synthetic room."""


def in_a_room(seed: int) -> bool:
    """Half of the speech items hear tagalong's own voice; pairs of kinds are split evenly."""
    return seed // 4 % 2 == 1


def room_noise(rng, n: int, level_db: float) -> np.ndarray:
    """Smoothed noise at a level, float32."""
    noise = np.convolve(rng.standard_normal(n).astype(np.float32), np.ones(6, np.float32), "same")
    return noise / (noise.std() + 1e-9) * 10 ** (level_db / 20) * 32768


def levelled(pcm: np.ndarray, level_db: float) -> np.ndarray:
    """Speech brought to a level in dBFS, measured where it is loud."""
    pcm = pcm.astype(np.float32)
    loud = np.abs(pcm) > 0.05 * np.abs(pcm).max()
    return pcm * (10 ** (level_db / 20) * 32768 / (np.sqrt((pcm[loud] ** 2).mean()) + 1e-6))


def onset_s(pcm: np.ndarray) -> float:
    """First sample within 26 dB of the loudest, seconds."""
    return float(np.flatnonzero(np.abs(pcm) > 0.05 * np.abs(pcm).max())[0]) / RATE


def mix(parts, seconds: float, rng, noise_db: float) -> np.ndarray:
    """int16 of (at_s, float32) parts over room noise."""
    out = room_noise(rng, int(seconds * RATE), noise_db)
    for at_s, pcm in parts:
        at = int(at_s * RATE)
        part = pcm[: max(len(out) - at, 0)]
        out[at : at + len(part)] += part
    return np.clip(out, -32768, 32767).astype(np.int16)
