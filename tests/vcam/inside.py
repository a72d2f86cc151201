"""Runs inside the prepared root, on the real Picamera2 and libcamera's virtual pipeline.

Prints one JSON object with what the camera gave; `tests/e2e/test_picamera2.py` judges it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from unittest.mock import MagicMock

# Picamera2 always imports its DRM preview and its DNG writer. What they stand on is not in Debian,
# and nothing here shows a preview or writes a DNG.
for absent in ("pykms", "kms", "pidng", "pidng.camdefs", "pidng.core"):
    sys.modules[absent] = MagicMock()

import libcamera
from picamera2 import Picamera2
from picamera2.allocators import LibcameraAllocator

from daemon.clock import SampleClock, SystemClock
from daemon.senses.camera import find_cameras
from daemon.senses.camera_picamera2 import Picamera2Camera, open_picamera2
from daemon.senses.errors import DeviceLost

MONOTONIC = SystemClock()


class VirtualPicamera2(Picamera2):
    """libcamera's virtual camera has no raw stream, which Picamera2 asks every camera for."""

    def _get_raw_modes(self) -> list[dict]:
        role = [libcamera.StreamRole.VideoRecording]
        formats = self.camera.generate_configuration(role).at(0).formats
        return [
            {"format": str(pixels), "size": (size.width, size.height)}
            for pixels in formats.pixel_formats
            for size in formats.sizes(pixels)
        ]


def collect(camera: Picamera2Camera, clock: SampleClock, count: int) -> list:
    """The next `count` frames; fewer when 10 s were not enough."""
    frames, end, pause = [], time.monotonic() + 10, threading.Event()
    while len(frames) < count and time.monotonic() < end:
        frames += camera.frames(clock.session_s(MONOTONIC.now_ns()))
        pause.wait(0.02)
    return frames


def corners(rgb) -> list:
    """Mean colour in the middle of each quarter."""
    return [
        rgb[y : y + 20, x : x + 20].mean(axis=(0, 1)).round().tolist()
        for y in (20, 80)
        for x in (30, 110)
    ]


def main() -> None:
    clock = SampleClock(MONOTONIC.now_ns())
    lights: list[bool] = []
    camera = Picamera2Camera(
        clock, MONOTONIC, factory=VirtualPicamera2, allocator=LibcameraAllocator,
        light=lights.append,
    )
    frames = collect(camera, clock, 8)
    age_s = clock.session_s(MONOTONIC.now_ns()) - frames[-1].t_s if frames else None
    camera.set_muted(True)
    closed = camera.wait_sensor(False, 5)
    while_muted = len(camera.frames(1e9))
    camera.set_muted(False)
    again = collect(camera, clock, 3)
    problem, lost = camera.problem, camera.lost
    camera.close()
    try:
        open_picamera2(7)
        refused = None
    except DeviceLost as error:
        refused = str(error)
    print(json.dumps({
        "found": [[device.spec, device.name] for device in find_cameras()],
        "times": [frame.t_s for frame in frames],
        "age_s": age_s,
        "corners": [corners(frame.rgb) for frame in frames[-1:]],
        "closed": closed,
        "while_muted": while_muted,
        "again": [frame.t_s for frame in again],
        "lights": lights,
        "problem": problem,
        "lost": lost,
        "refused": refused,
    }))


main()
