"""Sentences on an item's clock: what the wearer says when, and where each word ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.scenarios import voices
from tools.benchmark.items import RATE, levelled, mix, onset_s
from tools.benchmark.source import Source

LEVEL_DB = -22.0


@dataclass
class Talk:
    """Collects what is said; `sound` mixes it."""

    source: Source
    rng: np.random.Generator
    voice: str | None = None
    """The one voice of the item; None draws one of the source's."""
    parts: list[tuple[float, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.voice = self.voice or self.source.voice(self.rng)

    def say(self, text: str, at_s: float, level_db: float = LEVEL_DB) -> voices.Spoken:
        """Say words at a time; the speech as it was made, its times from `at_s`."""
        spoken = self.source.speak(self.rng, text.split(), self.voice)
        self.parts.append((at_s, levelled(spoken.pcm, level_db)))
        return spoken

    def end_s(self, text: str, at_s: float, level_db: float = LEVEL_DB) -> float:
        """Say words at a time; when the last of them ends, seconds."""
        return at_s + float(self.say(text, at_s, level_db).ends_s[-1])

    def recording(self, pcm: np.ndarray, at_s: float, level_db: float = LEVEL_DB) -> float:
        """Play a recording (n,) int16 from its first sound on; when its speech ends, seconds."""
        pcm = pcm[int(onset_s(pcm) * RATE) :]
        self.parts.append((at_s, levelled(pcm, level_db)))
        loud = np.flatnonzero(np.abs(pcm) > 0.05 * np.abs(pcm).max())
        return at_s + float(loud[-1] + 1) / RATE

    def sound(self, seconds: float, noise_db: float = -62.0) -> np.ndarray:
        """int16 of everything over room noise."""
        return mix(self.parts, seconds, self.rng, noise_db)
