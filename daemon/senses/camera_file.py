"""A video file as a camera: MP4, WebM, MKV, GIF and whatever else PyAV reads, any size and rate.

The first frame is session 0; all others follow by their presentation time stamps, so a variable
frame rate is kept. Reading is as fast as asked and the same every time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from os import PathLike, fspath

import av
import numpy as np
from av.error import EOFError as EndOfFile
from av.error import FFmpegError, InvalidDataError

from daemon.senses.errors import BadInput
from daemon.senses.frames import FRAMES_PER_TURN, NS, Thinner, fit, to_ns
from daemon.turn import VideoFrame

SEEK_NS = 10 * NS
"""After a mute longer than this the file is searched rather than decoded through."""


class FileCamera:
    """The `Camera` of a video file; muting closes the file, and its time goes on."""

    def __init__(self, path: str | PathLike[str], *, rotate: int = 0) -> None:
        """rotate: clockwise turn that makes it upright, beyond what the file says, degrees.

        Raises BadInput where there is no picture to show.
        """
        self.lost = self.ended = False
        self.problem: str | None = None
        self.dropped = 0
        self.damaged = 0
        """Packets that could not be decoded and were left out."""
        self._path, self._rotate = fspath(path), rotate
        self._thinner = Thinner()
        self._muted = False
        self._start_ns: int | None = None
        self._read_to_ns = 0
        self._open(0)
        if self._next is None:
            self.close()
            raise BadInput(_refusal(self._path, "no frame of it can be decoded"))

    @property
    def thinned(self) -> int:
        return self._thinner.thinned

    @property
    def sensor_open(self) -> bool:
        return self._container is not None

    def frames(self, until_s: float) -> list[VideoFrame]:
        until_ns = to_ns(until_s)
        ready: deque[tuple[int, av.VideoFrame]] = deque(maxlen=FRAMES_PER_TURN)
        while not self._muted and self._next is not None and self._next[0] < until_ns:
            t_ns = self._next[0]
            if t_ns >= self._read_to_ns and self._thinner.admits(t_ns):
                self.dropped += len(ready) == FRAMES_PER_TURN
                ready.append(self._next)
            self._next = next(self._frames, None)
        self._read_to_ns = max(self._read_to_ns, until_ns)
        self.ended = not self._muted and self._next is None
        return [VideoFrame(t_ns / NS, self._fit(frame)) for t_ns, frame in ready]

    def set_muted(self, muted: bool) -> None:
        if muted == self._muted:
            return
        self._muted = muted
        if muted:
            self.close()
            return
        try:
            self._open(self._read_to_ns)
        except BadInput as error:  # it went away meanwhile
            self.lost, self.problem = True, str(error)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._next = None
        self._frames: Iterator[tuple[int, av.VideoFrame]] = iter(())

    def _open(self, from_ns: int) -> None:
        """Open the file and decode up to the first frame at or shortly before `from_ns`."""
        self._container = None
        try:
            self._container = av.open(self._path)
            if not self._container.streams.video:
                raise BadInput(_refusal(self._path, "there is sound but no video in it"))
            self._stream = self._container.streams.video[0]
            self._stream.codec_context.thread_count = 1
            if from_ns > SEEK_NS and self._start_ns is not None:
                self._seek(from_ns)
            self._frames = self._decode()
            self._next = next(self._frames, None)
        except (FFmpegError, OSError) as error:
            self.close()
            raise BadInput(_refusal(self._path, error.strerror or str(error))) from error

    def _seek(self, from_ns: int) -> None:
        """To the key frame before; formats that cannot (GIF) are decoded through instead."""
        target = self._start_ns + from_ns
        try:
            self._container.seek(target // 1_000)  # microseconds
        except FFmpegError:
            self._container.close()
            self._container = av.open(self._path)
            self._stream = self._container.streams.video[0]

    def _decode(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """(session ns, frame) in order; damaged packets and frames out of order are left out."""
        last_ns = -1
        for frame in self._pictures():
            t_ns = self._time_ns(frame, last_ns)
            if t_ns > last_ns:
                last_ns = t_ns
                yield t_ns, frame

    def _pictures(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                decoded = packet.decode()
            except (StopIteration, EndOfFile):
                return
            except InvalidDataError:
                self.damaged += 1
                continue
            except OSError as error:  # a medium that was pulled out mid-run
                self.lost, self.problem = True, f"{self._path}: {error.strerror}"
                return
            yield from decoded

    def _time_ns(self, frame: av.VideoFrame, last_ns: int) -> int:
        """Session time of a frame; streams without time stamps go by their declared rate."""
        if frame.pts is None or frame.time_base is None:
            return last_ns + round(NS / (self._stream.guessed_rate or 25)) if last_ns >= 0 else 0
        stamp_ns = round(frame.pts * frame.time_base * NS)
        if self._start_ns is None:
            self._start_ns = stamp_ns
        return stamp_ns - self._start_ns

    def _fit(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame as (120, 160, 3) uint8 RGB, upright."""
        return fit(
            frame.to_ndarray(format="rgb24"),
            rotate=(self._rotate - frame.rotation) % 360,
        )


def _refusal(path: str, cause: str) -> str:
    return (
        f"camera file {path!r}: {cause}; expected a video such as MP4, WebM, MKV or GIF; "
        "next: try to play it, or give --camera none"
    )
