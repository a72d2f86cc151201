"""The session's clock: the microphone's sample count, or a stepped clock for files.

Session time is seconds since sample 0 of the microphone. Monotonic time (`t_ns`) judges lateness
and tells when a frame was captured; `session_s` maps it. Imports only `turn`.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from daemon.turn import SAMPLE_RATE, TURN_SAMPLES

NS = 1_000_000_000
"""Nanoseconds in a second."""


class MonotonicClock(Protocol):
    """A clock that never jumps; passed in wherever lateness or capture time matters."""

    def now_ns(self) -> int:
        """Now, in nanoseconds since an arbitrary start."""


class SessionClock(Protocol):
    """What maps monotonic capture times to the session; may be called from any thread."""

    def session_s(self, t_ns: int) -> float:
        """Session time of the monotonic time `t_ns`, seconds."""

    def samples(self, t_ns: int) -> int:
        """Samples that the session is old at the monotonic time `t_ns`, lost ones included."""


class SystemClock:
    """The operating system's monotonic clock (CLOCK_MONOTONIC on Linux, as V4L2 stamps frames)."""

    def now_ns(self) -> int:
        return time.monotonic_ns()


class LineFit:
    """Robust line through (monotonic time, position) pairs whose times come late at random.

    Positions are anything that another clock counts: samples of a sound card, time stamps of a
    stream. Times are when somebody got to see them: never early, often a little late, now and then
    very late. So only the most punctual pair of each half second is kept (a lower envelope), and a
    least-squares line is drawn through the last 64 of them, without those that lie off the
    previous line by more than 3 median deviations.

    When every pair of a second lies off by 20 ms or more to the same side, the other clock has
    jumped: the rate is kept and the line starts anew there. The line is drawn every half second
    at first, every 2 s later; nothing grows.
    """

    BUCKET_NS = NS // 2
    KEEP = 64
    STEP_S = 0.020
    LIMIT_PPM = 1_000
    """Clocks further off than this are taken for jitter; real ones are within 200 ppm."""

    def __init__(self, per_second: float) -> None:
        """per_second: positions in a second of a clock that is exactly right."""
        self.steps = 0
        """Times the other clock jumped."""
        self._nominal = self._rate = per_second / NS
        self._line: tuple[int, float, float] | None = None  # t_ns, position there, per ns
        self._times = np.zeros(self.KEEP)
        self._positions = np.zeros(self.KEEP)

    def begin(self, t_ns: int, position: float) -> None:
        """Forget all pairs but this one; the rate learned so far is kept."""
        self._filled = 0
        self._off = 0
        self._origin = (t_ns, position)
        self._best, self._best_lead = (t_ns, position), 0.0
        self._bucket_end = t_ns + self.BUCKET_NS
        self._line = (t_ns, position, self._rate)

    @property
    def ready(self) -> bool:
        """At least one pair was seen."""
        return self._line is not None

    @property
    def rate(self) -> float:
        """Positions per nanosecond of monotonic time."""
        return self._rate

    def add(self, t_ns: int, position: float) -> None:
        """One pair. Times that run backwards by less than a bucket do no harm."""
        if self._line is None:
            self.begin(t_ns, position)
            return
        lead = position - self.position(t_ns)
        if self._best is None or lead > self._best_lead:
            self._best, self._best_lead = (t_ns, position), lead
            if self._filled == 0 and lead > 0:  # first bucket: follow the most punctual pair
                self._line, self._best_lead = (t_ns, position, self._rate), 0.0
        if t_ns >= self._bucket_end:
            self._close_bucket(t_ns)

    def position(self, t_ns: int) -> float:
        """Position of the other clock at `t_ns`. Only after the first pair."""
        at_ns, position, rate = self._line
        return position + (t_ns - at_ns) * rate

    def time_ns(self, position: float) -> int:
        """When the other clock was at `position`. Only after the first pair."""
        at_ns, there, rate = self._line
        return at_ns + round((position - there) / rate)

    def _close_bucket(self, t_ns: int) -> None:
        """Keep the most punctual pair of the bucket, notice jumps, draw the line again."""
        best, lead = self._best, self._best_lead / self._nominal / NS
        self._best, self._bucket_end = None, t_ns + self.BUCKET_NS
        side = 0 if abs(lead) < self.STEP_S else (1 if lead > 0 else -1)
        self._off = side if self._off * side <= 0 else self._off + side
        if self._filled >= 2 and abs(self._off) >= 2:
            self.steps += 1
            self.begin(*best)
            return
        slot = self._filled % self.KEEP
        self._times[slot] = best[0] - self._origin[0]
        self._positions[slot] = best[1] - self._origin[1]
        self._filled += 1
        if self._filled >= 4 and (self._filled < 16 or self._filled % 4 == 0):
            self._draw()

    def _draw(self) -> None:
        """Least squares through the pairs near the previous line."""
        count = min(self._filled, self.KEEP)
        times, positions = self._times[:count], self._positions[:count]
        at_ns, there, rate = self._line
        off = positions - (times + (self._origin[0] - at_ns)) * rate - (there - self._origin[1])
        off -= np.median(off)
        distance = np.abs(off)
        near = distance <= 3 * np.median(distance) + 0.001 * NS * self._nominal
        times, positions = times[near], positions[near]
        mean_time, mean_position = times.mean(), positions.mean()
        centred = times - mean_time
        if count >= 8:  # 4 s of pairs; before that jitter would tilt the line more than a card
            slope = float(centred @ (positions - mean_position) / (centred @ centred))
            limit = self._nominal * self.LIMIT_PPM * 1e-6
            self._rate = min(max(slope, self._nominal - limit), self._nominal + limit)
        whole_ns = round(mean_time)
        position = self._origin[1] + mean_position + (whole_ns - mean_time) * self._rate
        self._line = (self._origin[0] + whole_ns, float(position), self._rate)


