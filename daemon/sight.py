"""What is in view now, as far as acts need it: the newest frame, and whether it looks like a view
that was remembered. Nothing is kept while the camera is muted. Used by the step thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daemon.turn import VideoFrame
from kernels.views_ref import describe, similarity, unpacked

FRESH_S = 1.0
"""A frame older than this shows what was there, not what is."""
SAME = 0.5
"""Least similarity of the same view. Chosen on half of the photographs that `views_ref` was made
with; on the other half 229 of 230 returns from another angle in another light reach it, and 7 of
6,505 pairs of different places do, nearly all taken in one studio. What it does not see: of 50
pairs of one place with a person or a needle in another position 27 count as the same."""
CHECKS = 2
"""Consecutive frames that must look the same: one blurred frame tells nothing."""
AWAY_S = 2.0
"""It must have looked different for so long before it can look the same again."""


class Sight:
    """The newest frame and its descriptor."""

    def __init__(self) -> None:
        self._frame: VideoFrame | None = None
        self._descriptor: np.ndarray | None = None
        self.new = False
        """A frame came in this micro-turn."""
        self.new_frames: tuple[VideoFrame, ...] = ()
        """All that came in this micro-turn, none while muted."""

    def see(self, frames: Sequence[VideoFrame], muted: bool) -> None:
        """Once a micro-turn: its frames, and whether the camera is muted."""
        self.new = bool(frames) and not muted
        self.new_frames = () if muted else tuple(frames)
        if muted:
            self._frame = self._descriptor = None
        elif frames:
            self._frame, self._descriptor = frames[-1], None

    def frame(self, now_s: float) -> VideoFrame | None:
        """What is seen now, None where nothing is."""
        frame = self._frame
        return frame if frame is not None and now_s - frame.t_s <= FRESH_S else None

    def descriptor(self, now_s: float) -> np.ndarray | None:
        """Descriptor of what is seen now; computed once a frame, and only when asked for."""
        frame = self.frame(now_s)
        if frame is not None and self._descriptor is None:
            self._descriptor = describe(frame.rgb)
        return None if frame is None else self._descriptor


class Lookout:
    """Watches for one view. Costs a descriptor and a comparison a micro-turn (0.6 and 0.8 ms on one
    AVX2 core)."""

    def __init__(self, packed: str) -> None:
        """`packed`: descriptor of the view. Raises ValueError where it is none."""
        self._view = unpacked(packed)
        self._hits = 0
        self._away_since_s: float | None = None
        self.away_s = 0.0
        """How long it has looked different without a break, seconds."""
        self.seen = False
        """It has looked the same in consecutive frames; stays true."""
        self.similarity = 0.0
        """Of the newest frame, -1 to 1."""

    def look(self, sight: Sight, now_s: float) -> None:
        """Compare what is seen now; once a micro-turn."""
        seen = sight.descriptor(now_s) if sight.new else None
        if seen is None:
            return
        self.similarity = similarity(seen, self._view)
        if self.similarity >= SAME:
            self._hits, self._away_since_s, self.away_s = self._hits + 1, None, 0.0
            self.seen = self.seen or self._hits >= CHECKS
            return
        if self._away_since_s is None:
            self._away_since_s = now_s
        self._hits, self.away_s = 0, now_s - self._away_since_s
