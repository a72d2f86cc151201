"""The ears: what the microphone hears without tagalong's own voice, one micro-turn at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from daemon.senses.microphone import Microphone
from daemon.turn import TURN_S, TURN_SAMPLES

KEEP_S = 12.0
"""Sound that is kept for a question to the background."""


class Canceller(Protocol):
    """Takes tagalong's own voice out."""

    def process(self, mic: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """One micro-turn of microphone and of what was played meanwhile, (3200,) int16 each."""

    def reset(self) -> None:
        """Forget the room."""


class Room(Protocol):
    """Lets a microphone from a file hear tagalong."""

    def mix(self, mic: np.ndarray, played: np.ndarray) -> np.ndarray:
        """The microphone as it would have heard both, (3200,) int16 each."""


class Ears:
    """Microphone, room and echo canceller in a row, and the last seconds that came out."""

    def __init__(self, microphone: Microphone, room: Room | None = None,
                 canceller: Canceller | None = None) -> None:
        self.microphone = microphone
        self._room = room
        self._canceller = canceller
        self._raw = np.zeros(TURN_SAMPLES, np.int16)
        self._kept = np.zeros((round(KEEP_S / TURN_S), TURN_SAMPLES), np.int16)
        self._turns = 0

    def wait(self) -> None:
        """Take the next micro-turn from the microphone."""
        self.microphone.read(self._raw)

    def listen(self, played: np.ndarray) -> np.ndarray:
        """The micro-turn taken last, without `played`, what sounded in it; an owned (3200,)."""
        sound = self._raw
        if self._room is not None:
            sound = self._room.mix(sound, played)
        if self._canceller is not None:
            sound = self._canceller.process(sound, played)
        if self.microphone.muted:  # room and canceller ring on by a bit or two
            sound = np.zeros_like(sound)
        slot = self._kept[self._turns % len(self._kept)]
        slot[:] = sound
        self._turns += 1
        return slot.copy()

    def last(self, seconds: float) -> np.ndarray | None:
        """The last seconds, at most `KEEP_S`, as an owned (n,) int16; None for no sound."""
        turns = min(round(seconds / TURN_S), self._turns, len(self._kept))
        if turns <= 0:
            return None
        order = np.arange(self._turns - turns, self._turns) % len(self._kept)
        return self._kept[order].reshape(-1)

    def forget_room(self) -> None:
        """Microphone and loudspeaker stand in a new relation to one another."""
        if self._canceller is not None:
            self._canceller.reset()

    def forget(self) -> None:
        """The microphone was muted: what was heard before is not for the background."""
        self._turns = 0
