"""Recording and replay: exact, whole after an unclean end, and the first difference is found."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader

from daemon.record import Difference, Recorder, RecordingError, difference, metadata, read, replay
from daemon.turn import (
    Act,
    Addressing,
    Floor,
    MicroTurn,
    Reply,
    Slots,
    State,
    Task,
    VideoFrame,
    VoiceState,
)

pytestmark = pytest.mark.unit


def session(turns: int = 30, seed: int = 0) -> list[MicroTurn]:
    """Micro-turns with noise for sound and pictures and every field of the state in use."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(turns):
        audio = rng.integers(-32768, 32768, 3_200).astype(np.int16)
        frames = tuple(VideoFrame(index * 0.2 + k * 0.1 + 1e-7 / 3,
                                  rng.integers(0, 256, (120, 160, 3)).astype(np.uint8))
                       for k in range(index % 3))
        state = State(voice=VoiceState(index % 3), task=Task(index % 5), count=index,
                      timers=index % 2, timer_remaining_s=None if index % 2 else index / 3,
                      addressing=Addressing(index % 3), pending=bool(index % 2),
                      routine=index % 4 == 1,
                      since_spoke_s=index * 0.1)
        made.append(MicroTurn(index, audio, frames, state))
    return made


class Echo:
    """A stand-in network: what it answers depends on all that it got since the reset."""

    def __init__(self, change_at: int | None = None) -> None:
        self._change_at = change_at
        self.reset()

    def reset(self) -> None:
        self._sum = 0

    def step(self, turn: MicroTurn) -> Reply:
        pixels = sum(int(frame.rgb.sum()) for frame in turn.frames)
        self._sum += int(np.abs(turn.audio.astype(int)).sum()) + pixels + turn.state.count
        words = (f"w{self._sum % 97}",) if turn.index % 2 else ()
        act = Act("count", Slots(number=self._sum % 1000, item="squats"), 0.9)
        floor = Floor(self._sum % 4)
        if turn.index == self._change_at:
            floor = Floor((floor.value + 1) % 4)
        return Reply(turn.index, words, act if turn.index % 7 == 3 else None, floor,
                     self._sum % 2, np.float32(0.3), 0.5)


def record(path: Path, turns: list[MicroTurn], close: bool = True) -> Recorder:
    recorder, model = Recorder(path, {"engine": "echo", "weights": "abc"}), Echo()
    for turn in turns:
        recorder.turn(turn, model.step(turn))
    if close:
        recorder.close()
    return recorder


def assert_same(old: MicroTurn, new: MicroTurn) -> None:
    assert (old.index, old.state) == (new.index, new.state)
    assert old.audio.dtype == new.audio.dtype and np.array_equal(old.audio, new.audio)
    assert [f.t_s for f in old.frames] == [f.t_s for f in new.frames]
    for before, after in zip(old.frames, new.frames):
        assert after.rgb.dtype == np.uint8 and np.array_equal(before.rgb, after.rgb)


def test_what_is_read_is_bit_for_bit_what_was_recorded(tmp_path) -> None:
    path, turns = tmp_path / "a" / "s.mcap", session()
    record(path, turns)
    back = list(read(path))
    assert len(back) == len(turns)
    model = Echo()
    for turn, (again, reply) in zip(turns, back):
        assert_same(turn, again)
        assert reply == replace(model.step(turn), active=float(np.float32(0.3)))
    assert metadata(path) == {"format": "1", "engine": "echo", "weights": "abc"}


def test_the_test_session_uses_every_field_of_the_state() -> None:
    states = [turn.state for turn in session()]
    unused = {field.name for field in fields(State)
              if len({getattr(state, field.name) for state in states}) == 1}
    assert unused == {"withheld", "due", "delegations", "answers", "microphone_muted",
                      "camera_muted", "since_exchange_s"}


