"""A camera that runs by itself: one reader thread, reconnection, mute at the source, the light.

`LiveCamera` is everything that cameras have in common; what differs is a `PictureSource`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from daemon.clock import NS, MonotonicClock, SessionClock
from daemon.senses.errors import DeviceLost
from daemon.senses.frames import FrameSlot, Planes, Thinner, fit
from daemon.turn import VideoFrame
from kernels.patches_ref import Layout

STALL_NS = 3 * NS
"""A camera that is open and gives nothing for so long is lost."""
JOIN_S = 10.0
"""Longest that closing waits for the reader; every source returns from a call sooner."""
DRIVER_S = 6.0
"""Longest that muting and unmuting wait for the driver: every source that is well returns sooner,
and who asked through the control socket still waits."""


@dataclass(frozen=True)
class Picture:
    """What a source read, not converted yet: most pictures of a fast camera are thinned out."""

    t_ns: int
    """Capture time on the monotonic clock."""
    planes: Callable[[], Planes]
    """Makes the pixels; called at most once, before the next `read`."""
    layout: Layout = "rgb"
    rotate: int = 0
    """Clockwise turn that the source itself declares, degrees."""


class PictureSource(Protocol):
    """A device or a stream. Only the reader thread calls it."""

    name: str
    """For messages."""

    def open(self) -> None:
        """Take the device. Raises DeviceLost."""

    def read(self) -> Picture | None:
        """The next picture; None after a second or so without one. Raises DeviceLost."""

    def close(self) -> None:
        """Give the device back; harmless when it is not open."""


class Backoff:
    """Growing waits with jitter, so that many devices do not come back in step."""

    def __init__(self, first_s: float = 0.5, most_s: float = 10.0, seed: int | None = None) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._random = random.Random(seed)
        self._tries = 0

    def next_s(self) -> float:
        """How long to wait now: doubles up to the most, half to all of it by chance."""
        whole = min(self._most_s, self._first_s * 2**self._tries)
        self._tries = min(self._tries + 1, 16)
        return whole * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next wait is short again."""
        self._tries = 0


class LiveCamera:
    """The `Camera` of everything that delivers pictures by itself.

    The reader thread opens the source, places each picture on the session clock by its capture
    time, thins to 10 fps, converts, and keeps the latest in a bounded slot. When the source is
    lost it closes it and tries again, waiting longer each time. `light(True)` is called before
    the source is opened and must succeed, `light(False)` after it was closed.
    """

    ended = False

    def __init__(
        self,
        source: PictureSource,
        clock: SessionClock,
        monotonic: MonotonicClock,
        *,
        rotate: int = 0,
        latency_ms: int = 0,
        light: Callable[[bool], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """rotate: clockwise turn that makes the picture upright, degrees. latency_ms: age of a
        picture at its time stamp, for devices that stamp on arrival."""
        self.lost = False
        self.problem: str | None = None
        self.reconnects = 0
        """Times that the source came back after it had delivered."""
        self._source, self._clock, self._monotonic = source, clock, monotonic
        self._rotate, self._latency_ns = rotate, latency_ms * NS // 1_000
        self._light = light
        self._backoff = backoff or Backoff()
        self._slot, self._thinner = FrameSlot(), Thinner()
        self._seen_ns = monotonic.now_ns()
        self._muted = self._closing = self._open = self._delivered = False
        self._held = False
        """The reader may open the device, or has not given it and the light back yet."""
        self._orders = 0
        """Times that it was muted or unmuted."""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._run, name="camera", daemon=True)
        self._reader.start()

    @property
    def dropped(self) -> int:
        return self._slot.dropped

    @property
    def thinned(self) -> int:
        return self._thinner.thinned

    @property
    def sensor_open(self) -> bool:
        return self._open

    def frames(self, until_s: float) -> list[VideoFrame]:
        if self._muted:
            return []
        if self._open and self._monotonic.now_ns() - self._seen_ns > 2 * STALL_NS:
            self.lost, self.problem = True, f"{self._source.name} hangs in its driver"
        return self._slot.take(until_s)

    def set_muted(self, muted: bool) -> None:
        self._order(muted)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._held if muted else self._open or self.lost, DRIVER_S)
        if muted and self._held:
            raise DeviceLost(f"{self._source.name} hangs in its driver and may still be open; "
                             "next: cover or unplug it")
        if not muted and not self._open:
            problem = self.problem or f"{self._source.name} hangs in its driver"
            self._order(True)
            raise DeviceLost(problem)

    def _order(self, muted: bool) -> None:
        """Tell the reader; what it has seen and what it complained of are forgotten."""
        self._slot.clear()
        with self._changed:
            self._muted = muted
            self._orders += 1
            if not self._open:
                self.lost, self.problem = False, None
            self._changed.notify_all()

    def wait_sensor(self, is_open: bool, timeout_s: float) -> bool:
        """Wait until the device is really open or closed; False when it took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open is is_open, timeout_s)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._reader.join(JOIN_S)

    def _run(self) -> None:
        """The reader thread: hold the device while wanted, come back when it was lost."""
        while not self._closing:
            with self._changed:  # from here on a mute waits until the device is given back
                order, self._held = self._orders, not self._muted
            if not self._held:
                self.lost, self.problem = False, None
                self._pause(order, None)
                continue
            try:
                self._take_device()
                self._read()
            except DeviceLost as error:
                self.lost, self.problem = True, str(error)
            except BaseException as error:
                self.lost, self.problem = True, f"{self._source.name}: {error}"
                raise
            finally:
                self._release_device()
            if self.lost:
                self._pause(order, self._backoff.next_s())

    def _pause(self, order: int, wait_s: float | None) -> None:
        """Until the time is over, the camera closes, or it was muted or unmuted since."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._orders != order, wait_s)

    def _take_device(self) -> None:
        if self._light is not None:
            try:
                self._light(True)
            except OSError as error:
                raise DeviceLost(
                    f"the recording light cannot be set ({error}), so {self._source.name} stays "
                    "closed; next: check `light` in the configuration"
                ) from error
        self._source.open()
        self._seen_ns = self._monotonic.now_ns()
        self._set_open(True)

    def _release_device(self) -> None:
        self._source.close()
        self._set_open(False)
        if self._light is not None:
            try:
                self._light(False)
            except OSError as error:
                self.problem = f"the recording light cannot be put out: {error}"
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def _set_open(self, is_open: bool) -> None:
        with self._changed:
            self._open = is_open
            self._changed.notify_all()

    def _read(self) -> None:
        """Read until muted, closed or lost."""
        while not (self._muted or self._closing):
            picture = self._source.read()
            now_ns = self._monotonic.now_ns()
            if picture is not None:
                self._seen_ns = now_ns
                self._found()
                self._accept(picture)
            elif now_ns - self._seen_ns > STALL_NS:
                raise DeviceLost(f"{self._source.name} gave no picture for {STALL_NS // NS} s")

    def _found(self) -> None:
        if self.lost:
            self.lost, self.problem = False, None
            self.reconnects += self._delivered
        self._delivered = True
        self._backoff.reset()

    def _accept(self, picture: Picture) -> None:
        """Place, thin, convert and keep one picture."""
        t_s = self._clock.session_s(picture.t_ns - self._latency_ns)
        if t_s < 0 or not self._thinner.admits(round(t_s * NS)):
            return
        rgb = fit(
            picture.planes(),
            picture.layout,
            rotate=(self._rotate + picture.rotate) % 360,
        )
        if not self._muted:
            self._slot.put(VideoFrame(t_s, rgb))
