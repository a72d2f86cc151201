"""One PyAudio stream that comes back by itself, for the microphone and the loudspeaker alike.

PortAudio is entered by one thread at a time (`_PORTAUDIO`); opening and closing may take a good
part of a second, so after the start they run in a thread of their own, never in the loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon.clock import NS
from daemon.senses.errors import DeviceLost
from daemon.turn import SAMPLE_RATE

RETRY_S = 2.0
"""A device that is gone is looked for this often."""
STALL_S = 0.6
"""Without a callback for so long, three times what a loaded machine needs, a device is gone."""
BLOCKS_PER_S = 50
"""Callbacks a second: blocks of 20 ms."""
_PORTAUDIO = threading.Lock()
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundDevice:
    """One device as PortAudio lists it."""

    index: int
    name: str
    inputs: int
    """Channels that it captures."""
    outputs: int
    """Channels that it plays."""
    rate: int
    """Its own sample rate, Hz."""
    default_input: bool = False
    default_output: bool = False


def list_devices() -> list[SoundDevice]:
    """All sound devices. Raises DeviceLost where PyAudio is missing."""
    with _PORTAUDIO:
        library = _start_portaudio()
        try:
            return _devices(library)
        finally:
            library.terminate()


class DeviceStream:
    """An input or output stream of int16 with 20 ms blocks.

    `callback(data, frames, t_ns, overrun)` runs in PortAudio's thread: `data` is what was
    captured, the answer is what is to be played. `opened` is called before the first callback of
    every opening, when `rate` and `channels` are known. `check` is called once a micro-turn; it
    notices that the device is gone and has it reopened.
    """

    def __init__(self, capture: bool, name: str | None, rate: int | None,
                 callback: Callable[[bytes | None, int, int, bool], bytes | None],
                 opened: Callable[[], None], now_ns: Callable[[], int]) -> None:
        self.lost = False
        """The device is gone and is being looked for."""
        self.losses = 0
        """Times it was lost."""
        self.trouble: str | None = None
        """What is wrong now, for the wearer and the log; None while all is well."""
        self.rate = rate or SAMPLE_RATE
        self.channels = 1
        self.overruns = 0
        """Blocks before or in which PortAudio lost samples."""
        self._capture, self._name, self._fixed_rate = capture, name, rate
        self._callback, self._opened, self._now_ns = callback, opened, now_ns
        self._library = self._stream = None
        self._wanted = False
        self._beat_ns = self._tried_ns = now_ns()
        self._owner = threading.Lock()
        self._opener: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """The device is held by us at this moment."""
        return self._stream is not None

    @property
    def what(self) -> str:
        """How to call it in a message."""
        kind = "microphone" if self._capture else "loudspeaker"
        return f"{kind} {self._name!r}" if self._name else f"default {kind}"

    def open(self) -> None:
        """Open it now. Raises DeviceLost with the cause and the next step."""
        self._wanted = True
        with self._owner:
            if self._stream is not None:
                return
            try:
                self._open_owned()
            except DeviceLost:
                self._wanted = False
                raise

    def open_soon(self) -> None:
        """Open it in a thread; `check` reports how that went."""
        self._wanted = True
        self._tried_ns = self._beat_ns = self._now_ns()
        if self._opener is None or not self._opener.is_alive():
            self._opener = threading.Thread(target=self._reopen, name="sound-open", daemon=True)
            self._opener.start()

    def close(self) -> None:
        """Close the device; when this returns nothing is captured or played any more."""
        self._wanted = False
        self.lost, self.trouble = False, None
        with self._owner:
            self._close_owned()

    def check(self) -> bool:
        """Whether sound flows. Once a micro-turn, from the loop; never blocks."""
        if not self._wanted:
            return False
        now_ns = self._now_ns()
        if not self.lost and now_ns - self._beat_ns > STALL_S * NS:
            self.lost = True
            self.losses += 1
            self.trouble = (f"the {self.what} gives no sound any more; "
                            f"it is looked for every {RETRY_S:.0f} s, `tagalong devices` lists "
                            "what is there")
            self.open_soon()
        elif self.lost and now_ns - self._tried_ns >= RETRY_S * NS:
            self.open_soon()
        return not self.lost

    def _reopen(self) -> None:
        """In the opener's thread: close what is left of the old stream and try once."""
        with self._owner:
            self._close_owned()
            if not self._wanted:
                return
            try:
                self._open_owned()
            except DeviceLost as error:
                if not self.lost:
                    self.losses += 1
                self.lost, self.trouble = True, str(error)
                return
            self.lost, self.trouble = False, None

    def _open_owned(self) -> None:
        with _PORTAUDIO:
            self._library = _start_portaudio()
            try:
                device = self._find(_devices(self._library))
                self.rate, self.channels = self._format(device)
                self._opened()
                self._beat_ns = self._now_ns()
                self._stream = self._library.open(
                    rate=self.rate, channels=self.channels, format=self._int16(),
                    frames_per_buffer=self.rate // BLOCKS_PER_S, stream_callback=self._called,
                    **{self._side: True, f"{self._side}_device_index": device.index})
            except (OSError, ValueError) as error:
                self._library.terminate()
                raise DeviceLost(f"cannot open the {self.what} ({error}); check that no other "
                                 "program holds it and that you are in the group audio, "
                                 "`tagalong devices` lists what is there") from error
            except DeviceLost:
                self._library.terminate()
                raise

    def _close_owned(self) -> None:
        stream, library = self._stream, self._library
        self._stream = self._library = None
        if stream is None:
            return
        with _PORTAUDIO:
            try:
                stream.close()
            except OSError as error:
                log.debug("closing the %s: %s", self.what, error)
            library.terminate()

    def _called(self, data: bytes | None, frames: int, _time, status: int) -> tuple:
        t_ns = self._beat_ns = self._now_ns()
        overrun = status != 0
        self.overruns += overrun
        return self._callback(data, frames, t_ns, overrun), 0  # 0 is paContinue

    @property
    def _side(self) -> str:
        return "input" if self._capture else "output"

    @staticmethod
    def _int16() -> int:
        import pyaudio

        return pyaudio.paInt16

    def _format(self, device: SoundDevice) -> tuple[int, int]:
        """Rate and channels to open with: 16 kHz mono where it can, else the device's own."""
        most = device.inputs if self._capture else device.outputs
        rates = [self._fixed_rate] if self._fixed_rate else [SAMPLE_RATE, device.rate]
        for rate in rates:
            for channels in (1, min(2, most)):
                with contextlib.suppress(ValueError):
                    if self._library.is_format_supported(
                            rate, **{f"{self._side}_device": device.index,
                                     f"{self._side}_channels": channels,
                                     f"{self._side}_format": self._int16()}):
                        return rate, channels
        raise DeviceLost(f"the {self.what} takes neither {' nor '.join(map(str, rates))} Hz with "
                         "16-bit samples; choose another with `tagalong devices`")

    def _find(self, devices: list[SoundDevice]) -> SoundDevice:
        able = [d for d in devices if (d.inputs if self._capture else d.outputs)]
        if not able:
            raise DeviceLost(f"there is no {self.what}: PortAudio sees no such device at all; "
                             "connect one, or use a file or `none` instead")
        if self._name is None:
            chosen = [d for d in able
                      if (d.default_input if self._capture else d.default_output)] or able
            return chosen[0]
        wanted = self._name.lower()
        for matches in (lambda d: str(d.index) == wanted, lambda d: d.name.lower() == wanted,
                        lambda d: wanted in d.name.lower()):
            if found := [d for d in able if matches(d)]:
                return found[0]
        raise DeviceLost(f"there is no {self.what}; there are: "
                         + ", ".join(f"{d.index} {d.name!r}" for d in able))


