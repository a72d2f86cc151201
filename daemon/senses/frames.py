"""From a camera's picture to a `VideoFrame`: fit to 160x120, thin to 10 fps, hand over in order.

The whole picture is resized by area to 160x120, its aspect ratio not kept, as in the clips that
the counters were tuned on: bars beside a tall picture would leave a body few pixels, and nothing
here measures angles. What this alone gains on real clips was not measured.

Frames belong to the half-open span of a micro-turn, [start, end): a 10 fps source gives exactly
two to each. Comparisons are in whole nanoseconds, so 0.6 and 3 * 0.2 are the same instant.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from daemon.turn import FRAME_HEIGHT, FRAME_WIDTH, VideoFrame
from kernels.patches_ref import Layout, resize_area

NS = 1_000_000_000
"""Nanoseconds in a second."""
FRAME_PERIOD_NS = NS // 10
"""Frames enter at 10 fps at most."""
FRAMES_PER_TURN = 2
"""Frames that a micro-turn takes at most."""

Planes = np.ndarray | tuple[np.ndarray, np.ndarray]


def fit(picture: Planes, layout: Layout = "rgb", *, rotate: int = 0) -> np.ndarray:
    """Resize a picture to (120, 160, 3) uint8 RGB.

    picture, layout: as `kernels.patches_ref.resize_area` takes them. rotate: clockwise turn that
    makes it upright, 0, 90, 180 or 270 degrees. Raises ValueError for another shape, type or angle.
    """
    if rotate % 90:
        raise ValueError(f"a picture is turned by 0, 90, 180 or 270 degrees, not {rotate}")
    upright = rotate % 180 == 0
    size = (FRAME_HEIGHT, FRAME_WIDTH) if upright else (FRAME_WIDTH, FRAME_HEIGHT)
    small = np.rot90(resize_area(picture, size, layout=layout), -rotate // 90)
    return np.ascontiguousarray(small)


def to_ns(t_s: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(t_s * NS)


class Thinner:
    """Lets at most 10 frames a second through, evenly: one for each tenth of a second.

    A tenth that had no frame leaves a credit, one at most, so a 10 fps camera that jitters across
    the borders loses nothing, while a faster one is thinned to one a tenth.
    """

    def __init__(self) -> None:
        self.thinned = 0
        """Frames left out because the camera is faster than 10 fps; no loss."""
        self._tenth: int | None = None
        self._credit = 0

    def admits(self, t_ns: int) -> bool:
        """Whether the frame captured at session time `t_ns` enters. Ask once a frame, in order."""
        tenth = t_ns // FRAME_PERIOD_NS
        if self._tenth is None or tenth > self._tenth:
            skipped = tenth - self._tenth - 1 if self._tenth is not None else 0
            self._credit = min(1, self._credit + skipped)
            self._tenth = tenth
            return True
        if self._credit:
            self._credit -= 1
            return True
        self.thinned += 1
        return False


class FrameSlot:
    """Hands the latest frames from a camera to the loop: bounded, oldest dropped and counted.

    Holds four: the two of the micro-turn that ended and the two that arrive before the loop has
    fetched those. With only two, every loop that is a little later than its camera would lose one.
    """

    CAPACITY = 2 * FRAMES_PER_TURN

    def __init__(self) -> None:
        self.dropped = 0
        """Frames lost because the loop was late or a micro-turn had more than two."""
        self._waiting: deque[VideoFrame] = deque()
        self._lock = threading.Lock()

    def put(self, frame: VideoFrame) -> None:
        """Add the newest frame."""
        with self._lock:
            if len(self._waiting) >= self.CAPACITY:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(frame)

    def take(self, until_s: float) -> list[VideoFrame]:
        """The newest two frames captured before `until_s`, oldest first; older ones are dropped."""
        until_ns = to_ns(until_s)
        with self._lock:
            ready = [frame for frame in self._waiting if to_ns(frame.t_s) < until_ns]
            self._waiting = deque(frame for frame in self._waiting if to_ns(frame.t_s) >= until_ns)
            self.dropped += max(0, len(ready) - FRAMES_PER_TURN)
        return sorted(ready, key=lambda frame: frame.t_s)[-FRAMES_PER_TURN:]

    def clear(self) -> None:
        """Forget what waits, without counting it."""
        with self._lock:
            self._waiting.clear()
