"""The ring of keys and values in numpy: reference of the kernel. Letters as in `models.model`."""

from __future__ import annotations

import numpy as np

NOWHERE = -(1 << 40)
"""Position of a row that holds nothing: further back than any window reaches."""


class KvRing:
    """Keys and values of the last micro-turns, each row at its absolute position modulo R."""

    def __init__(self, layers: int, heads: int, slots: int, rows: int, dim: int,
                 dtype: type = np.float32) -> None:
        self.slots, self.rows = slots, rows
        self.keys = np.zeros((layers, heads, rows, dim), dtype)
        self.values = np.zeros_like(self.keys)
        self.positions = np.full(rows, NOWHERE, np.int64)
        self.turn = 0

    def append(self, keys: np.ndarray, values: np.ndarray, present: np.ndarray) -> None:
        """(L, H, S, D) keys and values of a micro-turn; present (S,), above 0 for filled slots."""
        positions = self.turn * self.slots + np.arange(self.slots)
        rows = positions % self.rows
        self.keys[:, :, rows] = keys
        self.values[:, :, rows] = values
        self.positions[rows] = np.where(present > 0, positions, NOWHERE)
        self.turn += 1
