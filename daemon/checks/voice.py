"""Whether the configured voice speaks."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.checks.base import Result, fail, ok
from daemon.senses.errors import BadInput


@dataclass(frozen=True)
class Voice:
    """Speaks one word into memory."""

    voice: str
    name: str = "voice"

    def run(self) -> Result:
        """Synthesise and look whether there is sound."""
        from daemon.voice import open_voice

        try:
            voice = open_voice(self.voice)
            samples = voice.speak("ready")
        except (BadInput, OSError, ImportError) as error:
            return fail(str(error), "sudo apt install flite espeak-ng")
        if len(samples) == 0 or not samples.any():
            return fail(f"{voice.name} gives no sound", "sudo apt install flite espeak-ng")
        return ok(f"{voice.name} ({voice.reason})")
