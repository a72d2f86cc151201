"""Who may close the microphone and the camera, and who may open them again.

Muting closes the device itself. Software lifts what software muted; what a hardware switch muted
only the switch lifts; a remote message never lifts what somebody muted on the glasses. A mute
survives a restart.

Methods may be called from any thread; device callbacks run in the caller's thread. Times are
seconds of the clock that the caller passes, always the same one.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

LONGEST_S = 24 * 3600.0
"""Longest timed mute, seconds."""


class Sensor(Enum):
    """What can be muted."""

    MICROPHONE = "microphone"
    CAMERA = "camera"


BOTH = (Sensor.MICROPHONE, Sensor.CAMERA)


class Reason(Enum):
    """Who muted."""

    SPOKEN = "spoken"
    COMMAND = "command"
    BUTTON = "button"
    REMOTE = "remote"
    """A message from the network; may mute, lifts only its own."""
    HARDWARE = "hardware"
    """A switch; no software lifts it."""
    FAILED = "did not open"
    """The switch was released and the device did not open."""
    UNREADABLE = "unreadable state"
    """The stored state could not be read, so everything starts muted."""


class MuteRefused(Exception):
    """Something may not be opened; the message says who holds it. The rest was done."""


class DeviceStuck(Exception):
    """A device did not open or close as it was told; the message says which and why."""


@dataclass(frozen=True)
class SoftMute:
    """A mute that software holds."""

    reason: Reason
    until_s: float | None
    """End on the caller's clock, seconds; None: until somebody lifts it."""


@dataclass(frozen=True)
class _Gate:
    open_device: Callable[[], None]
    close_device: Callable[[], None]


