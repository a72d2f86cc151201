"""The light that follows the open sensors.

The light is acquired before the camera opens; where it cannot be set, the camera stays closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from daemon.mute import Sensor


class LightError(OSError):
    """The light did not do as it was told; the message names it, the cause and the next step."""


class Lamp(Protocol):
    """Something that shows whether a sensor is open."""

    def set(self, on: bool) -> None:
        """Switch it.

        Raises:
            LightError: it could not be switched.
        """


class NoLamp:
    """No light is configured; `tagalong status` still tells."""

    def set(self, on: bool) -> None:
        """Nothing to switch."""


class LedLamp:
    """An LED of the kernel's LED class."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the LED's folder, for example /sys/class/leds/capture."""
        self._folder = folder

    def set(self, on: bool) -> None:
        """Write the brightness and read it back: an LED that ignores it is not a light."""
        try:
            self._take_over()
            level = int((self._folder / "max_brightness").read_text()) if on else 0
            brightness = self._folder / "brightness"
            brightness.write_text(f"{level}\n")
            found = int(brightness.read_text())
        except (OSError, ValueError) as error:
            raise LightError(f"LED {self._folder}: {error}; next: tagalong doctor") from error
        if found != level:
            raise LightError(
                f"LED {self._folder}: brightness is {found} after writing {level}; "
                "next: tagalong doctor"
            )

    def lit(self) -> bool:
        """Whether it is on now.

        Raises:
            LightError: its brightness cannot be read.
        """
        try:
            return int((self._folder / "brightness").read_text()) > 0
        except (OSError, ValueError) as error:
            raise LightError(f"LED {self._folder}: {error}; next: tagalong doctor") from error

    def _take_over(self) -> None:
        """End a trigger (heartbeat, disk ...) that would otherwise blink the LED."""
        trigger = self._folder / "trigger"
        if trigger.exists() and "[none]" not in trigger.read_text():
            trigger.write_text("none\n")


class GpioLamp:
    """A light on a GPIO line, through the kernel's character device."""

    def __init__(self, chip: Path, line: int, active_low: bool = False) -> None:
        self._chip = chip
        self._line = line
        self._active_low = active_low
        self._request: Any = None

    def set(self, on: bool) -> None:
        """Drive the line, which is held from the first call on."""
        try:
            import gpiod
            from gpiod.line import Value

            if self._request is None:
                self._request = self._acquire(gpiod)
            self._request.set_value(self._line, Value.ACTIVE if on else Value.INACTIVE)
        except ImportError as error:
            raise LightError(f"GPIO light: {error}; next: pip install gpiod") from error
        except (OSError, ValueError) as error:
            raise LightError(
                f"GPIO light {self._chip} line {self._line}: {error}; next: gpioinfo"
            ) from error

    def _acquire(self, gpiod: Any) -> Any:
        from gpiod.line import Direction, Value

        settings = gpiod.LineSettings(
            direction=Direction.OUTPUT, active_low=self._active_low, output_value=Value.INACTIVE
        )
        return gpiod.request_lines(
            str(self._chip), consumer="tagalong light", config={self._line: settings}
        )


class ToneLamp:
    """A tone at opening and closing, for glasses without a light."""

    def __init__(self, play: Callable[[bool], None]) -> None:
        """`play(True)` plays the opening tone, `play(False)` the closing one."""
        self._play = play

    def set(self, on: bool) -> None:
        """Play the tone."""
        try:
            self._play(on)
        except Exception as error:  # whatever the voice throws means that nobody heard the tone
            raise LightError(f"light tone: {error}; next: tagalong doctor") from error


def make_lamp(
    kind: str,
    led: Path | None = None,
    chip: Path | None = None,
    line: int | None = None,
    active_low: bool = False,
    play: Callable[[bool], None] | None = None,
) -> Lamp:
    """The lamp of a `[light]` section.

    Raises:
        LightError: the kind lacks what it needs.
    """
    if kind == "none":
        return NoLamp()
    if kind == "led" and led is not None:
        return LedLamp(led)
    if kind == "gpio" and chip is not None and line is not None:
        return GpioLamp(chip, line, active_low)
    if kind == "tone" and play is not None:
        return ToneLamp(play)
    raise LightError(f"light of kind {kind!r} lacks its led, line or voice; see [light]")


class SensorLight:
    """One lamp for all sensors: on while any of them is open."""

    def __init__(self, lamp: Lamp) -> None:
        self._lamp = lamp
        self._lock = threading.Lock()
        self._open: frozenset[Sensor] = frozenset()
        self.fault: str | None = None
        """What went wrong last, None when the lamp did as it was told."""

    @property
    def open_sensors(self) -> frozenset[Sensor]:
        """Sensors that hold the light."""
        return self._open

    def acquire(self, sensor: Sensor) -> None:
        """Switch on for a sensor that is about to open.

        Raises:
            LightError: the lamp could not be set; the camera must not be opened then.
        """
        with self._lock:
            self._set(True)
            self._open = self._open | {sensor}

    def release(self, sensor: Sensor) -> None:
        """A sensor is closed; off with the last one.

        Raises:
            LightError: the lamp stays on although nothing is open: wrong, yet no risk.
        """
        with self._lock:
            if sensor not in self._open:
                return
            self._open = self._open - {sensor}
            if not self._open:
                self._set(False)

    def guard(
        self, sensor: Sensor, open_device: Callable[[], None], close_device: Callable[[], None]
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        """The pair for `MuteControl.attach` whose light follows the device.

        A camera whose light fails is not opened. A microphone is: without it nobody could be told.
        `fault` says so.
        """

        def open_lit() -> None:
            try:
                self.acquire(sensor)
            except LightError:
                if sensor is Sensor.CAMERA:
                    raise
            try:
                open_device()
            except BaseException:
                self._release_quietly(sensor)
                raise

        def close_lit() -> None:
            close_device()
            self._release_quietly(sensor)

        return open_lit, close_lit

    def follower(self, sensor: Sensor) -> Callable[[bool], None]:
        """For devices that switch the light themselves: True before opening, False after closing.

        Raises LightError, which is an OSError, where the lamp does not follow.
        """

        def follow(on: bool) -> None:
            if on:
                self.acquire(sensor)
            else:
                self.release(sensor)

        return follow

    def _set(self, on: bool) -> None:
        try:
            self._lamp.set(on)
        except LightError as error:
            self.fault = str(error)
            raise
        self.fault = None

    def _release_quietly(self, sensor: Sensor) -> None:
        """A lamp that stays on must not hide that the device is closed; `fault` tells."""
        try:
            self.release(sensor)
        except LightError as error:
            self.fault = str(error)
