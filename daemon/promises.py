"""The nouns of delegation on the device: a request, its promise, and the events that it ends in."""

from __future__ import annotations

import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from threading import Condition
from typing import Protocol

import numpy as np

from daemon.background.cards import Card
from daemon.background.wire import Answer, new_ulid
from daemon.outbox import Heard, Record
from daemon.remote_mute import MuteSet, MuteState

KINDS = ("question", "calculate", "convert", "workout_log")
FRAME_NAMES = ("frame0", "frame1")
"""Attachments that are pictures: the newest, and the one before the view last changed."""
MAX_OPEN = 128
"""Open delegations; one more sheds the oldest silent one, else the oldest."""
MAX_OPEN_BYTES = 33_554_432
"""The same for their bodies and clips together."""
_PLACEMENTS = ("interrupt", "when_idle", "silent")
MAX_EVENTS = 4_096
KEEP_ANSWERED_MS = 3_600_000
"""An answer nobody settled is offered again after a restart for this long past its deadline."""
MAX_REMEMBERED = 1_024
COUNTERS = (
    *("asks", "published", "republished", "accepted", "heartbeats", "pieces", "parts", "finals"),
    *("duplicates", "late", "strangers", "expired", "unavailable", "cancelled"),
    *("shed_asks", "shed_events", "shed_commands", "connects", "disconnects", "refusals"),
    *("mutes", "shed_mutes", "held_back"),
    *("bad_size", "bad_json", "bad_version", "bad_schema", "bad_topic", "disk_errors"),
)

Arguments = Mapping[str, int | float | str | None]
Conversation = Sequence[tuple[str, str]]


class EventKind(str, Enum):
    """What happened to a delegation."""

    ACCEPTED = "accepted"
    """A worker has it; nothing to say."""
    PART = "part"
    """A numbered piece of the answer; more follows."""
    FINAL = "final"
    """The last piece; call `settle` when it was spoken or dropped."""
    EXPIRED = "expired"
    """No answer in time, or shed; to be said aloud, then `settle`."""
    UNAVAILABLE = "unavailable"
    """It was never on disk and nothing was promised: drop the sentence that waits for it."""


@dataclass(frozen=True)
class AnswerEvent:
    """One thing that `poll` reports."""

    kind: EventKind
    id: str
    n: int = 0
    """Number of the piece, from 0, without gaps; parts and final count together."""
    text: str = ""
    """What to say; for `expired` and `unavailable` a sentence that may be said as it is."""
    placement: str = "when_idle"
    """silent | when_idle | interrupt."""
    outcome: str = "answered"
    """For parts and final: answered | not_caught | failed."""
    card: Card | None = None
    source: str | None = None
    worker: str = ""
    asked_kind: str = ""
    """Kind of the request, as in `ask`."""
    heard: Heard = Heard()
    """How far an earlier process came in speaking it."""

    @property
    def ends(self) -> bool:
        """Whether nothing more comes for this id."""
        return self.kind in (EventKind.FINAL, EventKind.EXPIRED, EventKind.UNAVAILABLE)


class Delegate(Protocol):
    """What the session needs of a link; every method returns without waiting but `wait`."""

    def ask(
        self,
        kind: str,
        words: str = "",
        conversation: Conversation = (),
        audio_clip: np.ndarray | None = None,
        deadline_s: float = 60.0,
        placement: str = "when_idle",
        arguments: Arguments | None = None,
        frames: Sequence[bytes] = (),
    ) -> str: ...

    def committed(self, id: str) -> bool: ...

    def cancel(self, id: str) -> None: ...

    def settle(self, id: str) -> None: ...

    def begin(self, id: str, sentence: int) -> bool: ...

    def completed(self, id: str, sentence: int) -> None: ...

    def poll(self) -> list[AnswerEvent]: ...

    def wait(self, id: str, timeout_s: float) -> bool: ...

    def open_ids(self) -> tuple[str, ...]: ...

    def publish_stats(self, values: Mapping[str, int | float]) -> None: ...

    def remote_mutes(self) -> list[MuteSet]: ...

    def publish_mute(self, state: MuteState) -> None: ...

    def stats(self) -> dict[str, int]: ...

    @property
    def connected(self) -> bool: ...

    def close(self) -> None: ...


def unix_ms_now() -> int:
    """Wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def check_kind(kind: str) -> None:
    """Raises: ValueError: no such kind of request."""
    if kind not in KINDS:
        raise ValueError(f"delegation kind {kind!r}: expected one of {', '.join(KINDS)}")


def unavailable(id: str, text: str, placement: str, kind: str) -> AnswerEvent:
    """The event of a request that was never promised."""
    return AnswerEvent(EventKind.UNAVAILABLE, id, text=text, placement=placement, asked_kind=kind)


def expiry(record: Record, text: str) -> AnswerEvent:
    """The event of a promise that cannot be kept."""
    return AnswerEvent(
        EventKind.EXPIRED, record.id, text=text, placement=record.placement, asked_kind=record.kind
    )


def event_of(kind: EventKind, record: Record, answer: Answer) -> AnswerEvent:
    """The event of a worker's message: its text as plain words, never louder than was asked for."""
    return AnswerEvent(
        kind,
        answer.id,
        answer.n,
        plain(answer.text),
        max(record.placement, answer.placement.value, key=_PLACEMENTS.index),
        answer.outcome.value,
        answer.card,
        answer.source,
        answer.worker,
        record.kind,
    )


def plain(text: str) -> str:
    """Text without control characters and line breaks, for the voice and for one line of a log."""
    kept = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return " ".join(kept.split())


