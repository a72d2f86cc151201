"""Real cameras as far as a machine without one has them: RTSP and MPEG-TS over loopback, GStreamer.

Each test waits for events, not for time to pass.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor

from daemon.clock import NS, SampleClock, SystemClock
from daemon.senses.camera import Camera, open_camera
from daemon.senses.camera_gstreamer import GStreamerSource
from daemon.senses.camera_live import Backoff
from daemon.senses.camera_rtsp import RtspCamera
from daemon.senses.frames import fit
from daemon.turn import VideoFrame

pytestmark = pytest.mark.e2e

SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")
VCAM = Path(__file__).resolve().parents[1] / "vcam"


@pytest.fixture
def gi_path(tmp_path, monkeypatch) -> str:
    """Folder that holds PyGObject and nothing else of the system's packages."""
    binding = SYSTEM_PACKAGES / "gi"
    if not list(binding.glob(f"_gi.cpython-3{sys.version_info.minor}-*.so")):
        pytest.skip("no PyGObject for this Python; apt install python3-gi")
    (tmp_path / "gi").symlink_to(binding)
    monkeypatch.syspath_prepend(str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    waiting = threading.Event()
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        waiting.wait(0.02)


def _collect(camera: Camera, clock: SampleClock, count: int) -> list[VideoFrame]:
    """The next `count` frames as a loop would fetch them."""
    frames: list[VideoFrame] = []

    def fetched() -> bool:
        frames.extend(camera.frames(clock.session_s(SystemClock().now_ns())))
        return len(frames) >= count

    _until(fetched)
    return frames


def _started() -> SampleClock:
    return SampleClock(SystemClock().now_ns())


def _spawn(script: str, *arguments: str, path: str = "") -> subprocess.Popen[bytes]:
    """One of our test servers, listening or about to."""
    server = subprocess.Popen(
        [sys.executable, str(VCAM / script), *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert server.stdout.readline() == b"ready\n"
    return server


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()
    server.stdout.close()


@pytest.fixture
def serve(port) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a stream at `tcp://127.0.0.1:PORT`."""
    servers = []

    def start() -> subprocess.Popen[bytes]:
        servers.append(_spawn("ts_server.py", str(port)))
        return servers[-1]

    yield start
    for server in servers:
        _stop(server)


def test_stream_that_breaks_off_is_lost_and_found_again(serve, port):
    first, clock = serve(), _started()
    camera = RtspCamera(f"tcp://127.0.0.1:{port}", clock, SystemClock(), backoff=Backoff(0.05, 0.2))
    try:
        frames = _collect(camera, clock, 5)
        assert abs(frames[-1].rgb.mean() - 90) < 6 and not camera.lost
        first.kill()
        _until(lambda: camera.lost)
        assert "127.0.0.1" in camera.problem
        serve()
        _until(lambda: not camera.lost)
        again = _collect(camera, clock, 3)
        assert camera.reconnects == 1 and camera.problem is None
        assert again[-1].t_s > frames[-1].t_s
    finally:
        camera.close()
    assert not camera.sensor_open


def test_stream_is_placed_evenly_whatever_the_jitter_of_its_arrival(serve, port):
    serve()
    clock = _started()
    camera = RtspCamera(
        f"tcp://127.0.0.1:{port}", clock, SystemClock(), backoff=Backoff(0.05, 0.2)
    )
    try:
        times = [frame.t_s for frame in _collect(camera, clock, 15)]
    finally:
        camera.close()
    gaps = np.diff(times)[5:]  # the first half second is still being fitted
    frames = gaps[gaps < 0.3] * 25  # a busy machine leaves longer holes; they prove nothing
    assert len(frames) >= 3 and frames.min() > 0.75
    np.testing.assert_allclose(frames, np.round(frames), atol=0.25)  # within 10 ms


@pytest.fixture
def rtsp(port, gi_path) -> Iterator[str]:
    """Address of a running RTSP server."""
    try:
        import gi

        gi.require_version("GstRtspServer", "1.0")
    except (ImportError, ValueError):
        packages = "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good"
        pytest.skip(f"no RTSP server; apt install {packages}")
    server = _spawn("rtsp_server.py", str(port), path=gi_path)
    yield f"rtsp://127.0.0.1:{port}/glasses"
    _stop(server)


def test_real_rtsp_muted_and_opened_again(rtsp):
    clock, lights = _started(), []
    camera = open_camera(rtsp, clock, SystemClock(), light=lights.append)
    try:
        frame = _collect(camera, clock, 4)[-1]
        assert frame.rgb[30, 5].min() > 180, "first bar is white"
        assert frame.rgb[30, 155].argmax() == 2, "last bar is blue"
        camera.set_muted(True)
        assert camera.wait_sensor(False, 5.0)
        assert camera.frames(1e9) == []
        camera.set_muted(False)
        assert _collect(camera, clock, 2) and not camera.lost
    finally:
        camera.close()
    assert lights == [True, False, True, False]


@pytest.mark.parametrize("pixels", ["NV12", "RGB", "BGR", "YUY2"])
def test_gstreamer_formats_with_padded_rows(gi_path, pixels):
    """321x241: every plane has a stride wider than its rows."""
    caps = f"video/x-raw,format={pixels},width=321,height=241,framerate=30/1"
    source = GStreamerSource(
        f"videotestsrc is-live=true pattern=smpte100 ! {caps}", SystemClock()
    )
    source.open()
    try:
        picture = source.read()
        frame = fit(picture.planes(), picture.layout)
        assert 0 <= SystemClock().now_ns() - picture.t_ns < NS
    finally:
        source.close()
    bars = frame[40, 11::23].astype(int)
    expected = ["white", "yellow", "cyan", "green", "magenta", "red", "blue"]
    lit = [np.array(ImageColor.getrgb(colour)) > 64 for colour in expected]
    np.testing.assert_array_equal(bars > 128, lit)


def test_gstreamer_camera_runs_mutes_and_reports_its_end(gi_path):
    clock = _started()
    source = "videotestsrc is-live=true num-buffers=45 ! video/x-raw,framerate=30/1"
    camera = open_camera(f"gst:{source}", clock, SystemClock(), latency_ms=20)
    try:
        gaps = np.diff([frame.t_s for frame in _collect(camera, clock, 5)])
        assert gaps.min() > 0.03 and gaps.sum() >= 0.3
        np.testing.assert_allclose(gaps * 30, np.round(gaps * 30), atol=0.01)
        _until(lambda: camera.lost)
        assert "stream ended" in camera.problem
        camera.set_muted(True)
        assert camera.wait_sensor(False, 3.0)
    finally:
        camera.close()


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [("nosuchsource", 'no element "nosuchsource"'), ("filesrc location=/nowhere", "not start")],
)
def test_gstreamer_pipelines_that_cannot_run_say_why(gi_path, pipeline, message):
    camera = open_camera(f"gst:{pipeline}", _started(), SystemClock())
    try:
        _until(lambda: camera.lost)
        assert message in camera.problem
    finally:
        camera.close()
