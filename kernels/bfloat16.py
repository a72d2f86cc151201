"""bfloat16 for numpy, which has none: its bits as uint16, the upper half of a float32's."""

from __future__ import annotations

import numpy as np


def widen(array: np.ndarray) -> np.ndarray:
    """float32 of float32, float16, or bfloat16 held as uint16."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def narrow(array: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """What `widen` undoes; to bfloat16 rounded to the nearest, ties to even."""
    if dtype != np.uint16:
        return np.ascontiguousarray(array, dtype)
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
