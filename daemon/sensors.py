"""The sensors as the session sees them: what is muted, what changed, and who did it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from daemon.mute import BOTH, DeviceStuck, MuteControl, MuteRefused, Reason, Sensor, parse_sensors

_BY = {"spoken": "voice", "button": "button", "hardware": "button"}
"""Reason of a mute -> `by` of the event; all others are commands."""


@dataclass(frozen=True)
class Change:
    """A sensor was muted or opened again."""

    what: str
    """microphone or camera."""
    muted: bool
    by: str
    """command, voice, button or timer."""


class Sensors:
    """`MuteControl` for the step thread, which only looks; the writer thread acts."""

    def __init__(self, control: MuteControl) -> None:
        self.control = control
        self.problems: deque[str] = deque(maxlen=8)
        """What was refused or went wrong, as sentences; the session takes them."""
        self._seen = -1
        self._due_s = math.inf
        self._muted = {sensor: False for sensor in BOTH}
        self._opener = "command"

    @property
    def microphone_muted(self) -> bool:
        """The microphone is closed."""
        return self.control.muted(Sensor.MICROPHONE)

    @property
    def camera_muted(self) -> bool:
        """The camera is closed."""
        return self.control.muted(Sensor.CAMERA)

    # -- by the step thread -------------------------------------------------------------------

    def changes(self, now_s: float) -> list[Change]:
        """What changed since the last call."""
        if self.control.changes == self._seen:
            return []
        self._seen = self.control.changes
        status = self.control.status(now_s)
        left = [entry["remaining_s"] for entry in status.values() if entry["remaining_s"]]
        self._due_s = now_s + min(left, default=math.inf)
        found = [Change(sensor.value, entry["muted"], self._who(entry))
                 for sensor in BOTH
                 if (entry := status[sensor.value])["muted"] != self._muted[sensor]]
        self._muted = {sensor: status[sensor.value]["muted"] for sensor in BOTH}
        self._opener = "command"
        return found

    def is_due(self, now_s: float) -> bool:
        """A timed mute may have run out: `due` is to be called aside."""
        return now_s >= self._due_s

    def _who(self, entry: dict) -> str:
        return _BY.get(entry["reasons"][0], "command") if entry["muted"] else self._opener

    # -- by the writer thread: devices open and close, the disk is written ----------------------

    def mute(self, what: str, now_s: float, for_s: float | None) -> None:
        """Somebody said so."""
        self._try(lambda: self.control.mute(parse_sensors(what), Reason.SPOKEN, now_s, for_s))

    def unmute(self, what: str, now_s: float) -> None:
        """Somebody said so."""
        self._opener = "voice"
        self._try(lambda: self.control.unmute(parse_sensors(what), Reason.SPOKEN, now_s))

    def due(self, now_s: float) -> None:
        """Lift what has run out."""
        self._opener = "timer"
        self._try(lambda: self.control.due(now_s))

    def _try(self, work) -> None:
        try:
            work()
        except (MuteRefused, DeviceStuck, OSError, ValueError) as error:
            self.problems.append(str(error))
