"""Self-similarity rows on a device, one frame at a time. Reference: `kernels.similarity_ref`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.similarity_ref import CELLS, HEIGHT, LAGS, REGIONS, ROW, WIDTH

THREADS = LAGS * 4
TOLERANCE = 1e-5
"""Largest difference of a value from the reference's, which are about 1 and at most 80."""
_STATE = np.dtype([("ring", np.float32, (LAGS, 4, CELLS * CELLS // 4)),
                   ("trend", np.float32, (REGIONS, LAGS)), ("pushed", np.int64)])


class Similarity:
    """Streaming form; equals `similarity_ref.Similarity` within `TOLERANCE`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._kernel = backend.kernel("similarity", "similarity")
        self._state = backend.array(np.zeros(1, _STATE).view(np.uint8))

    def make_out(self) -> tuple[Any, Any]:
        """Row and trend, (400,) float32 each, on the device."""
        return tuple(self._backend.array(np.zeros(ROW, np.float32)) for _ in range(2))

    def push(self, frame: Any, row: Any, trend: Any) -> tuple[Any, Any]:
        """(120, 160, 3) uint8 of the device, 10 a second, oldest first -> row and trend.

        Raises:
            ValueError: another shape or type.
        """
        if frame.size != HEIGHT * WIDTH * 3 or frame.dtype != np.uint8:
            raise ValueError(f"expected (120, 160, 3) uint8, got {frame.shape} {frame.dtype}; "
                             "resize the picture with kernels.patches")
        for out in (row, trend):
            if out.shape != (ROW,) or out.dtype != np.float32:
                raise ValueError(f"out is ({ROW},) float32, not {out.shape} {out.dtype}")
        self._kernel((1,), (THREADS,), [frame, self._state, row, trend])
        return row, trend

    def get_state(self) -> dict[str, np.ndarray]:
        """As `similarity_ref.Similarity.get_state`."""
        state = self._backend.host(self._state).view(_STATE)[0]
        return {"ring": state["ring"].copy(), "trend": state["trend"].copy(),
                "pushed": np.array(state["pushed"])}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`, also that of the reference. Raises ValueError when it does not
        fit."""
        if np.shape(state["ring"]) != _STATE["ring"].shape:
            raise ValueError(f"similarity state has ring {np.shape(state['ring'])}, need "
                             f"{_STATE['ring'].shape}")
        packed = np.zeros(1, _STATE)
        for name in _STATE.names:
            packed[0][name] = state[name]
        self._backend.put(self._state, packed.view(np.uint8))

    def reset(self) -> None:
        """Forget all frames, as after a cut of the stream."""
        self._backend.put(self._state, np.zeros(1, _STATE).view(np.uint8))
