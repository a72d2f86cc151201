"""Mute from afar: a message on `mute/set` closes sensors, the retained `mute/state` says which are.

A message may mute, and lift what a message muted. What somebody muted on the glasses, by voice,
command, button or switch, it cannot open: `MuteControl` refuses, and the state stays as it was.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from daemon.background.wire import PREFIX, BadPayload, Message, Ulid
from daemon.mute import LONGEST_S, DeviceStuck, MuteControl, MuteRefused, Reason, parse_sensors

MAX_SET_BYTES = 1_024
MAX_REMEMBERED = 64
"""Ids of messages that may come a second time."""
_REASONS = {"v": "version", "json_invalid": "json"}
"""Place or type of a fault -> `BadPayload.reason`; all others are `schema`."""


class MuteSet(Message):
    """What somebody far away asks for."""

    v: Literal[1]
    sensor: Literal["microphone", "camera", "all"]
    muted: StrictBool
    for_s: float | None = Field(default=None, ge=1, le=LONGEST_S)
    """With `muted`: seconds until it ends by itself; None: until somebody lifts it."""
    id: Ulid | None = None
    """One made for this message: then it changes nothing when it comes again."""


class SensorState(BaseModel):
    """Whether one sensor is closed, and who holds it."""

    model_config = ConfigDict(frozen=True)

    muted: bool
    reasons: tuple[str, ...] = ()
    """Values of `daemon.mute.Reason`."""


class MuteState(Message):
    """What is closed now; without times, since it is retained and would grow old."""

    microphone: SensorState
    camera: SensorState


def set_topic(device: str) -> str:
    """Where a device listens; nothing on it is to be retained."""
    return f"{PREFIX}/{device}/mute/set"


def state_topic(device: str) -> str:
    """Retained `MuteState` of a device."""
    return f"{PREFIX}/{device}/mute/state"


def parse_set(payload: bytes) -> MuteSet:
    """Check what came on `mute/set`.

    Raises:
        BadPayload: too large, not JSON, another schema version, or not of the schema.
    """
    if len(payload) > MAX_SET_BYTES:
        raise BadPayload("size", f"{len(payload)} bytes, at most {MAX_SET_BYTES}")
    try:
        return MuteSet.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = _REASONS.get(where) or _REASONS.get(first["type"], "schema")
        raise BadPayload(reason, f"{where} ({first['type']})") from None


class Link(Protocol):
    """What is needed of the link; neither method waits."""

    def remote_mutes(self) -> list[MuteSet]: ...

    def publish_mute(self, state: MuteState) -> None: ...


class RemoteMute:
    """Between the link and `MuteControl`, which asks no different of a message than of a person."""

    def __init__(self, link: Link, control: MuteControl) -> None:
        self._link, self._control = link, control
        self._seen = -1
        self._done: OrderedDict[str, None] = OrderedDict()
        self.refused: deque[str] = deque(maxlen=8)
        """What was not lifted, as sentences for the event log; nothing the wearer must hear."""
        self.problems: deque[str] = deque(maxlen=8)
        """Devices that did not open or close, as sentences to be said."""

    # -- by the step thread -------------------------------------------------------------------

    def wanted(self) -> list[MuteSet]:
        """What came since the last call, each message once; to be applied aside."""
        return [wanted for wanted in self._link.remote_mutes() if self._is_new(wanted)]

    def tell(self, now_s: float) -> None:
        """Publish the state if it may have changed since the last call."""
        changes = self._control.changes
        if changes != self._seen:
            self._seen = changes
            self._link.publish_mute(state_of(self._control.status(now_s)))

    def _is_new(self, wanted: MuteSet) -> bool:
        if wanted.id is None:
            return True
        if wanted.id in self._done:
            return False
        self._done[wanted.id] = None
        while len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)
        return True

    # -- by the writer thread: devices open and close, the disk is written ----------------------

    def apply(self, wanted: MuteSet, now_s: float) -> None:
        """Do it, as far as a message may."""
        sensors = parse_sensors(wanted.sensor)
        try:
            if wanted.muted:
                self._control.mute(sensors, Reason.REMOTE, now_s, wanted.for_s)
            else:
                self._control.unmute(sensors, Reason.REMOTE, now_s)
        except MuteRefused as error:
            self.refused.append(str(error))
        except (DeviceStuck, OSError) as error:
            self.problems.append(str(error))


def state_of(status: dict[str, dict[str, Any]]) -> MuteState:
    """`MuteControl.status` as it is published."""
    return MuteState.model_validate({
        name: {"muted": entry["muted"], "reasons": entry["reasons"]}
        for name, entry in status.items()})
