"""The light follows the open sensor, and a camera without its light stays closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.light import GpioLamp, LedLamp, LightError, NoLamp, SensorLight, ToneLamp, make_lamp
from daemon.mute import DeviceStuck, MuteControl, Reason, Sensor

pytestmark = pytest.mark.unit

MIC, CAM = Sensor.MICROPHONE, Sensor.CAMERA


@pytest.fixture
def led(tmp_path: Path) -> Path:
    """A folder as the kernel's LED class shows it."""
    folder = tmp_path / "leds" / "capture"
    folder.mkdir(parents=True)
    (folder / "max_brightness").write_text("255\n")
    (folder / "brightness").write_text("0\n")
    (folder / "trigger").write_text("none timer [heartbeat] mmc0\n")
    return folder


def brightness(led: Path) -> int:
    return int((led / "brightness").read_text())


def test_led_is_on_while_any_sensor_is_open(led: Path) -> None:
    light = SensorLight(LedLamp(led))
    light.acquire(CAM)
    assert brightness(led) == 255 and (led / "trigger").read_text() == "none\n"
    light.acquire(MIC)
    light.release(CAM)
    assert brightness(led) == 255 and light.open_sensors == {MIC}
    light.release(MIC)
    light.release(MIC)
    assert brightness(led) == 0


def test_light_is_on_before_the_camera_opens_and_off_after_it_closed(led: Path) -> None:
    seen: list[tuple[str, int]] = []
    light = SensorLight(LedLamp(led))
    open_camera, close_camera = light.guard(
        CAM,
        lambda: seen.append(("open", brightness(led))),
        lambda: seen.append(("close", brightness(led))),
    )
    open_camera()
    close_camera()
    assert seen == [("open", 255), ("close", 255)] and brightness(led) == 0


def test_camera_without_light_is_not_opened(led: Path) -> None:
    opened: list[str] = []
    (led / "max_brightness").unlink()
    light = SensorLight(LedLamp(led))
    open_camera, _ = light.guard(CAM, lambda: opened.append("camera"), lambda: None)
    with pytest.raises(LightError, match="capture.*No such file.*next: tagalong doctor"):
        open_camera()
    assert not opened and "No such file" in str(light.fault)
    open_microphone, _ = light.guard(MIC, lambda: opened.append("microphone"), lambda: None)
    open_microphone()
    assert opened == ["microphone"], "the wearer can still be told by voice"


def test_an_led_that_ignores_what_is_written_is_no_light(led: Path) -> None:
    (led / "brightness").unlink()
    (led / "brightness").symlink_to("/dev/null")  # takes everything, shows nothing
    with pytest.raises(LightError, match="LED .*capture"):
        LedLamp(led).set(True)


def test_a_follower_is_switched_by_the_device_itself(led: Path) -> None:
    follow = SensorLight(LedLamp(led)).follower(CAM)
    follow(False)
    follow(True)
    assert brightness(led) == 255
    follow(False)
    assert brightness(led) == 0
    (led / "max_brightness").unlink()
    with pytest.raises(OSError, match="capture"):
        follow(True)


def test_a_camera_that_does_not_open_leaves_the_light_off(led: Path) -> None:
    def broken() -> None:
        raise OSError("no such camera")

    light = SensorLight(LedLamp(led))
    open_camera, _ = light.guard(CAM, broken, lambda: None)
    with pytest.raises(OSError, match="no such camera"):
        open_camera()
    assert brightness(led) == 0 and not light.open_sensors


def test_mute_and_light_together(led: Path) -> None:
    light, mute = SensorLight(LedLamp(led)), MuteControl()
    open_camera, close_camera = light.guard(CAM, lambda: None, lambda: None)
    mute.attach(CAM, open_camera, close_camera)
    open_camera()
    mute.mute((CAM,), Reason.COMMAND, 0.0)
    assert brightness(led) == 0
    (led / "max_brightness").unlink()
    with pytest.raises(DeviceStuck, match="camera did not open: LED"):
        mute.unmute((CAM,), Reason.COMMAND, 1.0)
    assert mute.muted(CAM)


def test_tone_and_gpio_name_their_faults(tmp_path: Path) -> None:
    played: list[bool] = []
    lamp = ToneLamp(played.append)
    lamp.set(True)
    lamp.set(False)
    assert played == [True, False]

    def mute_voice(_: bool) -> None:
        raise OSError("speaker gone")

    with pytest.raises(LightError, match="light tone: speaker gone"):
        ToneLamp(mute_voice).set(True)
    with pytest.raises(LightError, match="GPIO light.*next: "):
        GpioLamp(tmp_path / "gpiochip9", 1).set(True)


def test_lamps_are_made_from_their_section(led: Path) -> None:
    assert isinstance(make_lamp("none"), NoLamp)
    assert isinstance(make_lamp("led", led=led), LedLamp)
    assert isinstance(make_lamp("gpio", chip=Path("/dev/gpiochip0"), line=1), GpioLamp)
    assert isinstance(make_lamp("tone", play=lambda on: None), ToneLamp)
    with pytest.raises(LightError, match="light of kind 'tone' lacks"):
        make_lamp("tone")
