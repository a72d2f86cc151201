"""Self-similarity rows: how far the picture now is from each of the last eight seconds.

A repetition shows up as a dip in the distance at a lag of one period, whatever repeats and
whatever it looks like, so a counter that sees only these rows transfers from drawn figures to
real people. One row block per video frame at 10 fps: 5 regions (whole picture, then the
quadrants top-left, top-right, bottom-left, bottom-right) x 80 lags (lag 1 = previous frame).

Conventions
- A frame is reduced to 20 x 20 gray cells by area averaging; the mean of the 400 cells is removed,
  so a global change of brightness costs nothing.
- Distance is the mean absolute difference, in gray levels 0-255. The whole picture is the mean of
  its quadrants.
- Each region is divided by its own mean over the lags that exist, plus `FLOOR`: without the floor
  the noise of a still picture would be blown up to the size of real motion.
- Lags before the first frame are exactly 0; a real distance of 0 can only come from equal frames.
- The trend is the mean of the distances over the last frames, lag by lag: where in the cycle a
  picture is averages out and the dip at one period stays.

Source: temporal self-similarity for counting, Dwibedi et al. 2020 (RepNet, arXiv 2006.15418);
made causal and without learned features here.
"""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH = 120, 160
"""Pixels of a frame."""
CELLS = 20
"""Gray cells along each side."""
LAGS = 80
"""Earlier frames compared with: 8 s at 10 fps."""
REGIONS = 5
"""Whole picture and four quadrants."""
ROW = REGIONS * LAGS
"""Length of the vector for one frame."""
TREND = 30
"""Frames over which the trend is averaged."""
FLOOR = 0.5
"""Gray levels added to the mean distance before dividing; about the noise of a cell."""

