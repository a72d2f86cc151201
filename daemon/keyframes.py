"""Pictures that may go with a question: what is seen now, and what was seen before it changed.

Chosen by change, not by clock; two frames of 57,600 bytes are kept, none while the camera is muted.
They leave the device only as `privacy.pictures` says, with a question that points at a sight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from daemon.sight import FRESH_S, SAME
from daemon.turn import VideoFrame
from kernels.views_ref import describe, similarity

_POINTS = re.compile(
    r"\b(what|which|who)('s| is| are| was) (this|that|these|those)\b(?! (called|mean))"
    r"|\bwhat (has |have )?changed\b|\blook at\b|\bwhat (do|can) you see\b|\bdo you see\b"
)


def points_at_a_sight(words: str) -> bool:
    """Whether a question can be answered only by who sees what its wearer sees."""
    return _POINTS.search(words.lower()) is not None


class KeyFrames:
    """The newest frame, and the last one before the view changed. Used by the step thread."""

    def __init__(self) -> None:
        self._newest: VideoFrame | None = None
        self._view: np.ndarray | None = None
        self._before: VideoFrame | None = None

    def see(self, frames: Sequence[VideoFrame], muted: bool) -> None:
        """Once a micro-turn: its frames, and whether the camera is muted."""
        if muted:
            self._newest = self._view = self._before = None
        elif frames:
            view = describe(frames[-1].rgb)
            if self._view is not None and similarity(self._view, view) < SAME:
                self._before = self._newest
            self._newest, self._view = frames[-1], view

    def pictures(self, now_s: float) -> tuple[bytes, ...]:
        """JPEG, the newest first; none where nothing is seen now."""
        newest, before = self._newest, self._before
        if newest is None or now_s - newest.t_s > FRESH_S:
            return ()
        return tuple(encode_jpeg(f.rgb) for f in (newest, before) if f is not None)


def encode_jpeg(rgb: np.ndarray) -> bytes:
    """JPEG of (H, W, 3) uint8, through PyAV."""
    import av

    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = rgb.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    packets = encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None)
    return b"".join(bytes(packet) for packet in packets)
