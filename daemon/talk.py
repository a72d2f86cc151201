"""Talking while somebody else does: ducks, holds, goes on or gives up, as the network says.

The network yields at once, before anybody can know what an interruption will be. So the voice is
held, not thrown away: after an "mm hm" it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daemon.acts_check import NAME
from daemon.mouth import Mouth
from daemon.turn import TURN_S, Floor
from models import grammar

GO_ON_S = 0.8
"""A held voice goes on so long after the last word that was said into it."""
GIVE_UP_S = 8.0
"""One that was held for longer gives up what it was saying."""


def _to_the_talker(words: tuple[str, ...]) -> bool:
    """Whether the words, all of them, are a command that stands for itself while it talks."""
    command = grammar.parse(words) if words else None
    return command is not None and "speaking" in grammar.INTENTS[command[0]].contexts


class Talk:
    """Carries out the network's floor decisions on the mouth. Used by the step thread only."""

    def __init__(self, mouth: Mouth, emit: Callable[..., None],
                 holding: Callable[[], bool]) -> None:
        """emit: writes an event; holding: whether an act waits for the rest of its command."""
        self._mouth, self._emit, self._holding = mouth, emit, holding
        self._held_s = 0.0
        """When the voice was last held, session clock."""

    def follow(self, floor: Floor, words: Iterable[tuple[float, str]], now_s: float) -> None:
        """Once a micro-turn; words: (when, word) of the last seconds, session clock."""
        playback, mouth = self._mouth.playback, self._mouth
        if not playback.speaking or mouth.over:
            return
        if playback.held:
            self._wait_for_them([(t_s, word) for t_s, word in words if t_s > self._held_s], now_s)
        elif floor is Floor.YIELD:
            self._held_s = now_s
            playback.hold()
            self._emit("yield", utterance=mouth.sentence)
        elif floor is Floor.DUCK and not playback.ducked:
            playback.duck()
            self._emit("duck", utterance=mouth.sentence)
        elif floor is not Floor.DUCK and playback.ducked:
            playback.restore()
            self._emit("resume", utterance=mouth.sentence)

    def stop(self) -> None:
        """The wearer wants silence: nothing of what was being said is kept."""
        if self._mouth.playback.speaking:
            if not self._mouth.playback.held:
                self._emit("yield", utterance=self._mouth.sentence)
            self._mouth.flush()

    def answered(self) -> None:
        """A reply comes: if the voice is held, this is what they interrupted it for."""
        if self._mouth.playback.held:
            self._mouth.flush()

    def _wait_for_them(self, said: list[tuple[float, str]], now_s: float) -> None:
        """For a call by name, words that are told to whoever is talking ("wait"), or a long talk,
        it gives up what it was saying; after an "mm hm" or a word to somebody else it goes on. A
        command ends it by its reply."""
        words = tuple(word for _, word in said)
        if NAME in words or _to_the_talker(words) or now_s - self._held_s > GIVE_UP_S:
            self._mouth.flush()
            return
        last_s = max([self._held_s, *(t_s for t_s, _ in said)])
        if not self._holding() and now_s - last_s >= GO_ON_S - TURN_S / 2:
            self._emit("resume", utterance=self._mouth.sentence)
            self._mouth.playback.restore()