_BLOCK_H, _BLOCK_W = HEIGHT // CELLS, WIDTH // CELLS
_QUADRANT = (CELLS // 2) ** 2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Source: ITU-R BT.601, luma of R, G, B."""
_WEIGHTS = np.tile(_LUMA, _BLOCK_W) / np.float32(_BLOCK_H * _BLOCK_W)


def gray_cells(rgb: np.ndarray) -> np.ndarray:
    """Mean-removed gray cells of frames, grouped by quadrant.

    rgb: (..., 120, 160, 3) uint8. Returns (..., 4, 100) float32 in gray levels.
    Raises ValueError for another shape or type.
    """
    if rgb.shape[-3:] != (HEIGHT, WIDTH, 3) or rgb.dtype != np.uint8:
        raise ValueError(
            f"similarity needs frames of (120, 160, 3) uint8, got {rgb.shape} {rgb.dtype}; "
            "resize the picture at the camera"
        )
    lead = rgb.shape[:-3]
    rows = rgb.reshape(*lead, CELLS, _BLOCK_H, WIDTH * 3)
    sums = np.add.reduce(rows, axis=-2, dtype=np.uint16)  # (..., 20, 480)
    cells = sums.reshape(*lead, CELLS, CELLS, _BLOCK_W * 3).astype(np.float32) @ _WEIGHTS
    cells -= cells.mean(axis=(-2, -1), keepdims=True)
    half = CELLS // 2
    quadrants = cells.reshape(*lead, 2, half, 2, half).swapaxes(-3, -2)
    return np.ascontiguousarray(quadrants).reshape(*lead, 4, _QUADRANT)


def _regions(quadrants: np.ndarray) -> np.ndarray:
    """(n, 80, 4) distances of the quadrants -> (n, 5, 80), the whole picture first."""
    distances = np.empty((len(quadrants), REGIONS, LAGS), np.float32)
    distances[:, 1:] = quadrants.swapaxes(1, 2)
    distances[:, 0] = distances[:, 1:].mean(axis=1)
    return distances


def normalise(distances: np.ndarray, existing: np.ndarray) -> np.ndarray:
    """Divide (n, 5, 80) gray-level distances, zero where missing, in place by their own means;
    existing: (n,) lags that exist. Returns (n, 400)."""
    mean = distances.sum(axis=2) / np.maximum(existing, 1)[:, None]
    distances /= (mean + FLOOR)[:, :, None]
    return distances.reshape(len(distances), ROW)


def gray_levels(rows: np.ndarray, existing: np.ndarray) -> np.ndarray:
    """Inverse of `normalise`: (n, 400) rows -> (n, 5, 80) distances in gray levels."""
    rows = rows.reshape(len(rows), REGIONS, LAGS)
    share = rows.sum(axis=2) / np.maximum(existing, 1)[:, None]
    return rows * (FLOOR / np.maximum(1 - share, 1e-3))[:, :, None]


def _average(trend: np.ndarray, distances: np.ndarray, pushed: int) -> None:
    """Move the trend (5, 80) in place by a frame's distances; pushed: frames before it. A mean of
    all frames at first, of about the last `TREND` later."""
    existing = min(pushed, LAGS)
    weight = 1.0 / np.clip(pushed - np.arange(existing), 1, TREND)
    trend[:, :existing] += weight * (distances[:, :existing] - trend[:, :existing])


def trends(distances: np.ndarray) -> np.ndarray:
    """Trend of every frame from (n, 5, 80) distances in gray levels: (n, 400) float32."""
    trend, out = np.zeros((REGIONS, LAGS), np.float32), np.empty(distances.shape, np.float32)
    for pushed, frame in enumerate(distances):
        _average(trend, frame, pushed)
        out[pushed] = trend
    return normalise(out, np.minimum(np.arange(len(out)), LAGS))


class Similarity:
    """The streaming form: one frame in, one row block out, constant memory.

    >>> similarity = Similarity()
    >>> similarity.push(np.zeros((120, 160, 3), np.uint8)).shape
    (400,)
    """

    def __init__(self) -> None:
        self._ring = np.zeros((LAGS, 4, _QUADRANT), np.float32)
        self._scratch = np.empty_like(self._ring)
        self._by_lag = (-1 - np.arange(LAGS)[None, :] + np.arange(LAGS)[:, None]) % LAGS
        self._trend = np.zeros((REGIONS, LAGS), np.float32)
        self._pushed = 0

    def push(self, rgb: np.ndarray) -> np.ndarray:
        """Add a frame (120, 160, 3) uint8, oldest first at 10 fps; returns its (400,) float32."""
        cells = gray_cells(rgb)
        slot = self._pushed % LAGS
        np.subtract(self._ring, cells, out=self._scratch)
        np.abs(self._scratch, out=self._scratch)
        quadrants = self._scratch.mean(axis=2)[self._by_lag[slot]]  # (80, 4), lag 1 first
        existing = min(self._pushed, LAGS)
        quadrants[existing:] = 0.0
        self._ring[slot] = cells
        distances = _regions(quadrants[None])
        _average(self._trend, distances[0], self._pushed)
        self._pushed += 1
        return normalise(distances, np.array([existing]))[0]

    @property
    def trend(self) -> np.ndarray:
        """The trend up to the newest frame, (400,) float32, divided like a row."""
        existing = min(max(self._pushed - 1, 0), LAGS)
        return normalise(self._trend[None].copy(), np.array([existing]))[0]

    def reset(self) -> None:
        """Forget all frames, as after a cut of the stream."""
        self._ring[:] = 0.0
        self._trend[:] = 0.0
        self._pushed = 0

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that `set_state` needs to go on, as owned arrays."""
        return {"ring": self._ring.copy(), "trend": self._trend.copy(),
                "pushed": np.array(self._pushed, np.int64)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the ring has another shape."""
        ring = np.asarray(state["ring"], np.float32)
        if ring.shape != self._ring.shape:
            raise ValueError(f"similarity state has ring {ring.shape}, need {self._ring.shape}")
        self._ring[:] = ring
        self._trend[:] = state["trend"]
        self._pushed = int(state["pushed"])


def similarity_rows(frames: np.ndarray) -> np.ndarray:
    """All rows of a clip at once: (n, 120, 160, 3) uint8 -> (n, 400) float32.

    Equals pushing the frames one by one into a new `Similarity`.
    """
    cells = gray_cells(frames)
    n = len(cells)
    quadrants = np.zeros((n, LAGS, 4), np.float32)
    for lag in range(1, min(LAGS, n - 1) + 1):
        quadrants[lag:, lag - 1] = np.abs(cells[lag:] - cells[:-lag]).mean(axis=2)
    return normalise(_regions(quadrants), np.minimum(np.arange(n), LAGS))
