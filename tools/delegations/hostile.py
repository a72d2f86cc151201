"""`tools/hostile`: mutated payloads on every topic, through Mosquitto, to both real sides.

Every payload must end in exactly one counter (taken, or refused with its reason), nobody may end,
and neither side may grow without bound. Afterwards a question is asked and must be answered.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from rich.console import Console

from daemon.background.broker import EmbeddedBroker
from daemon.background.mqtt import BrokerOptions, make_client
from daemon.background.mqtt import connect as connect_client
from daemon.background.reasoner import Say, keep
from daemon.background.service import Worker
from daemon.background.tools.result import Result
from daemon.background.wire import Ask
from daemon.delegation import Link
from tools.benchmark.report import show
from tools.delegations.mutate import DEVICE, Target, targets

DEVICE_COUNTERS = ("pieces", "duplicates", "late", "strangers", "mutes", "shed_mutes")
"""How a payload may end at the device, beside `bad_...`."""
WORKER_COUNTERS = ("accepted", "duplicates", "no_room", "cancelled", "late", "attached")
"""The same at a worker."""
WAITING, PATIENCE_S = 200, 60.0
"""Payloads that are under way at a time; how long they may take to arrive."""


HELD = "this one is never answered"


class Reasoner:
    """Answers at once, but for what is held."""

    def answer(self, ask: Ask, clip: np.ndarray | None,
               cancelled: Callable[[], bool], frames: Sequence[bytes] = (),
               say: Say = keep) -> Result | None:
        """As `daemon.background.reasoner.Reasoner`."""
        while ask.words == HELD and not cancelled():
            time.sleep(0.05)
        return None if ask.words == HELD else Result(("Sixteen.",))


class Sides:
    """A broker, a link, a worker and somebody who sends to them what he likes."""

    def __init__(self, folder: Path) -> None:
        self.broker = EmbeddedBroker(folder / "broker")
        self.broker.start()
        self.worker = Worker(Reasoner(), BrokerOptions(self.broker.url), "target", 4)
        self.worker.start()
        self.link = Link(self.broker.url, DEVICE, folder / "outbox.db", max_open=8)
        self.sender: paho.Client = make_client(BrokerOptions(self.broker.url), "hostile")
        self.sender.max_inflight_messages_set(WAITING)
        connect_client(self.sender, self.broker.url, 0, 10)
        until(lambda: self.link.connected and self.worker.subscribed.is_set()
              and self.sender.is_connected(), "both sides are connected")

    def close(self) -> None:
        """End everything."""
        self.sender.disconnect()
        self.sender.loop_stop()
        self.link.close()
        self.worker.stop()
        self.broker.stop()

    def ended(self, target: Target) -> int:
        """Payloads of which the listener of a target has counted the end."""
        device = target.name in ("answer", "mute/set")
        counts = self.link.stats() if device else dict(self.worker.counts)
        names = DEVICE_COUNTERS if device else WORKER_COUNTERS
        taken = sum(counts.get(name, 0) for name in names)
        return taken + sum(n for name, n in counts.items() if name.startswith("bad_"))

    def refused(self) -> Counter[str]:
        """Reasons so far, of both sides."""
        both = (self.link.stats(), self.worker.counts)
        return Counter({name: sum(counts.get(name, 0) for counts in both)
                        for counts in both for name in counts if name.startswith("bad_")})

    def open_id(self) -> str:
        """A request that the worker has accepted and does not answer."""
        if not self.link.open_ids():
            accepted = self.link.stats()["accepted"]
            self.link.ask("question", HELD, deadline_s=3_600)
            until(lambda: self.link.stats()["accepted"] > accepted, "the worker has it")
        return self.link.open_ids()[0]

    def shoot(self, target: Target, shots: int, rng: random.Random) -> dict[str, Any]:
        """Send mutated payloads; how they ended."""
        if target.name == "answer":
            self.open_id()
        before, refused = self.ended(target), self.refused()
        began_s, sent = time.monotonic(), 0
        for shot in range(1, shots + 1):
            for topic, payload in target.shot(rng):
                self.sender.publish(topic, payload, qos=1)
                sent += 1
            if shot % WAITING == 0 or shot == shots:
                self.link.poll()
                self.link.remote_mutes()
                try:
                    until(lambda n=sent: self.ended(target) - before >= n, "all are counted")
                except RuntimeError as error:
                    raise RuntimeError(
                        f"{target.name}: of {sent} messages {self.ended(target) - before} were "
                        f"counted; device {self.link.stats()}, {self.link.last_error!r}; worker "
                        f"{dict(self.worker.counts)}") from error
        reasons = {name: n for name, n in (self.refused() - refused).items() if n}
        return {"shots": shots, "messages": sent, "counted": self.ended(target) - before,
                **reasons, "per_second": round(shots / (time.monotonic() - began_s))}


def until(check: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for what must happen.

    Raises:
        RuntimeError: it did not within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.002)


def rss_mib() -> float:
    """Resident memory of this process, in which both sides run."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1_024


def run(payloads: int, seed: int) -> dict[str, Any]:
    """`payloads` mutated ones for every topic; figures by topic, and whether both sides live."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        sides = Sides(Path(scratch))
        try:
            figures, threads = {}, threading.active_count()
            for target in targets(sides.worker.name, sides.open_id):
                sides.shoot(target, max(1, payloads // 5), rng)  # caches fill, pools grow
                before_mib = rss_mib()
                figures[target.name] = sides.shoot(target, payloads, rng)
                figures[target.name]["growth_mib"] = round(rss_mib() - before_mib, 1)
            lost = threads - threading.active_count()
            answered = sides.link.wait(sides.link.ask("question", "torque"), PATIENCE_S)
        finally:
            sides.close()
    return {"seed": seed, "threads_lost": lost, "answered_afterwards": answered,
            "topics": figures}


def main() -> int:
    """Run, print a table, fail when a side ended or did not answer."""
    parser = argparse.ArgumentParser(prog="tools/hostile", description=__doc__)
    parser.add_argument("--payloads", type=int, default=100_000, help="for every topic")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    done = run(options.payloads, options.seed)
    show(f"hostile payloads, seed {options.seed}", done["topics"])
    Console().print(f"threads lost: {done['threads_lost']}, "
                    f"answered afterwards: {done['answered_afterwards']}")
    if options.json:
        options.json.write_text(json.dumps(done, indent=1) + "\n")
    return 0 if not done["threads_lost"] and done["answered_afterwards"] else 1


if __name__ == "__main__":
    sys.exit(main())