class NullLink:
    """No broker: every request is answered at once with `unavailable`."""

    connected = False

    def __init__(self, unix_ms: Callable[[], int] = unix_ms_now) -> None:
        self._unix_ms = unix_ms
        self._events: deque[AnswerEvent] = deque(maxlen=MAX_OPEN)
        self._asks = 0

    def ask(
        self,
        kind: str,
        words: str = "",
        conversation: Conversation = (),
        audio_clip: np.ndarray | None = None,
        deadline_s: float = 60.0,
        placement: str = "when_idle",
        arguments: Arguments | None = None,
        frames: Sequence[bytes] = (),
    ) -> str:
        """As `Link.ask`."""
        check_kind(kind)
        self._asks += 1
        id = new_ulid(self._unix_ms())
        text = "I cannot look things up without a connection."
        self._events.append(unavailable(id, text, placement, kind))
        return id

    def committed(self, id: str) -> bool:
        """Nothing is ever promised."""
        return False

    def cancel(self, id: str) -> None:
        """Nothing is open."""

    def settle(self, id: str) -> None:
        """Nothing is kept."""

    def begin(self, id: str, sentence: int) -> bool:
        """There is no journal to wait for."""
        return True

    def completed(self, id: str, sentence: int) -> None:
        """Nothing is kept."""

    def poll(self) -> list[AnswerEvent]:
        """As `Link.poll`."""
        events = list(self._events)
        self._events.clear()
        return events

    def wait(self, id: str, timeout_s: float) -> bool:
        """True: the event is there since `ask` returned."""
        return True

    def open_ids(self) -> tuple[str, ...]:
        """None."""
        return ()

    def publish_stats(self, values: Mapping[str, int | float]) -> None:
        """Nowhere to publish to."""

    def remote_mutes(self) -> list[MuteSet]:
        """None can come."""
        return []

    def publish_mute(self, state: MuteState) -> None:
        """Nowhere to publish to."""

    def stats(self) -> dict[str, int]:
        """Counters."""
        return {"asks": self._asks, "unavailable": self._asks, "open": 0, "connected": 0}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class NewAsk:
    """A request as `ask` hands it over."""

    id: str
    kind: str
    words: str
    conversation: tuple[tuple[str, str], ...]
    audio_clip: np.ndarray | None
    deadline_s: float
    placement: str
    arguments: dict[str, int | float | str]
    asked_ms: int
    frames: dict[str, bytes] = field(default_factory=dict)
    """JPEG by the name of the attachment."""


@dataclass
class Promise:
    """An open request: who works at it, and what to do next. Owned by the writer thread."""

    record: Record
    ends_s: float
    """Monotonic time of its deadline: a wall clock that jumps does not move it."""
    owner: str | None = None
    """The worker whose parts count."""
    heard_s: float = float("-inf")
    """Monotonic time of the owner's last sign of life."""
    published_s: float = float("-inf")
    next_n: int = 0
    """Number of the next piece to hand on."""
    held: dict[int, Answer] = field(default_factory=dict)
    """Pieces that came too early, by number; at most `wire.MAX_PARTS`."""

    @property
    def out(self) -> bool:
        """This process has published it."""
        return self.published_s > float("-inf")

    @property
    def urgency(self) -> int:
        """0 for what interrupts, 1 for a pause, 2 for what is silent."""
        return _PLACEMENTS.index(self.record.placement)

    def due(self, now_s: float, silence_s: float) -> bool:
        """Whether to publish it (again): no sign of life for `silence_s`."""
        return now_s - max(self.heard_s, self.published_s) >= silence_s

    def belongs(self, answer: Answer, now_s: float, silence_s: float) -> bool:
        """Whether to listen to this worker; takes over from one that fell silent."""
        if answer.worker != self.owner:
            if self.owner is not None and now_s - self.heard_s < silence_s:
                return False
            self.owner = answer.worker
            self.held.clear()
        self.heard_s = now_s
        return True

    def take(self, answer: Answer) -> list[Answer]:
        """Keep a numbered piece and return all that are now in order; [] for a duplicate."""
        if answer.n < self.next_n or answer.n in self.held:
            return []
        self.held[answer.n] = answer
        ready = []
        while self.next_n in self.held:
            ready.append(self.held.pop(self.next_n))
            self.next_n += 1
        return ready


class Post(Protocol):
    """The way out, as the desk sees it."""

    connected: bool

    def publish(
        self, topic: str, payload: bytes, left_s: float | None = None, answer_to: str | None = None
    ) -> None:
        """Publish at QoS 1; with `answer_to` an id, responses are asked for."""


class EventQueue:
    """What `poll` will report; bounded. The one thing that two threads share."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._events: deque[AnswerEvent] = deque()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._changed = Condition()

    def put(self, event: AnswerEvent) -> None:
        """Add an event; when full the oldest goes, and is counted."""
        with self._changed:
            if len(self._events) >= MAX_EVENTS:
                self._events.popleft()
                self._counts["shed_events"] += 1
            self._events.append(event)
        if event.ends:
            self.end(event.id)

    def end(self, id: str) -> None:
        """Nothing more comes for this id."""
        with self._changed:
            remember(self._ended, id)
            self._changed.notify_all()

    def ended(self, id: str) -> bool:
        """Whether nothing more comes for this id."""
        return id in self._ended

    def take(self) -> list[AnswerEvent]:
        """All events, oldest first."""
        with self._changed:
            events = list(self._events)
            self._events.clear()
        return events

    def wait(self, id: str, timeout_s: float) -> bool:
        """Block until `ended(id)`; False after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: id in self._ended, timeout_s)


def remember(among: OrderedDict[str, None], id: str) -> None:
    """Keep the newest ids."""
    among[id] = None
    while len(among) > MAX_REMEMBERED:
        among.popitem(last=False)