def _start_portaudio():
    try:
        import pyaudio
    except ImportError as error:
        raise DeviceLost(f"sound devices need PyAudio ({error}); install it with: sudo apt install "
                         "portaudio19-dev, then pip install PyAudio") from error
    with _quiet_stderr() as chatter:
        library = pyaudio.PyAudio()
    log.debug("portaudio: %s", "".join(chatter))
    return library


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[list[str]]:
    """Catch what ALSA and JACK print on file descriptor 2 while they probe: 60 harmless lines."""
    caught: list[str] = []
    with tempfile.TemporaryFile() as sink:
        saved = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield caught
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            caught.append(sink.read().decode(errors="replace"))


def _devices(library) -> list[SoundDevice]:
    defaults = {}
    for side, ask in (("in", library.get_default_input_device_info),
                      ("out", library.get_default_output_device_info)):
        with contextlib.suppress(OSError):  # PortAudio's way of saying that there is none
            defaults[side] = ask()["index"]
    infos = [library.get_device_info_by_index(i) for i in range(library.get_device_count())]
    return [SoundDevice(info["index"], info["name"], info["maxInputChannels"],
                        info["maxOutputChannels"], int(info["defaultSampleRate"]),
                        info["index"] == defaults.get("in"), info["index"] == defaults.get("out"))
            for info in infos]
