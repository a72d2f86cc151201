"""Rooms, noise, gain and tagalong's own residual echo for training streams; float32 at 16 kHz."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import soxr
from scipy.signal import fftconvolve, lfilter

from models.scenarios import recordings

RATE = 16_000


def rms(pcm: np.ndarray) -> float:
    """Root mean square of the loud part (samples over 5 % of the peak)."""
    if not len(pcm):
        return 0.0
    loud = np.abs(pcm) > 0.05 * np.abs(pcm).max()
    return float(np.sqrt((pcm[loud] ** 2).mean())) if loud.any() else 0.0


def add(target: np.ndarray, pcm: np.ndarray, at: int) -> None:
    """Mix pcm into target from sample `at` on, cut to fit."""
    start = max(at, 0)
    part = pcm[start - at : start - at + len(target) - start]
    target[start : start + len(part)] += part


def resample(pcm: np.ndarray, factor: float) -> np.ndarray:
    """Faster and higher by `factor`, like a tape: another size of speaker."""
    return soxr.resample(pcm, RATE * factor, RATE, quality="LQ")


def fade_out(pcm: np.ndarray, samples: int = 160) -> np.ndarray:
    """The same with its last 10 ms faded."""
    out = pcm.copy()
    n = min(samples, len(out))
    out[len(out) - n :] *= np.linspace(1, 0, n, dtype=np.float32)
    return out


def _impulse(rng, t60_s: float, direct: float) -> np.ndarray:
    """Exponentially decaying noise after a direct sound (Polack's model)."""
    n = int(min(t60_s, 0.4) * RATE)
    tail = rng.standard_normal(n).astype(np.float32) * np.exp(-6.9 * np.arange(n) / (t60_s * RATE))
    tail *= (1 - direct) / np.sqrt((tail**2).sum() + 1e-9)
    tail[0] = direct
    return tail.astype(np.float32)


def room(rng, pcm: np.ndarray) -> np.ndarray:
    """The wearer's voice at the glasses: mostly dry, sometimes a measured or modelled room."""
    draw = rng.random()
    if draw < 0.5:
        return pcm
    measured = recordings.rooms()
    if draw < 0.6 and measured:
        wet = fftconvolve(pcm, measured[rng.integers(len(measured))])[: len(pcm)]
        return (0.7 * pcm + 0.5 * wet).astype(np.float32)
    impulse = _impulse(rng, float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.6, 0.95)))
    return fftconvolve(pcm, impulse)[: len(pcm) + 1600].astype(np.float32)


def far(rng, pcm: np.ndarray) -> np.ndarray:
    """Somebody across the room: little direct sound, dull."""
    impulse = _impulse(rng, float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.05, 0.4)))
    wet = fftconvolve(pcm, impulse)[: len(pcm)]
    return lfilter([0.4], [1, -0.6], wet).astype(np.float32)


def burst(rng) -> np.ndarray:
    """A cough, knock or clatter: shaped noise, peak about 1."""
    n = int(rng.uniform(0.03, 0.5) * RATE)
    noise = rng.standard_normal(n)
    noise = lfilter([1], [1, -float(rng.uniform(-0.6, 0.95))], noise)
    shape = np.exp(-np.linspace(0, rng.uniform(2, 9), n))
    if rng.random() < 0.3:
        shape *= 0.5 + 0.5 * np.sin(np.linspace(0, rng.uniform(6, 40), n)) ** 2
    noise *= shape
    return (noise / (np.abs(noise).max() + 1e-9)).astype(np.float32)


@lru_cache(maxsize=1)
def _own_bank() -> list[np.ndarray]:
    from models.scenarios import voices
    texts = ("counting squats", "ten minutes", "one", "two", "three", "four", "five", "six",
             "seven", "eight", "i will check", "the manual says sixteen newton metres for that",
             "twenty four millimetres", "your timer is done", "you are welcome", "it is half past")
    return [voices.espeak().speak(t.split(), "f2", "en-us", 180).pcm.astype(np.float32)
            for t in texts]


def own_voice(rng, seconds: float) -> np.ndarray:
    """What the echo canceller may leave of tagalong's own voice, at about -40 dBFS."""
    bank, parts, total = _own_bank(), [], 0
    while total < seconds * RATE:
        parts.append(bank[rng.integers(len(bank))])
        total += len(parts[-1])
    pcm = np.concatenate(parts)[: int(seconds * RATE)]
    return pcm * (0.01 * 32768 / (rms(pcm) + 1e-6))


def _noise(rng, n: int) -> np.ndarray:
    """Unit-RMS background: white to brown, hum, slow swells."""
    length, n = n, n // 4 + 1  # five seconds, repeated: cheaper, and no ear notices
    noise = rng.standard_normal(n, dtype=np.float32)
    noise = lfilter([1.0], [1.0, -float(rng.choice([0.0, 0.5, 0.9, 0.97, 0.99]))], noise)
    if rng.random() < 0.3:
        t = (np.arange(n) / RATE).astype(np.float32)
        base = float(rng.uniform(45, 300))
        noise = noise / noise.std() + sum(np.sin(2 * np.pi * base * h * t) / h for h in (1, 2, 3))
    if rng.random() < 0.4:
        swell = np.interp(np.arange(n), np.linspace(0, n, 12), rng.uniform(0.2, 1.0, 12))
        noise = noise * swell
    return np.resize(noise / (noise.std() + 1e-9), length).astype(np.float32)


def finish(rng, pcm: np.ndarray) -> np.ndarray:
    """Background noise, microphone response and clipping; returns int16."""
    floor_db = float(rng.uniform(-90, -48)) if rng.random() < 0.85 else float(rng.uniform(-48, -38))
    silence = [r for r in recordings.recordings("speech_commands") if not r.words]
    noise = _noise(rng, len(pcm))
    if silence and rng.random() < 0.15:
        clip = silence[rng.integers(len(silence))].pcm.astype(np.float32)
        noise = np.resize(clip, len(pcm)) / (clip.std() + 1)
    out = pcm + noise * (10 ** (floor_db / 20) * 32768)
    if rng.random() < 0.4:
        tilt = float(rng.uniform(-0.4, 0.4))
        out = lfilter([1.0, tilt], [1.0 + abs(tilt)], out)
    return np.clip(out, -32768, 32767).astype(np.int16)
