"""`tools/chaos`: requests while device, workers, broker and network are killed, cut and restored.

Real Mosquitto, the daemon's own link, outbox, errands and worker in processes of their own, and a
TCP proxy on each side of the broker; with --network the device lives in a network of its own, whose
cable is unplugged, lossy or narrow at times (root only). The seed decides what is asked, what fails and when; how the
processes interleave is the machine's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.console import Console

from daemon.background.broker import EmbeddedBroker
from tools.benchmark.report import show
from tools.delegations import crash, device, helper, judge
from tools.delegations.network import Network, NetworkError
from tools.delegations.proxy import Proxy

CONTEXT = multiprocessing.get_context("forkserver")
"""A process of ours is forked from one that has imported everything: it is up within moments."""
CONTEXT.set_forkserver_preload(["tools.delegations.device", "tools.delegations.helper"])
ARMED_SHARE, MOST_CALLS = 0.7, 10
"""How many lives have a crash point, and how often they come there at most before they die."""
DEADLINES_S = (1.5, 20.0, 30.0, 60.0)
"""A few requests have so little time that an outage makes them expire."""
CLIP_SHARE = 0.3
FAULT_GAP_S = 3.0
"""Mean time between two faults."""
AFTER_S = 90.0
"""Everything works again: so long until the last request must be over."""
LOOK_S = 0.1


class Process:
    """A process of ours that is killed and started again; armed with crash points most times."""

    def __init__(self, target: Callable[..., None], broker: str, log: Path, points: list[str],
                 rng: random.Random, namespace: str = "") -> None:
        self.log, self.fell_over = log, 0
        self._namespace = namespace
        self._target, self._broker, self._points, self._rng = target, broker, points, rng
        self._process: BaseProcess | None = None
        self._orders: Connection | None = None
        self.starts_s = 0.0
        """Monotonic time of its next start."""

    def look(self, now_s: float, armed: bool) -> bool:
        """Start it when it is due; True when it was started."""
        if self._process is not None and self._process.exitcode is not None:
            self.fell_over += self._process.exitcode != -signal.SIGKILL
            self._close()
            self.starts_s = now_s + self._rng.uniform(0.0, 1.0)
        if self._process is None and now_s >= self.starts_s:
            self._start(armed)
            return True
        return False

    def _start(self, armed: bool) -> None:
        life = crash.Life(self._broker, self.log, namespace=self._namespace)
        if armed and self._rng.random() < ARMED_SHARE:
            life = replace(life, points=self._next_points())
        theirs, self._orders = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=self._target, args=(life, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def _next_points(self) -> tuple[tuple[str, int], ...]:
        """Half of those that it has not died at yet, the first time it comes there: some steps are
        so rare that it would hardly ever come there a second time; and any other, later."""
        hit = {e["point"] for e in crash.read_log(self.log) if e["event"] == "crash"}
        left = [point for point in self._points if point not in hit]
        fresh = [(point, 1) for point in self._rng.sample(left, (len(left) + 1) // 2)]
        any_other = self._rng.choice(self._points)
        return *fresh, (any_other, self._rng.randint(2, MOST_CALLS))

    def send(self, order: dict[str, Any]) -> None:
        """Give it an order; one that is dead just now does not get it."""
        if self._orders is not None:
            try:
                self._orders.send(order)
            except OSError:
                return

    def kill(self, pause_s: float = 0.0) -> None:
        """kill -9, and no new start for a while."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._close()
        self.starts_s = time.monotonic() + pause_s

    def _close(self) -> None:
        if self._orders is not None:
            self._orders.close()
        self._process = self._orders = None


