"""A stage for acts: ledger, governor and a clock that micro-turns move."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from daemon import acts as fx
from daemon.acts import Acts
from daemon.events import Event, undocumented
from daemon.governor import Governor
from daemon.ledger import (
    EMPTY,
    Book,
    Interval,
    Ledger,
    Reading,
    RepSet,
    Stopwatch,
    Timer,
)
from daemon.session import RECENT_S
from daemon.routines.library import Library
from daemon.turn import TURN_S, Act, Addressing, Floor, Slots
from models import grammar

START = datetime(2025, 11, 22, 10, 42, tzinfo=timezone.utc)
BUSY = Book(
    running=RepSet(1, "squats", 4.0, 7), stopwatch=Stopwatch(2.0),
    finished=(RepSet(2, "curls", 1.0, 12, ended_at_s=9.0),),
    timers=(Timer(3, "timer", "ten minutes", 600.0, 5.0, 605.0),
            Timer(4, "reminder", "drink", 60.0, 5.0, 65.0)),
    intervals=(Interval(5, "breathe", 30.0, 35.0),),
    readings=(Reading(6, "valve", 42, "red", 5.5),), next_id=7,
)


class Stage:
    """Acts with a ledger, and the session's clock, moved by micro-turns."""

    def __init__(self, book: Book = EMPTY, addressing: Addressing = Addressing.OPEN,
                 library: Library | None = None, **governor) -> None:
        """`addressing`: OPEN where whom words are meant for is not the subject; `library`:
        routines, None for those shipped."""
        self.now_s = 10.0
        self.ledger = Ledger(self.wall, book=book, addressing=addressing)
        self.governor = Governor(**governor)
        self.acts = Acts(self.ledger, self.governor, library=library, battery=lambda: 83)
        self._heard: list[tuple[float, str]] = []

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s if hasattr(self, "now_s") else 0.0)

    def say(self, text: str, confidence: float = 0.95) -> list[fx.Effect]:
        """The wearer says a command, and the network understands it."""
        words = tuple(text.split())
        parsed = grammar.parse(words)
        assert parsed is not None, text
        return self.act(parsed[0], words, confidence, **parsed[1])

    def act(self, name: str, words: tuple[str, ...] = (), confidence: float = 0.95,
            **slots) -> list[fx.Effect]:
        """The network emits an act; `words` are heard in the same micro-turn."""
        self._hear(words)
        effects = self.acts.apply(Act(name, Slots(**slots), confidence), self._recent(),
                                  self.now_s)
        check_notes(effects)
        return effects

    def turns(self, n: int, floor: Floor = Floor.KEEP) -> list[tuple[float, fx.Effect]]:
        """n micro-turns; what came, and when."""
        out: list[tuple[float, fx.Effect]] = []
        for _ in range(n):
            self.now_s += TURN_S
            effects = self.acts.heard((), self.now_s) + self.acts.tick(self.now_s, floor)
            check_notes(effects)
            out += [(self.now_s, e) for e in effects]
        return out

    def hears(self, text: str) -> list[fx.Effect]:
        """The next micro-turn, in which these words are heard."""
        self.now_s += TURN_S
        words = tuple(text.split())
        self._hear(words)
        effects = self.acts.heard(words, self.now_s)
        check_notes(effects)
        return effects

    def _hear(self, words: tuple[str, ...]) -> None:
        self._heard += [(self.now_s, word) for word in words]

    def _recent(self) -> tuple[str, ...]:
        return tuple(word for t_s, word in self._heard if self.now_s - t_s <= RECENT_S)


def check_notes(effects: list[fx.Effect]) -> None:
    """Every note is an event as `daemon.events` describes it."""
    for note in effects:
        if isinstance(note, fx.Note):
            assert undocumented(Event(0.0, 0, note.kind, note.text, note.data)) == []


def texts(effects) -> list[str]:
    return [e.text for e in (p[1] if isinstance(p, tuple) else p for p in effects)
            if isinstance(e, fx.Say)]


def outcome(effects: list[fx.Effect]) -> str:
    return next(e.data["outcome"] for e in effects
                if isinstance(e, fx.Note) and e.kind == "act")
