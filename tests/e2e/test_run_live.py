"""The loop on a device's clock: real PyAudio on a sound card that exists only in software."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from daemon.control import ask
from daemon.options import RunOptions
from daemon.run import Runner
from daemon.senses.audio_files import read_audio
from daemon.turn import MicroTurn, Reply, Task
from tests.e2e.scripted import SQUATS, Script, noise, of, read_lines, write_sound
from tests.virtual_glasses import virtual_glasses  # noqa: F401

pytestmark = pytest.mark.e2e
PATIENCE_S = 30.0


class Watched(Script):
    """A script that can be waited for, and extended while it runs."""

    def __init__(self, plan=None) -> None:
        super().__init__(plan)
        self._moved = threading.Condition()

    def step(self, turn: MicroTurn) -> Reply:
        with self._moved:
            self._moved.notify_all()
        return super().step(turn)

    def next(self, fields: dict) -> int:
        """Reply so in the micro-turn after next; its number."""
        index = (self.turns[-1].index if self.turns else 0) + 2
        self.plan[index] = fields
        return index

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until a micro-turn finds it true."""
        with self._moved:
            assert self._moved.wait_for(condition, PATIENCE_S)


class Live:
    """A session in a thread of its own."""

    def __init__(self, folder: Path, **names: str) -> None:
        self.script = Watched()
        self.events = folder / "e.jsonl"
        self.options = RunOptions(**{"camera": "synthetic", **names}, events=self.events,
                                  state_dir=folder, runtime_dir=folder)
        self.stopping = threading.Event()
        self.result = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.result = Runner(model=self.script).run(self.options, stopping=self.stopping)

    def __enter__(self) -> Live:
        self._thread.start()
        self.script.wait(lambda: len(self.script.turns) > 3)
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.join()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE_S)

    def lines(self) -> list[dict]:
        return read_lines(self.events)


@pytest.fixture
def live(tmp_path, virtual_glasses):  # noqa: F811
    with Live(tmp_path, microphone="glasses_mic", speaker="glasses_ear") as session:
        yield session


def test_it_hears_counts_aloud_and_is_heard(live, virtual_glasses):  # noqa: F811
    tone = (np.sin(np.arange(16_000 * 3) * 2 * np.pi * 1000 / 16_000) * 8000).astype(np.int16)
    with virtual_glasses.capture() as path:
        virtual_glasses.speak(tone)
        live.script.next(SQUATS)
        live.script.wait(lambda: bool(of(live.lines(), "spoken")))
        live.script.next({"counted": 1})
        live.script.wait(lambda: len(of(live.lines(), "spoken")) == 2)
    captured = np.fromfile(path, np.int16)
    assert np.abs(captured).max() > 1000
    said = {e["utterance"]: e["t_s"] for e in of(live.lines(), "say")}
    for spoken in of(live.lines(), "spoken"):
        # On an idle machine 0.1 s, which `tools/bench live` measures; one that does much else
        # has taken 2.3 s, so that only order and an end to the wait are asked for.
        assert 0.0 <= spoken["start_s"] - said[spoken["utterance"]] < 10.0
    heard = np.concatenate([turn.audio for turn in live.script.turns]).astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * 16_000 / len(heard) == pytest.approx(1000, abs=5)
    frames = [frame for turn in live.script.turns[4:] for frame in turn.frames]
    assert len(frames) > len(live.script.turns)


def test_mute_closes_the_device_and_unmute_opens_it(live, virtual_glasses):  # noqa: F811
    assert virtual_glasses.listeners == 1
    door = live.options.control_socket
    assert ask(door, {"verb": "mute", "sensor": "microphone"})["sensors"]["microphone"]["muted"]
    assert virtual_glasses.listeners == 0
    turns = len(live.script.turns)
    live.script.wait(lambda: len(live.script.turns) > turns + 4)
    late = live.script.turns[-1]
    assert late.state.microphone_muted and not late.audio.any()
    ask(door, {"verb": "unmute", "sensor": "microphone"})
    assert virtual_glasses.listeners == 1
    turns = len(live.script.turns)
    live.script.wait(lambda: len(live.script.turns) > turns + 4)
    assert not live.script.turns[-1].state.microphone_muted
    assert [(e["what"], e["muted"], e["by"]) for e in of(live.lines(), "mute")] == [
        ("microphone", True, "command"), ("microphone", False, "command")]
    status = ask(door, {"verb": "status"})
    assert status["health"]["turns"] >= turns


def test_what_was_muted_is_not_opened_at_the_start(tmp_path, virtual_glasses):  # noqa: F811
    (tmp_path / "mute.json").write_text('{"microphone": {"reason": "spoken", "remaining_s": null}}')
    with Live(tmp_path, microphone="glasses_mic", speaker="none") as session:
        assert virtual_glasses.listeners == 0
        assert session.script.turns[0].state.microphone_muted


def test_a_sound_card_that_vanishes_is_told_and_the_session_goes_on(
        live, virtual_glasses):  # noqa: F811
    def where() -> set[str]:
        return {e["where"] for e in of(live.lines(), "error")}

    virtual_glasses.stop()
    live.script.wait(lambda: "microphone" in where())
    turns = len(live.script.turns)
    live.script.wait(lambda: len(live.script.turns) > turns + 4)
    assert where() <= {"microphone", "speaker"}
    assert any(e["cause"] == "notice:microphone_lost" for e in of(live.lines(), "say"))
    virtual_glasses.start()
    virtual_glasses.speak(noise(20.0, 2000.0))
    live.script.wait(lambda: bool(live.script.turns[-1].audio.any()))


def test_a_loudspeaker_file_beside_a_live_microphone(tmp_path, virtual_glasses):  # noqa: F811
    out = tmp_path / "out.wav"
    with Live(tmp_path, microphone="glasses_mic", speaker=str(out)) as session:
        session.script.next(SQUATS)
        session.script.wait(lambda: bool(of(session.lines(), "spoken")))
    assert np.abs(read_audio(out)).max() > 1000
    assert session.result.reason == "stopped"


def test_steps_are_on_time_without_devices(tmp_path):
    with Live(tmp_path, microphone="none", speaker="none") as session:
        began = time.monotonic()
        first = len(session.script.turns)
        session.script.wait(lambda: len(session.script.turns) >= first + 15)
        took = time.monotonic() - began
    assert took == pytest.approx(3.0, abs=0.5)
    assert [turn.index for turn in session.script.turns] == list(range(len(session.script.turns)))


@pytest.mark.parametrize("camera", ["none", "synthetic"])
def test_a_file_at_its_own_pace_ends_when_speech_has_drained(tmp_path, camera):
    sound = write_sound(tmp_path / "in.wav", noise(2.0))
    with Live(tmp_path, microphone=str(sound), camera=camera, speaker="none") as session:
        session.script.plan[9] = SQUATS
        session.join()
    lines = read_lines(session.events)
    assert session.result.reason == "the input has ended"
    spoken, end = of(lines, "spoken")[0], of(lines, "end")[0]
    assert spoken["text"] == "counting squats" and not spoken["cut"]
    assert max(spoken["end_s"], 2.0 + 1.2) <= end["t_s"] <= 2.0 + 5.4


def test_a_set_ends_with_a_session_that_is_stopped(tmp_path):
    with Live(tmp_path, microphone="none", speaker="none") as session:
        session.script.next(SQUATS)
        session.script.wait(lambda: session.script.turns[-1].state.task is Task.REPS)
    with Live(tmp_path, microphone="none", speaker="none") as again:
        pass
    assert session.result.reason == "stopped" and not again.result.resumed
    assert again.script.turns[0].state.task is Task.NONE
