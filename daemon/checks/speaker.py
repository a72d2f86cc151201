"""Whether the configured loudspeaker opens; plays silence only."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok
from daemon.options import Source, source_kind
from daemon.senses.errors import DeviceLost

OPEN_S = 2.0
"""Longest wait until it asks for sound."""


@dataclass(frozen=True)
class Speaker:
    """Opens the device the way a run does."""

    device: str
    running: bool = False
    """A running daemon holds the device."""
    name: str = "speaker"

    def run(self) -> Result:
        """Find it and open it."""
        kind = source_kind(self.device)
        if kind is Source.NONE:
            return ok("switched off (speaker.device = none)")
        if kind is Source.FILE:
            return _file(Path(self.device).absolute())
        if self.running:
            return ok("held by the running tagalong; see tagalong status")
        try:
            return _open(self.device)
        except DeviceLost as error:
            return fail(str(error), "tagalong devices; or tagalong run --speaker none")


def _file(path: Path) -> Result:
    if os.access(path.parent, os.W_OK):
        return ok(f"writes {path}")
    return fail(f"{path.parent} may not be written", f"ls -ld {path.parent}")


def _open(device: str) -> Result:
    from daemon.senses.sound_card import DeviceStream

    asked = threading.Event()

    def silence(_data: bytes | None, frames: int, *_: object) -> bytes:
        asked.set()
        return bytes(2 * frames * stream.channels)

    name = None if device == "default" else device
    stream = DeviceStream(False, name, None, silence, lambda: None, time.monotonic_ns)
    stream.open()
    try:
        plays = asked.wait(OPEN_S)
    finally:
        stream.close()
    if not plays:
        return fail(f"the {stream.what} opens and plays nothing", "tagalong devices")
    return ok(f"{stream.what} at {stream.rate} Hz")
