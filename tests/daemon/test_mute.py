"""Mute: devices really close, only who may opens them, a restart stays muted; the button."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.background.wire import BadPayload
from daemon.button import EV_KEY, EV_SW, EVENT, Button, ButtonError, EvdevInput, GpioInput
from daemon.mute import (
    BOTH,
    DeviceStuck,
    MuteControl,
    MuteRefused,
    MuteStore,
    Reason,
    Sensor,
    parse_duration,
    parse_sensors,
)
from daemon.promises import NullLink
from daemon.remote_mute import MuteSet, MuteState, RemoteMute, parse_set

pytestmark = pytest.mark.unit

MIC, CAM = Sensor.MICROPHONE, Sensor.CAMERA


class FileDevice:
    """A device that is a real open file, so that closed means closed."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"x" * 100)
        self._path = path
        self.file: int | None = None
        self.broken = ""
        self.changed = threading.Event()

    def open(self) -> None:
        if self.broken:
            raise OSError(self.broken)
        assert self.file is None, "opened twice"
        self.file = os.open(self._path, os.O_RDONLY)
        self.changed.set()

    def close(self) -> None:
        assert self.file is not None, "closed twice"
        os.close(self.file)
        self.file = None
        self.changed.set()


@pytest.fixture
def devices(tmp_path: Path) -> dict[Sensor, FileDevice]:
    return {sensor: FileDevice(tmp_path / sensor.value) for sensor in BOTH}


@pytest.fixture
def mute(tmp_path: Path, devices: dict[Sensor, FileDevice]) -> MuteControl:
    control = MuteControl(MuteStore(tmp_path / "mute.json"))
    for sensor, device in devices.items():
        control.attach(sensor, device.open, device.close)
        device.open()
    return control


def test_mute_closes_and_unmute_opens(mute: MuteControl, devices: dict) -> None:
    mute.mute((MIC,), Reason.SPOKEN, 0.0)
    assert mute.muted(MIC) and devices[MIC].file is None
    assert not mute.muted(CAM) and devices[CAM].file is not None
    mute.mute((MIC,), Reason.COMMAND, 1.0)  # twice closes once
    mute.unmute((MIC,), Reason.COMMAND, 2.0)
    assert not mute.muted(MIC) and devices[MIC].file is not None


@pytest.mark.parametrize("reason", [Reason.SPOKEN, Reason.COMMAND, Reason.BUTTON, Reason.REMOTE])
def test_no_software_lifts_a_hardware_mute(
    mute: MuteControl, devices: dict, reason: Reason
) -> None:
    mute.hardware(MIC, True, 0.0)
    with pytest.raises(MuteRefused, match="microphone is muted by its hardware switch"):
        mute.unmute(BOTH, reason, 1.0)
    mute.mute((MIC,), Reason.COMMAND, 2.0, for_s=5.0)
    assert mute.due(100.0) == ()
    assert mute.muted(MIC) and devices[MIC].file is None
    mute.hardware(MIC, False, 101.0)
    assert not mute.muted(MIC) and devices[MIC].file is not None


def test_a_switch_does_not_lift_what_software_muted(mute: MuteControl, devices: dict) -> None:
    mute.mute((CAM,), Reason.SPOKEN, 0.0)
    mute.hardware(CAM, True, 1.0)
    mute.hardware(CAM, False, 2.0)
    assert mute.muted(CAM) and devices[CAM].file is None


def test_a_remote_message_lifts_only_its_own(mute: MuteControl) -> None:
    mute.mute((MIC,), Reason.REMOTE, 0.0)
    mute.unmute((MIC,), Reason.REMOTE, 1.0)
    assert not mute.muted(MIC)
    mute.mute((MIC,), Reason.SPOKEN, 2.0)
    mute.mute((MIC,), Reason.REMOTE, 3.0)
    with pytest.raises(MuteRefused, match="muted on the glasses"):
        mute.unmute((MIC,), Reason.REMOTE, 4.0)


def test_all_but_the_refused_is_opened(mute: MuteControl) -> None:
    mute.hardware(MIC, True, 0.0)
    mute.mute(BOTH, Reason.COMMAND, 1.0)
    with pytest.raises(MuteRefused):
        mute.unmute(BOTH, Reason.COMMAND, 2.0)
    assert mute.muted(MIC) and not mute.muted(CAM)