class Chaos:
    """One run."""

    def __init__(self, folder: Path, requests: int, seed: int, workers: int, rate: float,
                 network: Network | None = None) -> None:
        self._network = network
        self._rng = random.Random(seed)
        self._numbers = list(range(requests))
        self._rate = rate
        self._log = crash.Log(folder / "faults.jsonl")
        self.asked = 0
        """Requests asked so far."""
        self.faults: Counter[str] = Counter()
        self._folder = folder
        self._broker = EmbeddedBroker(folder / "broker")
        near_host = network.address if network else "127.0.0.1"
        self._near, self._far = Proxy(self._broker.port, near_host), Proxy(self._broker.port)
        if network:
            network.lead(self._near.port)
        self._device = self._process(device.live, self._near, "device", crash.DEVICE)
        self._workers = [self._process(helper.live, self._far, f"worker{n}", crash.WORKER)
                         for n in range(workers)]
        self._due: list[tuple[float, Callable[[], None]]] = []
        """What is restored later: (monotonic time, how)."""

    def _process(self, target: Callable[..., None], proxy: Proxy, name: str,
                 steps: dict[str, tuple[type, str]]) -> Process:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        rng = random.Random(self._rng.random())
        space = self._network.name if self._network and proxy is self._near else ""
        return Process(target, url, self._folder / f"{name}.jsonl", crash.points(steps), rng,
                       space)

    def run(self) -> dict[str, Any]:
        """Ask everything under fire, restore everything, wait, and judge."""
        began_s = time.monotonic()
        with self._broker, self._near, self._far:
            try:
                self._under_fire()
                self._restore()
                restored_s = time.monotonic()
                self._wait(restored_s + AFTER_S)
                ended_s = time.monotonic()
            finally:
                for process in (self._device, *self._workers):
                    process.kill()
        figures = judge.judge(self._events(), self._numbers)
        return {**figures, "fell_over": sum(p.fell_over for p in (self._device, *self._workers)),
                "seconds_under_fire": round(restored_s - began_s, 1),
                "seconds_after": round(ended_s - restored_s, 1)}

    def crash_points(self) -> Counter[str]:
        """How often each named point was died at."""
        logs = [self._device.log, *(w.log for w in self._workers)]
        return Counter(e["point"] for log in logs for e in crash.read_log(log)
                       if e["event"] == "crash")

    def _events(self) -> list[dict[str, Any]]:
        return crash.read_log(self._device.log)

    # -- asking -------------------------------------------------------------------------------

    def _under_fire(self) -> None:
        next_ask_s = time.monotonic() + 1.0
        next_fault_s = next_ask_s + self._rng.expovariate(1 / FAULT_GAP_S)
        while self.asked < len(self._numbers):
            now_s = time.monotonic()
            self._look(armed=True)
            if now_s >= next_ask_s and self.asked < len(self._numbers):
                self._ask(self._numbers[self.asked])
                self.asked += 1
                next_ask_s = now_s + self._rng.expovariate(self._rate)
            if now_s >= next_fault_s:
                self._fault()
                next_fault_s = now_s + self._rng.expovariate(1 / FAULT_GAP_S)
            time.sleep(0.01)

    def _ask(self, number: int) -> None:
        kinds = random.Random(number)
        self._device.send({"number": number, "clip": kinds.random() < CLIP_SHARE,
                           "deadline_s": kinds.choices(DEADLINES_S, (1, 6, 6, 6))[0]})

    def _look(self, armed: bool) -> None:
        now_s = time.monotonic()
        for item in [i for i in self._due if i[0] <= now_s]:
            self._due.remove(item)
            item[1]()
        for worker in self._workers:
            worker.look(now_s, armed)
        if self._device.look(now_s, armed):
            self._ask_again()

    def _ask_again(self) -> None:
        """Who heard no "I'll check" asks again."""
        for number in judge.unpromised(self._events(), self._numbers[: self.asked]):
            self._ask(number)

    # -- faults -------------------------------------------------------------------------------

    def _fault(self) -> None:
        faults = (self._kill_device, self._kill_worker, self._end_broker, self._cut, self._hold,
                  self._take_down, self._slow, self._tear)
        shares = (4, 4, 2, 3, 2, 2, 2, 3)
        if self._network:
            faults, shares = (*faults, self._unplug, self._lose, self._narrow), (*shares, 4, 4, 3)
        fault = self._rng.choices(faults, shares)[0]
        name = fault.__name__.strip("_")
        self.faults[name] += 1
        self._log.write("fault", fault=name)
        fault()

    def _later(self, low_s: float, high_s: float, restore: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + self._rng.uniform(low_s, high_s), restore))

    def _proxy(self) -> Proxy:
        return self._rng.choice((self._near, self._far))

    def _kill_device(self) -> None:
        self._device.kill(self._rng.uniform(0.0, 1.5))

    def _kill_worker(self) -> None:
        self._rng.choice(self._workers).kill(self._rng.uniform(0.0, 2.0))

    def _end_broker(self) -> None:
        """Killed, stopped in order, or its store lost with it."""
        how = self._rng.choice(("kill", "stop", "lose"))
        (self._broker.stop if how == "stop" else self._broker.kill)()
        if how == "lose":
            (self._broker.folder / "mosquitto.db").unlink(missing_ok=True)
        self._later(0.1, 2.0, self._broker.start)

    def _cut(self) -> None:
        self._proxy().cut()

    def _tear(self) -> None:
        self._proxy().tear()

    def _hold(self) -> None:
        """Nothing comes through and nobody is told, as out of radio range."""
        proxy = self._proxy()
        proxy.hold(True)
        self._later(0.3, 5.0, lambda: proxy.hold(False))

    def _take_down(self) -> None:
        proxy = self._proxy()
        proxy.down = True
        proxy.cut()
        self._later(0.3, 3.0, lambda: setattr(proxy, "down", False))

    def _slow(self) -> None:
        proxy = self._proxy()
        proxy.delay_s = self._rng.uniform(0.02, 0.3)
        self._later(1.0, 4.0, lambda: setattr(proxy, "delay_s", 0.0))

    def _unplug(self) -> None:
        network = self._network
        network.unplug(True)
        self._later(0.3, 6.0, lambda: network.unplug(False))

    def _lose(self) -> None:
        """5 to 40 % of the packets, each way."""
        network = self._network
        network.lose(self._rng.randint(5, 40))
        self._later(1.0, 6.0, lambda: network.lose(0))

    def _narrow(self) -> None:
        """As a bad mobile link: a clip takes seconds."""
        network = self._network
        network.narrow(self._rng.choice((32, 64, 128, 512)))
        self._later(1.0, 6.0, lambda: network.narrow(None))

    def _restore(self) -> None:
        self._due.clear()
        if self._network:
            self._network.heal()
        self._near.heal()
        self._far.heal()
        self._broker.start()
        for process in (self._device, *self._workers):
            process.kill()  # the last life is not armed

    def _wait(self, until_s: float) -> None:
        while time.monotonic() < until_s:
            self._look(armed=False)
            events = self._events()
            if not judge.pending(events) and not judge.unpromised(events, self._numbers):
                return
            time.sleep(LOOK_S)


