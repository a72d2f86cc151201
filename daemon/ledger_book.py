"""The records of the ledger: frozen, so that an earlier book is kept by keeping it.

Fields named `*_at_s` are session times, seconds; all other `*_s` are lengths. After a restart the
session clock begins anew, and `shifted` moves every session time by the same amount.
"""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from daemon.ledger_routine import Interpreting, Ordering, RoutineRun, SceneWatch, View, ViewWatch

FINISHED_KEPT = 20
READINGS_KEPT = 200
TIMERS_KEPT = 32
"""Timers, reminders and rests at once; one more is refused aloud."""
INTERVALS_KEPT = 8
CUES_KEPT = 8
"""Words listened for at once."""
LAPS_KEPT = 100


@dataclass(frozen=True)
class RepSet:
    """A set of repetitions, running or finished."""

    id: int
    exercise: str
    started_at_s: float
    count: int = 0
    target: int | None = None
    """Number at which it ends by itself."""
    paused: bool = False
    announced: int = 0
    """Last number given to the voice."""
    ended_at_s: float | None = None
    """None while it runs."""
    weight: int | None = None
    unit: str | None = None
    """Unit of `weight`."""
    logged: bool = False
    """Given to the workout log."""


@dataclass(frozen=True)
class Timer:
    """A timer, reminder or rest."""

    id: int
    kind: str
    """timer, reminder or rest."""
    text: str
    """What it reminds of, in the wearer's words; for timers and rests their length in words."""
    length_s: float
    set_at_s: float
    due_at_s: float
    due: bool = False
    """Marked due and not yet spoken."""


@dataclass(frozen=True)
class Interval:
    """Something to say again and again."""

    id: int
    text: str
    period_s: float
    next_at_s: float


@dataclass(frozen=True)
class Cue:
    """A word that the wearer wants to be told of when they say it, or to have counted."""

    id: int
    word: str
    reply: str | None
    """What is said at it; None only counts."""
    asked_at_s: float
    times: int = 0


@dataclass(frozen=True)
class Stopwatch:
    """Times something; kept after it has stopped, for `elapsed`."""

    started_at_s: float
    laps_s: tuple[float, ...] = ()
    """Times from the start at which laps were taken."""
    stopped_s: float | None = None
    """Length when it was stopped, None while it runs."""


@dataclass(frozen=True)
class Countdown:
    """Numbers said once a second down to zero."""

    id: int
    zero_at_s: float
    said: int
    """The number said last."""


@dataclass(frozen=True)
class Reading:
    """A number that the wearer read off something."""

    id: int
    item: str
    number: int
    colour: str | None
    at_s: float


@dataclass(frozen=True)
class Delegation:
    """A request that the background has not answered."""

    id: str
    kind: str
    words: tuple[str, ...]
    asked_at_s: float
    silent: bool = False
    """Its answer is not to be spoken."""


@dataclass(frozen=True)
class Answer:
    """An answer that waits to be spoken."""

    id: str
    sentences: tuple[str, ...]
    placement: str
    """when_idle or interrupt."""
    ready_at_s: float
    words: tuple[str, ...] = ()
    """What was asked."""
    first: int = 0
    """Number of the first of `sentences`; those before it were heard before a crash."""


@dataclass(frozen=True)
class Said:
    """The last sentence given to the voice, and why."""

    text: str
    kind: str
    cause: str
    because: str
    """Why, as a sentence for the wearer."""
    at_s: float


@dataclass(frozen=True)
class Book:
    """Everything that outlives the process."""

    running: RepSet | None = None
    finished: tuple[RepSet, ...] = ()
    """Oldest first."""
    timers: tuple[Timer, ...] = ()
    """In the order in which they were set."""
    intervals: tuple[Interval, ...] = ()
    cues: tuple[Cue, ...] = ()
    """In the order in which they were asked for."""
    stopwatch: Stopwatch | None = None
    countdown: Countdown | None = None
    readings: tuple[Reading, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    routine: RoutineRun | None = None
    views: tuple[View, ...] = ()
    """Remembered views, oldest first."""
    watch: ViewWatch | None = None
    scenes: tuple[SceneWatch, ...] = ()
    """What in view is watched for."""
    interpreting: Interpreting | None = None
    ordering: Ordering | None = None
    next_id: int = 1
    quiet: bool = False
    volume: int = 80
    """Percent."""
    rate: int = 0
    """Steps from the configured speed."""


R = TypeVar("R")


def shifted(record: R, by_s: float) -> R:
    """The record with every session time in it moved by `by_s`."""
    changes: dict[str, Any] = {}
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        if field.name.endswith("_at_s") and value is not None:
            changes[field.name] = value + by_s
        elif is_dataclass(value):
            changes[field.name] = shifted(value, by_s)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            changes[field.name] = tuple(shifted(one, by_s) for one in value)
    return replace(record, **changes)  # type: ignore[type-var]


def to_json(book: Book) -> dict[str, Any]:
    """The book as JSON values."""
    return asdict(book)


def from_json(data: Any) -> Book:
    """Inverse of `to_json`.

    Raises:
        ValueError: names the field that is not as expected.
    """
    return _read(Book, data, "book")


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _read(choices[0], value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where}: {value!r}, expected a list")
        return tuple(_read(choices[0], one, f"{where}[{i}]") for i, one in enumerate(value))
    if is_dataclass(kind):
        return _read_record(kind, value, where)
    number = kind is float and isinstance(value, int) and not isinstance(value, bool)
    if type(value) is not kind and not number:
        raise ValueError(f"{where}: {value!r}, expected {kind.__name__}")
    return kind(value)


def _read_record(kind: Any, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    if not isinstance(value, dict) or not set(value) <= set(hints):
        raise ValueError(f"{where}: expected a {kind.__name__} with {', '.join(hints)}")
    read = {name: _read(hints[name], one, f"{where}.{name}") for name, one in value.items()}
    try:
        return kind(**read)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None
