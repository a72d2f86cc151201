"""Messages to the service manager as it receives them, and the figures of `tagalong status`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon.health import RING_TURNS, Health, Notifier, memory_bytes
from daemon.mute import MuteControl
from daemon.promises import NullLink
from daemon.watch import Watch

pytestmark = pytest.mark.unit


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end, as systemd opens it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        yield end


def received(manager: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_messages_as_the_service_manager_sees_them(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    notifier.extend_start(30.0)
    notifier.ready("listening\nWATCHDOG=1")
    notifier.status("muted: camera")
    notifier.stopping()
    assert received(manager) == [
        "EXTEND_TIMEOUT_USEC=30000000",
        "READY=1\nSTATUS=listening WATCHDOG=1",
        "STATUS=muted: camera",
        "STOPPING=1\nSTATUS=stopping",
    ]
    assert notifier.active and notifier.lost == 0
    notifier.close()
    assert not notifier.active


def test_only_finished_micro_turns_feed_the_watchdog(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    notifier.turn_finished(0)
    assert received(manager) == ["WATCHDOG=1"]
    for _ in range(50):
        notifier.turn_finished(0)
        notifier.status("still here")
    assert "WATCHDOG=1" not in received(manager)
    for index in range(1, 26):
        notifier.turn_finished(index)
    assert received(manager) == ["WATCHDOG=1"] * 5


def test_abstract_sockets_are_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("")  # the kernel picks an abstract name
        end.setblocking(False)
        Notifier("@" + end.getsockname()[1:].decode()).ready("x")
        assert received(end) == ["READY=1\nSTATUS=x"]


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    quiet = Notifier(None)
    quiet.ready("x")
    quiet.turn_finished(0)
    assert not quiet.active and quiet.lost == 0
    gone = Notifier(str(tmp_path / "gone"))
    gone.ready("x")
    gone.turn_finished(0)
    assert gone.lost == 2


def test_a_full_socket_never_blocks_the_loop(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    for index in range(0, 50_000, 5):
        notifier.turn_finished(index)
    assert notifier.lost > 0


def test_step_times() -> None:
    health = Health()
    assert health.step_ms(50) is None
    for milliseconds in range(1, 101):
        health.step(milliseconds / 1e3)
    assert [health.step_ms(p) for p in (0, 50, 95, 99, 100)] == [1.0, 50.0, 95.0, 99.0, 100.0]
    health.step(0.21)
    assert health.late == 1 and health.turns == 101


def test_only_the_last_minutes_count() -> None:
    health = Health()
    for _ in range(RING_TURNS):
        health.step(0.15)
    for _ in range(RING_TURNS):
        health.step(0.01)
    assert health.step_ms(100) == 10.0


def test_report_is_plain() -> None:
    health = Health()
    health.step(0.01)
    health.errors += 1
    report = health.report()
    assert report["turns"] == 1 and report["errors"] == 1
    assert report["step_ms"] == {"p50": 10.0, "p95": 10.0, "p99": 10.0, "p100": 10.0}


class Told:
    """Keeps the events of a watch."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []

    def emit(self, kind: str, text: str | None = None, **data) -> None:
        self.events.append((kind, data))


def test_what_the_microphone_lost_is_told_as_samples() -> None:
    microphone, told = SimpleNamespace(lost_samples=0), Told()
    nothing = SimpleNamespace(captions_dropped=0, turns_dropped=0)
    watch = Watch(SimpleNamespace(
        health=Health(), camera=SimpleNamespace(dropped=0),
        writer=SimpleNamespace(counters=nothing), ears=SimpleNamespace(microphone=microphone),
        errands=SimpleNamespace(link=NullLink()),
        sensors=SimpleNamespace(control=MuteControl())), told)
    watch.report()
    microphone.lost_samples = 480
    assert watch.totals()["samples"] == 480
    watch.report()
    watch.report()
    assert told.events == [("shed", {"what": "samples", "count": 480})]


def test_memory(tmp_path: Path) -> None:
    assert 1e6 < (memory_bytes() or 0) < 1e11
    assert memory_bytes(tmp_path / "none") is None
