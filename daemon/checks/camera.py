"""Whether the configured camera gives a picture that is neither black nor white."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok, warn
from daemon.checks.hardware import is_jetson, libcamera_names, video_devices
from daemon.options import Source, source_kind

OPEN_S = 5.0
"""Longest wait for a network camera."""
DARK, BRIGHT = 8, 247
"""Mean levels (0 to 255) beyond which a picture shows nothing."""


@dataclass(frozen=True)
class Camera:
    """Takes one picture and keeps nothing; a muted camera is not opened."""

    device: str
    muted: bool = False
    folder: Path = Path("/dev")
    name: str = "camera"

    def run(self) -> Result:
        """Find it and look once."""
        kind = source_kind(self.device)
        if kind is Source.NONE:
            return ok("switched off (camera.device = none)")
        if self.muted:
            return ok("muted, so it was not opened")
        if kind is not Source.DEVICE:
            return _look(self.device, None)
        if self.device in ("picamera2", "argus"):
            return _picamera2() if self.device == "picamera2" else _argus()
        return self._video_node()

    def _video_node(self) -> Result:
        nodes = [node for node in video_devices(self.folder) if node.captures]
        if self.device == "auto":
            if nodes:
                return _look(str(nodes[0].path), "v4l2", nodes[0].name)
            if libcamera_names():
                return _picamera2()
            none = fail("no camera was found", "tagalong run --camera none")
            return _argus() if is_jetson() else none
        for node in nodes:
            if self.device in (str(node.path), node.name) or str(node.path) == _real(self.device):
                return _look(str(node.path), "v4l2", node.name)
        if Path(self.device).exists():
            return fail(f"{self.device} is no camera, or may not be opened", f"ls -lL {self.device}")
        return fail(f"there is no camera {self.device}", "tagalong devices")


def _real(device: str) -> str:
    return str(Path(device).resolve())


def _look(address: str, format_name: str | None, title: str = "") -> Result:
    """Decode one picture and judge its level."""
    import av

    try:
        with av.open(address, format=format_name, timeout=OPEN_S) as container:
            frame = next(container.decode(video=0))
    except (OSError, ValueError, IndexError, StopIteration) as error:
        reason = str(error) or "it holds no picture"
        return fail(f"{title or address} gives no picture: {reason}", "tagalong devices")
    level = float(frame.to_ndarray(format="gray").mean())
    found = f"{title or address} {frame.width}x{frame.height}, mean level {level:.0f} of 255"
    if not DARK <= level <= BRIGHT:
        return warn(f"{found}: too {'dark' if level < DARK else 'bright'}", "look at the lens")
    return ok(found)


def _picamera2() -> Result:
    names = libcamera_names()
    if names:
        return ok("libcamera sees " + ", ".join(names))
    return fail(
        "Picamera2 sees no camera, or is not installed", "sudo apt install python3-picamera2"
    )


def _argus() -> Result:
    tool = shutil.which("gst-inspect-1.0")
    if tool is None:
        return fail("GStreamer's tools are missing", "sudo apt install gstreamer1.0-tools")
    found = subprocess.run([tool, "--exists", "nvarguscamerasrc"], timeout=30.0, check=False)
    if found.returncode != 0:
        return fail("GStreamer has no nvarguscamerasrc", "sudo apt install nvidia-l4t-gstreamer")
    return ok("GStreamer has nvarguscamerasrc; the sensor itself was not asked")
