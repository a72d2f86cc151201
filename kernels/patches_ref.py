"""Video front end in numpy: colour, area resize and 40x40 patches. Reference of the CUDA kernel.

All resizing is exact integer arithmetic up to one rounding, so a kernel can be held to bit
equality. Letters: H W height and width of the source, h w of the result, P patches.

Source of the colour formula: Microsoft, "Recommended 8-Bit YUV Formats for Video Rendering",
section "Converting 8-bit YUV to RGB888" (BT.601, limited range, 8-bit fixed point).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

FRAME_HEIGHT, FRAME_WIDTH = 120, 160
"""Size of a frame that is cut into patches, pixels."""
PATCH = 40
"""Side of a patch, pixels."""
GRID = (FRAME_HEIGHT // PATCH, FRAME_WIDTH // PATCH)
"""Rows and columns of patches: 3 x 4."""

Layout = Literal["rgb", "bgr", "nv12", "yuyv"]
Crop = tuple[int, int, int, int]
"""top, left, height, width in pixels of the source."""

PIXEL_LEVELS = ((np.arange(256) / 255 - 0.5) / 0.25).astype(np.float32)
"""Normalised value of each pixel level: computed in float64, rounded once to float32."""


def patches(rgb: np.ndarray) -> np.ndarray:
    """Cut a frame into its patches and normalise them to (x / 255 - 0.5) / 0.25.

    rgb: (120, 160, 3) uint8. Returns (12, 4800) float32: patches of the 3x4 grid row by row, in
    each patch the pixels row by row, in each pixel R, G, B. Values from -2 to 2.
    Raises ValueError for another shape or type.
    """
    expected = (FRAME_HEIGHT, FRAME_WIDTH, 3)
    if rgb.shape != expected or rgb.dtype != np.uint8:
        raise ValueError(f"a frame is {expected} uint8, not {rgb.shape} {rgb.dtype}")
    rows, columns = GRID
    cells = rgb.reshape(rows, PATCH, columns, PATCH, 3)  # row, y, column, x, RGB
    cells = cells.transpose(0, 2, 1, 3, 4)  # row, column, y, x, RGB
    return PIXEL_LEVELS[cells.reshape(rows * columns, PATCH * PATCH * 3)]  # (P, 4800)


def resize_area(
    frame: np.ndarray | tuple[np.ndarray, np.ndarray],
    size: tuple[int, int] = (FRAME_HEIGHT, FRAME_WIDTH),
    *,
    layout: Layout = "rgb",
    crop: Crop | None = None,
) -> np.ndarray:
    """Crop, resize by area and convert to RGB. Returns (h, w, 3) uint8, an owned array.

    frame: "rgb" and "bgr" (H, W, 3 or 4) uint8, a fourth channel is ignored; "yuyv" (H, W, 2)
    uint8 with W even; "nv12" a pair of luma (H, W) and chroma (ceil H/2, ceil W/2, 2) uint8.
    Any strides, so rows with padding are passed as a view. size: h, w.

    Each result is the mean of the source under its own rectangle, pixels cut by an edge counting
    by the part inside, rounded half up. YUV planes are averaged first, each rounded to 8 bits,
    and converted afterwards: colour conversion is linear but for clipping, and this way it costs
    h * w instead of H * W. A chroma sample covers its whole 2x2 (2x1) luma pixels.
    Raises ValueError where shape, type, crop or size do not fit.
    """
    planes = _planes(frame, layout)
    window = _checked_crop(planes[0][0].shape[:2], crop)
    if min(size) < 1:
        raise ValueError(f"the size to resize to must be positive, not {size}")
    resized = [_mean_planes(plane, step, window, size) for plane, step in planes]
    if layout in ("nv12", "yuyv"):
        return yuv_to_rgb(resized[0][:, :, 0], resized[1][:, :, 0], resized[1][:, :, 1])
    return np.ascontiguousarray(resized[0][:, :, ::-1]) if layout == "bgr" else resized[0]


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """BT.601 limited range to RGB, 8-bit fixed point; three (h, w) uint8 to (h, w, 3) uint8.

    R = clip((298 C + 409 E + 128) >> 8), G = clip((298 C - 100 D - 208 E + 128) >> 8),
    B = clip((298 C + 516 D + 128) >> 8) with C = Y - 16, D = U - 128, E = V - 128.
    Source: Microsoft, "Recommended 8-Bit YUV Formats for Video Rendering".
    """
    c = (y.astype(np.int32) - 16) * 298 + 128
    d = u.astype(np.int32) - 128
    e = v.astype(np.int32) - 128
    rgb = np.stack((c + 409 * e, c - 100 * d - 208 * e, c + 516 * d), axis=-1) >> 8
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _planes(
    frame: np.ndarray | tuple[np.ndarray, np.ndarray], layout: Layout
) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """The planes as (H, W, C) views, each with its subsampling (vertical, horizontal)."""
    if layout == "nv12":
        luma, chroma = frame
        _require(luma.ndim == 2, "nv12 luma is (H, W)", luma)
        half = ((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2, 2)
        _require(chroma.shape == half, f"nv12 chroma for this luma is {half}", chroma)
        return [(luma[:, :, None], (1, 1)), (chroma, (2, 2))]
    if layout == "yuyv":
        _require(frame.ndim == 3 and frame.shape[2] == 2, "yuyv is (H, W, 2)", frame)
        _require(frame.shape[1] % 2 == 0, "the width of yuyv is even", frame)
        chroma = frame[:, :, 1].reshape(frame.shape[0], -1, 2)  # (H, W / 2, U V)
        return [(frame[:, :, :1], (1, 1)), (chroma, (1, 2))]
    if layout not in ("rgb", "bgr"):
        raise ValueError(f"unknown layout {layout!r}; known are rgb, bgr, nv12, yuyv")
    _require(frame.ndim == 3 and frame.shape[2] in (3, 4), f"{layout} is (H, W, 3 or 4)", frame)
    return [(frame[:, :, :3], (1, 1))]


def _require(holds: bool, expected: str, found: np.ndarray) -> None:
    if not holds or found.dtype != np.uint8 or found.size == 0:
        raise ValueError(f"{expected} uint8 and not empty; got {found.shape} {found.dtype}")


def _checked_crop(shape: tuple[int, ...], crop: Crop | None) -> Crop:
    """The crop, or the whole source without one. Raises ValueError where it reaches outside."""
    height, width = shape
    top, left, rows, columns = crop or (0, 0, height, width)
    inside = 0 <= top and 0 <= left and top + rows <= height and left + columns <= width
    if not inside or rows < 1 or columns < 1:
        raise ValueError(f"crop {crop} does not fit into a frame of {height}x{width}")
    return top, left, rows, columns


def _mean_planes(
    plane: np.ndarray, step: tuple[int, int], crop: Crop, size: tuple[int, int]
) -> np.ndarray:
    """Area mean of (H, W, C) uint8 under each of h x w equal rectangles of the crop, (h, w, C).

    Sums of whole numbers, rows first: at most 255 * 65,536 < 2^31 along an axis, 64 bits after
    both. Written without matrix products on purpose: threads of a linear algebra library that
    wait for one another cost hundreds of times more than they save on a busy machine.
    """
    top, left, rows, columns = crop
    if max(rows, columns, *size) > 65_536:
        raise ValueError(f"{rows}x{columns} to {size[0]}x{size[1]}: at most 65,536 pixels a side")
    vertical = _cut(top, rows, step[0], size[0])
    horizontal = _cut(left, columns, step[1], size[1])
    part = plane[vertical.first : vertical.end, horizontal.first : horizontal.end]
    sums = _cell_sums(_cell_sums(part, 0, vertical, np.int32), 1, horizontal, np.int64)
    total = rows * columns
    return ((2 * sums + total) // (2 * total)).astype(np.uint8)


class _Cut(NamedTuple):
    """An interval of an axis cut into equal cells; index and rest say where the edges lie."""

    first: int
    """First sample touched."""
    end: int
    """Behind the last sample touched."""
    index: np.ndarray
    """(cells + 1,) the sample in which each edge lies, counted from `first`."""
    rest: np.ndarray
    """(cells + 1,) how far into that sample, in units; a sample is `unit` units long."""
    unit: int


@lru_cache(maxsize=32)
def _cut(start: int, length: int, step: int, cells: int) -> _Cut:
    """Cut [start, start + length) of luma pixels into cells; a sample covers `step` luma pixels.

    One luma pixel is `cells` units long, so every edge is a whole number of units and a cell is
    `length` units long.
    """
    edges = start * cells + np.arange(cells + 1, dtype=np.int64) * length
    index, rest = np.divmod(edges, step * cells)
    first, end = int(index[0]), int(index[-1]) + bool(rest[-1])
    return _Cut(first, end, index - first, rest, step * cells)


def _cell_sums(samples: np.ndarray, axis: int, cut: _Cut, dtype: type) -> np.ndarray:
    """Sum of the samples of each cell along an axis, each weighted by its overlap in units.

    A cell is the whole samples from its first edge's to before its last edge's, less what lies
    before the first edge, plus what lies before the last.
    """
    if not cut.rest.any():  # cells of whole samples, as most cameras give: 5 to 10 times faster
        return _whole_cell_sums(samples, axis, cut, dtype)
    along = [1] * samples.ndim
    along[axis] = -1
    index = np.minimum(cut.index, samples.shape[axis] - 1)
    whole = np.add.reduceat(samples, index if cut.rest[-1] else index[:-1], axis, dtype)
    whole = whole.take(range(len(index) - 1), axis)
    whole *= (cut.unit * (np.diff(cut.index) > 0)).astype(dtype).reshape(along)
    before = samples.take(index, axis).astype(dtype) * cut.rest.astype(dtype).reshape(along)
    return whole + np.diff(before, axis=axis)


def _whole_cell_sums(samples: np.ndarray, axis: int, cut: _Cut, dtype: type) -> np.ndarray:
    """The same where every edge lies between two samples: all cells have as many of them."""
    count = int(cut.index[1])
    every = [slice(None)] * samples.ndim
    sums = None
    for first in range(count):
        every[axis] = slice(first, None, count)
        part = samples[tuple(every)]
        sums = part.astype(dtype) if sums is None else np.add(sums, part, out=sums)
    sums *= dtype(cut.unit)
    return sums