class MuteStore:
    """The mute on disk: one small JSON file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault: str | None = None
        """Why the file could not be read, None when all is well."""

    def load(self, now_s: float) -> dict[Sensor, SoftMute]:
        """What was muted when the last process ended; everything, if that cannot be told.

        A timed mute goes on for what was left of it when it was last written, so it may last
        longer than asked, never shorter.
        """
        try:
            tree = json.loads(self.path.read_text())
            return {Sensor(name): _restored(entry, now_s) for name, entry in tree.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.fault = f"{self.path}: {error}"
            return {sensor: SoftMute(Reason.UNREADABLE, None) for sensor in BOTH}

    def save(self, soft: dict[Sensor, SoftMute], now_s: float) -> None:
        """Replace the file; after a crash it holds either the old or the new state.

        Raises:
            OSError: the disk is full or the folder may not be written.
        """
        tree = {
            sensor.value: {
                "reason": mute.reason.value,
                "remaining_s": None if mute.until_s is None else max(0.0, mute.until_s - now_s),
            }
            for sensor, mute in soft.items()
        }
        fresh = self.path.with_suffix(".new")
        with open(fresh, "w") as file:
            json.dump(tree, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path)


def _restored(entry: dict[str, Any], now_s: float) -> SoftMute:
    remaining = entry["remaining_s"]
    if remaining is None:
        return SoftMute(Reason(entry["reason"]), None)
    if not 0.0 <= float(remaining) <= LONGEST_S:
        raise ValueError(f"remaining_s = {remaining!r}")
    return SoftMute(Reason(entry["reason"]), now_s + float(remaining))


class MuteControl:
    """The one owner of the question whether a sensor may be open."""

    def __init__(self, store: MuteStore | None = None, now_s: float = 0.0) -> None:
        self._store = store
        self._soft = store.load(now_s) if store is not None else {}
        self._hardware: set[Sensor] = set()
        self._gates: dict[Sensor, _Gate] = {}
        self._lock = threading.RLock()
        self.changes = 0
        """Counts every change, for those who poll."""
        self._note_change()

    def attach(
        self, sensor: Sensor, open_device: Callable[[], None], close_device: Callable[[], None]
    ) -> None:
        """Name what opens and closes a device. At start the caller opens what is not muted."""
        with self._lock:
            self._gates[sensor] = _Gate(open_device, close_device)

    def muted(self, sensor: Sensor) -> bool:
        """Whether the device is to be closed; takes no lock, for the hot path."""
        return sensor in self._soft or sensor in self._hardware

    def mute(
        self,
        sensors: Iterable[Sensor],
        reason: Reason,
        now_s: float,
        for_s: float | None = None,
    ) -> None:
        """Close devices now, for a time or until lifted; never shortens a mute that is on.

        Raises:
            DeviceStuck: a device did not close; it counts as muted all the same.
            OSError: the devices are closed but a restart would not know it.
        """
        until_s = None if for_s is None else now_s + for_s
        with self._lock:
            closing = [sensor for sensor in sensors if self._add(sensor, reason, until_s)]
            self._note_change()
            faults = [self._operate(sensor, opened=False) for sensor in closing]
            try:
                self._save(now_s)
            finally:
                _raise_stuck(faults)

    def unmute(self, sensors: Iterable[Sensor], reason: Reason, now_s: float) -> None:
        """Open devices again, as far as `reason` may.

        Raises:
            MuteRefused: something stays muted because a switch or somebody else holds it.
            DeviceStuck: a device did not open and stays muted.
        """
        refused, faults = [], []
        with self._lock:
            for sensor in sensors:
                refusal = self._refusal(sensor, reason)
                if refusal is not None:
                    refused.append(refusal)
                else:
                    faults.append(self._lift(sensor))
            self._save(now_s)
        _raise_stuck(faults)
        if refused:
            raise MuteRefused(" ".join(refused))

    def hardware(self, sensor: Sensor, on: bool, now_s: float) -> None:
        """Follow the position of a hardware switch; only this lifts a hardware mute.

        Raises:
            DeviceStuck: the device did not follow.
        """
        with self._lock:
            was_muted = self.muted(sensor)
            if on:
                self._hardware.add(sensor)
            else:
                self._hardware.discard(sensor)
            self._note_change()
            if self.muted(sensor) == was_muted:
                return
            fault = self._operate(sensor, opened=not on)
            if fault is not None and not on:
                self._soft[sensor] = SoftMute(Reason.FAILED, None)
                self._note_change()
        _raise_stuck([fault])

    def due(self, now_s: float) -> tuple[Sensor, ...]:
        """Lift timed mutes that have run out, and say which; a comparison when none has.

        Raises:
            DeviceStuck: a device did not open and stays muted without a time.
        """
        if now_s < self._next_due_s:
            return ()
        with self._lock:
            ended = [
                sensor
                for sensor, mute in self._soft.items()
                if mute.until_s is not None and mute.until_s <= now_s
            ]
            faults = [self._lift(sensor) for sensor in ended]
            self._save(now_s)
        _raise_stuck(faults)
        return tuple(sensor for sensor in ended if not self.muted(sensor))

    def status(self, now_s: float) -> dict[str, dict[str, Any]]:
        """For `tagalong status`: per sensor `muted`, `reasons`, `remaining_s`."""
        with self._lock:
            return {sensor.value: self._sensor_status(sensor, now_s) for sensor in BOTH}

    def _sensor_status(self, sensor: Sensor, now_s: float) -> dict[str, Any]:
        soft = self._soft.get(sensor)
        reasons = [Reason.HARDWARE.value] if sensor in self._hardware else []
        remaining_s = None
        if soft is not None:
            reasons.append(soft.reason.value)
            if soft.until_s is not None:
                remaining_s = round(max(0.0, soft.until_s - now_s), 1)
        return {"muted": bool(reasons), "reasons": reasons, "remaining_s": remaining_s}

    def _add(self, sensor: Sensor, reason: Reason, until_s: float | None) -> bool:
        """Put a soft mute on; returns whether the device was open until now."""
        was_muted = self.muted(sensor)
        old = self._soft.get(sensor)
        if old is not None:
            if old.until_s is None or until_s is None:
                until_s = None
            else:
                until_s = max(old.until_s, until_s)
            if reason is Reason.REMOTE:
                reason = old.reason
        self._soft[sensor] = SoftMute(reason, until_s)
        return not was_muted

    def _refusal(self, sensor: Sensor, reason: Reason) -> str | None:
        soft = self._soft.get(sensor)
        if sensor in self._hardware:
            return f"The {sensor.value} is muted by its hardware switch; only the switch lifts it."
        if reason is Reason.REMOTE and soft is not None and soft.reason is not Reason.REMOTE:
            return f"The {sensor.value} was muted on the glasses; a remote message cannot lift it."
        return None

    def _lift(self, sensor: Sensor) -> str | None:
        """Take a soft mute off and open the device; what does not open stays muted."""
        soft = self._soft.pop(sensor, None)
        if soft is None or sensor in self._hardware:
            self._note_change()
            return None
        fault = self._operate(sensor, opened=True)
        if fault is not None:
            self._soft[sensor] = SoftMute(soft.reason, None)
        self._note_change()
        return fault

    def _operate(self, sensor: Sensor, opened: bool) -> str | None:
        """Open or close a device; returns what went wrong."""
        gate = self._gates.get(sensor)
        if gate is None:
            return None
        try:
            (gate.open_device if opened else gate.close_device)()
        except Exception as error:  # whatever a driver throws must not undo the other sensor's mute
            verb = "open" if opened else "close"
            return f"The {sensor.value} did not {verb}: {error}"
        return None

    def _note_change(self) -> None:
        ends = [mute.until_s for mute in self._soft.values() if mute.until_s is not None]
        self._next_due_s = min(ends, default=math.inf)
        self.changes += 1

    def _save(self, now_s: float) -> None:
        if self._store is not None:
            self._store.save(self._soft, now_s)


def _raise_stuck(faults: Iterable[str | None]) -> None:
    texts = [fault for fault in faults if fault is not None]
    if texts:
        raise DeviceStuck(" ".join(texts))


def parse_sensors(name: str) -> tuple[Sensor, ...]:
    """`microphone`, `camera` or `all` as sensors.

    Raises:
        ValueError: anything else.
    """
    if name == "all":
        return BOTH
    try:
        return (Sensor(name),)
    except ValueError:
        raise ValueError(f"{name!r} is not one of microphone, camera, all") from None


def parse_duration(text: str) -> float:
    """`10m`, `90s`, `1h30m` or plain seconds, as seconds.

    Raises:
        ValueError: not a duration, or not from one second to a day.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration such as 10m, 90s or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration_s = float(hours * 3600 + minutes * 60 + seconds)
    if not 1.0 <= duration_s <= LONGEST_S:
        raise ValueError(f"{text!r} is not from 1s to 24h")
    return duration_s
