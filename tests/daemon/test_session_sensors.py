"""The loop and its sensors: mutes that wait for no more than they must, and what goes wrong."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from daemon.ears import Ears
from daemon.mute import Reason, Sensor
from daemon.parts import Settings
from daemon.senses.camera import NoCamera
from daemon.turn import TURN_SAMPLES
from daemon.watch import machine_figures
from tests.daemon.test_session import HELP, SQUATS, SoundMicrophone, World, command

pytestmark = pytest.mark.unit


def muted(world: World) -> list[tuple]:
    return [(e.data["what"], e.data["muted"], e.data["by"]) for e in world.of("mute")]


def test_a_spoken_mute_closes_the_device_after_the_reply_and_lifts_by_itself():
    plan = {3: command("mute_microphone", "mute", "for", "two", "seconds", number=2,
                       unit="second")}
    world = World(plan, 40)
    log: list[str] = []
    world.control.attach(Sensor.MICROPHONE, lambda: log.append("open"),
                         lambda: log.append("close"))
    world.run()
    assert log == ["close", "open"]
    assert muted(world) == [("microphone", True, "voice"), ("microphone", False, "timer")]
    closed, opened = world.of("mute")
    assert closed.t_s >= world.of("spoken")[0].data["end_s"] - 0.4
    assert opened.t_s - closed.t_s == pytest.approx(2.0, abs=0.41)
    assert world.script.turns[closed.turn + 1].state.microphone_muted


@pytest.mark.parametrize("what", ["microphone", "camera"])
def test_a_spoken_mute_waits_for_its_confirmation_only(what):
    """Neither for what was being said nor for the numbers of a set that follow."""
    plan = {0: SQUATS, **{k: {"counted": 1} for k in range(14, 60)}, **HELP}
    plan[12] = command(f"mute_{what}", "mute", "the", what)
    world = World(plan, 60).run()
    cut, confirmed = [e for e in world.of("spoken") if e.text != "counting squats"][:2]
    assert cut.data["cut"] and cut.data["end_s"] == pytest.approx(13 * 0.2 + 0.1 + 0.02)
    assert confirmed.text == f"{what} off" and not confirmed.data["cut"]
    closed = world.of("mute")[0]
    assert confirmed.data["end_s"] - 0.4 <= closed.t_s <= confirmed.data["end_s"] + 0.4


def test_a_device_that_takes_its_time_to_close_does_not_hold_up_the_loop():
    world = World({}, settings=Settings(has_camera=False))
    closing, closed = threading.Event(), threading.Event()

    def close() -> None:
        closing.set()
        closed.wait(10.0)

    world.control.attach(Sensor.CAMERA, lambda: None, close)
    muting = threading.Thread(target=world.control.mute,
                              args=([Sensor.CAMERA], Reason.COMMAND, 0.0))
    muting.start()
    assert closing.wait(2.0)
    for _ in range(3):
        world.session.turn()
    assert muting.is_alive() and not muted(world)
    closed.set()
    muting.join()
    world.writer.flush()
    world.session.turn()
    world.writer.close()
    assert muted(world) == [("camera", True, "command")]


class FlickeringCamera(NoCamera):
    """A camera that is gone in every other second."""

    problem: str | None = None

    def frames(self, until_s):
        self.problem = "camera gone" if int(until_s) % 2 else None
        return []


def test_errors_that_concern_the_wearer_have_a_sound_now_and_then():
    world = World({}, 200, camera=FlickeringCamera()).run()
    alarms = [e.t_s for e in world.of("earcon") if e.text == "error"]
    assert len(world.of("error")) >= 20
    assert alarms == [pytest.approx(first, abs=0.5) for first in (1.0, 31.0)]


def test_a_refusal_has_a_sound():
    world = World({5: command("unmute_camera", "unmute", "the", "camera")}, 30)
    world.control.hardware(Sensor.CAMERA, True, 0.0)
    world.run()
    assert "error" in world.texts("earcon")
    assert any("hardware switch" in text for text in world.texts("spoken"))


def test_temperature_and_battery_are_told_where_the_kernel_knows_them(tmp_path):
    assert machine_figures(tmp_path, tmp_path) == {}
    for name, text in (("thermal_zone0/temp", "41250"), ("thermal_zone1/temp", "63800"),
                       ("thermal_zone2/temp", "off"), ("BAT0/type", "Battery"),
                       ("BAT0/capacity", "83")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert machine_figures(tmp_path, tmp_path) == {"temperature_c": 63.8, "battery_percent": 83}


def test_nothing_is_heard_while_muted_not_even_by_the_room():
    class EndlessRoom:
        def mix(self, mic, played):
            return mic + 5

    microphone = SoundMicrophone(9)
    ears = Ears(microphone, EndlessRoom())
    heard = []
    for microphone.muted in (False, True):
        ears.wait()
        heard.append(int(ears.listen(np.zeros(TURN_SAMPLES, np.int16)).max()))
    assert heard == [5, 0]
