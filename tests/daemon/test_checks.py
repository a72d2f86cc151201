"""Every doctor check against the real thing or a real absence: result, cause, next command."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import sys
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.background.broker import BrokerError, EmbeddedBroker
from daemon.background.mqtt import BrokerOptions
from daemon.checks import all_checks
from daemon.checks.base import Check, Level, Result, ok, run_check
from daemon.checks.broker import Broker
from daemon.checks.button import ButtonReads
from daemon.checks.camera import Camera
from daemon.checks.clock import Clock
from daemon.checks.config import Configuration
from daemon.checks.disk import Disk
from daemon.checks.engine import EngineLoads
from daemon.checks.gpu import Gpu, jetpack
from daemon.checks.light import Light
from daemon.checks.microphone import Microphone
from daemon.checks.packages import USED, Package, Packages
from daemon.checks.python_version import PythonVersion
from daemon.checks.report import report, sensors_sentence, table
from daemon.checks.speaker import Speaker
from daemon.checks.unit import SystemdUnit
from daemon.checks.voice import Voice
from daemon.checks.weights import Weights
from daemon.config import ButtonConfig, Config, LightConfig, tomllib
from daemon.options import RunOptions

pytestmark = pytest.mark.unit

UNITS = Path(__file__).resolve().parents[2] / "systemd"


def expect(check: Check, level: Level, cause: str) -> Result:
    result = run_check(check)
    assert result.level is level, result
    assert cause in result.cause, result
    assert bool(result.next_command) is (level is not Level.OK), "a finding has a next command"
    return result


def test_python() -> None:
    expect(PythonVersion(), Level.OK, "Python 3.")
    expect(PythonVersion((3, 9)), Level.FAIL, "3.10 or newer is needed")
    expect(PythonVersion((3, 14)), Level.WARN, "newer than the 3.13")


def test_packages() -> None:
    expect(Packages(), Level.OK, "all 17 are there, numpy ")
    gone = Package("no_such_module", "no-such-package", "it would not sing")
    result = expect(Packages((USED[0], gone)), Level.FAIL, "No module named 'no_such_module'")
    assert result.cause.endswith("it would not sing")
    assert result.next_command == f"{sys.executable} -m pip install no-such-package"
    expect(Packages((replace(gone, level=Level.WARN),)), Level.WARN, "it would not sing")
    either = replace(gone, module="no_such_module|json")
    expect(Packages((USED[0], either), (gone,)), Level.OK, "not installed: no-such-package (it")


def test_every_package_that_the_program_imports_is_looked_for() -> None:
    tree = tomllib.loads((UNITS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {re.split(r"[\s>=;]", item)[0] for item in tree["project"]["dependencies"]}
    assert declared - {"tomli"} == {package.package for package in USED}, "tomli: config.py"


def test_config(tmp_path: Path) -> None:
    expect(Configuration(None), Level.OK, "the defaults apply")
    path = tmp_path / "tagalong.toml"
    path.write_text("[engine]\nthreads = 0\n")
    expect(Configuration(path), Level.FAIL, "engine.threads = 0: must be a whole number from 1")
    path.write_text("[engine]\nweights = 'gone.onnx'\n")
    expect(Configuration(path), Level.FAIL, f"engine.weights = {tmp_path}/gone.onnx: there is no")
    path.write_text("[voice]\nvolume = 0.5\n")
    expect(Configuration(path), Level.OK, str(path))


def test_clock() -> None:
    expect(Clock(), Level.OK, "monotonic to")
    expect(Clock(unix_s=0.0), Level.WARN, "the calendar says 1970-01-01")


def test_disk(tmp_path: Path) -> None:
    expect(Disk(tmp_path / "new"), Level.OK, "GB free")
    expect(Disk(tmp_path, comfortable_bytes=10**18), Level.WARN, "recordings will not fit")
    expect(Disk(tmp_path, needed_bytes=10**18), Level.FAIL, "are needed")
    (tmp_path / "file").write_text("")
    expect(Disk(tmp_path / "file"), Level.FAIL, "File exists")


def test_weights(tmp_path: Path) -> None:
    step = tmp_path / "step.onnx"
    expect(Weights(step), Level.FAIL, "step.onnx: there is no such file")
    step.write_bytes(b"x")
    expect(Weights(step), Level.FAIL, "step.json: there is no such file")
    step.with_suffix(".json").write_text("{}")
    expect(Weights(step), Level.OK, "2 files")
    step.with_suffix(".data").write_bytes(b"")
    expect(Weights(step), Level.FAIL, "step.data: is empty")
    step.with_suffix(".data").write_bytes(b"version https://git-lfs.example/spec/v1\noid 1")
    expect(Weights(step), Level.FAIL, "only a pointer")


def test_engine(tmp_path: Path) -> None:
    expect(EngineLoads("onnx", tmp_path / "step.onnx"), Level.FAIL, "there are no weights")
    (tmp_path / "step.onnx").write_bytes(b"no model")
    expect(EngineLoads("onnx", tmp_path / "step.onnx"), Level.FAIL, "step")
    expect(EngineLoads("onxx"), Level.FAIL, "unknown engine 'onxx'")


def test_gpu() -> None:
    expect(Gpu(library="libno-such.so"), Level.OK, "no NVIDIA GPU: the driver's library cannot")
    expect(Gpu("tensorrt", "libno-such.so"), Level.FAIL, "and engine tensorrt needs one")
    expect(Gpu(library="libm.so.6"), Level.OK, "no NVIDIA GPU")
    assert run_check(Gpu()).level is Level.OK


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A short sound file."""
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(3200))
    return path