def run(requests: int, seed: int, workers: int = 2, rate: float = 4.0,
        folder: Path | None = None, network: bool = False) -> dict[str, Any]:
    """One run; its figures, faults and crash points. `folder` keeps the logs; `network`: the device
    lives in one of its own. Raises NetworkError where it cannot be made."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        own = stack.enter_context(Network()) if network else None
        chaos = Chaos(folder or Path(scratch), requests, seed, workers, rate, own)
        figures = chaos.run()
        hit = chaos.crash_points()
        every = crash.points(crash.DEVICE | crash.WORKER)
        return {"seed": seed, "workers": workers, "figures": figures,
                "faults": dict(sorted(chaos.faults.items())),
                "crash_points": {point: hit[point] for point in every}}


def main() -> int:
    """Run, print tables, and fail when something was lost or said twice."""
    parser = argparse.ArgumentParser(prog="tools/chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=4.0, help="requests a second, mean")
    parser.add_argument("--folder", type=Path, help="keep the logs there")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--network", action="store_true",
                        help="the device behind a cable that fails, too (root)")
    options = parser.parse_args()
    try:
        done = run(options.requests, options.seed, options.workers, options.rate, options.folder,
                   options.network)
    except NetworkError as error:
        Console(stderr=True).print(f"--network: {error}")
        return 2
    for title in ("figures", "faults", "crash_points"):
        show(f"chaos, seed {options.seed}: {title}", {"measured": done[title]})
    if options.json:
        options.json.write_text(json.dumps(done, indent=1) + "\n")
    bad = judge.failed(done["figures"])
    if bad:
        Console(stderr=True).print(f"must be nought: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
