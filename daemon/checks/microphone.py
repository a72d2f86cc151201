"""Whether the configured microphone opens and hears something."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok, warn
from daemon.options import Source, source_kind
from daemon.senses.errors import DeviceLost

LISTEN_S = 0.5
OPEN_S = 2.0
"""Longest wait for the first sound."""


@dataclass(frozen=True)
class Microphone:
    """Listens for a moment and keeps nothing; a muted microphone is not opened."""

    device: str
    muted: bool = False
    running: bool = False
    """A running daemon holds the device."""
    name: str = "microphone"

    def run(self) -> Result:
        """Find it, open it, look at the level."""
        kind = source_kind(self.device)
        if kind is Source.NONE:
            return ok("switched off (microphone.device = none)")
        if kind is Source.FILE:
            found = Path(self.device).is_file()
            missing = fail(f"{self.device}: there is no such file", "tagalong doctor --config FILE")
            return ok(f"reads {self.device}") if found else missing
        if self.muted:
            return ok("muted, so it was not opened")
        if self.running:
            return ok("held by the running tagalong; see tagalong status")
        try:
            return _listen(self.device)
        except DeviceLost as error:
            return fail(str(error), "tagalong devices; or tagalong run --microphone none")


def _listen(device: str) -> Result:
    """Open it as a run does and look at the largest sample."""
    from daemon.senses.sound_card import DeviceStream

    peaks: list[int] = []

    def heard(data: bytes | None, *_: object) -> None:
        peaks.append(max((abs(sample) for sample in array("h", data or b"")), default=0))

    name = None if device == "default" else device
    stream = DeviceStream(True, name, None, heard, lambda: None, time.monotonic_ns)
    stream.open()
    try:
        started = time.monotonic()
        while not peaks and time.monotonic() - started < OPEN_S:
            time.sleep(0.02)
        time.sleep(LISTEN_S)
    finally:
        stream.close()
    return _judge(stream.what, stream.rate, peaks)


def _judge(what: str, rate: int, peaks: list[int]) -> Result:
    if not peaks:
        return fail(f"the {what} opens and gives no sound", "tagalong devices")
    peak = max(peaks)
    if peak == 0:
        return warn(f"the {what} gives only zeros: muted in the mixer?", "alsamixer -V capture")
    return ok(f"{what} at {rate} Hz, peak {peak * 100 / 32768:.1f} % of full scale")
