"""The baseline's mouth: one sentence after the other by espeak-ng, and nobody hears meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.earcons import earcon
from daemon.pcm import level, trim_silence
from models.scenarios import voices
from tools.benchmark.items import RATE
from tools.benchmark.source import PLAIN_VOICE

DELAY_S = 0.1
"""Declared time from a decision to its sound; tagalong's own on the stepped clock."""
GAP_S = 0.1
"""Silence between two sentences."""
DECAY_S = 0.3
"""So long after its own voice the room still sounds of it."""


@dataclass
class _Sound:
    start_s: float
    pcm: np.ndarray
    text: str
    number: int | None
    """Of the sentence; None for an earcon."""
    cut: bool = False

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.pcm) / RATE


class Mouth:
    """Sentences on the session clock."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a session."""
        self._sounds: list[_Sound] = []
        self._said = 0

    def say(self, text: str, now_s: float) -> int:
        """Queue a sentence; its number."""
        # The library has one state in a process, which the items' voices use too.
        spoken = voices.espeak().speak(text.split(), PLAIN_VOICE)
        self._queue(level(trim_silence(spoken.pcm)), text, self._said, now_s)
        self._said += 1
        return self._said - 1

    def earcon(self, name: str, now_s: float) -> None:
        """Queue a short sound."""
        self._queue(earcon(name), name, None, now_s)

    def _queue(self, pcm: np.ndarray, text: str, number: int | None, now_s: float) -> None:
        free_s = self._sounds[-1].end_s + GAP_S if self._sounds else 0.0
        self._sounds.append(_Sound(max(now_s + DELAY_S, free_s), pcm, text, number))

    def stop(self, now_s: float) -> None:
        """Fall silent and forget what waits."""
        self._sounds = [s for s in self._sounds if s.start_s <= now_s]
        for sound in self._sounds:
            if sound.end_s > now_s:
                sound.pcm = sound.pcm[: int((now_s - sound.start_s) * RATE)]
                sound.cut = True

    def sounds(self, now_s: float) -> bool:
        """Whether its voice sounds, or is about to."""
        return bool(self._sounds) and now_s < self._sounds[-1].end_s

    def deafens(self, now_s: float) -> bool:
        """Whether its own voice, or the room's echo of it, covers everything else."""
        return any(s.start_s <= now_s < s.end_s + DECAY_S for s in self._sounds[-2:])

    def sound(self, seconds: float) -> np.ndarray:
        """All that sounded, int16, at least so long."""
        length = max([seconds, *(s.end_s for s in self._sounds)])
        out = np.zeros(int(length * RATE) + 1, np.int16)
        for sound in self._sounds:
            at = int(sound.start_s * RATE)
            out[at : at + len(sound.pcm)] = sound.pcm[: len(out) - at]
        return out

    def events(self) -> list[dict]:
        """`spoken` and `earcon` lines as the program writes them."""
        return [_event(sound) for sound in self._sounds]


def _event(sound: _Sound) -> dict:
    line = {"t_s": round(sound.end_s, 3), "turn": int(sound.end_s * 5), "text": sound.text,
            "kind": "earcon" if sound.number is None else "spoken",
            "start_s": round(sound.start_s, 3), "end_s": round(sound.end_s, 3)}
    if sound.number is not None:
        line |= {"utterance": sound.number, "cut": sound.cut}
    return line
