"""A desk over a real file, with a clock of its own and a way out that only writes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from daemon.background import wire
from daemon.background.wire import Answer, AnswerType, Ask
from daemon.desk import Desk
from daemon.outbox import Outbox
from daemon.promises import COUNTERS, EventQueue, NewAsk

START_MS = 1_700_000_000_000


@dataclass
class Post:
    """A way out that only writes down."""

    connected: bool = True
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, topic, payload, left_s=None, answer_to=None) -> None:
        self.sent.append((topic, payload))

    def asks(self) -> list[Ask]:
        return [wire.parse(Ask, p) for t, p in self.sent if t.endswith("/ask")]


class Stage:
    """A desk with a clock of its own, over a file that outlives it."""

    def __init__(self, path: Path, at_s: float = 0.0, wall_off_s: float = 0.0,
                 **options) -> None:
        """`wall_off_s`: how far the wall clock was set forward."""
        self.now_s, self.wall_off_s = at_s, wall_off_s
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.events = EventQueue(self.counts)
        self.post = Post()
        self.outbox = Outbox(path)
        self.desk = Desk("glasses", self.outbox, self.post, self.events, self.counts,
                         lambda: self.now_s, self.unix_ms, **options)

    def unix_ms(self) -> int:
        return START_MS + int((self.now_s + self.wall_off_s) * 1000)

    def ask(self, number: int = 1, placement: str = "when_idle", deadline_s: float = 60.0,
            clip: np.ndarray | None = None) -> str:
        now_ms = self.unix_ms()
        id = wire.new_ulid(now_ms, number.to_bytes(10, "big"))
        self.desk.add(NewAsk(id, "question", "what torque", (("wearer", "hello"),), clip,
                             deadline_s, placement, {}, now_ms))
        self.desk.tick()
        return id

    def after(self, seconds: float) -> None:
        self.now_s += seconds
        self.desk.tick()

    def answer(self, id: str, kind: AnswerType, n: int = 0, worker: str = "w1", **more) -> None:
        self.desk.on_answer(Answer(id=id, worker=worker, type=kind, n=n, **more))

    def kinds(self) -> list[str]:
        return [e.kind.value for e in self.events.take()]
