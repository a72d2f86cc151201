"""The one ring of samples between an audio callback and the loop."""

from __future__ import annotations

import numpy as np


class SampleRing:
    """Preallocated int16 ring for one writer and one reader thread, without locks.

    The writer never waits: what the reader has not fetched when the ring is full is the oldest, is
    skipped at the next read, and is counted. A spare quarter keeps the writer away from samples
    that the reader copies at that moment.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        """Samples that may wait before the oldest are dropped."""
        self.dropped = 0
        """Samples dropped because the reader was late."""
        self.written = 0
        """Samples written since the start."""
        self._read = 0
        self._buffer = np.zeros(capacity + capacity // 4, np.int16)

    @property
    def available(self) -> int:
        """Samples that wait for the reader."""
        return min(self.written - self._read, self.capacity)

    @property
    def position(self) -> int:
        """Samples fetched or dropped since the start."""
        return self._read

    def write(self, samples: np.ndarray) -> None:
        """Append (n,) int16; of more than the ring holds, the last part is kept."""
        keep = samples[-self.capacity :]
        start = (self.written + len(samples) - len(keep)) % len(self._buffer)
        head = min(len(keep), len(self._buffer) - start)
        self._buffer[start : start + head] = keep[:head]
        self._buffer[: len(keep) - head] = keep[head:]
        self.written += len(samples)

    def read_into(self, out: np.ndarray) -> bool:
        """Fetch exactly `len(out)` samples, or nothing and False where fewer wait."""
        excess = self.written - self._read - self.capacity
        if excess > 0:
            self._read += excess
            self.dropped += excess
        if self.written - self._read < len(out):
            return False
        start = self._read % len(self._buffer)
        head = min(len(out), len(self._buffer) - start)
        out[:head] = self._buffer[start : start + head]
        out[head:] = self._buffer[: len(out) - head]
        self._read += len(out)
        return True

    def clear(self) -> None:
        """Forget what waits (the reader's side), without counting it."""
        self._read = self.written
