"""A worker of `tools/chaos`: the daemon's own `Worker`, with a reasoner that a judge can check."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import numpy as np

from daemon.background.mqtt import BrokerOptions
from daemon.background.reasoner import Say, keep
from daemon.background.service import Worker
from daemon.background.tools.result import Result
from daemon.background.wire import Ask
from tools.delegations import crash

CONCURRENCY = 4
SLOW_EVERY, SLOW_S = 25, 3.0
"""Every so many requests one takes so long: it lives by its heartbeats."""


def sentences_of(number: int) -> tuple[str, ...]:
    """The one right answer to a request."""
    return tuple(f"Sentence {n} of {number}." for n in range(1 + number % 3))


class Reasoner:
    """Knows its answer and takes its time."""

    def answer(self, ask: Ask, clip: np.ndarray | None,
               cancelled: Callable[[], bool], frames: Sequence[bytes] = (),
               say: Say = keep) -> Result | None:
        """As `daemon.background.reasoner.Reasoner`."""
        number = int(ask.words.rpartition(" ")[2])
        ends_s = time.monotonic() + (SLOW_S if number % SLOW_EVERY == 7 else 0.01 * (number % 5))
        while time.monotonic() < ends_s:
            if cancelled():
                return None
            time.sleep(0.005)
        return Result(sentences_of(number), source="chaos")


def live(life: crash.Life, orders: Connection) -> None:
    """Run until killed, or until nobody can give orders any more."""
    log = life.begin(crash.WORKER)
    worker = Worker(Reasoner(), BrokerOptions(life.broker), "chaos", CONCURRENCY)
    worker.start()
    worker.subscribed.wait()
    log.write("subscribed")
    try:
        orders.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGKILL)
