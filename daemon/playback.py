"""What tagalong says, as samples: a queue of utterances, one voice at a time, levels and fades.

`Playback` is driven by nothing but the number of samples asked for, so a sound card and a file
render the very same sound. One short lock guards it: `render` may run in an audio callback while
the loop calls everything else. Sources that are iterators are pulled by `fill`, never by `render`.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from daemon.turn import SAMPLE_RATE, TURN_SAMPLES
from daemon.utterance import Source, Span, Utterance

__all__ = ["Playback", "Span", "Utterance"]

DUCK_DB = -15.0
"""Level of a ducked voice, decibels, where the configuration says nothing else."""
RAMP_SAMPLES = SAMPLE_RATE // 100
"""Every change of level takes 10 ms."""
GAP_SAMPLES = SAMPLE_RATE // 10
"""Silence between two utterances that follow one another: 100 ms."""
MAX_PENDING = 64
"""Utterances that may wait; one more drops the oldest, which then shows as a Span of no length."""
READY_LIMIT_SAMPLES = 2 * SAMPLE_RATE
"""An utterance at the head of the queue that is not `ready` after 2 s is given up."""


class Playback:
    """Queue and mixer of tagalong's voice."""

    def __init__(self, duck_db: float = DUCK_DB) -> None:
        """duck_db: level of the ducked voice, decibels, at most 0."""
        self.offset = 0
        """Session sample at which the sample of `position` 0 sounds; the speaker keeps it right."""
        self.underruns = 0
        """Times a source was slower than its playing."""
        self.dropped = 0
        """Utterances dropped because too many waited or one was never ready."""
        self.wanted = threading.Event()
        """Set when `fill` may have something to do."""
        self._lock = threading.Lock()
        self._queue: deque[Source] = deque()
        self._current: Source | None = None
        self._position = 0
        self._free_at = 0
        self._volume = 100
        self._duck_gain = 10 ** (duck_db / 20)
        self._ducked = self._held = False
        self._gain = self._ramp_from = self._ramp_to = 1.0
        self._ramp_left = 0
        self._spans: deque[Span] = deque(maxlen=4 * MAX_PENDING)
        self._problems: deque[str] = deque(maxlen=MAX_PENDING)

    # -- what the loop asks for ---------------------------------------------------------------

    def say(self, utterance: Utterance) -> int | None:
        """Queue an utterance; the id of the one that it replaces, if any.

        Raises:
            TypeError: the samples are not (n,) int16.
        """
        with self._lock:
            source = Source(utterance, self._position)
            replaced = self._replace(source)
            if replaced is None:
                self._enqueue(source)
        self.wanted.set()
        return replaced

    def duck(self) -> None:
        """Lower the voice to its ducked level within 10 ms, until `restore` or silence."""
        with self._lock:
            self._ducked = True
            self._ramp()

    def hold(self) -> None:
        """Fall silent within 10 ms and stand still, until `restore` goes on there or `flush`."""
        with self._lock:
            self._held = self._current is not None or bool(self._queue)
            self._ramp()

    def restore(self) -> None:
        """Back to full level within 10 ms; what was held goes on where it stood."""
        with self._lock:
            self._ducked = self._held = False
            self._ramp()

    def flush(self, fade_ms: float = 20) -> list[int]:
        """Fade out what sounds and forget the rest; the ids that were cut, the begun one first."""
        with self._lock:
            cut = [source.utterance.id for source in self._queue]
            self._queue.clear()
            current = self._current
            if self._held and self._gain == 0.0:  # nothing is left to fade
                self._let_go()
                return [current.utterance.id, *cut] if current is not None else cut
            self._held = False
            if current is not None and not current.fade_total:
                if current.cut(round(fade_ms * SAMPLE_RATE / 1000)):
                    cut.insert(0, current.utterance.id)
            return cut

    @property
    def volume(self) -> int:
        """Level of the voice, 0 (silent) to 100."""
        return self._volume

    @volume.setter
    def volume(self, percent: int) -> None:
        if not 0 <= percent <= 100:
            raise ValueError(f"volume {percent}: expected 0 to 100")
        with self._lock:
            self._volume = percent
            self._ramp()

    @property
    def position(self) -> int:
        """Samples rendered since the start."""
        return self._position

    @property
    def speaking(self) -> bool:
        """Something sounds, or waits to."""
        with self._lock:
            return self._current is not None or bool(self._queue)

    @property
    def sounding(self) -> bool:
        """An utterance has begun and has not ended."""
        return self._current is not None

    @property
    def ducked(self) -> bool:
        """The voice is lowered."""
        return self._ducked

    @property
    def held(self) -> bool:
        """The voice stands still in the middle of what it says."""
        return self._held

    @property
    def pending(self) -> int:
        """Utterances that have not begun."""
        return len(self._queue)

    def spans(self) -> list[Span]:
        """What ended since the last call, in the order of ending, on the session clock."""
        with self._lock:
            ended = list(self._spans)
            self._spans.clear()
            return ended

    def problems(self) -> list[str]:
        """What went wrong with sources since the last call, as text for the event log."""
        with self._lock:
            found = list(self._problems)
            self._problems.clear()
            return found

    # -- the source's side --------------------------------------------------------------------

    def fill(self, samples: int = 2 * TURN_SAMPLES, patience_s: float = 0.0) -> bool:
        """Pull iterators until `samples` wait; True when nothing of that is missing.

        One thread at a time. With `patience_s` it waits in wall time for an utterance that is not
        `ready`, so that a stepped run does not depend on how fast the disk is.
        """
        deadline = time.monotonic() + patience_s
        while True:
            source = self._hungry(samples)
            if source is None:
                return True
            if source.ready:
                self._pull(source)
            elif source.utterance.ready is not None and source.utterance.ready():
                source.ready = True
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(0.001)

    def _hungry(self, samples: int) -> Source | None:
        """First source that is not ready or lacks samples of the next `samples`."""
        with self._lock:
            for source in (*([self._current] if self._current else []), *self._queue):
                if not source.ready or (not source.exhausted and source.buffered < samples):
                    return source
                samples -= source.buffered + GAP_SAMPLES
                if samples <= 0:
                    return None
            return None

    def _pull(self, source: Source) -> None:
        problem, piece = "", None
        try:
            piece = source.pull()
        except Exception as error:  # a voice may fail in any way; the wearer's session goes on
            problem = f"utterance {source.utterance.id} stopped early: {error!r}"
        with self._lock:
            if problem:
                self._problems.append(problem)
                source.failed = True
            if piece is None or source.exhausted:
                source.finish()
            else:
                source.add(piece)

    # -- the speaker's side -------------------------------------------------------------------

    def render(self, n: int) -> np.ndarray:
        """The next (n,) int16 samples as they are to sound."""
        sound = np.zeros(n, np.float32)
        with self._lock:
            # held, it moves on only as far as it still fades
            done, end = 0, min(self._ramp_left, n) if self._held else n
            while done < end:
                done += self._some(sound[done:end], self._position + done)
            self._apply_gain(sound)
            self._position += n
            if self._current is None and not self._queue:
                self._fall_silent()
        return np.rint(sound).astype(np.int16)

    def _some(self, out: np.ndarray, position: int) -> int:
        """Write the next stretch into `out`; how many samples it covers, at least 1."""
        source = self._current or self._begin(position)
        if source is None:
            return min(self._wait(position), len(out))
        taken = source.take_into(out)
        if source.ended:
            self._end(source, position + taken)
            return max(taken, 1)
        if taken == 0:
            self.underruns += 1
            return len(out)
        return taken

    def _wait(self, position: int) -> int:
        """Samples until the head of the queue may begin or is given up, at least 1."""
        if self._queue and position < self._free_at:
            return self._free_at - position
        if self._queue and not self._queue[0].ready:
            return max(1, self._queue[0].since + READY_LIMIT_SAMPLES - position)
        return READY_LIMIT_SAMPLES

    def _begin(self, position: int) -> Source | None:
        """Start the head of the queue if it may begin at `position`."""
        while self._queue and position >= self._free_at:
            source = self._queue[0]
            if source.ready and (source.buffered or source.exhausted):
                self._current = self._queue.popleft()
                source.start = position
                return source
            if source.ready or position - source.since < READY_LIMIT_SAMPLES:
                return None
            self._problems.append(f"utterance {source.utterance.id} was given up: "
                                  "what it waits for did not happen within 2 s")
            self._drop(self._queue.popleft())
            self._head_waits_from(position)
        return None

    def _end(self, source: Source, position: int) -> None:
        self._record(source, source.start, position, completed=not source.failed)
        self._current = None
        self._free_at = position if source.failed else position + GAP_SAMPLES
        self._head_waits_from(position)

    def _head_waits_from(self, position: int) -> None:
        if self._queue:
            self._queue[0].since = position

    def _record(self, source: Source, start: int, end: int, completed: bool) -> None:
        said = source.utterance
        self._spans.append(Span(said.id, said.text, said.kind, start + self.offset,
                                end + self.offset, completed))

    # -- queue and level ----------------------------------------------------------------------

    def _replace(self, source: Source) -> int | None:
        slot = source.utterance.latest_wins
        for index, waiting in enumerate(self._queue):
            if slot is not None and waiting.utterance.latest_wins == slot:
                self._queue[index] = source
                return waiting.utterance.id
        return None

    def _enqueue(self, source: Source) -> None:
        if len(self._queue) >= MAX_PENDING:
            self._drop(self._queue.popleft())
        place = len(self._queue)
        while source.utterance.urgent and place and not self._queue[place - 1].utterance.urgent:
            place -= 1
        self._queue.insert(place, source)

    def _drop(self, source: Source) -> None:
        self.dropped += 1
        self._record(source, self._position, self._position, completed=False)

    def _let_go(self) -> None:
        """End what is held, unheard."""
        if self._current is not None:
            self._record(self._current, self._current.start, self._position, completed=False)
            self._current = None
        self._fall_silent()

    def _target(self) -> float:
        if self._held:
            return 0.0
        # Squared: half the number sounds about half as loud (-12 dB).
        return (self._volume / 100) ** 2 * (self._duck_gain if self._ducked else 1.0)

    def _ramp(self) -> None:
        self._ramp_from, self._ramp_to = self._gain, self._target()
        self._ramp_left = RAMP_SAMPLES

    def _fall_silent(self) -> None:
        """Nothing sounds: a duck is over, and no ramp needs to be heard."""
        self._ducked = self._held = False
        self._gain = self._target()
        self._ramp_left = 0

    def _apply_gain(self, sound: np.ndarray) -> None:
        ramp = min(self._ramp_left, len(sound))
        if ramp:
            first = RAMP_SAMPLES - self._ramp_left + 1
            share = np.arange(first, first + ramp, dtype=np.float32) / RAMP_SAMPLES
            sound[:ramp] *= self._ramp_from + (self._ramp_to - self._ramp_from) * share
            self._ramp_left -= ramp
            self._gain = self._ramp_from + (self._ramp_to - self._ramp_from) * float(share[-1])
        if self._ramp_left == 0:
            self._gain = self._target()
            sound[ramp:] *= self._gain
