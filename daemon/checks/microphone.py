"""Whether the configured microphone opens and hears something."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.checks.base import Result, fail, ok, warn
from daemon.checks.hardware import (
    AudioDevice,
    AudioMissing,
    audio_devices,
    find_audio,
    port_audio,
    quiet_stderr,
)
from daemon.options import Source, source_kind

LISTEN_S = 0.4
INSTALL = "sudo apt install portaudio19-dev && pip install PyAudio"


@dataclass(frozen=True)
class Microphone:
    """Listens for a moment and keeps nothing; a muted microphone is not opened."""

    device: str
    muted: bool = False
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
        try:
            with port_audio() as audio:
                return self._listen(audio)
        except AudioMissing as error:
            return fail(str(error), INSTALL)

    def _listen(self, audio: Any) -> Result:
        device = find_audio(audio_devices(audio), self.device, recording=True)
        if device is None:
            return _none(self.device)
        try:
            peak = _peak(audio, device)
        except OSError as error:
            return fail(f"{device.name} does not open: {error}", "tagalong status; tagalong devices")
        if peak == 0:
            return warn(f"{device.name} gives only zeros: muted in the mixer?", "alsamixer -V capture")
        return ok(f"{device.name}, peak {peak * 100 // 32768} % of full scale")


def _peak(audio: Any, device: AudioDevice) -> int:
    """Largest sample (0 to 32768) of a moment. Raises OSError where the device does not open."""
    import pyaudio

    rate = int(device.rate_hz)
    with quiet_stderr():
        stream = audio.open(
            rate, 1, pyaudio.paInt16, input=True, input_device_index=device.index
        )
        try:
            data = stream.read(int(rate * LISTEN_S), exception_on_overflow=False)
        finally:
            stream.close()
    return max((abs(sample) for sample in array("h", data)), default=0)


def _none(wanted: str) -> Result:
    if wanted == "default":
        return fail("no microphone was found", "tagalong run --microphone none")
    return fail(f"no microphone is called {wanted!r}", "tagalong devices")
