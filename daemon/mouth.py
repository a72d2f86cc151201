"""The mouth: sentences become sound in the playback, and what was played becomes known again.

Texts are turned into sound when the playback asks for them: by the voice thread on a device's
clock, in line with the loop on a stepped clock. The step thread never synthesises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from daemon.acts_effects import Say
from daemon.earcons import earcon
from daemon.playback import Playback
from daemon.turn import VoiceState
from daemon.utterance import Span, Utterance
from daemon.voice import Voice
from models.grammar import parse_number

RATE_STEP = 1.15
"""`faster` and `slower` change the speed by this factor."""
RATES = (0.5, 2.0)
"""Slowest and fastest speed, 1 is the voice's own."""
AHEAD_SAMPLES = 6_400
"""Sound that is made ahead of its playing: two micro-turns."""
PATIENCE_S = 2.0
"""Wall time that a stepped run waits for what a sentence depends on."""
WARM_NUMBERS = 51
"""Numbers from zero on that the voice thread makes while it has nothing else to do."""
IDLE_S = 0.05
"""The voice thread looks at least this often."""


@dataclass(frozen=True)
class Played:
    """A sound that has ended, or was cut off."""

    say: Say | None
    """None for an earcon."""
    span: Span


class Mouth:
    """Owns the utterances of a session; the playback owns their samples."""

    def __init__(self, playback: Playback, voices: Callable[[float, str], Voice],
                 rate: float = 1.0) -> None:
        """`voices` gives the voice for a speed and a language, empty for the configured one; called
        by whoever makes the sound."""
        self.playback = playback
        self._voices = voices
        self._base_rate = rate
        self._steps = 0
        self._next = 0
        self._waiting: dict[int, Say] = {}
        self._withdrawn: set[str] = set()
        self._flushed = False

    # -- asked for by the step thread ---------------------------------------------------------

    def say(self, say: Say, committed: Callable[[str], bool],
            begin: Callable[[str, int], bool]) -> int:
        """Queue a sentence; returns its number. `committed` tells what `say.after` waits for,
        `begin` whether `say.sentence` is marked."""
        number, after, sentence = self._number(), say.after, say.sentence
        ready = None
        if sentence is not None:
            def ready() -> bool:
                return begin(*sentence)
        if after is not None:
            def ready() -> bool:
                return committed(after) or after in self._withdrawn
        replaced = self.playback.say(Utterance(number, self._sound(say), say.text, say.kind,
                                               say.latest_wins, ready, say.interrupt))
        if replaced is not None:
            self._waiting.pop(replaced, None)
        self._waiting[number] = say
        self._flushed = False
        return number

    def earcon(self, name: str) -> None:
        """Queue a short sound."""
        self.playback.say(Utterance(self._number(), earcon(name), name, "earcon", urgent=True))

    def withdraw(self, id: str) -> None:
        """What sentences with `after == id` wait for will not happen: they stay unsaid."""
        if any(say.after == id for say in self._waiting.values()):
            self._withdrawn.add(id)

    def flush(self) -> None:
        """Fade out in 20 ms and forget what waits."""
        sounding = self.playback.sounding
        # The first of those cut off may be the one that sounds; it ends with a span of its own.
        for number in self.playback.flush()[1 if sounding else 0 :]:
            self._waiting.pop(number, None)
        self._flushed = True

    def set_rate(self, steps: int) -> None:
        """Speed in steps from the configured one."""
        self._steps = steps

    @property
    def rate_steps(self) -> int:
        """Steps from the configured speed."""
        return self._steps

    def state(self) -> VoiceState:
        """What the voice does from now on; one that fades out or is held is silent."""
        if not self.playback.speaking or self._flushed or self.playback.held:
            return VoiceState.SILENT
        return VoiceState.DUCKED if self.playback.ducked else VoiceState.SPEAKING

    @property
    def sentence(self) -> int | None:
        """Number of the sentence being said, None in silence; earcons have none."""
        return next(iter(self._waiting), None)

    @property
    def over(self) -> bool:
        """Whether the sentence being said is meant to be heard over the wearer."""
        number = self.sentence
        return number is not None and self._waiting[number].over

    def waits_with(self, id: str) -> bool:
        """Whether a sentence of this request or answer has not ended."""
        return any(say.cause.endswith(id) for say in self._waiting.values())

    def played(self) -> list[Played]:
        """What ended since the last call; sentences that were withdrawn are left out."""
        ended = []
        for span in self.playback.spans():
            say = self._waiting.pop(span.id, None)
            if say is not None and say.after in self._withdrawn:
                self._withdrawn.discard(say.after)
            elif say is not None or span.kind == "earcon":
                ended.append(Played(say, span))
        if not self.playback.speaking:
            self._waiting.clear()
        return ended

    # -- making the sound ---------------------------------------------------------------------

    def fill(self) -> None:
        """Stepped clock: make all that the next two micro-turns need."""
        self.playback.fill(AHEAD_SAMPLES, PATIENCE_S)

    def run(self, stopping: threading.Event) -> None:
        """Device clock: the voice thread."""
        numbers: Iterator[int] = iter(range(WARM_NUMBERS))
        while not stopping.is_set():
            if not self.playback.wanted.wait(IDLE_S) and not self.playback.speaking:
                numbers = numbers if self._warm(next(numbers, None)) else iter(())
            self.playback.wanted.clear()
            self.playback.fill(AHEAD_SAMPLES)

    def _warm(self, number: int | None) -> bool:
        """While nothing is to be said, make a number: a count must not wait for its sound.

        False when that failed: it is not tried again, and the count itself will say why.
        """
        try:
            if number is not None:
                self._current_voice().number(number)
        except Exception:  # whatever a voice throws here, its thread must go on
            return False
        return True

    def _sound(self, say: Say) -> Iterator[np.ndarray]:
        """Sound of a sentence, made when the first piece is asked for."""
        if say.after in self._withdrawn:
            return
        voice = self._current_voice(say.language)
        number = parse_number(say.text.split()) if say.kind == "count" else None
        if number is not None:
            yield voice.number(number)
        else:
            yield from voice.stream(say.text)

    def _current_voice(self, language: str = "") -> Voice:
        rate = min(max(self._base_rate * RATE_STEP**self._steps, RATES[0]), RATES[1])
        return self._voices(rate, language)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1
