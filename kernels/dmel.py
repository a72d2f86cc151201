"""dMel on a device: 16 kHz PCM in, 4-bit log-mel levels out. Reference: `kernels.dmel_ref`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.dmel_ref import FFT, HOP, MELS, WINDOW, hann_window, mel_filters

THREADS = 128
_STATE = np.dtype([("history", np.int16, (2, HOP)), ("side", np.uint32), ("finished", np.uint32)])
TOLERANCE = 1e-6
"""Difference of a magnitude from the reference's, in parts of the loudest sample's share of the
whole window: what single precision leaves of an FFT. A level may differ where that leads across an
edge."""


class Dmel:
    """Streaming form; equals `dmel_ref.Dmel` but at the edges of levels (`TOLERANCE`)."""

    def __init__(self, backend: Backend, hops: int = 8) -> None:
        """hops: of 25 ms, that are pushed at a time."""
        self._backend, self._hops = backend, hops
        self._kernel = backend.kernel("dmel", "dmel")
        self._tables = [backend.array(t) for t in (hann_window(), _twiddle(), *_sparse())]
        self._state = backend.array(np.zeros(1, _STATE).view(np.uint8))
        self._pcm = backend.array(np.zeros(hops * HOP, np.int16))

    def make_out(self) -> Any:
        """(hops, 80) uint8 on the device."""
        return self._backend.array(np.zeros((self._hops, MELS), np.uint8))

    def push(self, pcm: np.ndarray, out: Any) -> Any:
        """(hops * 400,) int16 -> `out`. Raises ValueError for another shape or type."""
        self.put(pcm)
        return self.launch(out)

    def put(self, pcm: np.ndarray) -> None:
        """The first half of `push`: the sound to the device. Raises as it."""
        if pcm.shape != (self._hops * HOP,) or pcm.dtype != np.int16:
            raise ValueError(f"expected ({self._hops * HOP},) int16, got {pcm.shape} {pcm.dtype}")
        self._backend.put(self._pcm, pcm)

    def launch(self, out: Any) -> Any:
        """The second half, which a graph can record. Raises as it."""
        if out.shape != (self._hops, MELS) or out.dtype != np.uint8:
            raise ValueError(f"out is ({self._hops}, {MELS}) uint8, not {out.shape} {out.dtype}")
        self._kernel((self._hops,), (THREADS,), [self._pcm, *self._tables, self._state, out])
        return out

    def get_state(self) -> np.ndarray:
        """(400,) int16, the last hop, as `dmel_ref.Dmel.get_state`."""
        state = self._backend.host(self._state).view(_STATE)[0]
        return state["history"][state["side"] & 1].copy()

    def set_state(self, history: np.ndarray) -> None:
        """Go on from `get_state`."""
        state = np.zeros(1, _STATE)
        state["history"][0, 0] = history
        self._backend.put(self._state, state.view(np.uint8))

    def reset(self) -> None:
        """Begin a new stream."""
        self.set_state(np.zeros(HOP, np.int16))


def _twiddle() -> np.ndarray:
    """(512, 2) float32: cosine and sine of -2 pi k / 1024."""
    angles = -2 * np.pi * np.arange(FFT // 2) / FFT
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def _sparse() -> tuple[np.ndarray, ...]:
    """Of the mel filters first bin, number of bins, where the weights lie, and the weights."""
    filters = mel_filters()
    first = (filters > 0).argmax(1).astype(np.int32)
    bins = (filters > 0).sum(1).astype(np.int32)
    offset = (np.cumsum(bins) - bins).astype(np.int32)
    weights = np.concatenate([row[a : a + n] for row, a, n in zip(filters, first, bins)])
    return first, bins, offset, weights.astype(np.float32)


assert WINDOW == 2 * HOP, "one hop of history"
