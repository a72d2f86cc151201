"""Camera buffers to a frame and its patches on a device, bit for bit as `kernels.patches_ref`.

A buffer is given as it lies in memory, rows with padding and all: a contiguous uint8 array of the
backend and a `Buffer` that says what is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.patches_ref import FRAME_HEIGHT, FRAME_WIDTH, GRID, PATCH, PIXEL_LEVELS, Crop, Layout

THREADS = 128
_LAYOUTS: tuple[Layout, ...] = ("rgb", "bgr", "nv12", "yuyv")


@dataclass(frozen=True)
class Buffer:
    """What is in a camera's buffer."""

    layout: Layout
    height: int
    width: int
    row_bytes: int
    """From row to row of the first plane."""
    channels: int = 3
    """Of "rgb" and "bgr": 3, or 4 of which the last is ignored."""
    first_at: int = 0
    """Byte at which the first plane begins."""
    chroma_at: int = 0
    """Byte at which the chroma plane of "nv12" begins."""
    chroma_row_bytes: int = 0
    """From row to row of it."""
    crop: Crop | None = None
    """top, left, height, width in pixels."""

    def check(self, size: int) -> None:
        """Raises ValueError where a buffer of `size` bytes cannot hold this."""
        if self.layout not in _LAYOUTS:
            raise ValueError(f"unknown layout {self.layout!r}; known are {', '.join(_LAYOUTS)}")
        if not 1 <= self.height <= 65_536 or not 1 <= self.width <= 65_536:
            raise ValueError(f"a frame of {self.height}x{self.width}: 1 to 65,536 pixels a side")
        if self.layout in ("rgb", "bgr") and self.channels not in (3, 4):
            raise ValueError(f"{self.layout} has 3 or 4 channels, not {self.channels}")
        if self.layout == "yuyv" and self.width % 2:
            raise ValueError(f"the width of yuyv is even, not {self.width}")
        if min(self.first_at, self.chroma_at) < 0:
            raise ValueError("a plane cannot begin before its buffer")
        if self.row_bytes < self._row() or self.first_at + self._end() > size:
            raise ValueError(f"{self.layout} of {self.height}x{self.width} with rows of "
                             f"{self.row_bytes} bytes does not fit into {size} bytes")
        if self.layout == "nv12" and (self.chroma_row_bytes < self._chroma_row()
                                      or self.chroma_at + self._chroma_end() > size):
            raise ValueError(f"the chroma of nv12 of {self.height}x{self.width} with rows of "
                             f"{self.chroma_row_bytes} bytes does not fit into {size} bytes")
        top, left, rows, columns = self.window
        if (min(top, left) < 0 or min(rows, columns) < 1 or top + rows > self.height
                or left + columns > self.width):
            raise ValueError(f"crop {self.crop} does not fit into a frame of "
                             f"{self.height}x{self.width}")

    @property
    def window(self) -> Crop:
        """The crop, or the whole frame."""
        return self.crop or (0, 0, self.height, self.width)

    @property
    def pixel_bytes(self) -> int:
        """From pixel to pixel of the first plane."""
        return {"nv12": 1, "yuyv": 2}.get(self.layout, self.channels)

    def _row(self) -> int:
        return self.width * self.pixel_bytes

    def _end(self) -> int:
        return (self.height - 1) * self.row_bytes + self._row()

    def _chroma_row(self) -> int:
        return (self.width + 1) // 2 * 2

    def _chroma_end(self) -> int:
        return ((self.height + 1) // 2 - 1) * self.chroma_row_bytes + self._chroma_row()


class Patches:
    """Crop, area resize, colour, normalisation and patch layout in one kernel."""

    def __init__(self, backend: Backend, dtype: type = np.float16) -> None:
        """dtype: of the patches, float16 or float32."""
        entry = {np.float16: "patches_half", np.float32: "patches_float"}[dtype]
        self._backend, self._dtype = backend, dtype
        self._kernel = backend.kernel("patches", entry)
        self._levels = backend.array(PIXEL_LEVELS)

    def make_out(self) -> tuple[Any, Any]:
        """A frame (120, 160, 3) uint8 and its patches (12, 4800) on the device."""
        frame = np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
        patch = np.zeros((GRID[0] * GRID[1], PATCH * PATCH * 3), self._dtype)
        return self._backend.array(frame), self._backend.array(patch)

    def push(self, data: Any, buffer: Buffer, frame: Any, patch: Any) -> tuple[Any, Any]:
        """(bytes,) uint8 of the device -> frame and patches.

        Raises:
            ValueError: buffer, description or outputs do not fit together.
        """
        buffer.check(int(data.size))
        if (data.dtype, frame.dtype, patch.dtype) != (np.uint8, np.uint8, self._dtype):
            raise ValueError(f"expected uint8, uint8 and {np.dtype(self._dtype)}, got "
                             f"{data.dtype}, {frame.dtype} and {patch.dtype}")
        if frame.size != FRAME_HEIGHT * FRAME_WIDTH * 3 or patch.size != frame.size:
            raise ValueError(f"out is (120, 160, 3) and (12, 4800), not {frame.shape} and "
                             f"{patch.shape}")
        blocks = -(-FRAME_HEIGHT * FRAME_WIDTH // THREADS)
        first = data[buffer.first_at :]
        self._kernel((blocks,), (THREADS,), [
            first, *map(np.int32, (buffer.row_bytes, buffer.pixel_bytes)),
            *_chroma(data, buffer), *map(np.int32, (_LAYOUTS.index(buffer.layout),
                                                    *buffer.window)),
            self._levels, frame, patch])
        return frame, patch


def _chroma(data: Any, buffer: Buffer) -> list[Any]:
    """The second plane: pointer, strides, and how many luma pixels its samples cover."""
    if buffer.layout == "nv12":
        return [data[buffer.chroma_at :], *map(np.int32, (buffer.chroma_row_bytes, 2, 2, 2))]
    at = buffer.first_at + (1 if buffer.layout == "yuyv" else 0)
    return [data[at:], *map(np.int32, (buffer.row_bytes, 4, 1, 2))]
