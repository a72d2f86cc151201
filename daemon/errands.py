"""Errands: what the background was asked, and when its answers may be known.

On a device's clock news is known when it arrives. On a stepped clock it becomes known at the
asking time plus the declared latency, and the step waits for it in wall time, so that a run does
not depend on how fast broker and worker are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from daemon import phrases
from daemon.acts_effects import Delegate
from daemon.background.cards import Card
from daemon.outbox import Heard
from daemon.promises import AnswerEvent, Conversation, EventKind
from daemon.promises import Delegate as Link
from daemon.turn import SAMPLE_RATE

CONNECT_S = 5.0
"""Wall time that a stepped run gives a broker that it has no connection to."""
SLICE_S = 0.25
NO_ANSWER = "I got no answer to your question."


@dataclass(frozen=True)
class News:
    """One thing that became known about a request."""

    id: str
    status: str
    """accepted, part, final, expired or refused."""
    text: str = ""
    """This piece; with `final` see `sentences`."""
    sentences: tuple[str, ...] = ()
    """The whole answer, with `final`, `expired` and `refused`."""
    first: int = 0
    """Number of the first of `sentences`; those before it were heard before a crash."""
    placement: str = "when_idle"
    source: str | None = None
    latency_s: float | None = None
    """Seconds since the question; None for one of an earlier session."""
    card: Card | None = None
    """What to show, with `final`."""

    @property
    def ends(self) -> bool:
        """Nothing more comes."""
        return self.status in ("final", "expired", "refused")


@dataclass
class _Errand:
    asked_s: float
    deadline_s: float
    held: list[AnswerEvent] = field(default_factory=list)
    """News that may not be known yet."""


@dataclass(frozen=True)
class Sent:
    """What went with requests: it has left the device, or does once there is a link."""

    requests: int = 0
    lines: int = 0
    """Of the conversation and the ledger."""
    audio_s: float = 0.0
    pictures: int = 0

    def plus(self, other: Sent) -> Sent:
        """Both together."""
        return Sent(self.requests + other.requests, self.lines + other.lines,
                    round(self.audio_s + other.audio_s, 1), self.pictures + other.pictures)


class Errands:
    """Asks and collects. Used by the step thread; waits only on a stepped clock."""

    def __init__(self, link: Link, visible_s: Callable[[float], float] | None = None,
                 wall_s: Callable[[], float] = time.monotonic) -> None:
        """`visible_s` gives for an asking time when the answer may be known; None: at once."""
        self.link = link
        self._visible_s = visible_s
        self._wall_s = wall_s
        self._open: dict[str, _Errand] = {}
        self._pieces: dict[str, list[str]] = {}
        self.sent = Sent()
        """Of all requests of this session."""

    def ask(self, effect: Delegate, now_s: float, deadline_s: float, *,
            conversation: Conversation = (), clip: np.ndarray | None = None,
            frames: Sequence[bytes] = ()) -> tuple[str, Sent]:
        """Hand a request to the link; its id, and what goes with it."""
        id = self.link.ask(effect.kind, " ".join(effect.words), conversation, clip, deadline_s,
                           "silent" if effect.silent else "when_idle", dict(effect.payload), frames)
        self._open[id] = _Errand(now_s, deadline_s)
        audio_s = 0.0 if clip is None else len(clip) / SAMPLE_RATE
        one = Sent(1, len(conversation), round(audio_s, 1), len(frames))
        self.sent = self.sent.plus(one)
        return id, one

    @property
    def open(self) -> bool:
        """Something asked in this session has not ended."""
        return bool(self._open)

    def cancel(self, id: str) -> None:
        """Withdraw a request."""
        self.link.cancel(id)
        self._open.pop(id, None)
        self._pieces.pop(id, None)

    def poll(self, now_s: float) -> list[News]:
        """What may be known at the session time `now_s` and was not before."""
        if self._visible_s is not None:
            self._wait(now_s)
        known: list[News] = []
        for event in self.link.poll():
            errand = self._open.get(event.id)
            early = errand is not None and not self._may_know(errand, now_s)
            if early and event.kind is not EventKind.UNAVAILABLE:
                errand.held.append(event)  # type: ignore[union-attr]
            else:
                known.append(self._news(event, now_s))
        for errand in [e for e in self._open.values() if e.held and self._may_know(e, now_s)]:
            known += [self._news(event, now_s) for event in errand.held]
            errand.held.clear()
        return known + self._given_up(now_s)

    def _may_know(self, errand: _Errand, now_s: float) -> bool:
        return self._visible_s is None or now_s >= self._visible_s(errand.asked_s) - 1e-9

    def _wait(self, now_s: float) -> None:
        """Wait in wall time for every answer that should be known by now."""
        for id, errand in self._open.items():
            if not self._may_know(errand, now_s):
                continue
            began_s = self._wall_s()
            while not self.link.wait(id, SLICE_S):
                waited_s = self._wall_s() - began_s
                away = not self.link.connected and waited_s > CONNECT_S
                if away or waited_s > errand.deadline_s:
                    break

    def _given_up(self, now_s: float) -> list[News]:
        """Stepped clock: what did not come although it was waited for has expired."""
        if self._visible_s is None:
            return []
        late = [id for id, errand in self._open.items() if self._may_know(errand, now_s)]
        news = [News(id, "expired", NO_ANSWER, (NO_ANSWER,),
                     latency_s=now_s - self._open[id].asked_s) for id in late]
        for id in late:
            self.cancel(id)
        return news

    def _news(self, event: AnswerEvent, now_s: float) -> News:
        errand = self._open.get(event.id)
        latency_s = None if errand is None else now_s - errand.asked_s
        pieces = self._pieces.setdefault(event.id, [])
        if event.text:
            pieces.append(event.text)
        status = "refused" if event.kind is EventKind.UNAVAILABLE else event.kind.value
        sentences = tuple(pieces) if event.ends else ()
        if event.kind in (EventKind.EXPIRED, EventKind.UNAVAILABLE):
            sentences = (event.text,)
        if event.ends:
            self._open.pop(event.id, None)
            self._pieces.pop(event.id, None)
        return News(event.id, status, event.text, unheard(sentences, event.heard),
                    event.heard.next, event.placement, event.source, latency_s,
                    event.card)


def unheard(sentences: tuple[str, ...], heard: Heard) -> tuple[str, ...]:
    """What is left to say of an answer; one broken off by a crash is taken up again."""
    left = sentences[heard.next:]
    if heard.broken_off and left:
        return (f"{phrases.AS_I_WAS_SAYING} {left[0]}", *left[1:])
    return left
