"""The local door: requests as clients send them, good and bad, over the real socket."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.control import ControlError, ControlServer, ask, mute_handlers
from daemon.mute import MuteControl, Sensor

pytestmark = pytest.mark.unit


def broken(_: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("no more")


@pytest.fixture
def mute() -> MuteControl:
    return MuteControl()


@pytest.fixture
def server(tmp_path: Path, mute: MuteControl) -> Iterator[ControlServer]:
    handlers = mute_handlers(mute, lambda: 100.0, lambda: {"turns": 7})
    with ControlServer(tmp_path / "control", {**handlers, "broken": broken}) as running:
        yield running


def raw(path: Path, data: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5.0)
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return json.loads(client.recv(65536))


def test_status_mute_unmute(server: ControlServer, tmp_path: Path, mute: MuteControl) -> None:
    path = tmp_path / "control"
    reply = ask(path, {"verb": "status"})
    assert reply["ok"] and reply["turns"] == 7 and not reply["sensors"]["camera"]["muted"]
    reply = ask(path, {"verb": "mute", "sensor": "camera", "for_s": 600})
    assert reply["sensors"]["camera"] == {
        "muted": True,
        "reasons": ["command"],
        "remaining_s": 600.0,
    }
    assert mute.muted(Sensor.CAMERA) and not mute.muted(Sensor.MICROPHONE)
    ask(path, {"verb": "unmute", "sensor": "all"})
    assert not mute.muted(Sensor.CAMERA)


def test_refusals_say_why(server: ControlServer, tmp_path: Path, mute: MuteControl) -> None:
    path = tmp_path / "control"
    mute.hardware(Sensor.MICROPHONE, True, 0.0)
    with pytest.raises(ControlError, match="microphone is muted by its hardware switch"):
        ask(path, {"verb": "unmute", "sensor": "all"})
    with pytest.raises(ControlError, match="'nose' is not one of microphone, camera, all"):
        ask(path, {"verb": "mute", "sensor": "nose"})
    for bad in (0, "10", True, 1e9):
        with pytest.raises(ControlError, match="for_s = "):
            ask(path, {"verb": "mute", "sensor": "all", "for_s": bad})
    assert not mute.muted(Sensor.CAMERA)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"3", b'{"verb": "dance"}', b'{"verb": []}', b"\xff"]
)
def test_what_is_not_understood_is_answered(
    server: ControlServer, tmp_path: Path, line: bytes
) -> None:
    reply = raw(tmp_path / "control", line + b"\n")
    assert not reply["ok"] and "broken, mute, status, unmute" in reply["error"]
    assert ask(tmp_path / "control", {"verb": "status"})["turns"] == 7


def test_a_failing_handler_does_not_close_the_door(server: ControlServer, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="broken failed: RuntimeError: no more"):
        ask(tmp_path / "control", {"verb": "broken"})
    assert ask(tmp_path / "control", {"verb": "status"})["ok"] and server.faults == 1


def test_long_and_hasty_clients_harm_nobody(server: ControlServer, tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as long:
        long.connect(str(path))
        with pytest.raises(OSError):
            for _ in range(1000):
                long.sendall(b"x" * 4096)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hasty:
        hasty.connect(str(path))
    assert ask(path, {"verb": "status"})["ok"]


def test_only_the_owner_may_open_it(server: ControlServer, tmp_path: Path) -> None:
    assert stat.S_IMODE(os.stat(tmp_path / "control").st_mode) == 0o600


def test_a_second_daemon_is_refused_and_a_dead_ones_socket_replaced(
    server: ControlServer, tmp_path: Path
) -> None:
    with pytest.raises(ControlError, match="Another tagalong answers"):
        ControlServer(tmp_path / "control", {})
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(stale))
    with ControlServer(stale, {"status": lambda _: {}}, mode=0o660):
        assert ask(stale, {"verb": "status"})["ok"]
        assert stat.S_IMODE(os.stat(stale).st_mode) == 0o660
    assert not stale.exists()


def test_no_daemon_is_said_with_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="No tagalong is running.*Next: tagalong run"):
        ask(tmp_path / "none", {"verb": "status"})


def test_impossible_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="longer than the 107 bytes"):
        ControlServer(tmp_path / ("x" * 120), {})
    with pytest.raises(ControlError, match="No such file.*next: ls -ld"):
        ControlServer(tmp_path / "no" / "control", {})
