"""Small operations on sound in memory: conversion, resampling, trimming, level, time compression.

Everything is mono; int16 is the type at every boundary, float32 in -1..1 inside an operation.
"""

from __future__ import annotations

import numpy as np

from daemon.turn import SAMPLE_RATE

FULL_SCALE = 32768.0
"""int16 value that stands for 1.0."""
TRIM_FLOOR_DB = -45.0
"""Below this level, against the loudest 5 ms, the ends of an utterance count as silence."""
SILENCE_POWER = (4 / FULL_SCALE) ** 2
"""Mean power below which nothing was said at all: a few steps of an int16."""
TRIM_BLOCK = 80
"""Samples in which the level is judged when trimming: 5 ms."""
TRIM_KEEP = 80
"""Samples kept before the first and after the last block with sound: 5 ms."""
PEAK_LIMIT = 0.89
"""Highest sample that `level` leaves, -1 dBFS."""


def to_int16(sound: np.ndarray) -> np.ndarray:
    """Float in -1..1 to int16, rounded and clipped."""
    scaled = np.rint(np.asarray(sound, np.float32) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def to_float(sound: np.ndarray) -> np.ndarray:
    """int16 to float32 in -1..1."""
    return sound.astype(np.float32) / np.float32(FULL_SCALE)


def resample(sound: np.ndarray, rate: int) -> np.ndarray:
    """Whole int16 sound at `rate` Hz to 16 kHz."""
    if rate == SAMPLE_RATE or len(sound) == 0:
        return sound
    import soxr

    # In float: for int16 soxr adds dither, which is neither wanted nor the same twice.
    return to_int16(soxr.resample(to_float(sound), rate, SAMPLE_RATE))


def trim_silence(sound: np.ndarray) -> np.ndarray:
    """Cut leading and trailing silence down to at most 10 ms each; all silence becomes empty."""
    blocks = len(sound) // TRIM_BLOCK
    if blocks == 0:
        return sound
    shaped = to_float(sound[: blocks * TRIM_BLOCK]).reshape(blocks, TRIM_BLOCK)
    power = np.mean(shaped**2, axis=1)
    if power.max() < SILENCE_POWER:
        return sound[:0]
    loud = np.flatnonzero(power > power.max() * 10 ** (TRIM_FLOOR_DB / 10))
    start = max(0, loud[0] * TRIM_BLOCK - TRIM_KEEP)
    return sound[start : (loud[-1] + 1) * TRIM_BLOCK + TRIM_KEEP]


def level(sound: np.ndarray, target_db: float = -20.0) -> np.ndarray:
    """Bring the mean power of the louder half to `target_db` dBFS, peaks kept below -1 dBFS."""
    if len(sound) < TRIM_BLOCK:
        return sound
    signal = to_float(sound)
    blocks = signal[: len(signal) // TRIM_BLOCK * TRIM_BLOCK].reshape(-1, TRIM_BLOCK)
    power = np.sort(np.mean(blocks**2, axis=1))[len(blocks) // 2 :].mean()
    peak = np.abs(signal).max()
    if peak == 0 or power == 0:
        return sound
    return to_int16(signal * min(10 ** (target_db / 20) / np.sqrt(power), PEAK_LIMIT / peak))


def compress_time(sound: np.ndarray, samples: int) -> np.ndarray:
    """Shorten int16 speech to at most `samples` samples; pitch stays, and no part is left out.

    Source: WSOLA, Verhelst and Roelands, "An overlap-add technique based on waveform similarity",
    ICASSP 1993: windows of 16 ms, half overlapping, each moved by up to 8 ms to where it continues
    the previous one best.
    """
    if len(sound) <= samples:
        return sound
    window, half, slack = 256, 128, 128
    source = np.pad(to_float(sound), (slack, window + slack))
    hann = np.hanning(window + 1)[:window].astype(np.float32)
    count = max(1, (samples - half) // half)
    step = (len(sound) - window) / max(1, count - 1)
    out = np.zeros((count + 1) * half, np.float32)
    start = slack
    for index in range(count):
        if index:
            start = _best_match(source, start + half, slack + round(index * step), window, slack)
        out[index * half : index * half + window] += source[start : start + window] * hann
    return to_int16(out[:samples])


def _best_match(source: np.ndarray, follow: int, aim: int, window: int, slack: int) -> int:
    """Start within `slack` of `aim` whose window is most like the one that would follow."""
    wanted = source[follow : follow + window]
    if len(wanted) < window:
        return aim
    low = max(0, aim - slack)
    region = source[low : aim + slack + window]
    return low + int(np.argmax(np.correlate(region, wanted, "valid")))