def test_timed_mutes_end_by_the_passed_clock(mute: MuteControl, devices: dict) -> None:
    mute.mute((MIC,), Reason.COMMAND, 10.0, for_s=60.0)
    assert mute.due(69.9) == () and devices[MIC].file is None
    assert mute.status(40.0)["microphone"] == {
        "muted": True,
        "reasons": ["command"],
        "remaining_s": 30.0,
    }
    assert mute.due(70.0) == (MIC,) and devices[MIC].file is not None


@pytest.mark.parametrize(("first", "second"), [(None, 5.0), (60.0, 5.0), (5.0, None)])
def test_no_mute_shortens_another(
    mute: MuteControl, first: float | None, second: float | None
) -> None:
    mute.mute((MIC,), Reason.SPOKEN, 0.0, for_s=first)
    mute.mute((MIC,), Reason.COMMAND, 0.0, for_s=second)
    mute.due(10.0)
    assert mute.muted(MIC)


def test_a_restart_stays_muted_and_time_goes_on(tmp_path: Path, mute: MuteControl) -> None:
    mute.mute((MIC,), Reason.SPOKEN, 100.0)
    mute.mute((CAM,), Reason.COMMAND, 100.0, for_s=60.0)
    again = MuteControl(MuteStore(tmp_path / "mute.json"), now_s=5.0)
    assert again.muted(MIC) and again.muted(CAM)
    assert again.due(64.9) == () and again.due(65.0) == (CAM,)
    third = MuteControl(MuteStore(tmp_path / "mute.json"))
    assert third.muted(MIC) and not third.muted(CAM)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"nose": {}}', '{"camera": {"reason": "x", "remaining_s": null}}',
     '{"camera": {"reason": "spoken", "remaining_s": -1}}', '{"camera": 3}'],
)  # fmt: skip
def test_unreadable_state_starts_muted(tmp_path: Path, text: str) -> None:
    store = MuteStore(tmp_path / "mute.json")
    store.path.write_text(text)
    control = MuteControl(store)
    assert control.muted(MIC) and control.muted(CAM) and store.fault
    control.unmute(BOTH, Reason.COMMAND, 0.0)
    assert not MuteControl(MuteStore(store.path)).muted(MIC)


def test_a_device_that_does_not_open_stays_muted(mute: MuteControl, devices: dict) -> None:
    mute.mute(BOTH, Reason.COMMAND, 0.0, for_s=10.0)
    devices[CAM].broken = "no such camera"
    with pytest.raises(DeviceStuck, match="camera did not open: no such camera"):
        mute.due(10.0)
    assert mute.muted(CAM) and not mute.muted(MIC)
    assert mute.due(1e6) == (), "it is not tried again at every micro-turn"
    devices[CAM].broken = ""
    mute.unmute((CAM,), Reason.COMMAND, 20.0)
    assert devices[CAM].file is not None


def test_a_full_disk_does_not_keep_a_device_open(tmp_path: Path, devices: dict) -> None:
    control = MuteControl(MuteStore(tmp_path / "missing" / "mute.json"))
    control.attach(MIC, devices[MIC].open, devices[MIC].close)
    devices[MIC].open()
    with pytest.raises(OSError):
        control.mute((MIC,), Reason.COMMAND, 0.0)
    assert control.muted(MIC) and devices[MIC].file is None


def test_durations_and_sensors() -> None:
    assert [parse_duration(t) for t in ("10m", "90s", "1h30m", "45")] == [600, 90, 5400, 45]
    for text in ("", "m", "10x", "0s", "25h", "-5m"):
        with pytest.raises(ValueError, match="is not"):
            parse_duration(text)
    assert parse_sensors("all") == BOTH and parse_sensors("camera") == (CAM,)
    with pytest.raises(ValueError, match="'nose' is not one of microphone, camera, all"):
        parse_sensors("nose")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "event0"
    os.mkfifo(path)
    return path


def press(fifo: Path) -> Callable[[int, int, int], None]:
    writer = os.open(fifo, os.O_RDWR)
    return lambda kind, code, value: os.write(writer, EVENT.pack(0, 0, kind, code, value)) and None


def wait_for(device: FileDevice) -> None:
    assert device.changed.wait(5.0)
    device.changed.clear()


