"""The device of `tools/chaos`: the daemon's own link, outbox and errands, without sound.

It asks what it is told to, and "says" answers sentence by sentence. What the wearer would have
heard goes to a log: `promise`, `begin`, `end`, `over`.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from multiprocessing.connection import Connection

import numpy as np

from daemon.acts_effects import Delegate
from daemon.delegation import Link
from daemon.errands import Errands, News
from daemon.outbox import Heard, Outbox
from tools.delegations import crash

SENTENCE_PIECES, PIECE_S = 3, 0.01
"""A sentence "sounds" that long, in pieces between which it may be killed."""
TICK_S = 0.005
MARK_S = 2.0
"""A mark that takes longer is waited for no more, as in the product's playback."""


class Device:
    """Asks, promises and speaks. One thread."""

    def __init__(self, link: Link, log: crash.Log) -> None:
        self._link, self._log = link, log
        self._errands = Errands(link)
        self._unpromised: dict[str, int] = {}
        self._connected = False
        self.asks: queue.SimpleQueue[dict] = queue.SimpleQueue()

    def run(self) -> None:
        """For ever: it ends by being killed."""
        while True:
            while not self.asks.empty():
                self._ask(self.asks.get())
            self._promise()
            if self._link.connected != self._connected:
                self._connected = self._link.connected
                self._log.write("link", status="up" if self._connected else "down")
            for news in self._errands.poll(time.monotonic()):
                if news.ends:
                    self._speak(news)
            time.sleep(TICK_S)

    def _ask(self, wanted: dict) -> None:
        number = wanted["number"]
        clip = None
        if wanted["clip"]:
            clip = np.random.default_rng(number).integers(-99, 99, 16_000).astype(np.int16)
        effect = Delegate("question", words=("request", str(number)))
        id, _ = self._errands.ask(effect, time.monotonic(), wanted["deadline_s"], clip=clip)
        self._unpromised[id] = number

    def _promise(self) -> None:
        """What is on disk is promised aloud: "I'll check"."""
        for id in [i for i in self._unpromised if self._link.committed(i)]:
            self._log.write("promise", id=id, number=self._unpromised.pop(id))

    def _speak(self, news: News) -> None:
        if news.status == "refused":
            self._log.write("refused", id=news.id, number=self._unpromised.pop(news.id, None))
        for n, text in enumerate(news.sentences, start=news.first):
            self._until_marked(news.id, n)
            self._log.write("begin", id=news.id, n=n, text=text)
            for _ in range(SENTENCE_PIECES):
                time.sleep(PIECE_S)
                self._promise()
            self._log.write("end", id=news.id, n=n)
            self._link.completed(news.id, n)
        count = news.first + len(news.sentences)
        self._log.write("over", id=news.id, status=news.status, sentences=count)
        self._link.settle(news.id)

    def _until_marked(self, id: str, n: int) -> None:
        deadline_s = time.monotonic() + MARK_S
        while not self._link.begin(id, n) and time.monotonic() < deadline_s:
            time.sleep(0.001)


def _log_marks(log: crash.Log) -> None:
    """A completed sentence is one whose mark is on disk: the judge wants to know when it was."""
    original = Outbox.mark

    def mark(outbox: Outbox, id: str, heard: Heard) -> None:
        original(outbox, id, heard)
        if not heard.broken_off:
            log.write("completed", id=id, n=heard.completed - 1)

    Outbox.mark = mark  # type: ignore[method-assign]


def live(life: crash.Life, orders: Connection) -> None:
    """Run until killed, or until nobody can give orders any more."""
    _log_marks(crash.Log(life.log))
    log = life.begin(crash.DEVICE)
    link = Link(life.broker, "glasses", life.log.with_name("outbox.db"),
                keepalive_s=2, silence_s=1.0)
    device = Device(link, log)
    threading.Thread(target=_listen, args=(device, orders), daemon=True).start()
    device.run()


def _listen(device: Device, orders: Connection) -> None:
    try:
        while True:
            device.asks.put(orders.recv())
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGKILL)
