"""Cameras: files made here, a scripted device, discovery and what a name means."""

from __future__ import annotations

import queue
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from daemon.clock import NS, SampleClock
from daemon.senses.camera import NoCamera, find_cameras, open_camera
from daemon.senses.camera_file import FileCamera
from daemon.senses.camera_live import Backoff, LiveCamera, Picture
from daemon.senses.camera_rtsp import RtspCamera
from daemon.senses.camera_synthetic import SyntheticCamera
from daemon.senses.errors import BadInput, DeviceLost
from daemon.turn import TURN_S

pytestmark = pytest.mark.unit


class ManualClock:
    """Monotonic time that the test moves."""

    def __init__(self) -> None:
        self.ns = 50 * NS

    def now_ns(self) -> int:
        return self.ns


def write_video(
    path: Path,
    stamps_s: list[float],
    codec: str = "libx264",
    size: tuple[int, int] = (160, 120),
    turn: int = 0,
) -> Path:
    """A video whose k-th frame has gray level 10 * k (mod 250) and the time stamp stamps_s[k]."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1_000)
        stream.codec_context.thread_count = 1
        if turn:
            stream.set_display_rotation(turn)
        for k, t_s in enumerate(stamps_s):
            level = np.full((size[1], size[0], 3), 10 * k % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = round(t_s * 1_000), Fraction(1, 1_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def even(fps: float, count: int) -> list[float]:
    return [k / fps for k in range(count)]


def run(camera, turns: int) -> list[tuple[float, ...]]:
    """Capture times of the frames of each micro-turn, milliseconds."""
    taken = [camera.frames((turn + 1) * TURN_S) for turn in range(turns)]
    return [tuple(round(frame.t_s * 1_000) for frame in frames) for frames in taken]


@pytest.mark.parametrize(
    ("name", "codec", "size"),
    [
        ("a.mp4", "libx264", (160, 120)),
        ("a.mkv", "mpeg4", (322, 182)),
        ("a.webm", "libvpx", (64, 128)),
        ("a.gif", "gif", (120, 90)),
    ],
)
def test_files_of_every_kind_give_two_frames_a_turn(tmp_path, name, codec, size):
    camera = FileCamera(write_video(tmp_path / name, even(10, 20), codec, size))
    taken = [camera.frames((turn + 1) * TURN_S) for turn in range(10)]
    for turn, frames in enumerate(taken):
        assert [frame.t_s for frame in frames] == pytest.approx([turn * 0.2, turn * 0.2 + 0.1])
        for k, frame in enumerate(frames):
            assert frame.rgb.shape == (120, 160, 3) and frame.rgb.dtype == np.uint8
            level = frame.rgb[50:70, 70:90].mean()  # the mean: a GIF's palette is dithered
            assert level == pytest.approx(10 * (2 * turn + k), abs=16 if codec == "gif" else 4)
    assert camera.ended and not camera.lost
    assert (camera.dropped, camera.damaged) == (0, 0)
    assert camera.frames(99.0) == []


def test_fast_files_are_thinned_evenly(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mp4", even(30, 60)))
    assert run(camera, 10) == [(200 * k, 200 * k + 100) for k in range(10)]
    assert camera.thinned == 40 and camera.dropped == 0


def test_variable_rate_goes_by_the_time_stamps(tmp_path):
    stamps = [0.0, 0.5, 0.53, 1.25, 1.9]
    camera = FileCamera(write_video(tmp_path / "a.mkv", stamps))
    assert run(camera, 10) == [(0,), (), (500, 530), (), (), (), (1250,), (), (), (1900,)]


def test_first_frame_is_session_0_whatever_its_time_stamp(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mkv", [7.0 + t for t in even(10, 4)]))
    assert run(camera, 2) == [(0, 100), (200, 300)]


def test_two_readings_are_the_same(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(25, 30), size=(200, 100))
    first, second = ([FileCamera(path).frames(t) for t in (0.2, 0.4)] for _ in range(2))
    for one, other in zip(sum(first, []), sum(second, [])):
        assert one.t_s == other.t_s
        np.testing.assert_array_equal(one.rgb, other.rgb)


def test_rotation_in_the_file_and_asked_for_add_up(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 2), size=(128, 64), turn=90)
    upright = FileCamera(path).frames(0.1)[0].rgb
    assert np.all(upright[:, :49] == 128), "64x128 upright: bars left and right"
    turned = FileCamera(path, rotate=90).frames(0.1)[0].rgb
    assert np.all(turned[:19] == 128), "128x64 again: bars above and below"


def test_a_late_loop_gets_the_newest_two_and_the_rest_is_counted(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mp4", even(10, 30)))
    assert [frame.t_s for frame in camera.frames(2.0)] == pytest.approx([1.8, 1.9])
    assert camera.dropped == 18


def test_muted_file_is_closed_and_its_time_goes_on(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 300))
    camera = FileCamera(path)
    assert len(camera.frames(0.2)) == 2
    camera.set_muted(True)
    camera.set_muted(True)
    assert not camera.sensor_open
    hidden = path.rename(tmp_path / "hidden.mp4")  # nothing can be read now
    assert [camera.frames(t) for t in (0.4, 10.0, 20.0)] == [[], [], []]
    assert not camera.ended
    hidden.rename(path)
    camera.set_muted(False)
    assert camera.sensor_open
    assert [frame.t_s for frame in camera.frames(20.2)] == pytest.approx([20.0, 20.1])
    assert camera.dropped == 0


def test_file_that_is_gone_after_mute_is_lost_without_an_exception(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 5))
    camera = FileCamera(path)
    camera.set_muted(True)
    path.unlink()
    camera.set_muted(False)
    assert camera.lost and "a.mp4" in camera.problem
    assert camera.frames(1.0) == [] and camera.ended


def test_damaged_middle_costs_only_what_is_damaged(tmp_path):
    path = write_video(tmp_path / "a.mkv", even(10, 50), "mpeg4")
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 40] = np.random.default_rng(1).bytes(40)
    path.write_bytes(data)
    camera = FileCamera(path)
    times = sum(run(camera, 25), ())
    assert 0 in times and len(times) >= 20 and camera.ended


def test_truncated_file_ends_early(tmp_path):
    path = write_video(tmp_path / "a.mkv", even(10, 50), "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    camera = FileCamera(path)
    assert 5 <= len(sum(run(camera, 25), ())) < 50
    assert camera.ended


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_600), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.mp4", lambda path: None, "none.mp4.*No such file"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "empty.mp4.*expected a video"),
        ("words.mp4", lambda path: path.write_text("not a video at all\n" * 50), "words.mp4"),
        ("folder", lambda path: path.mkdir(), "folder"),
        ("sound.wav", _sound, "there is sound but no video in it"),
    ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(BadInput, match=message):
        FileCamera(tmp_path / name)


def test_real_clips(real_data):
    clips = sorted((real_data / "reps_exercise" / "video").iterdir())[:2]
    for clip in clips:
        camera = FileCamera(clip)
        frames = [frame for turn in range(10) for frame in camera.frames((turn + 1) * TURN_S)]
        assert 10 <= len(frames) <= 20 and camera.damaged == 0
        assert max(frame.rgb.std() for frame in frames) > 10


def test_synthetic_and_no_camera():
    camera = SyntheticCamera()
    assert run(camera, 3) == [(0, 100), (200, 300), (400, 500)]
    assert [frame.t_s for frame in camera.frames(2.0)] == [1.8, 1.9] and camera.dropped == 12
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
        self.log: list[str] = []

    def open(self) -> None:
        self.log.append("open")
        if self.refuse:
            raise self.refuse

    def read(self) -> Picture | None:
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
    """(camera, source, clock of the session, monotonic clock); the session began 10 s ago."""
    monotonic = ManualClock()
    clock = SampleClock(monotonic.ns - 10 * NS)
    source = ScriptedSource()
    lights: list[bool] = []
    camera = LiveCamera(
        source, clock, monotonic, light=lights.append, backoff=Backoff(0.001, 0.002, seed=1)
    )
    camera.lights = lights
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


def test_muted_camera_is_closed_and_nothing_is_read(device):
    camera, source, monotonic = device
    source.deliver(_at(monotonic, 1.0))
    assert camera.lights == [True] and camera.sensor_open
    camera.set_muted(True)
    assert camera.frames(2.0) == [], "not even what had been captured before"
    assert camera.wait_sensor(False, 2.0)
    _until(lambda: camera.lights == [True, False])
    seen = len(source.log)
    source.script.put(_at(monotonic, 1.5))
    assert source.log[-1] == "close" and len(source.log) == seen
    camera.set_muted(False)
    assert camera.wait_sensor(True, 2.0)
    source.deliver(_at(monotonic, 3.0))
    assert camera.frames(3.2)[-1].t_s == pytest.approx(3.0)
    assert source.log.count("open") == 2 and not camera.lost


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


@pytest.mark.parametrize(
    ("spec", "kind"), [("none", NoCamera), ("synthetic", SyntheticCamera), ("a.mkv", FileCamera)]
)
def test_names_of_cameras(tmp_path, monkeypatch, spec, kind):
    write_video(tmp_path / "a.mkv", even(10, 2))
    monkeypatch.chdir(tmp_path)
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
    monkeypatch.setattr("daemon.senses.camera.find_cameras", lambda: [])
    with pytest.raises(DeviceLost, match="no camera found.*--camera none"):
        open_camera("auto", SampleClock(0), ManualClock())
