"""Whether the configured camera gives a picture that is neither black nor white."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daemon.checks.base import Result, fail, ok, warn
from daemon.config import LightConfig
from daemon.light import LightError, SensorLight, make_lamp
from daemon.mute import Sensor
from daemon.options import Source, source_kind
from daemon.senses.errors import BadInput, DeviceLost

OPEN_S = 5.0
"""Longest wait for the first picture."""
DARK, BRIGHT = 8, 247
"""Mean levels (0 to 255) beyond which a picture shows nothing."""


@dataclass(frozen=True)
class Camera:
    """Takes one picture and keeps nothing; a muted camera is not opened."""

    device: str
    muted: bool = False
    running: bool = False
    """A running daemon holds the device."""
    light: LightConfig = LightConfig()
    open_s: float = OPEN_S
    name: str = "camera"

    def run(self) -> Result:
        """Open it as a run does and look once."""
        kind = source_kind(self.device)
        if kind is Source.NONE:
            return ok("switched off (camera.device = none)")
        if kind is not Source.FILE and self.muted:
            return ok("muted, so it was not opened")
        if kind is Source.DEVICE and self.running:
            return ok("held by the running tagalong; see tagalong status")
        try:
            return self._look()
        except (BadInput, DeviceLost, LightError) as error:
            return fail(str(error), "tagalong devices; or tagalong run --camera none")

    def _look(self) -> Result:
        from daemon.clock import SampleClock, SystemClock
        from daemon.senses.camera import open_camera

        system = SystemClock()
        clock = SampleClock(system.now_ns())
        camera = open_camera(self.device, clock, system, light=self._light())
        try:
            started = time.monotonic()
            while time.monotonic() - started < self.open_s:
                frames = camera.frames(clock.session_s(system.now_ns()))
                if frames:
                    return _judge(self.device, frames[-1].rgb)
                time.sleep(0.02)
            return fail(camera.problem or f"{self.device}: no picture", "tagalong devices")
        finally:
            camera.close()

    def _light(self) -> Callable[[bool], None] | None:
        """The recording light is on while the camera is open, here as everywhere."""
        section = self.light
        if section.kind not in ("led", "gpio"):
            return None
        lamp = make_lamp(section.kind, section.led, section.chip, section.line, section.active_low)
        return SensorLight(lamp).follower(Sensor.CAMERA)


def _judge(device: str, rgb: Any) -> Result:
    level = float(rgb.mean())
    found = f"{device}, mean level {level:.0f} of 255"
    if not DARK <= level <= BRIGHT:
        return warn(f"{found}: too {'dark' if level < DARK else 'bright'}", "look at the lens")
    return ok(found)
