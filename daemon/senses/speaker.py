"""Where tagalong's voice goes: a sound card, a WAV file, or nowhere.

Each renders the playback and says what sounded in every micro-turn, which is what the echo
canceller takes out of the microphone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from daemon.clock import NS, LineFit, SessionClock
from daemon.pcm import to_float, to_int16
from daemon.senses.audio_files import WavWriter
from daemon.senses.sound_card import DeviceStream
from daemon.turn import SAMPLE_RATE, TURN_SAMPLES

if TYPE_CHECKING:
    from daemon.playback import Playback

HISTORY_SAMPLES = 4 * SAMPLE_RATE
"""Played sound that is remembered for the echo reference: 4 s."""
FOLLOW = 0.1
"""Share of the reference's misplacement that is made good in a micro-turn."""
MAX_STRETCH = 3.0
"""Samples by which a micro-turn of reference may be longer or shorter: about 1000 ppm."""
REALIGN_SAMPLES = SAMPLE_RATE // 20
"""A reference further off than 50 ms is placed anew."""
SETTLE_SAMPLES = SAMPLE_RATE * 3 // 10
"""A card first asks for as much as its buffers hold; its pace is judged behind that, 0.3 s."""
BURST = SAMPLE_RATE // 100
"""Samples that the margin grows beyond what is needed, so that it seldom grows: 10 ms."""
MAX_MARGIN = SAMPLE_RATE * 6 // 100
"""The reference may lie behind its place by up to 60 ms where a card asks for sound in bursts;
more than a card's own buffers, and the echo would come before its reference."""


class Speaker(Protocol):
    """Where the voice goes."""

    problem: str | None
    """What is wrong now, in words; None while all is well."""

    def start(self, playback: Playback) -> None:
        """Play this from now on, and keep `playback.offset` right.

        Raises:
            DeviceLost: the device does not open."""

    def played(self) -> np.ndarray:
        """(3200,) int16 that sounded during the micro-turn captured last. Once every turn."""

    def advance(self) -> None:
        """A micro-turn is over; a stepped one renders the next. A device plays by itself."""

    @property
    def drained(self) -> bool:
        """All that was said has sounded."""

    def close(self) -> None:
        """Let go of the device or file; safe to call twice."""


class FileSpeaker:
    """Sound of the stepped clock, into a WAV file or, without a path, only into the echo.

    What is said at the end of turn k sounds from (k + 1) * 3200 samples plus `compute_ms` and
    `output_ms` on; sample 0 of the file is sample 0 of the microphone.

    Raises:
        BadInput: the file cannot be written.
    """

    problem: str | None = None

    def __init__(self, path: str | Path | None, compute_ms: int = 60, output_ms: int = 40) -> None:
        delay = (compute_ms + output_ms) * SAMPLE_RATE // 1000
        self._delay = np.zeros(delay, np.int16)
        self._file = None if path is None else WavWriter(path)
        self._ready: deque[np.ndarray] = deque([np.zeros(TURN_SAMPLES, np.int16)])
        self._playback: Playback | None = None

    def start(self, playback: Playback) -> None:
        """See `Speaker.start`."""
        self._playback = playback
        playback.offset = TURN_SAMPLES + len(self._delay)

    def played(self) -> np.ndarray:
        """See `Speaker.played`."""
        if not self._ready:  # a turn was given up without `advance`: the sound goes on
            self.advance()
        sound = self._ready.popleft()
        if self._file is not None:
            self._file.append(sound)
        return sound

    def advance(self) -> None:
        """See `Speaker.advance`."""
        sound = np.concatenate([self._delay, self._playback.render(TURN_SAMPLES)])
        self._delay = sound[TURN_SAMPLES:]
        self._ready.append(sound[:TURN_SAMPLES])

    @property
    def drained(self) -> bool:
        """See `Speaker.drained`."""
        waits = self._delay.any() or any(sound.any() for sound in self._ready)
        return not waits and not self._playback.speaking

    def close(self) -> None:
        """Write what was rendered and not asked for, and close the file."""
        if self._file is None:
            return
        for rest in (*self._ready, self._delay):
            if rest.any():
                self._file.append(rest)
        self._ready.clear()
        self._file.close()
        self._file = None


class NullSpeaker(FileSpeaker):
    """No loudspeaker: everything takes its time, nothing sounds and nothing echoes."""

    def __init__(self, compute_ms: int = 60, output_ms: int = 40) -> None:
        super().__init__(None, compute_ms, output_ms)

    def played(self) -> np.ndarray:
        """See `Speaker.played`: silence."""
        return np.zeros_like(super().played())


