"""Loudspeakers without a sound card: the file's clock, and the echo reference over hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.clock import SteppedClock
from daemon.playback import Playback, Utterance
from daemon.senses.audio_files import read_audio
from daemon.senses.speaker import FileSpeaker, NullSpeaker, ReferenceTrack
from daemon.turn import SAMPLE_RATE, TURN_SAMPLES

pytestmark = pytest.mark.unit


def tone(samples: int) -> np.ndarray:
    return np.full(samples, 5000, np.int16)


def started(speaker: FileSpeaker) -> tuple[FileSpeaker, Playback]:
    playback = Playback()
    speaker.start(playback)
    return speaker, playback


def test_what_turn_k_says_sounds_where_the_stepped_clock_says(tmp_path: Path) -> None:
    clock = SteppedClock()
    speaker, playback = started(FileSpeaker(tmp_path / "out.wav", clock.compute_ms,
                                            clock.output_ms))
    references = []
    for turn in range(10):
        references.append(speaker.played())
        if turn == 3:
            playback.say(Utterance(1, tone(4000)))
        speaker.advance()
    speaker.close()
    sound = read_audio(tmp_path / "out.wav")
    began = clock.sound_sample(3)
    assert began == 4 * TURN_SAMPLES + 1600
    assert np.flatnonzero(sound).tolist() == list(range(began, began + 4000))
    assert np.array_equal(np.concatenate(references), sound) and len(sound) == 10 * TURN_SAMPLES
    (span,) = playback.spans()
    assert (span.start_sample, span.end_sample) == (began, began + 4000)


@pytest.mark.parametrize(("compute_ms", "output_ms"), [(0, 0), (150, 100), (500, 40)])
def test_any_declared_latency(compute_ms: int, output_ms: int) -> None:
    speaker, playback = started(FileSpeaker(None, compute_ms, output_ms))
    speaker.played()
    playback.say(Utterance(1, tone(100)))
    sound = [np.zeros(TURN_SAMPLES, np.int16)]
    while not speaker.drained or len(sound) < 2:
        speaker.advance()
        sound.append(speaker.played())
    began = SteppedClock(compute_ms, output_ms).sound_sample(0)
    assert np.flatnonzero(np.concatenate(sound))[0] == began


def test_turns_given_up_leave_no_hole() -> None:
    speaker, playback = started(FileSpeaker(None))
    playback.say(Utterance(1, tone(8 * TURN_SAMPLES)))
    sound = np.concatenate([speaker.played() for _ in range(6)])
    assert np.flatnonzero(sound)[0] == TURN_SAMPLES + 1600
    assert sound[TURN_SAMPLES + 1600 :].all()


def test_closing_writes_the_rest(tmp_path: Path) -> None:
    speaker, playback = started(FileSpeaker(tmp_path / "out.wav"))
    speaker.played()
    playback.say(Utterance(1, tone(TURN_SAMPLES)))
    speaker.advance()
    assert not speaker.drained
    speaker.close()
    speaker.close()
    assert np.count_nonzero(read_audio(tmp_path / "out.wav")) == TURN_SAMPLES


def test_no_loudspeaker_takes_the_time_and_makes_no_sound() -> None:
    speaker, playback = started(NullSpeaker())
    playback.say(Utterance(1, tone(TURN_SAMPLES)))
    for _ in range(4):
        assert not speaker.played().any()
        speaker.advance()
    assert speaker.drained and playback.spans()[0].completed


def voice_like(samples: int) -> np.ndarray:
    """Noise below 3.5 kHz, where speech lies."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[int(3500 / SAMPLE_RATE * samples) :] = 0
    sound = np.fft.irfft(spectrum, samples)
    return (sound / np.abs(sound).max() * 20_000).astype(np.int16)


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_the_reference_keeps_its_place_between_two_cards(ppm: float) -> None:
    """2 simulated minutes; the output card `ppm` faster, its place seen 2 ms early or late."""
    rng = np.random.default_rng(1)
    track, loop = ReferenceTrack(), voice_like(10 * SAMPLE_RATE)
    off, played = [], np.tile(loop, 2)
    for turn in range(1, 601):
        place = turn * TURN_SAMPLES * (1 + ppm * 1e-6)
        while track.written < place + 640:
            start = track.written % len(loop)
            track.write(played[start : start + 320])
        began = track.end
        reference = track.take(place + rng.uniform(-32, 32))
        off.append(track.end - place)
    steady = np.array(off[200:])
    assert np.abs(steady).max() < 0.002 * SAMPLE_RATE and steady.std() < 8
    assert track.realigned == 1 and track.margin == 0
    places = began + np.arange(TURN_SAMPLES) * (track.end - began) / TURN_SAMPLES
    ideal = np.interp(places % len(loop), np.arange(len(played)), played)
    assert np.corrcoef(reference, ideal)[0, 1] > 0.99


def test_a_card_that_asks_in_bursts_keeps_the_reference_back_until_it_is_whole() -> None:
    track = ReferenceTrack()
    track.write(np.full(3 * TURN_SAMPLES, 1000, np.int16))
    for turn in range(1, 100):
        reference = track.take(track.written + 300.0)
        if turn > 1:
            assert (reference == 1000).all()
        track.write(np.full(TURN_SAMPLES, 1000, np.int16))
    assert 300 < track.margin < 600 and track.realigned <= 2


def test_a_jump_is_followed_at_once_and_counted() -> None:
    track = ReferenceTrack()
    track.write(voice_like(3 * SAMPLE_RATE))
    track.take(9600.0)
    track.take(12_800.0 + 10_000)
    assert track.realigned == 2 and track.end == 22_800
