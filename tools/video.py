"""Video files as the demo's pictures need them: the frame at a time, and captioned films out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from daemon.turn import SAMPLE_RATE

LAST_FRAME_S = 1.0
"""The last picture of a file counts as shown for so long."""


class Film:
    """Pictures of a video file by time; times asked for must not go backwards."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        """Opens the file; pictures come as `width` x `height`.

        Raises:
            OSError: there is no such file.
            av.FFmpegError: it cannot be decoded.
        """
        self._path, self._size = path, (width, height)
        self._frames = self._decode()
        self._now: av.VideoFrame | None = None
        self._next: av.VideoFrame | None = next(self._frames, None)
        self._shown: tuple[av.VideoFrame, np.ndarray] | None = None

    def at(self, t_s: float) -> np.ndarray | None:
        """(height, width, 3) uint8 that is shown at `t_s`; None after the end of the file.

        Raises:
            av.FFmpegError: the file cannot be decoded.
        """
        while self._next is not None and _time(self._next) <= t_s:
            self._now, self._next = self._next, next(self._frames, None)
        frame = self._now or self._next
        if frame is None or (self._next is None and t_s > _time(frame) + LAST_FRAME_S):
            return None
        if self._shown is None or self._shown[0] is not frame:
            width, height = self._size
            rgb = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
            self._shown = frame, rgb
        return self._shown[1]

    def _decode(self) -> Iterator[av.VideoFrame]:
        with av.open(str(self._path)) as container:
            container.streams.video[0].thread_count = 1
            yield from container.decode(video=0)


def _time(frame: av.VideoFrame) -> float:
    return float(frame.time or 0.0)


class FilmWriter:
    """Writes pictures and sound as MP4: H.264 where this build of PyAV has it, else MPEG-4."""

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        """Creates the file and its folder.

        Raises:
            OSError: it cannot be created.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._video = self._container.add_stream(codec, rate=fps)
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"
        self._video.options = {"preset": "ultrafast", "crf": "25"} if codec == "libx264" else {}
        self._video.thread_count = 1
        self._sound = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._samples = self._pictures = 0
        self._fps = fps

    def add(self, rgb: np.ndarray, samples: np.ndarray) -> None:
        """Adds a picture and the sound that is heard while it shows."""
        self.picture(rgb)
        self.sound(samples)

    def picture(self, rgb: np.ndarray) -> None:
        """Adds one (height, width, 3) uint8 picture."""
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = self._pictures, Fraction(1, self._fps)
        self._pictures += 1
        self._container.mux(self._video.encode(frame))

    def sound(self, samples: np.ndarray) -> None:
        """Adds (n,) int16 samples at 16 kHz."""
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += len(samples)
        self._container.mux(self._sound.encode(frame))

    def close(self) -> None:
        """Writes what the encoders hold back and finishes the file."""
        self._container.mux(self._video.encode(None))
        self._container.mux(self._sound.encode(None))
        self._container.close()
