"""What goes with a question to the background, as the privacy policy allows: the conversation so far
with the ledger's lines, the last sound, key frames where the words point at a sight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from daemon.acts_effects import Delegate
from daemon.keyframes import KeyFrames, points_at_a_sight
from daemon.promises import Conversation
from daemon.turn import VideoFrame

LINES = 40
"""Lines of conversation that go with a question."""
NEVER, ASK, WHEN_DELEGATED = "never", "ask", "when_delegated"


@dataclass(frozen=True)
class Privacy:
    """May it leave the device with a question: `never`, `ask` the wearer each time, or
    `when_delegated`."""

    conversation: str = WHEN_DELEGATED
    audio: str = WHEN_DELEGATED
    pictures: str = NEVER
    audio_s: float = 12.0
    """Longest sound, seconds."""


@dataclass(frozen=True)
class Package:
    """What goes along."""

    conversation: Conversation = ()
    clip: np.ndarray | None = None
    frames: tuple[bytes, ...] = ()


class Context:
    """Collects what may go along. Used by the step thread."""

    def __init__(self, privacy: Privacy, sound: Callable[[float], np.ndarray | None],
                 ledger: Callable[[], Sequence[str]]) -> None:
        """`sound`: the last seconds that were heard; `ledger`: its lines."""
        self._privacy, self._sound, self._ledger = privacy, sound, ledger
        self._said: deque[tuple[str, str]] = deque(maxlen=LINES)
        self._key_frames = KeyFrames()
        self._waits = Package()
        """Of the question that waits for leave, as it was when it was asked."""

    def see(self, frames: Sequence[VideoFrame], muted: bool) -> None:
        """Once a micro-turn: its frames, and whether the camera is muted."""
        if self._privacy.pictures != NEVER:
            self._key_frames.see(frames, muted)
        if muted:
            self._waits = replace(self._waits, frames=())

    def heard(self, text: str) -> None:
        """Words of the wearer; those that follow one another are one line."""
        if self._said and self._said[-1][0] == "wearer":
            text = f"{self._said.pop()[1]} {text}"[-500:]
        self._said.append(("wearer", text))

    def said(self, text: str) -> None:
        """A sentence of tagalong's."""
        self._said.append(("tagalong", text))

    def pack(self, effect: Delegate, now_s: float) -> tuple[Package, tuple[str, ...]]:
        """What goes with a request, and what the wearer has to be asked about before; where that is
        anything, ask again with `effect.leave` set."""
        if effect.kind != "question":
            return Package(), ()
        if effect.leave is not None:
            package, self._waits = self._waits, Package()
            return (package if effect.leave else self._without(package)), ()
        package = self._all(" ".join(effect.words), now_s)
        asks = self._asks(package)
        if asks:
            self._waits = package
        return package, asks

    def _all(self, words: str, now_s: float) -> Package:
        """All that the policy does not forbid."""
        policy = self._privacy
        clip = self._sound(policy.audio_s) if policy.audio != NEVER else None
        shown = policy.pictures != NEVER and points_at_a_sight(words)
        frames = self._key_frames.pictures(now_s) if shown else ()
        return Package(self._told() if policy.conversation != NEVER else (), clip, frames)

    def _told(self) -> Conversation:
        """The ledger and the conversation so far; the last line is the question."""
        ledger = [("ledger", line) for line in self._ledger()]
        return (*ledger, *tuple(self._said)[len(ledger) - LINES:])

    def _asks(self, package: Package) -> tuple[str, ...]:
        """Names of what the wearer wants to be asked about."""
        policy, found = self._privacy, []
        if policy.conversation == ASK and package.conversation:
            found.append("what we said")
        if policy.audio == ASK and package.clip is not None:
            found.append("the sound of your question")
        if policy.pictures == ASK and package.frames:
            found.append("a picture" if len(package.frames) == 1 else "two pictures")
        return tuple(found)

    def _without(self, package: Package) -> Package:
        """Without what the wearer did not give leave for."""
        policy = self._privacy
        return Package(package.conversation if policy.conversation != ASK else (),
                       package.clip if policy.audio != ASK else None,
                       package.frames if policy.pictures != ASK else ())
