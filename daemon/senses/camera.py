"""Cameras: what every one of them can do, and which one a name means.

The loop asks only the `Camera` protocol and never which camera it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from daemon.clock import MonotonicClock, SessionClock
from daemon.senses.errors import BadInput, DeviceLost
from daemon.turn import VideoFrame

V4L2_FOLDER = Path("/sys/class/video4linux")
"""Where Linux lists its video nodes."""
ARGUS_NODES = ("vi-output",)
"""Nodes of CSI cameras on a Jetson: raw sensor data; pictures come through Argus only."""
INNER_NODES = ("unicam", "rp1-cfe", "bcm2835", "pispbe", "rpivid", "rpi-hevc", "nvenc", "nvdec")
"""Nodes of image processors and CSI receivers, not cameras; Picamera2 uses those of a Pi."""


class Camera(Protocol):
    """Frames on the session clock, at most 10 fps, two a micro-turn. Made by `open_camera`."""

    lost: bool
    """It should deliver and cannot: never opened, vanished or stalled. It keeps trying."""
    ended: bool
    """A file is at its end; never true of a device."""
    problem: str | None
    """What is wrong, in words for the log and `status`; None while all is well."""

    @property
    def dropped(self) -> int:
        """Frames lost because the loop was late or a micro-turn had more than two."""

    @property
    def thinned(self) -> int:
        """Frames left out because the camera is faster than 10 fps; no loss."""

    @property
    def sensor_open(self) -> bool:
        """The device or file is held right now; what the recording light shows."""

    def frames(self, until_s: float) -> list[VideoFrame]:
        """Frames captured before the session time `until_s` and not handed out yet.

        Oldest first, at most two (the newest); `t_s` is the capture time. A frame captured at
        `until_s` exactly belongs to the next micro-turn. One that arrives late comes late, with
        its true time. Never waits for a device. Empty while muted.
        """

    def set_muted(self, muted: bool) -> None:
        """Close the device, or open it again; from any thread. When it returns, that is done, and
        from a mute's beginning on no frame is handed out. A file's time goes on meanwhile.

        Raises:
            DeviceLost: it does not open and stays muted, or its driver does not let go of it."""

    def close(self) -> None:
        """Give everything back; nothing may be asked afterwards."""


class NoCamera:
    """`--camera none`."""

    lost = ended = sensor_open = False
    problem: str | None = None
    dropped = thinned = 0

    def frames(self, until_s: float) -> list[VideoFrame]:
        return []

    def set_muted(self, muted: bool) -> None:
        """Nothing to close."""

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True)
class CameraDevice:
    """A camera of this machine."""

    spec: str
    """What `open_camera` and `--camera` take."""
    name: str
    """What its driver calls it."""


def find_cameras(v4l2_folder: Path = V4L2_FOLDER) -> list[CameraDevice]:
    """The cameras of this machine, the preferred one first; opens none of them.

    Picamera2 before Argus before V4L2: where the first two are there, V4L2 shows the same sensor
    as raw data without colour or exposure control.
    """
    nodes = _v4l2_nodes(v4l2_folder)
    argus = [node for node in nodes if node.name.startswith(ARGUS_NODES)]
    plain = [node for node in nodes if not node.name.startswith(ARGUS_NODES + INNER_NODES)]
    found = [CameraDevice(f"argus:{k}", node.name) for k, node in enumerate(argus)]
    return _picamera2_devices() + found + plain


def _v4l2_nodes(folder: Path) -> list[CameraDevice]:
    """Capture nodes in the order of their numbers; `index` 0 leaves out metadata nodes."""
    nodes = []
    for node in sorted(folder.glob("video*"), key=lambda path: (len(path.name), path.name)):
        index = node / "index"
        if not index.exists() or index.read_text().strip() == "0":
            nodes.append(CameraDevice(f"/dev/{node.name}", (node / "name").read_text().strip()))
    return nodes


def _picamera2_devices() -> list[CameraDevice]:
    if find_spec("picamera2") is None or find_spec("libcamera") is None:
        return []
    try:
        from picamera2 import Picamera2
    except ImportError:  # installed without a part that it needs; `doctor` tells which
        return []
    cameras = Picamera2.global_camera_info()
    return [CameraDevice(f"picamera2:{info['Num']}", info["Model"]) for info in cameras]


def open_camera(
    spec: str,
    clock: SessionClock,
    monotonic: MonotonicClock,
    *,
    fps: int = 10,
    rotate: int = 0,
    latency_ms: int = 0,
    light: Callable[[bool], None] | None = None,
) -> Camera:
    """The camera that `spec` names.

    spec: `none`; `auto` or `device` (the first that `find_cameras` lists); `picamera2[:N]`,
    `argus[:N]`, `/dev/videoN`; `gst:PIPELINE` (a GStreamer source, without its sink);
    `synthetic`; an address with `://`; anything else is a video file, whose start is session 0.
    fps: asked of a device, 1 to 60. rotate: clockwise turn that makes it upright, degrees.
    latency_ms: age of a picture at its time stamp, for devices that stamp on arrival.
    light: sets the recording light; called with True before a device is opened, which stays closed
    if that raises OSError, and with False after it was closed. Not called for files.

    Devices and addresses are opened in the background: `lost` and `problem` tell of failure.
    Raises BadInput for a file that cannot be shown, DeviceLost where `auto` finds no camera.
    """
    if spec in ("auto", "device"):
        spec = _first_camera()
    kind, _, rest = spec.partition(":")
    live = {"rotate": rotate, "latency_ms": latency_ms, "light": light}
    if spec == "none":
        return NoCamera()
    if spec == "synthetic":
        from daemon.senses.camera_synthetic import SyntheticCamera

        return SyntheticCamera()
    if kind == "picamera2":
        from daemon.senses.camera_picamera2 import Picamera2Camera

        return Picamera2Camera(clock, monotonic, number=_number(spec), fps=fps, **live)
    if kind in ("argus", "gst"):
        from daemon.senses.camera_gstreamer import GStreamerCamera, argus_pipeline

        pipeline = rest if kind == "gst" else argus_pipeline(_number(spec))
        return GStreamerCamera(pipeline, clock, monotonic, name=spec, **live)
    if spec.startswith("/dev/"):
        from daemon.senses.camera_rtsp import V4l2Camera

        return V4l2Camera(spec, clock, monotonic, fps=fps, **live)
    if "://" in spec:
        from daemon.senses.camera_rtsp import RtspCamera

        return RtspCamera(spec, clock, monotonic, **live)
    from daemon.senses.camera_file import FileCamera

    return FileCamera(spec, rotate=rotate)


def _number(spec: str) -> int:
    """N of `kind:N`, 0 without it."""
    kind, _, number = spec.partition(":")
    if number and not number.isdecimal():
        raise BadInput(f"camera {spec!r}: expected {kind} or {kind}:N with N from 0")
    return int(number or 0)


def _first_camera() -> str:
    found = find_cameras()
    if not found:
        raise DeviceLost(
            f"no camera found: Picamera2 has none and {V4L2_FOLDER} lists none; next: connect one "
            "and run `tagalong devices`, or give --camera none, a file or an rtsp:// address"
        )
    return found[0].spec
