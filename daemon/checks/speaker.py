"""Whether the configured loudspeaker opens; plays silence only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.checks.base import Result, fail, ok
from daemon.checks.hardware import (
    AudioMissing,
    audio_devices,
    find_audio,
    port_audio,
    quiet_stderr,
)
from daemon.checks.microphone import INSTALL
from daemon.options import Source, source_kind


@dataclass(frozen=True)
class Speaker:
    """Opens the device the way a run does."""

    device: str
    name: str = "speaker"

    def run(self) -> Result:
        """Find it and open it."""
        kind = source_kind(self.device)
        if kind is Source.NONE:
            return ok("switched off (speaker.device = none)")
        if kind is Source.FILE:
            return self._file(Path(self.device).absolute())
        try:
            with port_audio() as audio:
                return self._open(audio)
        except AudioMissing as error:
            return fail(str(error), INSTALL)

    def _file(self, path: Path) -> Result:
        if os.access(path.parent, os.W_OK):
            return ok(f"writes {path}")
        return fail(f"{path.parent} may not be written", f"ls -ld {path.parent}")

    def _open(self, audio: Any) -> Result:
        import pyaudio

        device = find_audio(audio_devices(audio), self.device, recording=False)
        if device is None:
            return _none(self.device)
        rate = int(device.rate_hz)
        try:
            with quiet_stderr():
                stream = audio.open(
                    rate, 1, pyaudio.paInt16, output=True, output_device_index=device.index
                )
                stream.write(bytes(2 * (rate // 20)))
                stream.close()
        except OSError as error:
            return fail(f"{device.name} does not open: {error}", "tagalong devices")
        return ok(f"{device.name} at {rate} Hz")


def _none(wanted: str) -> Result:
    if wanted == "default":
        return fail("no loudspeaker was found", "tagalong run --speaker none")
    return fail(f"no loudspeaker is called {wanted!r}", "tagalong devices")