def test_other_readers_understand_the_file(tmp_path) -> None:
    path = tmp_path / "s.mcap"
    record(path, session(4))
    with open(path, "rb") as file:
        topics = [channel.topic for _, channel, _ in make_reader(file).iter_messages()]
    assert topics.count("/turn") == topics.count("/audio") == 4
    assert topics.count("/frame") == 0 + 1 + 2 + 0


def test_replay_is_exact_and_finds_the_first_difference(tmp_path) -> None:
    path = tmp_path / "s.mcap"
    record(path, session())
    assert replay(path, Echo()) is None
    found = replay(path, Echo(change_at=17))
    assert found is not None and (found.turn, found.what) == (17, "floor")
    assert "micro-turn 17 (3.6 s), floor: recorded" in str(found)


def test_replay_resets_the_model_first(tmp_path) -> None:
    path, model = tmp_path / "s.mcap", Echo()
    record(path, session(5))
    assert replay(path, model) is None
    assert replay(path, model) is None


@pytest.mark.parametrize("cut", [1, 9, 500, 6_400, 70_000])
def test_an_unclean_end_loses_only_the_turn_that_was_cut_off(tmp_path, cut: int) -> None:
    path, turns = tmp_path / "s.mcap", session(10)
    recorder = record(path, turns, close=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    back = [turn.index for turn, _ in read(path)]
    assert back == list(range(len(back)))
    assert len(back) >= 9 - cut // 6_400
    assert replay(path, Echo()) is None
    recorder.close()


def test_all_is_on_disk_before_the_recording_is_closed(tmp_path) -> None:
    path = tmp_path / "s.mcap"
    recorder = record(path, session(3), close=False)
    assert len(list(read(path))) == 3
    recorder.close()
    recorder.close()
    assert len(list(read(path))) == 3


def test_lost_turns_are_reported(tmp_path) -> None:
    path, turns, model = tmp_path / "s.mcap", session(6), Echo()
    recorder = Recorder(path)
    for turn in turns:
        reply = model.step(turn)
        if turn.index != 3:
            recorder.turn(turn, reply, lost_before=int(turn.index == 4))
    recorder.close()
    assert replay(path, Echo()) == Difference(4, "recording", "1 lost before", 0)


def test_every_field_of_a_reply_but_the_rivals_is_compared() -> None:
    reply = Reply(3, ("stop",), Act("stop", Slots(number=1), 0.9), Floor.DUCK, 1, 0.5, 0.5)
    changes = {"heard": ("start",), "act": None, "floor": Floor.KEEP, "counted": 0,
               "active": 0.6, "rate_hz": 0.6}
    assert changes.keys() == {field.name for field in fields(Reply)} - {"index", "rivals"}
    for name, value in changes.items():
        found = difference(reply, replace(reply, **{name: value}))
        assert found is not None and found.what == name
    other_slots = replace(reply, act=replace(reply.act, slots=Slots(number=2)))
    assert difference(reply, other_slots).what == "act"
    less_sure = replace(reply, act=replace(reply.act, confidence=0.5))
    assert difference(reply, less_sure).what == "act.confidence"
    assert difference(reply, replace(reply, active=0.5 + 1e-6)) is None


def test_speed_paces_the_replay(tmp_path) -> None:
    path, waited = tmp_path / "s.mcap", []
    record(path, session(5))
    assert replay(path, Echo(), speed=2.0, wait=waited.append) is None
    assert waited == [0.1] * 5
    with pytest.raises(ValueError, match="expected more than 0"):
        replay(path, Echo(), speed=0)


@pytest.mark.parametrize("content", [b"", b"12345678", b"RIFF" + b"x" * 5000])
def test_a_file_that_is_no_recording_is_refused(tmp_path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"x\.mcap"):
        list(read(path))
    with pytest.raises(RecordingError, match=r"x\.mcap"):
        metadata(path)


def test_a_recording_of_another_version_is_refused(tmp_path) -> None:
    path = tmp_path / "s.mcap"
    Recorder(path, {"format": "9"}).close()
    with pytest.raises(RecordingError, match="format '9', expected '1'"):
        list(read(path))
