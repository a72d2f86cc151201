"""Whether the recording light can be set."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.checks.base import Result, fail, ok, warn
from daemon.config import LightConfig
from daemon.light import LedLamp, LightError, make_lamp


@dataclass(frozen=True)
class Light:
    """Reads an LED's level and writes the same again, so that nothing blinks."""

    light: LightConfig
    running: bool = False
    """A running daemon holds the GPIO line."""
    name: str = "light"

    def run(self) -> Result:
        """Try the lamp."""
        section = self.light
        if section.kind == "none":
            return warn(
                "no light is configured: others cannot see when the camera is open",
                "set [light] in tagalong.toml",
            )
        if section.kind == "tone":
            return ok("a tone at opening and closing; it needs the speaker")
        if section.kind == "gpio" and self.running:
            return ok("GPIO, held by the running tagalong")
        try:
            lamp = make_lamp(
                section.kind, section.led, section.chip, section.line, section.active_low
            )
            lamp.set(lamp.lit() if isinstance(lamp, LedLamp) else False)
        except LightError as error:
            return fail(f"{error}: the camera would stay closed", "ls -l /sys/class/leds")
        return ok(f"{section.kind} {section.led or section.line}")
