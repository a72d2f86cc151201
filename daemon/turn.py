"""The few nouns that everything else speaks: what goes into a micro-turn and what comes out of it.

Imports nothing of ours. All arrays are owned copies and are never changed after construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

SAMPLE_RATE = 16_000
"""Hz; the one sample rate inside tagalong. Devices at other rates are resampled at the edge."""
TURN_SAMPLES = 3_200
"""Captured samples that make a micro-turn; the microphone's sample count is the session's clock."""
TURN_S = TURN_SAMPLES / SAMPLE_RATE
"""Seconds in a micro-turn."""
FRAME_HEIGHT, FRAME_WIDTH = 120, 160
"""Size of a video frame inside tagalong, pixels."""


class VoiceState(Enum):
    """What tagalong's own voice does during the micro-turn."""

    SILENT = 0
    SPEAKING = 1
    DUCKED = 2


class Task(Enum):
    """The task that runs, as far as the network needs to know it."""

    NONE = 0
    REPS = 1
    REPS_PAUSED = 2
    EVERY = 3
    STOPWATCH = 4


class Addressing(Enum):
    """When words count as meant for tagalong."""

    NAME = 0
    FOLLOW_UP = 1
    OPEN = 2


class Floor(Enum):
    """What the network does with the floor in this micro-turn."""

    KEEP = 0
    """Nothing changes; a ducked voice goes back to full level."""
    DUCK = 1
    """Lower the voice by 15 dB."""
    YIELD = 2
    """Fade out in 20 ms and flush."""
    SPEAK = 3
    """Release what waits: a due reminder or an answer."""


@dataclass(frozen=True)
class VideoFrame:
    """One camera frame, already at tagalong's size."""

    t_s: float
    """Capture time on the session clock, seconds."""
    rgb: np.ndarray
    """(120, 160, 3) uint8."""


@dataclass(frozen=True)
class State:
    """What the daemon tells the network about itself, once a micro-turn."""

    voice: VoiceState = VoiceState.SILENT
    withheld: bool = False
    """The governor held back something unasked."""
    task: Task = Task.NONE
    count: int = 0
    """Repetitions counted in the running set."""
    timers: int = 0
    """Timers, reminders and rests that run."""
    timer_remaining_s: float | None = None
    """Seconds to the next due time, None without one."""
    due: int = 0
    """Reminders that are due and not yet spoken."""
    delegations: int = 0
    """Open delegations without an answer."""
    answers: int = 0
    """Answers that wait to be spoken."""
    pending: bool = False
    """An act was read back and waits for yes or no."""
    addressing: Addressing = Addressing.FOLLOW_UP
    microphone_muted: bool = False
    camera_muted: bool = False
    routine: bool = False
    """A routine is at one of its steps."""
    since_exchange_s: float | None = None
    """Seconds since the last exchange with the wearer ended, None before the first."""
    since_spoke_s: float | None = None
    """Seconds since tagalong's voice fell silent, None before the first sound."""


@dataclass(frozen=True)
class MicroTurn:
    """All that was heard and seen in 200 ms."""

    index: int
    """Number of the micro-turn, from 0."""
    audio: np.ndarray
    """(3200,) int16, after echo cancellation; zeros where the microphone was muted or gone."""
    frames: tuple[VideoFrame, ...] = ()
    """Frames captured in this micro-turn, oldest first; at most 2 are used (10 fps)."""
    state: State = field(default_factory=State)

    @property
    def t_s(self) -> float:
        """Session clock at the end of the micro-turn, seconds."""
        return (self.index + 1) * TURN_S


@dataclass(frozen=True)
class Slots:
    """The values that an act carries; None where the act has no such slot."""

    number: int | None = None
    """0 to 999."""
    unit: str | None = None
    number2: int | None = None
    """Second number of a sum, or the second part of a duration with `unit2`."""
    unit2: str | None = None
    item: str | None = None
    """Exercise, object, reminder text, operator or routine, as in `models.grammar`."""
    colour: str | None = None
    word: str | None = None
    """A word to listen for; only the heard words tell it, the network has no such slot."""
    word2: str | None = None
    """What is said when it is heard."""


@dataclass(frozen=True)
class Hypothesis:
    """A command that the words since the name may have been."""

    heard: tuple[str, ...]
    """The words themselves."""
    words: tuple[str, ...]
    """The command."""
    cost: float
    """How much less likely the heard heads find it, natural logarithm of odds."""


@dataclass(frozen=True)
class Act:
    """An intent that the network emitted in the micro-turn in which the command was complete."""

    name: str
    slots: Slots = Slots()
    confidence: float = 1.0
    """Smallest probability among the intent and the slots that it uses, 0 to 1."""
    hypothesis: Hypothesis | None = None
    """What else the words may have been."""
    words_margin: float = 0.0
    """How much less likely any other command is than the one heard, natural logarithm of odds; 0
    where the words form none."""


@dataclass(frozen=True)
class Reply:
    """What the interaction model answers to one micro-turn."""

    index: int
    heard: tuple[str, ...] = ()
    """Complete words recognised in this micro-turn."""
    act: Act | None = None
    floor: Floor = Floor.KEEP
    counted: int = 0
    """Repetitions completed in this micro-turn (the daemon's ledger owns the numeral)."""
    active: float = 0.0
    """Probability that something repeats in view, 0 to 1."""
    rate_hz: float = 0.0
    """Repetitions per second as the network sees them."""
    rivals: tuple[tuple[str, float], ...] = ()
    """Words that may have been said where others or none were heard, and how much less likely they
    are, natural logarithm of odds."""
