"""Whether the mute button can be read."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.button import ButtonError, open_input
from daemon.checks.base import Result, fail, ok
from daemon.config import ButtonConfig


@dataclass(frozen=True)
class ButtonReads:
    """Opens the button and reads its position."""

    button: ButtonConfig
    running: bool = False
    """A running daemon holds the GPIO line."""
    name: str = "button"

    def run(self) -> Result:
        """Try the button."""
        section = self.button
        if section.kind == "none":
            return ok("none; mute is by voice and by tagalong mute")
        if section.kind == "gpio" and self.running:
            return ok("GPIO, held by the running tagalong")
        try:
            source = open_input(
                section.kind, section.device, section.code, section.switch,
                section.chip, section.line, section.active_low,
            )  # fmt: skip
        except ButtonError as error:
            return fail(str(error), "ls -l /dev/input/by-path /dev/gpiochip*")
        try:
            position = source.pressed()
        finally:
            source.close()
        if position is None:
            return fail(f"{section.device or section.line}: no position can be read", "evtest")
        return ok(f"{section.kind}, {'pressed' if position else 'not pressed'}")
