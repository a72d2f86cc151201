"""A mute button or a hardware mute switch: a key of an input device, or a GPIO line.

A button toggles at each press. A switch is followed: while it is on, no software opens the sensor.
A switch whose position cannot be read counts as on.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from daemon.mute import DeviceStuck, MuteControl, MuteRefused, Reason, Sensor

EVENT = struct.Struct("llHHi")
"""Source: linux/input.h, struct input_event: seconds, microseconds, type, code, value."""
EV_KEY, EV_SW = 1, 5
"""Source: linux/input-event-codes.h."""
STATE_BYTES = 96
"""Bits of all 768 key codes."""
POLL_MS = 500
"""Longest time until a closed button's thread notices."""


class ButtonError(Exception):
    """A button cannot be read; the message names it, the cause and the next step."""


class ButtonInput(Protocol):
    """Something that is pressed or not."""

    def pressed(self) -> bool | None:
        """Position now, None where it cannot be told."""

    def wait(self, timeout_ms: int) -> list[bool]:
        """Positions since the last call, oldest first; empty after the time.

        Raises:
            ButtonError: the button is gone.
        """

    def close(self) -> None:
        """Let go of it."""


class EvdevInput:
    """A key or a switch of /dev/input, read as the kernel writes it."""

    def __init__(self, device: Path, code: int, switch: bool) -> None:
        """`code` is a key's, or a switch's (EV_SW) when `switch` is set.

        Raises:
            ButtonError: the device cannot be opened.
        """
        self._device = device
        self._code = code
        self._type = EV_SW if switch else EV_KEY
        self._rest = b""
        try:
            self._file = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ButtonError(
                f"button {device}: {error.strerror}; next: ls -l /dev/input/by-path"
            ) from error

    def pressed(self) -> bool | None:
        """Ask the kernel. Source: linux/input.h, EVIOCGKEY (0x18) and EVIOCGSW (0x1b)."""
        bits = array.array("B", bytes(STATE_BYTES))
        number = 0x1B if self._type == EV_SW else 0x18
        request = (2 << 30) | (STATE_BYTES << 16) | (ord("E") << 8) | number
        try:
            fcntl.ioctl(self._file, request, bits, True)
        except OSError:
            return None
        return bool(bits[self._code // 8] >> (self._code % 8) & 1)

    def wait(self, timeout_ms: int) -> list[bool]:
        """Presses (True) and releases (False) of the key; its own repeats are left out."""
        poller = select.poll()
        poller.register(self._file, select.POLLIN)
        if not poller.poll(timeout_ms):
            return []
        try:
            data = os.read(self._file, 64 * EVENT.size)
        except BlockingIOError:
            return []
        except OSError as error:
            raise ButtonError(f"button {self._device}: {error.strerror}") from error
        if not data:
            raise ButtonError(f"button {self._device}: the device is gone")
        return self._positions(data)

    def _positions(self, data: bytes) -> list[bool]:
        data = self._rest + data
        whole = len(data) - len(data) % EVENT.size
        self._rest = data[whole:]
        events = EVENT.iter_unpack(data[:whole])
        return [
            value == 1
            for _, _, kind, code, value in events
            if (kind, code) == (self._type, self._code) and value in (0, 1)
        ]

    def close(self) -> None:
        """Let go of the device."""
        os.close(self._file)


class GpioInput:
    """A GPIO line, through the kernel's character device."""

    def __init__(self, chip: Path, line: int, active_low: bool) -> None:
        """Raises ButtonError where the line cannot be had."""
        self._name = f"button {chip} line {line}"
        self._line = line
        try:
            self._request: Any = _request_line(chip, line, active_low)
        except ImportError as error:
            raise ButtonError(f"{self._name}: {error}; next: pip install gpiod") from error
        except (OSError, ValueError) as error:
            raise ButtonError(f"{self._name}: {error}; next: gpioinfo") from error

    def pressed(self) -> bool | None:
        """Read the line."""
        try:
            return bool(self._request.get_value(self._line).value)
        except OSError:
            return None

    def wait(self, timeout_ms: int) -> list[bool]:
        """Edges since the last call."""
        try:
            if not self._request.wait_edge_events(timeout_ms / 1e3):
                return []
            events = self._request.read_edge_events()
        except OSError as error:
            raise ButtonError(f"{self._name}: {error}") from error
        return [event.event_type is event.Type.RISING_EDGE for event in events]

    def close(self) -> None:
        """Let go of the line."""
        self._request.release()


def open_input(
    kind: str,
    device: Path | None = None,
    code: int = 113,
    switch: bool = False,
    chip: Path | None = None,
    line: int | None = None,
    active_low: bool = True,
) -> ButtonInput:
    """The button of a `[button]` section.

    Raises:
        ButtonError: it cannot be opened, or the kind lacks what it needs.
    """
    if kind == "evdev" and device is not None:
        return EvdevInput(device, code, switch)
    if kind == "gpio" and chip is not None and line is not None:
        return GpioInput(chip, line, active_low)
    raise ButtonError(f"button of kind {kind!r} lacks its device or line; see [button]")


def _request_line(chip: Path, line: int, active_low: bool) -> Any:
    import gpiod
    from gpiod.line import Bias, Direction, Edge

    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias.PULL_UP if active_low else Bias.PULL_DOWN,
        active_low=active_low,
    )
    return gpiod.request_lines(str(chip), consumer="tagalong button", config={line: settings})


class Button:
    """A thread that turns presses into mutes."""

    def __init__(
        self,
        source: ButtonInput,
        mute: MuteControl,
        sensors: tuple[Sensor, ...],
        switch: bool,
        now: Callable[[], float],
    ) -> None:
        """Follows a switch's position from the first moment: make it before the devices open."""
        self._source = source
        self._mute = mute
        self._sensors = sensors
        self._switch = switch
        self._now = now
        self._closing = False
        self.fault: str | None = None
        """What went wrong last: the button is gone, or a device did not follow."""
        if switch:
            self._act(source.pressed() is not False)
        self._thread = threading.Thread(target=self._watch, name="button", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and let go of the button; what is muted stays muted."""
        self._closing = True
        self._thread.join(timeout=2 * POLL_MS / 1e3)
        self._source.close()

    def _watch(self) -> None:
        while not self._closing:
            try:
                positions = self._source.wait(POLL_MS)
            except ButtonError as error:
                self.fault = str(error)
                return
            for pressed in positions:
                self._act(pressed)

    def _act(self, pressed: bool) -> None:
        try:
            if self._switch:
                for sensor in self._sensors:
                    self._mute.hardware(sensor, pressed, self._now())
            elif pressed:
                self._toggle()
        except (DeviceStuck, MuteRefused, OSError) as error:
            self.fault = str(error)

    def _toggle(self) -> None:
        """Mute when anything is open, so that one press is always enough to be private."""
        if all(self._mute.muted(sensor) for sensor in self._sensors):
            self._mute.unmute(self._sensors, Reason.BUTTON, self._now())
        else:
            self._mute.mute(self._sensors, Reason.BUTTON, self._now())
