"""Cameras: a scripted device, drawn ones, discovery and what a name means."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import numpy as np
import pytest

from daemon.clock import NS, SampleClock
from daemon.mute import DeviceStuck, MuteControl, Reason, Sensor
from daemon.senses.camera import NoCamera, find_cameras, open_camera
from daemon.senses.camera_live import Backoff, LiveCamera, Picture
from daemon.senses.camera_rtsp import RtspCamera
from daemon.senses.camera_synthetic import SyntheticCamera
from daemon.senses.errors import BadInput, DeviceLost

pytestmark = pytest.mark.unit


class ManualClock:
    """Monotonic time that the test moves."""

    def __init__(self) -> None:
        self.ns = 50 * NS

    def now_ns(self) -> int:
        return self.ns


def test_synthetic_and_no_camera():
    camera = SyntheticCamera()
    assert [frame.t_s for t in (0.2, 0.4) for frame in camera.frames(t)] == [0.0, 0.1, 0.2, 0.3]
    assert [frame.t_s for frame in camera.frames(2.0)] == [1.8, 1.9] and camera.dropped == 14
    camera.set_muted(True)
    assert camera.frames(3.0) == [] and not camera.sensor_open
    camera.set_muted(False)
    assert [frame.t_s for frame in camera.frames(3.2)] == [3.0, 3.1]
    same = SyntheticCamera().frames(0.2)[1].rgb
    np.testing.assert_array_equal(same, SyntheticCamera().frames(0.2)[1].rgb)
    none = NoCamera()
    none.set_muted(False)
    assert none.frames(5.0) == [] and not none.lost and not none.sensor_open


class ScriptedSource:
    """A device that delivers what the test puts in: capture times, or an error."""

    name = "scripted"

    def __init__(self) -> None:
        self.script: queue.Queue[int | DeviceLost] = queue.Queue()
        self.refuse: DeviceLost | None = None
        self.taken = threading.Semaphore(0)
        self.free = threading.Event()
        self.free.set()
        self.log: list[str] = []
        self.lights: list[bool] = []

    def open(self) -> None:
        self.log.append("open")
        if self.refuse:
            raise self.refuse

    def read(self) -> Picture | None:
        if not self.free.is_set():
            self.log.append("hang")
            self.free.wait(5)
        self.log.append("read")
        self.taken.release()
        try:
            item = self.script.get(timeout=0.01)
        except queue.Empty:
            return None
        if isinstance(item, DeviceLost):
            raise item
        return Picture(item, lambda: np.full((120, 160, 3), 9, np.uint8))

    def close(self) -> None:
        self.log.append("close")

    def deliver(self, *items: int | DeviceLost) -> None:
        """Hand over, and return when all were read and dealt with."""
        for item in items:
            self.script.put(item)
        while not self.script.empty():
            self.taken.acquire(timeout=1)
        while self.taken.acquire(blocking=False):
            pass
        self.taken.acquire(timeout=1)
        self.taken.acquire(timeout=1)


@pytest.fixture
def device():
    """(camera, source, monotonic clock); the session began 10 s ago."""
    monotonic = ManualClock()
    clock = SampleClock(monotonic.ns - 10 * NS)
    source = ScriptedSource()
    camera = LiveCamera(
        source, clock, monotonic, light=source.lights.append, backoff=Backoff(0.001, 0.002, seed=1)
    )
    yield camera, source, monotonic
    camera.close()
    assert source.log[-1] == "close" and not camera.sensor_open


def _at(monotonic: ManualClock, session_s: float) -> int:
    return monotonic.ns + round((session_s - 10) * NS)


def test_frames_are_placed_by_capture_time_not_by_arrival(device):
    """150 ms late with jitter: a late frame comes with the next turn, at its true time."""
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 9.62))
    assert [frame.t_s for frame in camera.frames(9.8)] == pytest.approx([9.62])
    source.deliver(_at(monotonic, 9.78), _at(monotonic, 9.87), _at(monotonic, 10.05))
    assert [frame.t_s for frame in camera.frames(10.0)] == pytest.approx([9.78, 9.87])
    assert [frame.t_s for frame in camera.frames(10.2)] == pytest.approx([10.05])
    assert camera.dropped == 0


def test_frames_from_before_the_session_are_left_out(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, -0.1), _at(monotonic, 0.1))
    assert [frame.t_s for frame in camera.frames(0.2)] == pytest.approx([0.1])


def test_vanished_camera_is_reported_and_comes_back(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 1.0))
    assert not camera.lost
    source.refuse = DeviceLost("scripted cannot be opened: unplugged")
    source.script.put(DeviceLost("scripted is gone: pulled out"))
    assert camera.wait_sensor(False, 2.0)
    _until(lambda: camera.problem == "scripted cannot be opened: unplugged")
    assert camera.lost and len(camera.frames(1.2)) == 1, "what it had seen is not lost"
    source.refuse = None
    source.deliver(_at(monotonic, 3.0))
    _until(lambda: not camera.lost)
    assert camera.problem is None and camera.reconnects == 1
    assert [frame.t_s for frame in camera.frames(3.2)] == pytest.approx([3.0])


def test_camera_that_hangs_is_lost(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 1.0))
    monotonic.ns += 4 * NS
    _until(lambda: camera.lost)
    assert "no picture for 3 s" in camera.problem


def test_driver_that_never_returns_is_noticed_by_the_loop(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 1.0))
    source.free.clear()
    _until(lambda: source.log[-1] == "hang")
    monotonic.ns += 7 * NS
    camera.frames(2.0)
    assert camera.lost and "hangs in its driver" in camera.problem
    source.free.set()
    source.deliver(_at(monotonic, 8.0))
    _until(lambda: not camera.lost)


def test_mute_calls_off_the_search_for_a_lost_camera(device):
    camera, source, _ = device
    source.refuse = DeviceLost("unplugged")
    source.script.put(DeviceLost("pulled out"))
    _until(lambda: camera.lost)
    camera.set_muted(True)
    _until(lambda: not camera.lost)
    assert camera.problem is None and not camera.sensor_open
    source.refuse = None
    camera.set_muted(False)
    assert camera.wait_sensor(True, 2.0)


def test_muted_camera_is_closed_and_nothing_is_read(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 1.0))
    assert source.lights == [True] and camera.sensor_open
    camera.set_muted(True)
    assert not camera.sensor_open and source.lights == [True, False], "when it returns it is done"
    assert camera.frames(2.0) == [], "not even what had been captured before"
    seen = len(source.log)
    source.script.put(_at(monotonic, 1.5))
    assert source.log[-1] == "close" and len(source.log) == seen
    camera.set_muted(False)
    assert camera.sensor_open
    source.deliver(_at(monotonic, 3.0))
    assert camera.frames(3.2)[-1].t_s == pytest.approx(3.0)
    assert source.log.count("open") == 2 and not camera.lost


def test_mute_of_a_camera_that_hangs_in_its_driver_does_not_claim_success(device, monkeypatch):
    camera, source, monotonic = device
    monkeypatch.setattr("daemon.senses.camera_live.DRIVER_S", 0.05)
    control = MuteControl()
    control.attach(Sensor.CAMERA, lambda: camera.set_muted(False), lambda: camera.set_muted(True))
    source.deliver(_at(monotonic, 1.0))
    source.free.clear()
    _until(lambda: source.log[-1] == "hang")
    with pytest.raises(DeviceStuck, match="camera did not close: scripted hangs.*may still be"):
        control.mute([Sensor.CAMERA], Reason.SPOKEN, 2.0)
    assert control.muted(Sensor.CAMERA) and camera.sensor_open and camera.frames(3.0) == []
    source.free.set()
    assert camera.wait_sensor(False, 2.0)


def test_a_camera_that_does_not_open_stays_muted_and_says_why(device):
    camera, source, _ = device
    camera.set_muted(True)
    source.refuse = DeviceLost("scripted cannot be opened: unplugged")
    for _ in range(3):
        with pytest.raises(DeviceLost, match="unplugged"):
            camera.set_muted(False)
        tries = source.log.count("open")
    _until(lambda: camera.problem is None)
    assert not camera.lost and source.log.count("open") == tries
    source.refuse = None
    camera.set_muted(False)
    assert camera.sensor_open


def test_without_its_light_the_camera_stays_closed():
    def broken(on: bool) -> None:
        raise OSError("no such LED")

    source, monotonic = ScriptedSource(), ManualClock()
    clock = SampleClock(monotonic.ns)
    camera = LiveCamera(source, clock, monotonic, light=broken, backoff=Backoff(0.001, 0.002))
    _until(lambda: camera.lost)
    camera.close()
    assert "open" not in source.log
    assert "light cannot be" in camera.problem and "no such LED" in camera.problem


def test_backoff_grows_with_jitter_and_is_bounded():
    backoff = Backoff(0.5, 10.0, seed=4)
    waits = [backoff.next_s() for _ in range(40)]
    assert 0.25 <= waits[0] <= 0.5 and max(waits) <= 10.0
    assert all(5.0 <= wait for wait in waits[6:]) and len(set(waits[6:])) > 10
    backoff.reset()
    assert backoff.next_s() <= 0.5


def _until(holds) -> None:
    """Wait for another thread, at most 2 s."""
    waiting = threading.Event()
    for _ in range(400):
        if holds():
            return
        waiting.wait(0.005)
    raise AssertionError("it did not happen within 2 s")


@pytest.mark.parametrize(("spec", "kind"), [("none", NoCamera), ("synthetic", SyntheticCamera)])
def test_names_of_cameras(spec, kind):
    camera = open_camera(spec, SampleClock(0), ManualClock())
    assert isinstance(camera, kind)
    camera.close()


@pytest.mark.parametrize("spec", ["picamera2:front", "argus:-1"])
def test_bad_numbers_are_refused(spec):
    with pytest.raises(BadInput, match=f"{spec}.*N from 0"):
        open_camera(spec, SampleClock(0), ManualClock())


@pytest.mark.parametrize("spec", ["/dev/video987", "tcp://127.0.0.1:9", "picamera2:0", "gst:nope"])
def test_devices_that_are_not_there_are_lost_not_fatal(spec):
    camera = open_camera(spec, SampleClock(0), ManualClock())
    try:
        _until(lambda: camera.lost)
        assert spec.rpartition(":")[0] in camera.problem and camera.frames(1.0) == []
    finally:
        camera.close()


def test_passwords_stay_out_of_messages():
    address = "rtsp://someone:secret@127.0.0.1:9/stream"
    camera = RtspCamera(address, SampleClock(0), ManualClock())
    _until(lambda: camera.lost)
    camera.close()
    assert "secret" not in camera.problem and "rtsp://127.0.0.1:9/stream" in camera.problem


def _node(folder: Path, number: int, name: str, index: int = 0) -> None:
    node = folder / f"video{number}"
    node.mkdir(parents=True)
    (node / "name").write_text(f"{name}\n")
    (node / "index").write_text(f"{index}\n")


def test_discovery_knows_metadata_nodes_and_jetson_sensors(tmp_path):
    assert find_cameras(tmp_path) == []
    _node(tmp_path, 0, "vi-output, imx219 9-0010")
    _node(tmp_path, 2, "HD Webcam")
    _node(tmp_path, 3, "HD Webcam", index=1)
    _node(tmp_path, 10, "bcm2835-codec-decode")
    found = [(camera.spec, camera.name) for camera in find_cameras(tmp_path)]
    assert found == [("argus:0", "vi-output, imx219 9-0010"), ("/dev/video2", "HD Webcam")]


def test_without_any_camera_auto_says_what_to_do(monkeypatch):
    monkeypatch.setattr("daemon.senses.camera.find_cameras", list)
    with pytest.raises(DeviceLost, match="no camera found.*--camera none"):
        open_camera("auto", SampleClock(0), ManualClock())
