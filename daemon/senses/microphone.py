"""The wearer's microphone: a sound card, a file, or none; a micro-turn at a time.

All three give whole micro-turns and silence where nothing can be heard. Muting closes the device.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from daemon.clock import NS, SampleClock
from daemon.pcm import to_float, to_int16
from daemon.senses.audio_files import stream_audio
from daemon.senses.errors import BadInput
from daemon.senses.sound_card import BLOCKS_PER_S, DeviceStream
from daemon.turn import SAMPLE_RATE, TURN_SAMPLES

RING_BLOCKS = 2 * BLOCKS_PER_S
"""Blocks of a device that may wait to be read: 2 s."""
LOOK_S = 0.05
"""A waiting reader looks this often whether the device is muted or gone."""
SETTLE_BLOCKS = 10
"""After an overrun blocks come in bursts; what was lost is judged after so many."""
OWED_SAMPLES = SAMPLE_RATE // 50
"""Less than 20 ms behind is lateness, not loss."""


class Microphone(Protocol):
    """Where the sound comes from."""

    ended: bool
    """A file is at its end; never true of a device."""
    problem: str | None
    """What is wrong now, in words; None while all is well."""
    lost_samples: int
    """Samples that were lost and replaced by silence, while the device was open."""

    @property
    def muted(self) -> bool:
        """The device is closed on purpose."""

    @property
    def behind(self) -> int:
        """Whole micro-turns that wait to be read."""

    def read(self, out: np.ndarray) -> None:
        """Fill (3200,) int16 with the next micro-turn, waiting for it on a device's clock.

        Silence where the microphone is muted, gone or at its end."""

    def set_muted(self, muted: bool) -> None:
        """Close the device, or open it again; from any thread. When it returns, that is done.

        Raises:
            DeviceLost: it does not open; the microphone stays muted."""

    def close(self) -> None:
        """Let go of the device or file; safe to call twice."""


class Pace:
    """Waits until the session's clock has reached the end of a micro-turn."""

    def __init__(self, clock: SampleClock, now_ns: Callable[[], int] = time.monotonic_ns,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self.clock = clock
        self.now_ns = now_ns
        self._sleep = sleep

    def missing(self, samples: int) -> int:
        """Samples until the session is `samples` old; negative when it is older."""
        return samples - self.clock.samples(self.now_ns())

    def behind(self, samples: int) -> int:
        """Whole micro-turns by which the session is older than `samples`."""
        return max(0, -self.missing(samples)) // TURN_SAMPLES

    def wait(self, samples: int) -> None:
        """Return when the session is `samples` old."""
        while (missing := self.missing(samples)) > 0:
            self._sleep(missing / SAMPLE_RATE)


class _Paced:
    """What a file and silence have in common: no device, and micro-turns at the pace of a clock."""

    lost_samples = 0

    def __init__(self, pace: Pace | None = None) -> None:
        self.muted = False
        self._pace = pace
        self._turns = 0

    @property
    def behind(self) -> int:
        """See `Microphone.behind`."""
        return 0 if self._pace is None else self._pace.behind(self._turns * TURN_SAMPLES)

    def set_muted(self, muted: bool) -> None:
        """See `Microphone.set_muted`; there is no device to close."""
        self.muted = muted

    def _await_turn(self) -> None:
        """Wait for the end of the next micro-turn; without a `Pace` it has come."""
        self._turns += 1
        if self._pace is not None:
            self._pace.wait(self._turns * TURN_SAMPLES)


class FileMicrophone(_Paced):
    """A sound file as a microphone: at once on a stepped clock, at its pace with a `Pace`.

    While muted the file goes on unheard. Damage in the middle ends the sound there and says so.

    Raises:
        BadInput: it cannot be read or holds no sound.
    """

    def __init__(self, path: str | Path, pace: Pace | None = None) -> None:
        super().__init__(pace)
        self.problem: str | None = None
        self.ended = False
        self._pieces = stream_audio(path)
        self._piece = next(self._pieces)

    def read(self, out: np.ndarray) -> None:
        """See `Microphone.read`. `ended` is true from the turn on that holds the last sample."""
        self._await_turn()
        filled = 0
        while filled < len(out) and not self.ended:
            part = self._piece[: len(out) - filled]
            out[filled : filled + len(part)] = part
            self._piece = self._piece[len(part) :]
            filled += len(part)
            if len(self._piece) == 0:
                self._next_piece()
        out[filled:] = 0
        if self.muted:
            out[:] = 0

    def close(self) -> None:
        """See `Microphone.close`."""
        self.ended = True
        self._pieces.close()

    def _next_piece(self) -> None:
        try:
            piece = next(self._pieces, None)
        except BadInput as error:
            self.problem, piece = str(error), None
        self.ended = piece is None
        self._piece = np.zeros(0, np.int16) if piece is None else piece


class SilentMicrophone(_Paced):
    """No microphone: silence, at the session's pace with a `Pace`, at once without."""

    ended = False
    problem: str | None = None

    def read(self, out: np.ndarray) -> None:
        """See `Microphone.read`."""
        self._await_turn()
        out[:] = 0

    def close(self) -> None:
        """See `Microphone.close`."""


class DeviceMicrophone:
    """A sound card's microphone through PyAudio. It is the session's clock.

    The callback only puts blocks aside. The reader hands them to the clock in order and fills with
    silence what the clock says is missing: the time while muted or gone, samples that the card
    lost, blocks that nobody fetched within 2 s. `name` is part of a name as `tagalong devices`
    shows it, an index, or None for the default.

    Raises:
        DeviceLost: it cannot be opened, unless it starts muted.
    """

    ended = False

    def __init__(self, name: str | None, clock: SampleClock,
                 now_ns: Callable[[], int] = time.monotonic_ns,
                 sleep: Callable[[float], None] = time.sleep,
                 rate: int | None = None, muted: bool = False) -> None:
        """rate: open at this rate, Hz; None: at 16 kHz or else at the device's own."""
        self.muted = muted
        self.lost_samples = 0
        self._clock, self._now_ns = clock, now_ns
        self._pace = Pace(clock, now_ns, sleep)
        self._held = Backlog()
        self._handed = 0
        self._blocks: deque[tuple[int, int, int, bool, bytes]] = deque(maxlen=RING_BLOCKS)
        self._arrived = threading.Event()
        self._opening = self._captured = 0
        self._seen = (0, 0)
        self._settling, self._owed = 0, 0
        self._resample = None
        self._turning = threading.Lock()
        self.stream = DeviceStream(True, name, rate, self._called, self._opened, now_ns)
        if not muted:
            self.stream.open()

    @property
    def problem(self) -> str | None:
        """See `Microphone.problem`."""
        return None if self.muted else self.stream.trouble

    @property
    def behind(self) -> int:
        """See `Microphone.behind`."""
        if not self._clock.attached:
            return self._pace.behind(self._handed)
        waiting = len(self._blocks) * SAMPLE_RATE // BLOCKS_PER_S
        return (self._held.samples + waiting) // TURN_SAMPLES

    def read(self, out: np.ndarray) -> None:
        """See `Microphone.read`."""
        while self._held.samples < len(out):
            if not self.muted and self.stream.check():
                self._listen()
            else:
                self._stay_silent(len(out))
        self._held.take_into(out)
        self._handed += len(out)

    def set_muted(self, muted: bool) -> None:
        """See `Microphone.set_muted`."""
        with self._turning:
            if muted:
                self.muted = True
                self.stream.close()
            elif self.muted:
                self.stream.open()
                self.muted = False

    def close(self) -> None:
        """See `Microphone.close`."""
        self.stream.close()

    # -- in PortAudio's threads ---------------------------------------------------------------

    def _opened(self) -> None:
        self._opening += 1
        self._captured = 0

    def _called(self, data: bytes | None, frames: int, t_ns: int, overrun: bool) -> None:
        self._captured += frames
        self._blocks.append((self._opening, self._captured, t_ns, overrun, data or b""))
        self._arrived.set()

    # -- in the reader's thread ---------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for blocks and take them."""
        self._arrived.wait(LOOK_S)
        self._arrived.clear()
        while self._blocks and not self.muted:
            self._take(*self._blocks.popleft())

    def _take(self, opening: int, captured: int, t_ns: int, overrun: bool, data: bytes) -> None:
        """One block, in order: to the clock, and behind what is missing before it."""
        sound = np.frombuffer(data, np.int16)
        frames = len(sound) // self.stream.channels
        if opening != self._seen[0]:
            self._begin(t_ns - frames * NS // self.stream.rate)
        elif (dropped := captured - frames - self._seen[1]) > 0:
            self._lost(dropped * SAMPLE_RATE // self.stream.rate)
        self._seen = (opening, captured)
        sound = self._to_16_khz(sound)
        self._clock.observe(len(sound), t_ns)
        self._judge_overrun(overrun, t_ns)
        self._hold(sound, t_ns)

    def _begin(self, t_ns: int) -> None:
        """The device was opened: its first sample was captured at `t_ns`."""
        self._clock.detach(t_ns)
        self._clock.attach(t_ns)
        self._settling = 0
        self._resample = None
        if self.stream.rate != SAMPLE_RATE:
            import soxr

            self._resample = soxr.ResampleStream(self.stream.rate, SAMPLE_RATE, 1,
                                                 dtype="float32").resample_chunk

    def _to_16_khz(self, sound: np.ndarray) -> np.ndarray:
        if self.stream.channels > 1:
            mean = sound.reshape(-1, self.stream.channels).mean(axis=1, dtype=np.float32)
            sound = np.rint(mean).astype(np.int16)
        return sound if self._resample is None else to_int16(self._resample(to_float(sound)))

    def _judge_overrun(self, overrun: bool, t_ns: int) -> None:
        """The card lost an unknown number of samples: what the clock still owes a little later."""
        owed = self._clock.owed(t_ns)
        if overrun:
            self._settling, self._owed = SETTLE_BLOCKS, owed
        elif self._settling:
            self._settling -= 1
            self._owed = min(self._owed, owed)
            if self._settling == 0 and self._owed > OWED_SAMPLES:
                self._lost(self._owed)

    def _lost(self, samples: int) -> None:
        self._clock.lost(samples)
        self.lost_samples += samples

    def _hold(self, sound: np.ndarray, t_ns: int) -> None:
        """Put a block where the clock says that it ends."""
        missing = self._clock.samples(t_ns) - self._handed - self._held.samples - len(sound)
        if missing > 0:
            self._held.add_silence(missing)
        self._held.add(sound[max(0, -missing) :])

    def _stay_silent(self, samples: int) -> None:
        """Muted or gone: nothing that was captured counts, and monotonic time makes the turns."""
        self._blocks.clear()
        self._held.silence()
        self._clock.detach(self._now_ns())
        self._pace.wait(self._handed + samples)
        self._held.add_silence(samples - self._held.samples)


class Backlog:
    """Sound and silence in order, waiting to be read."""

    def __init__(self) -> None:
        self.samples = 0
        """Samples that wait."""
        self._pieces: deque[tuple[int, np.ndarray | None]] = deque()

    def add(self, sound: np.ndarray) -> None:
        """Append (n,) int16."""
        self._append(len(sound), sound)

    def add_silence(self, samples: int) -> None:
        """Append zeros; however many, they take no room."""
        self._append(samples, None)

    def silence(self) -> None:
        """Turn all that waits into zeros."""
        waiting = self.samples
        self._pieces.clear()
        self.samples = 0
        self.add_silence(waiting)

    def take_into(self, out: np.ndarray) -> None:
        """Fill `out` with the oldest samples; that many must wait."""
        filled = 0
        while filled < len(out):
            count, sound = self._pieces.popleft()
            part = min(count, len(out) - filled)
            out[filled : filled + part] = 0 if sound is None else sound[:part]
            if part < count:
                rest = None if sound is None else sound[part:]
                self._pieces.appendleft((count - part, rest))
            filled += part
        self.samples -= len(out)

    def _append(self, count: int, sound: np.ndarray | None) -> None:
        if count > 0:
            self._pieces.append((count, sound))
            self.samples += count