class SampleClock:
    """Session time from the count of captured samples; monotonic while there is no microphone.

    One thread calls `observe`, `lost`, `detach` and `attach`; any thread may call the rest. Starts
    detached: until the first `attach`, the session runs on monotonic time from `start_ns`.
    """

    def __init__(self, start_ns: int) -> None:
        self.lost_samples = 0
        """Samples reported lost and counted as silence."""
        self._fit = LineFit(SAMPLE_RATE)
        self._count = 0
        self._free: tuple[int, int] | None = (start_ns, 0)  # detached: since t_ns, at this count

    @property
    def attached(self) -> bool:
        """The microphone is the clock."""
        return self._free is None

    @property
    def drift_ppm(self) -> float:
        """How much faster the sound card runs than monotonic time, parts per million."""
        return (self._fit.rate * NS / SAMPLE_RATE - 1) * 1e6

    @property
    def steps(self) -> int:
        """Jumps of the sample count that nobody reported by `lost`."""
        return self._fit.steps

    def observe(self, samples: int, t_ns: int) -> None:
        """A block of `samples` was captured; its last sample was seen at `t_ns`.

        samples: length of this block, not a total. Call it for every block, in order.
        """
        if self._free is not None:
            self.attach(t_ns - samples * NS // SAMPLE_RATE)
        self._count += samples
        self._fit.add(t_ns, self._count)

    def lost(self, n_samples: int) -> None:
        """The microphone dropped `n_samples`; the session fills them with silence."""
        self._count += n_samples
        self.lost_samples += n_samples

    def owed(self, t_ns: int) -> int:
        """Samples that the count is behind at `t_ns` by the fitted line, at least 0.

        What to pass to `lost` after an overrun of unknown length, when the first block behind the
        gap has been observed at `t_ns`.
        """
        if self._free is not None:
            return 0
        return max(0, round(self._fit.position(t_ns)) - self._count)

    def detach(self, t_ns: int) -> None:
        """The microphone is muted or gone: from `t_ns` on the session follows monotonic time."""
        if self._free is None:
            self._free = (t_ns, self._count + self.owed(t_ns))

    def attach(self, t_ns: int) -> int:
        """The microphone is back; its next sample is captured at `t_ns`. Returns the sample count.

        The count includes the time without microphone: the session fills with silence up to it.
        """
        if self._free is not None:
            self._count = self.samples(t_ns)
            self._fit.begin(t_ns, self._count)
            self._free = None
        return self._count

    def samples(self, t_ns: int) -> int:
        """Age of the session in samples.

        With a microphone the samples counted so far, whatever `t_ns` (late sound makes a late
        session, never a short turn); without one by monotonic time at `t_ns`.
        """
        free = self._free
        if free is None:
            return self._count
        since_ns, count = free
        return count + max(0, t_ns - since_ns) * SAMPLE_RATE // NS

    def session_s(self, t_ns: int) -> float:
        free = self._free
        if free is None:
            return self._fit.position(t_ns) / SAMPLE_RATE
        since_ns, count = free
        if t_ns < since_ns and self._fit.ready:  # captured before the microphone went away
            return self._fit.position(t_ns) / SAMPLE_RATE
        return count / SAMPLE_RATE + (t_ns - since_ns) / NS


class SteppedClock:
    """The clock of a run over files: moves only when a micro-turn is done, and never waits.

    Its monotonic time is its session time, so it serves as all three protocols' clock.
    """

    def __init__(self, compute_ms: int = 60, output_ms: int = 40, answer_ms: int = 1_000) -> None:
        self.compute_ms = compute_ms
        """Declared time of a step, ms."""
        self.output_ms = output_ms
        """Declared delay from the daemon to the ear, ms."""
        self.answer_ms = answer_ms
        """Declared time from a delegation's question to its answer, ms."""
        self.turns = 0
        """Micro-turns done."""

    def advance(self) -> None:
        """One micro-turn is over."""
        self.turns += 1

    def now_ns(self) -> int:
        return self.turns * TURN_SAMPLES * NS // SAMPLE_RATE

    def samples(self, t_ns: int) -> int:
        return t_ns * SAMPLE_RATE // NS

    def session_s(self, t_ns: int) -> float:
        return t_ns / NS

    def sound_sample(self, turn: int) -> int:
        """First session sample at which what micro-turn `turn` (from 0) says can be heard."""
        delay_ms = self.compute_ms + self.output_ms
        return (turn + 1) * TURN_SAMPLES + delay_ms * SAMPLE_RATE // 1_000

    def answer_s(self, asked_s: float) -> float:
        """Session time at which the answer to a question asked at `asked_s` becomes visible."""
        return asked_s + self.answer_ms / 1_000
