"""The real PyAudio path, end to end, on a virtual sound card: in, out, echo, mute and loss."""

from __future__ import annotations

import functools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from daemon.clock import SampleClock
from daemon.playback import Playback, Utterance
from daemon.senses.echo import EchoCanceller
from daemon.senses.errors import DeviceLost
from daemon.senses.microphone import DeviceMicrophone
from daemon.senses.sound_card import list_devices
from daemon.senses.speaker import DeviceSpeaker
from daemon.turn import SAMPLE_RATE, TURN_SAMPLES
from daemon.voice import open_voice
from tests.virtual_glasses import VirtualGlasses, virtual_glasses

__all__ = ["virtual_glasses"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


def rms_db(sound: np.ndarray) -> float:
    return 10 * np.log10(np.mean(sound.astype(float) ** 2) + 1e-3)


def lag_of(needle: np.ndarray, hay: np.ndarray) -> tuple[int, float]:
    """Where `needle` lies in `hay`, and how alike the two are there (0 to 1)."""
    size = 1 << (len(needle) + len(hay)).bit_length()
    wanted, given = (np.fft.rfft(sound.astype(float), size) for sound in (needle, hay))
    likeness = np.fft.irfft(given * np.conj(wanted), size)
    place = int(np.argmax(likeness[: len(hay) - len(needle) + 1]))
    part = hay[place : place + len(needle)].astype(float)
    return place, float(np.corrcoef(part, needle.astype(float))[0, 1])


def loudness_db(sound: np.ndarray) -> np.ndarray:
    """Level of every 10 ms, dB over one squared step."""
    whole = sound[: len(sound) // 160 * 160].astype(float)
    return 10 * np.log10(np.mean(whole.reshape(-1, 160) ** 2, axis=1) + 1)


def left_of(wanted: np.ndarray, sound: np.ndarray, place: int) -> tuple[float, float]:
    """How much of `wanted`, which the microphone heard at `place`, is left in `sound`.

    Gives (course, through). course: correlation of both loudnesses in dB, -1 to 1, over the 10 ms
    in which `wanted` is audible. through: share of the 10 ms in which it is loud that lost less
    than 10 dB. The canceller delays and smears, so the best course of the next 50 ms counts.
    """
    level = loudness_db(wanted)
    audible, loud = level > level.max() - 35, level > level.max() - 15
    found = [(-1.0, 0.0)]
    for start in range(place, min(place + 800, len(sound) - len(wanted)), 40):
        given = loudness_db(sound[start : start + len(wanted)])
        if given[audible].std() > 0:
            course = np.corrcoef(given[audible], level[audible])[0, 1]
            found.append((float(course), float(np.mean((given - level)[loud] > -10))))
    return max(found)


def is_heard(course: float, through: float) -> bool:
    """Whether what `left_of` found is enough to understand somebody.

    Of a wearer over the own voice AEC3 left 0.64 to 0.82 and 0.48 to 0.81 in 23 of 24 runs on busy
    machines, 0.52 and 0.53 in one; with every other 0.3 s gone the course is below 0.3.
    """
    return course > 0.4 and through > 0.3


class Loop:
    """The loop's first lines: a microphone and a loudspeaker on one clock, and what they gave."""

    def __init__(self, mic_rate: int | None = None, ear_rate: int | None = None) -> None:
        self.clock = SampleClock(time.monotonic_ns())
        self.playback = Playback()
        self.speaker = DeviceSpeaker("glasses_ear", self.clock, rate=ear_rate)
        self.speaker.start(self.playback)
        self.microphone = DeviceMicrophone("glasses_mic", self.clock, rate=mic_rate)
        self.canceller = EchoCanceller()
        self.heard: list[np.ndarray] = []
        self.played: list[np.ndarray] = []
        self.clean: list[np.ndarray] = []

    def turns(self, count: int) -> None:
        for _ in range(count):
            sound = np.empty(TURN_SAMPLES, np.int16)
            self.microphone.read(sound)
            reference = self.speaker.played()
            self.heard.append(sound)
            self.played.append(reference)
            self.clean.append(self.canceller.process(sound, reference))

    @property
    def stuttered(self) -> bool:
        """There were gaps: samples are missing, or the reference had to be placed anew."""
        lost = self.speaker.stream.overruns + self.microphone.stream.overruns
        return lost > 0 or self.speaker.realigned > 1

    def close(self) -> None:
        self.microphone.close()
        self.speaker.close()


@pytest.fixture
def loops(virtual_glasses):
    """Makes loops and closes them; `loops.made` are those so far."""
    def make(**kwargs) -> Loop:
        make.made.append(Loop(**kwargs))
        return make.made[-1]

    make.made = []
    yield make
    for loop in make.made:
        loop.close()


def unless_it_stutters(test):
    """Repeat a test, twice at most, if it failed while the sound server had dropouts: a machine
    that is too busy to play without gaps can show nothing about where sound lies."""
    @functools.wraps(test)
    def repeated(virtual_glasses, loops, **kwargs) -> None:
        for _ in range(2):
            try:
                return test(virtual_glasses, loops, **kwargs)
            except AssertionError:
                if not any(loop.stuttered for loop in loops.made):
                    raise
            while loops.made:
                loops.made.pop().close()
            virtual_glasses.quiet()
        return test(virtual_glasses, loops, **kwargs)

    return repeated


def speech(text: str, voice: str = "flite") -> np.ndarray:
    return open_voice(voice).speak(text)


def test_pyaudio_sees_the_glasses(virtual_glasses: VirtualGlasses) -> None:
    names = {device.name: device for device in list_devices()}
    assert {"glasses_mic", "glasses_ear"} <= set(names)
    assert names["glasses_mic"].inputs and names["glasses_ear"].outputs
    with pytest.raises(DeviceLost, match="no microphone 'walkman'; there are: .*glasses_mic"):
        DeviceMicrophone("walkman", SampleClock(0))
    with pytest.raises(DeviceLost, match="no loudspeaker 'walkman'"):
        DeviceSpeaker("walkman", SampleClock(0)).start(Playback())


@pytest.mark.parametrize(("mic_rate", "ear_rate"), [(None, None), (48_000, 44_100)])
@unless_it_stutters
def test_speech_in_and_speech_out(virtual_glasses, loops, mic_rate, ear_rate) -> None:
    wearer, said = speech("Count my squats.", "flite:rms"), speech("Okay, counting squats.")
    loop = loops(mic_rate=mic_rate, ear_rate=ear_rate)
    with virtual_glasses.capture() as ear:
        loop.turns(6)
        virtual_glasses.speak(wearer)
        loop.playback.say(Utterance(1, said, "okay"))
        loop.turns(14)
    _, alike = lag_of(wearer, np.concatenate(loop.heard))
    assert alike > 0.95
    _, alike = lag_of(said, np.frombuffer(Path(ear).read_bytes(), np.int16))
    assert alike > 0.95
    (span,) = loop.playback.spans()
    assert span.completed and span.end_sample - span.start_sample == len(said)
    began, alike = lag_of(said[:4800], np.concatenate(loop.played))
    assert alike > 0.9 and abs(began + 640 - span.start_sample) < 1600
    assert loop.microphone.lost_samples == 0 and loop.microphone.problem is None


WEARER = "Stop, that is enough for now, thank you. I will do the other bolts after lunch."
ANSWER = ("The torque for an M eight bolt in aluminium is twenty newton metres.",
          "Use a dry thread, and tighten the bolts crosswise in two steps.",
          "Then turn the spindle by hand to see that nothing is jammed.",
          "At last write the torque and the date on the label of the housing.")


@pytest.mark.timeout(180)  # three attempts of 16 s, twice as long on a busy machine
@unless_it_stutters
def test_it_does_not_hear_itself_and_still_hears_the_wearer(virtual_glasses, loops) -> None:
    said = np.concatenate([speech(text) for text in ANSWER])
    wearer = speech(WEARER, "flite:rms")
    alone = (len(said) - len(wearer)) // TURN_SAMPLES - 3
    virtual_glasses.leak(60)
    loop = loops()
    loop.turns(5)
    loop.playback.say(Utterance(1, said, "answer"))
    loop.turns(alone)
    virtual_glasses.speak(wearer)
    loop.turns(len(said) // TURN_SAMPLES - alone + 12)
    heard, played, clean = map(np.concatenate, (loop.heard, loop.played, loop.clean))
    delay, alike = lag_of(played[48_000:96_000], heard[48_000:112_000])
    before = slice(5 * SAMPLE_RATE, (5 + alone) * TURN_SAMPLES)
    gone = float(np.median([rms_db(loud) - rms_db(left) for loud, left in zip(
        heard[before].reshape(-1, TURN_SAMPLES), clean[before].reshape(-1, TURN_SAMPLES))]))
    print(f"echo {delay / 16:.0f} ms behind its reference, alike {alike:.3f}: {gone:.1f} dB gone; "
          f"reference placed {loop.speaker.realigned} times")
    assert gone >= 20
    place, alike = lag_of(wearer, heard)  # before the canceller, where it is there for certain
    assert alike > 0.8
    course, through = left_of(wearer, clean, place)
    own = played[place - delay :][: len(wearer)]
    own_course, _ = left_of(own, clean, place)
    print(f"wearer over the own voice: loudness alike {course:.2f}, that of the own voice "
          f"{own_course:.2f}; {through:.0%} came through")
    assert is_heard(course, through) and course > own_course + 0.3


@pytest.mark.parametrize(("left", "enough"), [
    (lambda wearer, own: wearer * 0.5 + own * 0.1, True),
    (lambda wearer, own: own, False),
    (lambda wearer, own: wearer * 0, False),
    (lambda wearer, own: wearer * 0.1 + own * 0.1, False),
    (lambda wearer, own: wearer * (np.arange(len(wearer)) // 4800 % 2), False),
    (lambda wearer, own: wearer * (np.arange(len(wearer)) // 4800 % 2) + own * 0.1, False),
    (lambda wearer, own: wearer * (np.arange(len(wearer)) > len(wearer) // 2), False),
], ids=["over the own voice", "own voice in its place", "silence", "20 dB down",
        "every other 0.3 s", "every other 0.3 s over the own voice", "second half only"])
def test_a_wearer_who_is_suppressed_does_not_pass_as_heard(left, enough) -> None:
    wearer, own = speech(WEARER, "flite:rms"), np.concatenate([speech(text) for text in ANSWER])
    sound = left(wearer, own[: len(wearer)]).astype(np.int16)
    clean = np.concatenate([np.zeros(1000, np.int16), sound, np.zeros(1000, np.int16)])
    assert is_heard(*left_of(wearer, clean, 900)) == enough


@unless_it_stutters
def test_a_flush_is_heard_within_a_micro_turn(virtual_glasses, loops) -> None:
    loop = loops()
    tone = (np.sin(np.arange(5 * SAMPLE_RATE) * 0.2) * 8000).astype(np.int16)
    with virtual_glasses.capture() as ear:
        loop.turns(2)
        loop.playback.say(Utterance(1, tone))
        loop.turns(5)
        asked = loop.playback.position
        loop.playback.flush()
        loop.turns(4)
    (span,) = loop.playback.spans()
    sound = np.frombuffer(Path(ear).read_bytes(), np.int16)
    loud = np.flatnonzero(np.abs(sound) > 200)
    assert not span.completed
    assert span.end_sample - loop.playback.offset - asked <= 320 + 640
    assert loud[-1] - loud[0] < span.end_sample - span.start_sample + 160


def test_muting_closes_the_device_and_time_goes_on(virtual_glasses, loops) -> None:
    loop = loops()
    loop.turns(3)
    assert virtual_glasses.listeners == 1
    loop.microphone.set_muted(True)
    assert virtual_glasses.listeners == 0 and not loop.microphone.stream.is_open
    virtual_glasses.speak(speech("Nobody hears this."))
    began_s = time.monotonic()
    loop.turns(8)
    assert time.monotonic() - began_s == pytest.approx(1.6, abs=0.35)
    assert not np.concatenate(loop.heard[3:]).any() and loop.microphone.problem is None
    loop.microphone.set_muted(False)
    assert virtual_glasses.listeners == 1
    virtual_glasses.speak(speech("Now it does."))
    loop.turns(10)
    assert np.concatenate(loop.heard[11:]).any()
    total = loop.clock.samples(time.monotonic_ns())
    assert abs(total - 21 * TURN_SAMPLES) < 2 * TURN_SAMPLES
    assert loop.microphone.lost_samples == 0


def test_a_device_that_vanishes_is_told_and_comes_back(virtual_glasses, loops) -> None:
    loop = loops()
    loop.turns(3)
    said = speech("This waits until it can be heard.")
    virtual_glasses.stop()
    began_s = time.monotonic()
    loop.turns(10)
    assert "microphone 'glasses_mic'" in loop.microphone.problem
    assert "loudspeaker 'glasses_ear'" in loop.speaker.problem
    loop.playback.say(Utterance(1, said))
    loop.turns(3)
    assert time.monotonic() - began_s == pytest.approx(2.6, abs=0.5)
    assert loop.playback.speaking
    virtual_glasses.start()
    while (loop.microphone.problem or loop.speaker.problem) and len(loop.heard) < 60:
        loop.turns(1)
    assert loop.microphone.problem is None and loop.speaker.problem is None
    with virtual_glasses.capture() as ear:
        if not loop.playback.sounding:
            loop.turns(1)
        virtual_glasses.speak(speech("I am back.", "flite:rms"))
        loop.turns(14)
    assert np.concatenate(loop.heard[-12:]).any()
    assert np.frombuffer(Path(ear).read_bytes(), np.int16).any()
    assert loop.playback.spans()[0].completed
    assert loop.microphone.stream.losses == loop.speaker.stream.losses == 1


def test_a_slow_reader_loses_the_oldest_and_keeps_time(virtual_glasses, loops) -> None:
    loop = loops()
    loop.turns(2)
    threading.Event().wait(3.0)
    assert loop.microphone.behind >= 9
    loop.turns(17)
    assert loop.microphone.lost_samples >= 0.8 * SAMPLE_RATE
    loop.turns(2)
    assert loop.microphone.behind <= 1
    total = loop.clock.samples(time.monotonic_ns())
    assert abs(total - 21 * TURN_SAMPLES) < 2 * TURN_SAMPLES