def test_microphone_and_speaker(clip: Path, tmp_path: Path) -> None:
    expect(Microphone("none"), Level.OK, "switched off")
    expect(Microphone(str(clip)), Level.OK, "reads")
    expect(Microphone(str(tmp_path / "b.wav")), Level.FAIL, "there is no such file")
    expect(Microphone("default", muted=True), Level.OK, "muted, so it was not opened")
    expect(Microphone("default", running=True), Level.OK, "held by the running tagalong")
    expect(Microphone("no such microphone"), Level.FAIL, "microphone")
    expect(Speaker("none"), Level.OK, "switched off")
    expect(Speaker(str(tmp_path / "out.wav")), Level.OK, "writes")
    expect(Speaker(str(tmp_path / "no" / "out.wav")), Level.FAIL, "may not be written")
    expect(Speaker("no such loudspeaker"), Level.FAIL, "loudspeaker")


def movie(path: Path, level: int) -> Path:
    """Three grey pictures."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for _ in range(3):
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_camera(tmp_path: Path, clip: Path) -> None:
    expect(Camera("none"), Level.OK, "switched off")
    expect(Camera("/dev/video0", muted=True), Level.OK, "muted, so it was not opened")
    expect(Camera(str(movie(tmp_path / "grey.mp4", 128))), Level.OK, "mean level 1")
    expect(Camera(str(movie(tmp_path / "dark.mp4", 0))), Level.WARN, "too dark")
    expect(Camera(str(tmp_path / "gone.mp4")), Level.FAIL, "gone.mp4")
    expect(Camera(str(clip)), Level.FAIL, "a.wav")
    expect(Camera("rtsp://127.0.0.1:9/none", open_s=0.5), Level.FAIL, "127.0.0.1:9")
    expect(Camera("/dev/video99", open_s=0.5), Level.FAIL, "/dev/video99")
    expect(Camera("/dev/video99", running=True), Level.OK, "held by the running tagalong")
    expect(Camera("synthetic"), Level.OK, "synthetic, mean level")


def test_the_doctor_too_lights_the_light_or_leaves_the_camera_closed(tmp_path: Path) -> None:
    light = LightConfig(kind="led", led=tmp_path / "no-led")
    expect(Camera("/dev/video99", light=light, open_s=0.5), Level.FAIL, "recording light cannot")


def test_voice() -> None:
    expect(Voice("auto"), Level.OK, ":")
    expect(Voice("no-such-voice"), Level.FAIL, "no-such-voice")


def test_light(tmp_path: Path) -> None:
    expect(Light(LightConfig()), Level.WARN, "no light is configured")
    expect(Light(LightConfig(kind="tone")), Level.OK, "needs the speaker")
    led = LightConfig(kind="led", led=tmp_path)
    expect(Light(led), Level.FAIL, "the camera would stay closed")
    (tmp_path / "max_brightness").write_text("3\n")
    (tmp_path / "brightness").write_text("3\n")
    expect(Light(led), Level.OK, "led")
    assert (tmp_path / "brightness").read_text() == "3\n", "nothing blinks"
    line = LightConfig(kind="gpio", chip=tmp_path / "gpiochip9", line=1)
    expect(Light(line), Level.FAIL, "GPIO light")
    expect(Light(line, running=True), Level.OK, "held by the running tagalong")


def test_button(tmp_path: Path) -> None:
    expect(ButtonReads(ButtonConfig()), Level.OK, "mute is by voice")
    gone = ButtonConfig(kind="evdev", device=tmp_path / "event9")
    expect(ButtonReads(gone), Level.FAIL, "event9: No such file")
    os.mkfifo(tmp_path / "event0")
    no_keys = ButtonConfig(kind="evdev", device=tmp_path / "event0")
    expect(ButtonReads(no_keys), Level.FAIL, "no position can be read")


def test_systemd_unit(tmp_path: Path) -> None:
    expect(SystemdUnit((tmp_path,)), Level.WARN, "it runs by hand only")
    (tmp_path / "tagalong.service").write_text("[Service]\nType=notfy\nExecStart=/bin/true\n")
    booted = tmp_path / "booted"
    expect(SystemdUnit((tmp_path,), booted), Level.FAIL, "notfy")
    (tmp_path / "tagalong.service").write_text("[Service]\nExecStart=/bin/true\n")
    expect(SystemdUnit((tmp_path,), booted), Level.OK, "not booted with systemd")


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    folder = tmp_path_factory.mktemp("mosquitto")
    acl = folder / "acl"
    acl.write_text("topic readwrite tagalong/1/glasses/#\n")
    # root's mosquitto becomes another user, who must be able to come here
    for path in (folder, *folder.parents[:3]):
        if path.owner() == "root" and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    try:
        broker = EmbeddedBroker(folder, extra_config=[f"acl_file {acl}"])
        broker.start()
    except BrokerError as error:
        pytest.skip(f"no Mosquitto here: {error}")
    yield broker
    broker.stop()


def test_broker(mosquitto: EmbeddedBroker) -> None:
    options = BrokerOptions(mosquitto.url)
    expect(Broker(options, "glasses"), Level.OK, "last will seen")


def test_broker_refusals(mosquitto: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.checks.broker.ANSWER_S", 0.5)
    expect(Broker(BrokerOptions(mosquitto.url), "other"), Level.FAIL, "check the ACL")
    expect(Broker(BrokerOptions("mqtt://127.0.0.1:9")), Level.FAIL, "refused")
    expect(Broker(BrokerOptions("http://x")), Level.FAIL, "expected mqtt://")
    expect(Broker(BrokerOptions("none")), Level.OK, "switched off")
    assert run_check(Broker(BrokerOptions("embedded"))).level is Level.OK


def test_a_check_that_breaks_is_a_finding_and_the_others_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken:
        name = "broken"

        def run(self) -> Result:
            return ok(str(math.sqrt(-1)))

    assert report([Broken(), Clock()]) == 1
    text = capsys.readouterr().out
    assert "the check itself broke: ValueError" in text and "1 ok, 0 to note, 1 failed" in text
    assert report([Broken(), Clock()], as_json=True) == 1
    plain = json.loads(capsys.readouterr().out)
    assert [entry["result"] for entry in plain] == ["fail", "ok"]


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in all_checks(Config(), RunOptions())]
    assert len(set(names)) == len(names) == 16


def test_status_table() -> None:
    text = table({"turns": 7, "step_ms": {"p50": 1.5, "p99": None}, "muted": [], "live": True})
    assert text == "turns    7\nstep_ms\n  p50  1.5\n  p99  -\nmuted    -\nlive     yes"
    entry = {"muted": True, "reasons": ["hardware", "spoken"], "remaining_s": 3.0}
    assert sensors_sentence({"camera": entry}) == "camera: muted (hardware and spoken), 3 s left"


def test_jetson_release(tmp_path: Path) -> None:
    release = tmp_path / "nv_tegra_release"
    assert jetpack(release) is None
    release.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n")
    assert jetpack(release) == "R36.4.3"
