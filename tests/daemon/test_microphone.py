"""Microphones without a sound card: files, silence, pace, and blocks that a card delivers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.clock import NS, SampleClock
from daemon.senses.audio_files import WavWriter
from daemon.senses.errors import BadInput
from daemon.senses.microphone import (
    Backlog, DeviceMicrophone, FileMicrophone, Pace, SilentMicrophone)
from daemon.turn import SAMPLE_RATE, TURN_S, TURN_SAMPLES

pytestmark = pytest.mark.unit
RNG = np.random.default_rng(0)


class Time:
    """Monotonic time that passes only by sleeping, or when it is moved."""

    def __init__(self) -> None:
        self.t_s = 100.0
        self.slept = 0

    def now_ns(self) -> int:
        return round(self.t_s * NS)

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.t_s += seconds


def read(microphone) -> np.ndarray:
    out = np.full(TURN_SAMPLES, 77, np.int16)
    microphone.read(out)
    return out


def sound_file(path: Path, samples: int) -> np.ndarray:
    sound = RNG.integers(-9000, 9000, samples).astype(np.int16)
    writer = WavWriter(path)
    writer.append(sound)
    writer.close()
    return sound


@pytest.mark.parametrize("samples", [1, 3199, 3200, 3201, 10_000])
def test_a_file_comes_in_whole_turns_and_then_silence(tmp_path: Path, samples: int) -> None:
    sound = sound_file(tmp_path / "a.wav", samples)
    microphone = FileMicrophone(tmp_path / "a.wav")
    turns = []
    while not microphone.ended:
        turns.append(read(microphone))
    heard = np.concatenate(turns)
    assert len(turns) == -(-samples // TURN_SAMPLES) and microphone.behind == 0
    assert np.array_equal(heard[:samples], sound) and not heard[samples:].any()
    assert not read(microphone).any() and microphone.ended and microphone.problem is None


def test_a_muted_file_goes_on_unheard(tmp_path: Path) -> None:
    sound = sound_file(tmp_path / "a.wav", 3 * TURN_SAMPLES)
    microphone = FileMicrophone(tmp_path / "a.wav")
    read(microphone)
    microphone.set_muted(True)
    assert microphone.muted and not read(microphone).any()
    microphone.set_muted(False)
    assert np.array_equal(read(microphone), sound[2 * TURN_SAMPLES :]) and microphone.ended


def test_a_file_that_breaks_in_the_middle_ends_there_and_says_so(tmp_path: Path) -> None:
    sound_file(tmp_path / "a.wav", 3 * TURN_SAMPLES)
    microphone = FileMicrophone(tmp_path / "a.wav")

    def broken():
        raise BadInput("a.wav: cannot be decoded")
        yield

    microphone._pieces = broken()
    while not microphone.ended:
        read(microphone)
    assert microphone.problem == "a.wav: cannot be decoded"
    microphone.close()


def test_what_is_no_sound_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        FileMicrophone(tmp_path / "none.wav")


@pytest.mark.parametrize("kind", ["file", "silent"])
def test_pace_makes_a_turn_every_200_ms_and_shows_what_waits(tmp_path: Path, kind: str) -> None:
    time = Time()
    pace = Pace(SampleClock(time.now_ns()), time.now_ns, time.sleep)
    sound_file(tmp_path / "a.wav", 40 * TURN_SAMPLES)
    microphone = SilentMicrophone(pace) if kind == "silent" else FileMicrophone(
        tmp_path / "a.wav", pace)
    for turn in range(5):
        read(microphone)
        assert time.t_s == pytest.approx(100 + (turn + 1) * TURN_S, abs=1e-3)
    time.t_s += 1.5
    assert microphone.behind == 7
    slept = time.slept
    for _ in range(7):
        read(microphone)
    assert time.slept == slept and microphone.behind == 0


def test_silence_without_a_pace_is_immediate() -> None:
    microphone = SilentMicrophone()
    assert not read(microphone).any() and not microphone.ended and microphone.behind == 0


def test_a_backlog_keeps_order_and_holds_any_amount_of_silence() -> None:
    backlog = Backlog()
    backlog.add(np.arange(1, 6, dtype=np.int16))
    backlog.add_silence(10**12)
    backlog.add(np.zeros(0, np.int16))
    out = np.empty(4, np.int16)
    backlog.take_into(out)
    assert out.tolist() == [1, 2, 3, 4]
    backlog.take_into(out)
    assert out.tolist() == [5, 0, 0, 0] and backlog.samples == 10**12 - 3
    backlog.add(np.full(4, 9, np.int16))
    backlog.silence()
    assert backlog.samples == 10**12 + 1


class Card:
    """Drives a DeviceMicrophone's own callback as PortAudio would; its device is never opened."""

    def __init__(self) -> None:
        self.time = Time()
        self.clock = SampleClock(self.time.now_ns())
        self.microphone = DeviceMicrophone(None, self.clock, self.time.now_ns, self.time.sleep,
                                           muted=True)
        self.open()

    def open(self) -> None:
        self.microphone._opened()
        self.microphone.stream._wanted = True
        self.microphone.muted = False

    def close(self) -> None:
        self.microphone.set_muted(True)

    def capture(self, sound: np.ndarray, overrun: bool = False) -> None:
        for start in range(0, len(sound), 320):
            self.time.t_s += 320 / SAMPLE_RATE
            self.microphone.stream._called(sound[start : start + 320].tobytes(), 320, None,
                                           2 if overrun and start == 0 else 0)

    def read(self, turns: int) -> np.ndarray:
        return np.concatenate([read(self.microphone) for _ in range(turns)])


