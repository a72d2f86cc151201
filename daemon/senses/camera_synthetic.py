"""A camera that draws: always the same pictures for the same times, no device, no file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daemon.senses.frames import FRAME_PERIOD_NS, FRAMES_PER_TURN, NS, to_ns
from daemon.turn import FRAME_HEIGHT, FRAME_WIDTH, VideoFrame

PERIOD_S = 2.0
"""The square of the default picture goes down and up in this time."""


def bobbing_square(t_s: float) -> np.ndarray:
    """A light square on a dark ground that goes down and up once in 2 s; (120, 160, 3) uint8."""
    rgb = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 40, np.uint8)
    top = round(40 + 30 * np.sin(2 * np.pi * t_s / PERIOD_S))
    rgb[top : top + 40, 60:100] = (230, 200, 170)
    return rgb


class SyntheticCamera:
    """Frames at exactly 10 fps from session 0 on, for ever."""

    lost = ended = False
    problem: str | None = None
    thinned = 0

    def __init__(self, draw: Callable[[float], np.ndarray] = bobbing_square) -> None:
        """draw: makes the (120, 160, 3) uint8 picture of a session time in seconds."""
        self.dropped = 0
        self.sensor_open = True
        self._draw = draw
        self._next = 0

    def frames(self, until_s: float) -> list[VideoFrame]:
        end = max(self._next, -(-to_ns(until_s) // FRAME_PERIOD_NS))
        first, self._next = self._next, end
        if not self.sensor_open:
            return []
        kept = max(first, end - FRAMES_PER_TURN)
        self.dropped += kept - first
        times = [number * FRAME_PERIOD_NS / NS for number in range(kept, end)]
        return [VideoFrame(t_s, self._draw(t_s)) for t_s in times]

    def set_muted(self, muted: bool) -> None:
        self.sensor_open = not muted

    def close(self) -> None:
        self.sensor_open = False