def test_a_press_toggles(mute: MuteControl, devices: dict, fifo: Path) -> None:
    send = press(fifo)
    button = Button(EvdevInput(fifo, 113, switch=False), mute, (MIC,), False, lambda: 0.0)
    devices[MIC].changed.clear()
    send(EV_KEY, 30, 1)  # another key
    send(EV_KEY, 113, 1)
    wait_for(devices[MIC])
    assert mute.status(0.0)["microphone"]["reasons"] == ["button"]
    send(EV_KEY, 113, 2)  # the key's own repeat
    send(EV_KEY, 113, 0)
    send(EV_KEY, 113, 1)
    wait_for(devices[MIC])
    assert not mute.muted(MIC) and devices[MIC].file is not None
    button.close()


def test_a_switch_is_followed_and_unknown_means_muted(
    mute: MuteControl, devices: dict, fifo: Path
) -> None:
    send = press(fifo)
    button = Button(EvdevInput(fifo, 14, switch=True), mute, (CAM,), True, lambda: 0.0)
    assert mute.muted(CAM) and devices[CAM].file is None
    devices[CAM].changed.clear()
    send(EV_SW, 14, 0)
    wait_for(devices[CAM])
    assert devices[CAM].file is not None
    send(EV_SW, 14, 1)
    wait_for(devices[CAM])
    with pytest.raises(MuteRefused):
        mute.unmute((CAM,), Reason.COMMAND, 0.0)
    button.close()


def test_missing_buttons_are_named(tmp_path: Path) -> None:
    with pytest.raises(ButtonError, match="event9: No such file.*next: ls"):
        EvdevInput(tmp_path / "event9", 113, switch=False)
    with pytest.raises(ButtonError, match="line 3: .*next: "):
        GpioInput(tmp_path / "gpiochip9", 3, active_low=True)


class Far(NullLink):
    """A link on which messages come, and that keeps what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.come: list[MuteSet] = []
        self.told: list[MuteState] = []

    def remote_mutes(self) -> list[MuteSet]:
        come, self.come = self.come, []
        return come

    def publish_mute(self, state: MuteState) -> None:
        self.told.append(state)


def far(sensor: str, muted: bool, **more) -> MuteSet:
    return MuteSet(v=1, sensor=sensor, muted=muted, **more)


@pytest.mark.parametrize("reason", ["hardware", *(r.value for r in (
    Reason.SPOKEN, Reason.COMMAND, Reason.BUTTON))])
def test_no_message_opens_what_was_muted_here(mute, devices, reason: str) -> None:
    if reason == "hardware":
        mute.hardware(CAM, True, 0.0)
    else:
        mute.mute((CAM,), Reason(reason), 0.0)
    remote = RemoteMute(Far(), mute)
    remote.apply(far("camera", True), 1.0)
    remote.apply(far("camera", False), 2.0)
    assert mute.muted(CAM) and devices[CAM].file is None
    assert len(remote.refused) == 1 and not remote.problems


def test_the_state_is_published_once_a_change_with_who_holds_it(mute) -> None:
    link = Far()
    remote = RemoteMute(link, mute)
    remote.tell(0.0)
    remote.tell(0.2)
    mute.mute((MIC,), Reason.SPOKEN, 0.3)
    remote.tell(0.4)
    remote.apply(far("all", True, for_s=60), 0.5)
    remote.tell(0.6)
    assert [(s.microphone.reasons, s.camera.reasons) for s in link.told] == [
        ((), ()), (("spoken",), ()), (("spoken",), ("remote",))]


def test_a_message_with_an_id_counts_once(mute) -> None:
    link = Far()
    remote = RemoteMute(link, mute)
    first = far("camera", True, id="01HZZZZZZZZZZZZZZZZZZZZZZZ")
    link.come = [first, first, far("camera", False), far("camera", False)]
    assert [wanted.muted for wanted in remote.wanted()] == [True, False, False]
    link.come = [first]
    assert remote.wanted() == []


def test_a_device_that_does_not_close_is_a_problem_to_be_said(mute, devices) -> None:
    remote = RemoteMute(Far(), mute)
    os.close(devices[CAM].file)  # closing it again fails
    remote.apply(far("camera", True), 0.0)
    assert "camera" in remote.problems[0] and not remote.refused


@pytest.mark.parametrize(("payload", "reason"), [
    (b"", "json"), (b"[", "json"), (b'{"sensor":"all","muted":true}', "version"),
    (b'{"v":2,"sensor":"all","muted":true}', "version"),
    (b'{"v":1,"sensor":"all","muted":1}', "schema"), (b"7", "schema"), (b" " * 2000, "size")])
def test_what_is_no_mute_message_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(BadPayload) as caught:
        parse_set(payload)
    assert caught.value.reason == reason
