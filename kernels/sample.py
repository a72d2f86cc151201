"""The class of every readout head on a device. Reference: `kernels.sample_ref`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend

THREADS = 128


class Sample:
    """Masked arg-max, or a draw among the k best, of all heads in one launch."""

    def __init__(self, backend: Backend, classes: tuple[int, ...], *, temperature: float = 0.0,
                 k: int = 0, seed: int = 0) -> None:
        """classes: of each head; temperature 0: arg-max; k: how many of the best a draw is from, 0
        for all; seed: 0 to 2^64 - 1, the same draws on every device.

        Raises:
            ValueError: a number outside its range.
        """
        if temperature < 0 or k < 0 or not 0 <= seed < 1 << 64 or min(classes, default=0) < 1:
            raise ValueError(f"temperature {temperature} and k {k} are 0 or more, seed {seed} is "
                             f"below 2^64, and every head has a class: {classes}")
        self._backend, self.classes = backend, classes
        self._kernel = backend.kernel("sample", "sample")
        offsets = np.concatenate([[0], np.cumsum(classes)]).astype(np.int32)
        self.size = int(offsets[-1])
        self._offset = backend.array(offsets)
        self.mask = backend.array(np.ones(self.size, np.uint8))
        """(classes of all heads,) uint8, 0 for what may not come; may be overwritten."""
        self.bias = backend.array(np.zeros(len(classes), np.float32))
        """(heads,) added to class 0; may be overwritten."""
        self._draw = backend.array(np.zeros(len(classes), np.uint64))
        self._how = [np.float32(temperature), np.int32(k), np.uint64(seed)]

    def make_out(self) -> Any:
        """(heads,) int32 on the device."""
        return self._backend.array(np.zeros(len(self.classes), np.int32))

    def choose(self, logits: Any, out: Any) -> Any:
        """(classes of all heads,) float32 of the device -> `out`, -1 where all are masked.

        Raises:
            ValueError: another shape or type.
        """
        if logits.shape != (self.size,) or logits.dtype != np.float32:
            raise ValueError(f"logits are ({self.size},) float32, not {logits.shape} "
                             f"{logits.dtype}")
        if out.shape != (len(self.classes),) or out.dtype != np.int32:
            raise ValueError(f"out is ({len(self.classes)},) int32, not {out.shape} {out.dtype}")
        self._kernel((len(self.classes),), (THREADS,), [
            logits, self._offset, self.mask, self.bias, *self._how, self._draw, out])
        return out

    def reset(self) -> None:
        """Begin the draws anew."""
        self._backend.put(self._draw, np.zeros(len(self.classes), np.uint64))