class ReferenceTrack:
    """What was played, read back at the microphone's pace.

    The writer (the audio callback) counts samples of the output device, the reader those of the
    session; the two cards may run some 100 ppm apart. The reader follows the place that the clocks
    say by stretching each micro-turn a little, so that the echo canceller sees one steady delay.
    """

    def __init__(self) -> None:
        self.written = 0
        """Samples played since the start."""
        self.realigned = 0
        """Times the place jumped by more than 50 ms, the first time included."""
        self.end = 0.0
        """Position just behind the micro-turn given last."""
        self.margin = 0.0
        """Samples by which the reference is kept back, so that all of it has been played."""
        self._history = np.zeros(HISTORY_SAMPLES, np.int16)
        self._taken = False

    def write(self, sound: np.ndarray) -> None:
        """Append (n,) int16 that is being played."""
        start = self.written % HISTORY_SAMPLES
        head = min(len(sound), HISTORY_SAMPLES - start)
        self._history[start : start + head] = sound[:head]
        self._history[: len(sound) - head] = sound[head:]
        self.written += len(sound)

    def take(self, target: float) -> np.ndarray:
        """(3200,) int16 that was played in the micro-turn that ended at position `target`."""
        target -= self.margin
        if target > self.written:
            more = min(target - self.written + BURST, MAX_MARGIN - self.margin)
            self.margin += more
            target, self._taken = min(target - more, self.written), False
        error = target - (self.end + TURN_SAMPLES)
        if not self._taken or abs(error) > REALIGN_SAMPLES:
            self.realigned += 1
            self._taken = True
            self.end, error = target - TURN_SAMPLES, 0.0
        length = TURN_SAMPLES + min(max(FOLLOW * error, -MAX_STRETCH), MAX_STRETCH)
        places = self.end + np.arange(TURN_SAMPLES) * (length / TURN_SAMPLES)
        self.end += length
        return self._at(places)

    def _at(self, places: np.ndarray) -> np.ndarray:
        """Sound at fractional positions; silence where nothing is known.

        Source: cubic interpolation of Catmull and Rom, "A class of local interpolating splines",
        1974.
        """
        whole = np.floor(places).astype(np.int64)
        x = (places - whole).astype(np.float32)
        first = whole[0] - 1
        known = self._known(first, int(whole[-1] - first) + 3)
        a, b, c, d = (known[whole - first + k] for k in (-1, 0, 1, 2))
        value = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d
                                           + x * (3 * (b - c) + d - a)))
        return np.clip(np.rint(value), -32768, 32767).astype(np.int16)

    def _known(self, first: int, count: int) -> np.ndarray:
        """(count,) float32 from position `first` on, zeros where nothing is known."""
        places = first + np.arange(count)
        known = self._history[places % HISTORY_SAMPLES].astype(np.float32)
        oldest = max(0, self.written - HISTORY_SAMPLES * 3 // 4)
        known[(places < oldest) | (places >= self.written)] = 0
        return known


class DeviceSpeaker:
    """A sound card's output through PyAudio.

    The callback renders the playback as it is needed, so a flush is heard one device buffer later.
    While the device is gone the playback stands still: what was not heard waits. `name` is part
    of a name as `tagalong devices` shows it, an index, or None for the default.
    """

    def __init__(self, name: str | None, clock: SessionClock,
                 now_ns: Callable[[], int] = time.monotonic_ns,
                 rate: int | None = None, output_ms: float = 40.0) -> None:
        """rate: open at this rate, Hz; None: at 16 kHz or else at the device's own. output_ms:
        from the callback to the ear, as `tagalong doctor` measures it."""
        self._clock, self._now_ns = clock, now_ns
        self._latency = round(output_ms * SAMPLE_RATE / 1000)
        self._track = ReferenceTrack()
        self._line = LineFit(SAMPLE_RATE)
        self._settled = 0
        self._turns = 0
        self._resample = None
        self._rendered = np.zeros(0, np.int16)
        self._playback: Playback | None = None
        self._sounded = 0
        self.stream = DeviceStream(False, name, rate, self._called, self._opened, now_ns)

    @property
    def problem(self) -> str | None:
        """See `Speaker.problem`."""
        return self.stream.trouble

    @property
    def realigned(self) -> int:
        """Times the echo reference was placed anew; the canceller is reset when it changes."""
        return self._track.realigned

    def start(self, playback: Playback) -> None:
        """See `Speaker.start`."""
        self._playback = playback
        self.stream.open()

    def played(self) -> np.ndarray:
        """See `Speaker.played`."""
        self._turns += 1
        if not self.stream.check() or not self._line.ready:
            return np.zeros(TURN_SAMPLES, np.int16)
        end = self._turns * TURN_SAMPLES
        now_ns = self._now_ns()
        age_s = self._clock.session_s(now_ns) - end / SAMPLE_RATE
        place = self._line.position(now_ns - round(age_s * NS))
        sound = self._track.take(place)
        self._playback.offset = end - round(self._track.end) + self._latency
        return sound

    def advance(self) -> None:
        """See `Speaker.advance`: the card plays by itself."""

    @property
    def drained(self) -> bool:
        """See `Speaker.drained`."""
        return not self._playback.speaking and (
            self._playback.position >= self._sounded + self._latency)

    def close(self) -> None:
        """See `Speaker.close`."""
        self.stream.close()

    # -- in PortAudio's threads ---------------------------------------------------------------

    def _opened(self) -> None:
        self._line = LineFit(SAMPLE_RATE)
        self._settled = self._track.written + SETTLE_SAMPLES
        self._track.margin = 0.0
        self._rendered = np.zeros(0, np.int16)
        self._resample = None
        if self.stream.rate != SAMPLE_RATE:
            import soxr

            self._resample = soxr.ResampleStream(SAMPLE_RATE, self.stream.rate, 1,
                                                 dtype="float32").resample_chunk

    def _called(self, _data: bytes | None, frames: int, t_ns: int, _overrun: bool) -> bytes:
        if self._track.written >= self._settled:
            self._line.add(t_ns, self._track.written)
        sound = self._render(frames) if self._resample is None else self._render_resampled(frames)
        return (np.repeat(sound, self.stream.channels) if self.stream.channels > 1
                else sound).tobytes()

    def _render(self, samples: int) -> np.ndarray:
        sound = self._playback.render(samples)
        self._track.write(sound)
        if self._playback.sounding:
            self._sounded = self._playback.position
        return sound

    def _render_resampled(self, frames: int) -> np.ndarray:
        while len(self._rendered) < frames:
            more = to_int16(self._resample(to_float(self._render(SAMPLE_RATE // 100))))
            self._rendered = np.concatenate([self._rendered, more])
        sound, self._rendered = self._rendered[:frames], self._rendered[frames:]
        return sound
