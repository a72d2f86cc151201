"""Cameras that FFmpeg reads through PyAV: network streams, and V4L2 devices.

V4L2 goes through FFmpeg's own V4L2 input rather than GStreamer: PyAV is there anyway, it decodes
the MJPEG of USB cameras, and it hands on the kernel's capture time, which V4L2 stamps with
CLOCK_MONOTONIC. A network stream has no clock in common with us: its time stamps are fitted to
their arrival, so that jitter of the network does not become jitter of the frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.error import FFmpegError

from daemon.clock import NS, LineFit, MonotonicClock, SessionClock
from daemon.senses.camera_live import LiveCamera, Picture
from daemon.senses.errors import DeviceLost

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 2.0
"""A network that says nothing for so long is lost."""
NETWORK_OPTIONS = {
    "rtsp_transport": "tcp",  # over UDP, Wi-Fi loses packets and every loss tears the picture
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "1000000",  # microseconds; FFmpeg's default of 5 s is a long reconnection
}
STALE_NS = 2 * NS
"""A device's time stamp further from now than this is not on the monotonic clock."""


class AvSource:
    """A `PictureSource` read by FFmpeg."""

    def __init__(
        self,
        url: str,
        monotonic: MonotonicClock,
        *,
        format: str | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """format: FFmpeg's name of the input, None to find out; options: of that input."""
        self.name = _without_password(url)
        self._url, self._monotonic = url, monotonic
        self._format, self._options = format, options or {}
        self._device = format is not None
        self._container: av.container.InputContainer | None = None
        self._frames: Iterator[av.VideoFrame] = iter(())

    def open(self) -> None:
        timeout = None if self._device else (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        try:
            self._container = av.open(
                self._url, format=self._format, options=self._options, timeout=timeout
            )
        except (FFmpegError, OSError) as error:
            raise DeviceLost(f"camera {self.name} cannot be opened: {_reason(error)}") from error
        if not self._container.streams.video:
            raise DeviceLost(f"camera {self.name} sends no video")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # threads by frame delay each by their number
        self._frames = self._container.decode(self._stream)
        self._arrivals = LineFit(NS)

    def read(self) -> Picture | None:
        try:
            frame = next(self._frames, None)
        except (FFmpegError, OSError) as error:
            raise DeviceLost(f"camera {self.name} is gone: {_reason(error)}") from error
        if frame is None:
            raise DeviceLost(f"camera {self.name} has ended its stream")
        return Picture(
            self._captured_ns(frame),
            lambda: frame.to_ndarray(format="rgb24"),
            rotate=-frame.rotation % 360,
        )

    def close(self) -> None:
        container, self._container, self._frames = self._container, None, iter(())
        if container is not None:
            container.close()

    def _captured_ns(self, frame: av.VideoFrame) -> int:
        """When the frame was captured (a device) or when its like arrive (a network)."""
        now_ns = self._monotonic.now_ns()
        if frame.pts is None:
            return now_ns
        stamp_ns = round(frame.pts * Fraction(frame.time_base) * NS)
        if self._device:
            return stamp_ns if 0 <= now_ns - stamp_ns < STALE_NS else now_ns
        self._arrivals.add(now_ns, stamp_ns)
        return min(now_ns, self._arrivals.time_ns(stamp_ns))


class RtspCamera(LiveCamera):
    """A network stream: rtsp://, http://, tcp://, udp:// and the like. Reconnects for ever."""

    def __init__(self, url: str, clock: SessionClock, monotonic: MonotonicClock, **live) -> None:
        """live: as `LiveCamera`; latency_ms is what network and encoder take, unknown to us."""
        source = AvSource(url, monotonic, options=NETWORK_OPTIONS)
        super().__init__(source, clock, monotonic, **live)


class V4l2Camera(LiveCamera):
    """A `/dev/videoN`; comes back when it is plugged in again."""

    def __init__(
        self,
        device: str,
        clock: SessionClock,
        monotonic: MonotonicClock,
        *,
        fps: int = 10,
        size: tuple[int, int] = (640, 480),
        **live,
    ) -> None:
        """fps, size (width, height): asked for; the driver takes the nearest that it has."""
        options = {"framerate": str(fps), "video_size": f"{size[0]}x{size[1]}"}
        source = AvSource(device, monotonic, format="v4l2", options=options)
        super().__init__(source, clock, monotonic, **live)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _without_password(url: str) -> str:
    """The address without what stands before an @, for messages."""
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.rpartition("@")[2] if mark else url
