"""The ring of keys and values on a device. Reference: `kernels.kv_ring_ref`, equal bit for bit.

Numbers are float16, float32 or bfloat16; numpy has no bfloat16, so its bits are kept as uint16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.kv_ring_ref import NOWHERE

THREADS = 64
ENTRIES = {np.dtype(np.float32): "float", np.dtype(np.float16): "half",
           np.dtype(np.uint16): "bfloat16"}
"""Type in memory -> suffix of the entry points."""
COUNTER = np.dtype([("turn", np.int64), ("finished", np.uint32), ("unused", np.uint32)])


def suffix(dtype: Any) -> str:
    """Of the entry points for a type. Raises ValueError for one that is not known."""
    if np.dtype(dtype) not in ENTRIES:
        raise ValueError(f"keys and values are float32, float16 or bfloat16 as uint16, not {dtype}")
    return ENTRIES[np.dtype(dtype)]


class KvRing:
    """Keys, values, their positions and the number of micro-turns, all on the device."""

    def __init__(self, backend: Backend, layers: int, heads: int, slots: int, rows: int, dim: int,
                 dtype: Any = np.float16) -> None:
        """Raises ValueError: no such type, or the ring is smaller than a micro-turn."""
        if rows < slots:
            raise ValueError(f"a ring of {rows} rows cannot hold a micro-turn of {slots} slots")
        self._backend, self.shape = backend, (layers, heads, slots, dim)
        self.rows, self.dtype = rows, np.dtype(dtype)
        self._kernel = backend.kernel("kv_ring", f"kv_ring_{suffix(dtype)}")
        empty = np.zeros((layers, heads, rows, dim), dtype)
        self.keys, self.values = backend.array(empty), backend.array(empty)
        self.positions = backend.array(np.full(rows, NOWHERE, np.int64))
        self.counter = backend.array(np.zeros(1, COUNTER).view(np.uint8))

    def append(self, keys: Any, values: Any, present: Any) -> None:
        """(L, H, S, D) keys and values of a micro-turn of the device, present (S,) float32.

        Raises:
            ValueError: another shape or type.
        """
        for array in (keys, values):
            if array.shape != self.shape or array.dtype != self.dtype:
                raise ValueError(f"expected {self.shape} {self.dtype}, got {array.shape} "
                                 f"{array.dtype}")
        layers, heads, slots, dim = self.shape
        if present.shape != (slots,) or present.dtype != np.float32:
            raise ValueError(f"present is ({slots},) float32, not {present.shape} {present.dtype}")
        self._kernel((slots, layers * heads), (THREADS,), [
            keys, values, present, np.int32(dim), np.int32(self.rows), self.keys, self.values,
            self.positions, self.counter])

    def reset(self) -> None:
        """Forget all rows."""
        self._backend.put(self.positions, np.full(self.rows, NOWHERE, np.int64))
        self._backend.put(self.counter, np.zeros(1, COUNTER).view(np.uint8))

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copies of all."""
        host = self._backend.host
        return {"keys": host(self.keys).copy(), "values": host(self.values).copy(),
                "positions": host(self.positions).copy(),
                "turn": host(self.counter).view(COUNTER)["turn"][0].copy()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when a shape does not fit."""
        for name in ("keys", "values", "positions"):
            array = getattr(self, name)
            if state[name].shape != array.shape:
                raise ValueError(f"the ring's {name} are {array.shape}, not {state[name].shape}")
        counter = np.zeros(1, COUNTER)
        counter["turn"] = state["turn"]
        for name in ("keys", "values", "positions"):
            self._backend.put(getattr(self, name), state[name])
        self._backend.put(self.counter, counter.view(np.uint8))
