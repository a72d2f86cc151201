"""Attention of a micro-turn to the ring on a device. Reference: `kernels.stream_attention_ref`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.kv_ring import KvRing, suffix

THREADS, CHUNK, MAX_DIM = 128, 64, 128
MAX_SHARED = 48 * 1024
"""Bytes of dynamic shared memory that every GPU grants without being asked."""
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float16): 2e-3, np.dtype(np.uint16): 1.6e-2}
"""Largest difference from the reference for inputs of about 1, by type in memory: rounding of the
result (2^-11 and 2^-8 of values up to 4) and the order of the sums."""


class StreamAttention:
    """S queries against one layer of a ring and the micro-turn's own keys.

    Sums are in float; the same bits come whether a stream is computed micro-turn by micro-turn or
    at once.
    """

    def __init__(self, backend: Backend, heads: int, slots: int, window: int, dim: int,
                 kv_heads: int | None = None, period: int | None = None,
                 dtype: Any = np.float16) -> None:
        """slots: queries at once; window: positions that one sees; period: slots of a micro-turn
        (None: slots), by which the ring counts.

        Raises:
            ValueError: a size that the kernel cannot do.
        """
        self.kv_heads = kv_heads or heads
        if heads % self.kv_heads or not 1 <= dim <= MAX_DIM:
            raise ValueError(f"{heads} query heads on {self.kv_heads} key heads of {dim} channels: "
                             f"key heads must divide query heads, channels be 1 to {MAX_DIM}")
        chunks = (window + CHUNK - 2) // CHUNK + 1
        self._shared = chunks * (dim + 2) * 4
        if window < 1 or self._shared > MAX_SHARED:
            raise ValueError(f"a window of {window} positions with {dim} channels needs "
                             f"{self._shared} bytes of shared memory, at most {MAX_SHARED}")
        self.shape, self._dtype = (heads, slots, dim), np.dtype(dtype)
        self._sizes = [np.int32(v) for v in (window, period or slots)]
        self._kernel = backend.kernel("stream_attention", f"stream_attention_{suffix(dtype)}")

    def attend(self, q: Any, new_k: Any, new_v: Any, ring: KvRing, layer: int, present: Any,
               sink: Any, out: Any) -> Any:
        """q, out (H, S, D), new_k, new_v (G, S, D), sink (H, D) of the ring's type, present (S,)
        float32, all on the device; `out` is returned.

        Raises:
            ValueError: another shape or type.
        """
        heads, slots, dim = self.shape
        own = (self.kv_heads, slots, dim)
        expected = {"q": self.shape, "new_k": own, "new_v": own, "sink": (heads, dim),
                    "out": self.shape}
        for (name, shape), array in zip(expected.items(), (q, new_k, new_v, sink, out)):
            if array.shape != shape or array.dtype != self._dtype:
                raise ValueError(f"{name} is {shape} {self._dtype}, not {array.shape} "
                                 f"{array.dtype}")
        if present.shape != (slots,) or present.dtype != np.float32:
            raise ValueError(f"present is ({slots},) float32, not {present.shape} {present.dtype}")
        if ring.shape[1] != self.kv_heads or ring.shape[3] != dim or ring.dtype != self._dtype:
            raise ValueError(f"a ring of {ring.shape} {ring.dtype} does not fit {self.kv_heads} "
                             f"key heads of {dim} {self._dtype}")
        self._kernel((slots, heads), (THREADS,), [
            q, new_k, new_v, ring.keys[layer], ring.values[layer], ring.positions, present, sink,
            ring.counter, np.int32(self.kv_heads), np.int32(dim), np.int32(ring.rows),
            *self._sizes, out], shared=self._shared)
        return out
