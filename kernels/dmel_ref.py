"""Streaming dMel: 16 kHz PCM to 4-bit log-mel levels, without look-ahead.

dMel is a discretised log-mel spectrogram (arXiv 2407.15835); the mel scale is Slaney's (Auditory
Toolbox, 1998), as in librosa's default. Limits are fixed, so that nothing depends on the clip.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16_000
HOP = 400
WINDOW = 800
"""Trailing Hann window: one hop of history and one hop of new samples."""
FFT = 1024
MELS = 80
LOW_HZ, HIGH_HZ = 80.0, 7600.0
LEVELS = 16
LOG_LOW, LOG_STEP = -7.0, 0.6
FLOOR = 1e-10


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney: linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, float)
    log = 15.0 + 27.0 * np.log(np.maximum(hz, 1e-9) / 1000.0) / np.log(6.4)
    return np.where(hz < 1000.0, 3.0 * hz / 200.0, log)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    mel = np.asarray(mel, float)
    return np.where(mel < 15.0, 200.0 * mel / 3.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))


@lru_cache(maxsize=1)
def mel_filters() -> np.ndarray:
    """(80, 513) float32 triangular filters, area-normalised."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(LOW_HZ), _hz_to_mel(HIGH_HZ), MELS + 2))
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@lru_cache(maxsize=1)
def hann_window() -> np.ndarray:
    """Periodic Hann window over int16 samples, scaled to +-1."""
    n = np.arange(WINDOW)
    return ((0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)) / 32768.0).astype(np.float32)


def mel_bands(frames: np.ndarray) -> np.ndarray:
    """(n, 800) samples -> (n, 80) float32 magnitudes in the bands."""
    spectrum = np.abs(np.fft.rfft(frames.astype(np.float32) * hann_window(), FFT))
    return spectrum.astype(np.float32) @ mel_filters().T


def quantise(mel: np.ndarray) -> np.ndarray:
    """Magnitudes of any shape -> uint8 levels."""
    steps = (np.log10(np.maximum(mel, FLOOR)) - LOG_LOW) / LOG_STEP
    return np.rint(np.clip(steps, 0, LEVELS - 1)).astype(np.uint8)


def _levels(frames: np.ndarray) -> np.ndarray:
    """(n, 800) samples -> (n, 80) uint8 levels."""
    return quantise(mel_bands(frames))


def dmel(pcm: np.ndarray) -> np.ndarray:
    """Offline: (n * 400,) int16 -> (n, 80) uint8. A rest shorter than a hop is left out."""
    hops = len(pcm) // HOP
    padded = np.concatenate([np.zeros(WINDOW - HOP, pcm.dtype), pcm[: hops * HOP]])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return _levels(frames[:hops])


class Dmel:
    """Streaming form; equals `dmel` level for level."""

    def __init__(self) -> None:
        self._history = np.zeros(WINDOW - HOP, np.int16)

    def reset(self) -> None:
        """Begin a new stream."""
        self._history[:] = 0

    def push(self, pcm: np.ndarray) -> np.ndarray:
        """(n * 400,) int16 -> (n, 80) uint8. Raises ValueError on a partial hop."""
        if pcm.dtype != np.int16 or pcm.ndim != 1 or len(pcm) % HOP:
            raise ValueError(f"expected (n * {HOP},) int16, got {pcm.shape} {pcm.dtype}")
        joined = np.concatenate([self._history, pcm])
        self._history = joined[len(joined) - (WINDOW - HOP) :].copy()
        frames = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::HOP]
        return _levels(frames)

    def get_state(self) -> np.ndarray:
        """(400,) int16 history, a copy."""
        return self._history.copy()

    def set_state(self, state: np.ndarray) -> None:
        """Restore what `get_state` returned."""
        self._history = np.asarray(state, np.int16).copy()
