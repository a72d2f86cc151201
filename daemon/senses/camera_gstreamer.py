"""Cameras behind GStreamer: CSI sensors of a Jetson through Argus, and any pipeline of one's own.

On a Jetson, Argus is the only way to a CSI sensor's image processor (V4L2 shows raw Bayer data),
and `nvarguscamerasrc` is how it is reached from Python without compiling. PyGObject comes from
the system (python3-gi, gir1.2-gst-plugins-base-1.0; both are part of JetPack).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.clock import NS, MonotonicClock, SessionClock
from daemon.senses.camera_live import LiveCamera, Picture
from daemon.senses.errors import DeviceLost
from daemon.senses.frames import Planes

SINK = (
    "appsink name=sink max-buffers=2 drop=true sync=false "
    "caps=video/x-raw,format=(string){NV12,RGB,BGR,YUY2}"
)
"""End of every pipeline; the format is the first that the source can give without our help."""
LAYOUTS = {"NV12": "nv12", "RGB": "rgb", "BGR": "bgr", "YUY2": "yuyv"}
"""Our names of GStreamer's formats."""
STATE_TIMEOUT_NS = 5 * NS
"""Longest that a source may take to start."""
STALE_NS = 2 * NS
"""A time stamp further from now than this is not on the monotonic clock."""


def argus_pipeline(sensor: int = 0, fps: int = 30) -> str:
    """Source of a Jetson's CSI sensor, 1280x720 shrunk to 640x360 by the video image compositor.

    fps: 30 is a rate that every sensor driver of NVIDIA's has; we thin it.
    Source: NVIDIA, "Accelerated GStreamer" in the Jetson Linux developer guide.
    """
    return (
        f"nvarguscamerasrc sensor-id={sensor} "
        f"! video/x-raw(memory:NVMM),width=1280,height=720,format=NV12,framerate={fps}/1 "
        "! nvvidconv ! video/x-raw,width=640,height=360,format=NV12"
    )


def v4l2_pipeline(device: str = "/dev/video0", fps: int = 10) -> str:
    """Source of a V4L2 camera, for builds of PyAV without V4L2; `/dev/videoN` goes through PyAV."""
    return (
        f"v4l2src device={device} ! video/x-raw,width=640,height=480,framerate={fps}/1 "
        "! videoconvert"
    )


@dataclass(frozen=True)
class _GStreamer:
    """The parts of GStreamer that are used."""

    core: Any
    """Gst"""
    video: Any
    """GstVideo"""
    error: type[Exception]
    """GLib.Error"""


class GStreamerSource:
    """A `PictureSource` of a GStreamer pipeline."""

    def __init__(self, pipeline: str, monotonic: MonotonicClock, name: str = "gst") -> None:
        """pipeline: as of gst-launch, up to and without its sink."""
        self.name = name
        self._description, self._monotonic = pipeline, monotonic
        self._pipeline: Any = None

    def open(self) -> None:
        gst = self._gst = _gstreamer()
        try:
            self._pipeline = gst.core.parse_launch(f"{self._description} ! {SINK}")
        except gst.error as error:
            raise DeviceLost(f"{self.name}: {error.message} in {self._description!r}") from error
        self._sink = self._pipeline.get_by_name("sink")
        self._pipeline.set_state(gst.core.State.PLAYING)
        changed, _, _ = self._pipeline.get_state(STATE_TIMEOUT_NS)
        if changed == gst.core.StateChangeReturn.FAILURE:
            raise DeviceLost(f"{self.name} does not start: {self._error()}")

    def read(self) -> Picture | None:
        sample = self._sink.try_pull_sample(NS)
        if sample is not None:
            return self._picture(sample)
        problem = self._error()
        if problem or self._sink.is_eos():
            raise DeviceLost(f"{self.name} is gone: {problem or 'its stream ended'}")
        return None

    def close(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.set_state(self._gst.core.State.NULL)

    def _error(self) -> str:
        """What the pipeline complained of, empty if it did not."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.core.MessageType.ERROR)
        return message.parse_error()[0].message if message else ""

    def _picture(self, sample: Any) -> Picture:
        info = self._gst.video.VideoInfo.new_from_caps(sample.get_caps())
        layout = LAYOUTS[info.finfo.name]
        return Picture(
            self._captured_ns(sample.get_buffer()),
            lambda: _planes(self._gst, sample.get_buffer(), info),
            layout=layout,
        )

    def _captured_ns(self, buffer: Any) -> int:
        """Monotonic capture time: GStreamer's system clock is CLOCK_MONOTONIC."""
        now_ns = self._monotonic.now_ns()
        if buffer.pts == self._gst.core.CLOCK_TIME_NONE:
            return now_ns
        stamp_ns = buffer.pts + self._pipeline.get_base_time()
        return stamp_ns if 0 <= now_ns - stamp_ns < STALE_NS else now_ns


class GStreamerCamera(LiveCamera):
    """The `Camera` of a GStreamer pipeline."""

    def __init__(
        self,
        pipeline: str,
        clock: SessionClock,
        monotonic: MonotonicClock,
        *,
        name: str = "gst",
        **live,
    ) -> None:
        """pipeline: as of gst-launch, without its sink; name: for messages; live: as LiveCamera."""
        super().__init__(GStreamerSource(pipeline, monotonic, name), clock, monotonic, **live)


def _gstreamer() -> _GStreamer:
    """GStreamer, ready for use. Raises DeviceLost where it is not installed."""
    try:
        import gi

        for module in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(module, "1.0")
        from gi.repository import GLib, Gst, GstApp, GstVideo  # noqa: F401 (GstApp adds methods)
    except (ImportError, ValueError) as error:
        raise DeviceLost(
            f"GStreamer cannot be used from Python: {error}; next: apt install python3-gi "
            "gir1.2-gst-plugins-base-1.0, and make the system's packages visible to this Python"
        ) from error
    Gst.init(None)
    return _GStreamer(Gst, GstVideo, GLib.Error)


def _planes(gst: _GStreamer, buffer: Any, info: Any) -> Planes:
    """Pixels of a buffer as views into one copy, by the strides that the buffer declares."""
    layout = gst.video.buffer_get_video_meta(buffer) or info
    mapped, data = buffer.map(gst.core.MapFlags.READ)
    if not mapped:
        raise DeviceLost("a picture is not in memory that the processor can read")
    try:
        raw = np.frombuffer(data.data, np.uint8).copy()
    finally:
        buffer.unmap(data)
    width, height, name = info.width, info.height, info.finfo.name
    if name == "NV12":
        half = ((height + 1) // 2, (width + 1) // 2)
        chroma = _plane(raw, layout, 1, half[0], 2 * half[1]).reshape(*half, 2)
        return _plane(raw, layout, 0, height, width), chroma
    if name == "YUY2":
        even = width + width % 2
        return _plane(raw, layout, 0, height, 2 * even).reshape(height, even, 2)
    return _plane(raw, layout, 0, height, 3 * width).reshape(height, width, 3)


def _plane(raw: np.ndarray, layout: Any, number: int, rows: int, row_bytes: int) -> np.ndarray:
    """(rows, row_bytes) view of a plane; numpy refuses one that reaches past the buffer."""
    strides = (layout.stride[number], 1)
    return np.ndarray((rows, row_bytes), np.uint8, raw, layout.offset[number], strides)