def noise(turns: float) -> np.ndarray:
    return RNG.integers(1, 9000, round(turns * TURN_SAMPLES)).astype(np.int16)


def test_blocks_become_turns_sample_by_sample() -> None:
    card, sound = Card(), noise(5)
    card.capture(sound)
    assert card.microphone.behind == 5
    assert np.array_equal(card.read(5), sound)
    assert card.microphone.lost_samples == 0 and card.microphone.problem is None


def test_blocks_that_nobody_fetched_become_counted_silence() -> None:
    card, sound = Card(), noise(15)
    card.capture(sound[: 2 * TURN_SAMPLES])
    card.read(2)
    card.capture(sound[2 * TURN_SAMPLES :])
    heard = card.read(13)
    dropped = 3 * TURN_SAMPLES
    assert card.microphone.lost_samples == card.clock.lost_samples == dropped
    assert not heard[:dropped].any()
    assert np.array_equal(heard[dropped:], sound[2 * TURN_SAMPLES + dropped :])


def test_an_overrun_is_made_good_by_silence() -> None:
    card = Card()
    for _ in range(10):
        card.capture(noise(1))
        card.read(1)
    card.time.t_s += 0.1  # lost in the card
    card.capture(noise(2), overrun=True)
    card.capture(noise(1))
    heard = card.read(3)
    assert card.microphone.lost_samples == pytest.approx(1600, abs=32)
    assert np.count_nonzero(heard == 0) == card.microphone.lost_samples


def test_muted_time_is_silence_at_the_pace_of_monotonic_time() -> None:
    card = Card()
    card.capture(noise(2.5))
    card.read(2)
    card.close()
    assert not card.read(5).any()
    assert card.time.t_s == pytest.approx(100 + 7 * TURN_S, abs=1e-3)
    card.open()
    after = noise(3)
    card.capture(after)
    assert np.array_equal(card.read(3), after)
    assert card.microphone.lost_samples == 0
    assert card.clock.samples(card.time.now_ns()) == 10 * TURN_SAMPLES


def test_a_card_that_says_nothing_any_more_is_told_and_time_goes_on() -> None:
    card = Card()
    card.capture(noise(2))
    card.read(2)
    card.microphone.stream.open_soon = lambda: None  # there is no card to look for
    card.time.t_s += 1.0
    assert not card.read(5).any()
    assert "default microphone gives no sound" in card.microphone.problem
    assert card.microphone.stream.losses == 1
    assert card.clock.samples(card.time.now_ns()) == 7 * TURN_SAMPLES
