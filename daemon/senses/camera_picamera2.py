"""Cameras behind libcamera, through Picamera2: the camera head of a Raspberry Pi and its kin."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from daemon.clock import MonotonicClock, SessionClock
from daemon.senses.camera_live import LiveCamera, Picture
from daemon.senses.errors import DeviceLost

SIZE = (640, 480)
"""Width and height asked of the image processor: 4:3, so nothing is letterboxed."""
READ_TIMEOUT_S = 2.0
"""A request that takes longer is a camera that hangs."""


def open_picamera2(number: int) -> Any:
    """A `picamera2.Picamera2` of the camera `number`."""
    from picamera2 import Picamera2

    if number >= len(Picamera2.global_camera_info()):
        raise DeviceLost(
            f"libcamera finds no camera {number}; next: check the cable, then `rpicam-hello --list`"
        )
    return Picamera2(number)


class Picamera2Source:
    """A `PictureSource` of NV12 pictures, 640x480, stamped by the sensor."""

    def __init__(
        self,
        monotonic: MonotonicClock,
        *,
        number: int = 0,
        fps: int = 10,
        factory: Callable[[int], Any] = open_picamera2,
        allocator: Callable[[Any], Any] | None = None,
    ) -> None:
        """factory: makes the Picamera2 of a number. allocator: makes the buffer allocator of a
        `libcamera.Camera`; None keeps Picamera2's own, DMA buffers."""
        self.name = f"picamera2:{number}"
        self._monotonic, self._number, self._fps = monotonic, number, fps
        self._factory, self._allocator = factory, allocator
        self._camera: Any = None

    def open(self) -> None:
        try:
            self._camera = self._factory(self._number)
            if self._allocator is not None:
                self._camera.allocator = self._allocator(self._camera.camera)
            self._camera.configure(self._configuration())
            self._camera.start()
        except ImportError as error:
            raise DeviceLost(
                f"{self.name}: {error}; next: apt install python3-picamera2, or give another camera"
            ) from error
        except (RuntimeError, OSError, IndexError) as error:  # what Picamera2 itself raises
            raise DeviceLost(f"{self.name} cannot be opened: {error}") from error

    def read(self) -> Picture | None:
        try:
            request = self._camera.capture_request(wait=READ_TIMEOUT_S)
        except (TimeoutError, RuntimeError, OSError) as error:
            raise DeviceLost(f"{self.name} is gone: {error or 'no picture for 2 s'}") from error
        try:
            stamp_ns = request.get_metadata().get("SensorTimestamp")
            width, height = request.config["main"]["size"]
            picture = request.make_array("main")  # copies; (height * 3 / 2, width)
        finally:
            request.release()
        chroma = picture[height:, :width].reshape(height // 2, width // 2, 2)
        planes = (picture[:height, :width], chroma)
        return Picture(self._captured_ns(stamp_ns), lambda: planes, layout="nv12")

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _configuration(self) -> dict[str, Any]:
        """Video, NV12; only controls that this camera has (libcamera refuses any other)."""
        camera, frame_us = self._camera, 1_000_000 // self._fps
        configuration = camera.create_video_configuration(
            main={"size": SIZE, "format": "NV12"},
            controls={"FrameDurationLimits": (frame_us, frame_us)},
            buffer_count=4,
        )
        known = camera.camera_controls
        wanted = configuration["controls"]
        configuration["controls"] = {key: wanted[key] for key in wanted if key in known}
        return configuration

    def _captured_ns(self, stamp_ns: int | None) -> int:
        """Monotonic capture time.

        Source: libcamera's SensorTimestamp is when the first row is exposed, on CLOCK_BOOTTIME,
        which differs from CLOCK_MONOTONIC by the time that the machine was suspended.
        """
        now_ns = self._monotonic.now_ns()
        if stamp_ns is None:
            return now_ns
        return now_ns - max(0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - stamp_ns)


class Picamera2Camera(LiveCamera):
    """The `Camera` of a Picamera2."""

    def __init__(
        self,
        clock: SessionClock,
        monotonic: MonotonicClock,
        *,
        number: int = 0,
        fps: int = 10,
        factory: Callable[[int], Any] = open_picamera2,
        allocator: Callable[[Any], Any] | None = None,
        **live,
    ) -> None:
        """number, fps, factory, allocator: as `Picamera2Source`; live: as `LiveCamera`."""
        source = Picamera2Source(
            monotonic, number=number, fps=fps, factory=factory, allocator=allocator
        )
        super().__init__(source, clock, monotonic, **live)
