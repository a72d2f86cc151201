"""Finds what changes in a view by comparing pictures; learned nothing.

Pictures are halved to (60, 80, 3), set over one another by the shift with the least mean absolute
difference (a wearer is never quite still), brought to one brightness, and compared pixel by pixel
with the least difference within one pixel, so that edges that shake do not count.
"""

from __future__ import annotations

import numpy as np

ROWS, COLUMNS = 60, 80
REACH = 3
"""Halved pixels by which two pictures may be shifted against each other."""
Shift = tuple[int, int]


def halved(rgb: np.ndarray) -> np.ndarray:
    """(120, 160, 3) uint8 to (60, 80, 3) float32, 0 to 255, by means of 2 x 2 pixels."""
    wide = rgb.astype(np.float32)
    rows = wide[0::2] + wide[1::2]
    return 0.25 * (rows[:, 0::2] + rows[:, 1::2])


def shift(now: np.ndarray, before: np.ndarray) -> Shift:
    """(rows, columns) by which `now` must be rolled to lie over `before`."""
    a, b = now.mean(2), before.mean(2)
    a, b = a - np.median(a), b - np.median(b)
    a = a[REACH:-REACH, REACH:-REACH]
    best, found = np.inf, (0, 0)
    for row in range(-REACH, REACH + 1):
        for column in range(-REACH, REACH + 1):
            other = b[REACH + row : ROWS - REACH + row, REACH + column : COLUMNS - REACH + column]
            error = float(np.abs(a - other).mean())
            if error < best:
                best, found = error, (row, column)
    return found


def over(now: np.ndarray, before: np.ndarray, by: Shift) -> np.ndarray:
    """`now` rolled by `by` and brought to the brightness of `before`."""
    moved = np.roll(now, by, (0, 1))
    return moved + np.float32(np.median(before) - np.median(moved))


def difference(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(60, 80) least difference of each pixel to those of `before` within one pixel, 0 to 255,
    the largest of three colours, smoothed over 3 x 3; the border of two pixels is 0."""
    centre = now[1:-1, 1:-1]
    least = np.full(centre.shape[:2], np.inf, np.float32)
    for row in range(3):
        for column in range(3):
            other = before[row : row + ROWS - 2, column : column + COLUMNS - 2]
            np.minimum(least, np.abs(centre - other).max(2), out=least)
    tall = least[:-2] + least[1:-1] + least[2:]
    out = np.zeros((ROWS, COLUMNS), np.float32)
    out[2:-2, 2:-2] = (tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / 9
    return out


def changed(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """`difference` of two halved pictures after they were set over one another."""
    by = shift(now, before)
    found = difference(over(now, before, by), before)
    row, column = abs(by[0]) + 2, abs(by[1]) + 2
    found[:row] = found[-row:] = 0
    found[:, :column] = found[:, -column:] = 0
    return found


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A boolean mask with everything within `by` pixels (both ways) added."""
    out = mask.copy()
    for axis in (0, 1):
        once = out.copy()
        for step in range(1, by + 1):
            for way in (-step, step):
                out |= np.roll(once, way, axis)
    return out


def islands(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a boolean mask (four neighbours), each as (n, 2) rows and columns."""
    left, found = mask.copy(), []
    while left.any():
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        left[row, column] = False
        part, at = [(int(row), int(column))], 0
        while at < len(part):
            r, c = part[at]
            at += 1
            for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if 0 <= y < left.shape[0] and 0 <= x < left.shape[1] and left[y, x]:
                    left[y, x] = False
                    part.append((y, x))
        found.append(np.array(part))
    return found
