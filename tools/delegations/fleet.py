"""`tools/fleet`: many devices' MQTT sessions from one process and thread: latency, loss, memory.

A device here speaks the daemon's messages and keeps its rule (the same id again after 5 s without
a sign of life); it has no outbox and no sound. Without `--broker` a Mosquitto and workers that
answer at once are started beside; with one, its own workers answer. Sessions end with the run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import selectors
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daemon.background import wire
from daemon.background.broker import EmbeddedBroker
from daemon.background.mqtt import (
    KEEPALIVE_S,
    BrokerOptions,
    BrokerRefused,
    make_client,
    parse_url,
    publish_properties,
)
from daemon.background.wire import Answer, AnswerType, Ask, BadPayload
from tools.benchmark.delegation import start_peer
from tools.benchmark.report import show

DEADLINE_S = 30.0
SETTLE_S = 35.0
"""After the last request, until all are answered or given up."""
MISC_S = 1.0
"""Keep-alives and what is to be asked again are looked after this often."""
SELECT_S = 0.01


@dataclass
class Errand:
    """A request that is under way."""

    asked_s: float
    heard_s: float
    """Last sign of life, or last publish."""


@dataclass
class Tally:
    """What happened to all devices together."""

    asked: int = 0
    again: int = 0
    """The same id published once more."""
    lost: int = 0
    """No answer within the deadline."""
    disconnects: int = 0
    refused: int = 0
    bad: int = 0
    took_s: list[float] = field(default_factory=list)


class FleetDevice:
    """One session."""

    def __init__(self, name: str, options: BrokerOptions, tally: Tally) -> None:
        self.name, self._tally = name, tally
        self.ready = False
        self._open: dict[str, Errand] = {}
        self.client = make_client(options, f"tagalong-{name}")
        self.client.will_set(wire.status_topic(name), "offline", qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        address = parse_url(options.url)
        properties = Properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = wire.MAX_PACKET_BYTES
        self.client.connect(address.host, address.port, KEEPALIVE_S, clean_start=True,
                            properties=properties)

    @property
    def open(self) -> int:
        """Requests under way."""
        return len(self._open)

    def ask(self, now_s: float) -> None:
        """A small request with a new id."""
        id = wire.new_ulid(time.time_ns() // 1_000_000)
        self._open[id] = Errand(now_s, now_s)
        self._tally.asked += 1
        self._publish(id, DEADLINE_S)

    def look(self, now_s: float) -> None:
        """Ask again, give up, keep alive."""
        for id, errand in list(self._open.items()):
            left_s = errand.asked_s + DEADLINE_S - now_s
            if left_s <= 0:
                self._tally.lost += 1
                del self._open[id]
            elif now_s - errand.heard_s >= wire.SILENCE_S:
                errand.heard_s = now_s
                self._tally.again += 1
                self._publish(id, left_s)
        self.client.loop_misc()

    def _publish(self, id: str, left_s: float) -> None:
        ask = Ask(id=id, device=self.name, kind="question", words="torque", deadline_s=left_s)
        properties = publish_properties(left_s, wire.answer_topic(self.name, id), id)
        self.client.publish(wire.ask_topic(self.name), wire.encode(ask), qos=1,
                            properties=properties)

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, p: Any) -> None:
        if code.is_failure:
            self._tally.refused += 1
        else:
            client.subscribe(wire.answer_topic(self.name, "+"), qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        self.ready = True

    def _on_disconnect(self, *_: Any) -> None:
        self.ready = False
        self._tally.disconnects += 1

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        try:
            answer = wire.parse(Answer, bytes(message.payload))
        except BadPayload:
            self._tally.bad += 1
            return
        errand = self._open.get(answer.id)
        if errand is None:
            return
        errand.heard_s = time.monotonic()
        if answer.type is AnswerType.FINAL:
            self._tally.took_s.append(errand.heard_s - errand.asked_s)
            del self._open[answer.id]


class Fleet:
    """All devices on one selector."""

    def __init__(self, options: BrokerOptions, devices: int, prefix: str) -> None:
        self.tally = Tally()
        self._selector = selectors.DefaultSelector()
        self._next_look_s = 0.0
        self.devices: list[FleetDevice] = []
        for n in range(devices):
            device = FleetDevice(f"{prefix}{n}", options, self.tally)
            self.devices.append(device)
            self._selector.register(device.client.socket(), selectors.EVENT_READ, device)
            if n % 20 == 0:
                self.turn()

    def turn(self) -> None:
        """Read what has come, write what waits, and now and then look after everybody."""
        for key, _ in self._selector.select(SELECT_S):
            client = key.data.client
            client.loop_read()
            if client.socket() is None:
                self._selector.unregister(key.fileobj)
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + MISC_S
            for device in self.devices:
                device.look(now_s)
                if device.client.want_write():
                    device.client.loop_write()

    def turn_until(self, check: Callable[[], bool], timeout_s: float) -> bool:
        """Go on until it holds; False when it does not in time."""
        deadline_s = time.monotonic() + timeout_s
        while not check():
            if time.monotonic() > deadline_s:
                return False
            self.turn()
        return True

    def close(self) -> None:
        """End all sessions in order."""
        for device in self.devices:
            device.client.disconnect()
        self._selector.close()


def rss_kib(pid: int) -> int:
    """Resident memory of a process of this machine."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def run(options: BrokerOptions, devices: int, seconds: float, rate: float, seed: int = 1,
        broker_pid: int | None = None) -> dict[str, Any]:
    """Connect everybody, ask `rate` requests a second for `seconds`; the figures.

    Raises:
        BrokerRefused: not everybody was let in.
        OSError: the broker cannot be reached.
    """
    before_kib, broker_kib = rss_kib(os.getpid()), rss_kib(broker_pid) if broker_pid else 0
    began_s = time.monotonic()
    fleet = Fleet(options, devices, f"fleet{os.getpid()}-")
    try:
        if not fleet.turn_until(lambda: all(d.ready for d in fleet.devices), 60 + devices / 20):
            ready = sum(d.ready for d in fleet.devices)
            raise BrokerRefused(f"{options.url}: only {ready} of {devices} devices were let in "
                                f"({fleet.tally.refused} refused); see the broker's log and its "
                                "limits (max_connections, ulimit -n)")
        connected_s = time.monotonic() - began_s
        figures = {"devices": devices, "connected_s": round(connected_s, 2),
                   "kib_a_device_here": round((rss_kib(os.getpid()) - before_kib) / devices, 1)}
        if broker_pid:
            figures["kib_a_device_broker"] = round((rss_kib(broker_pid) - broker_kib) / devices, 1)
        _ask(fleet, seconds, rate, random.Random(seed))
        fleet.turn_until(lambda: not any(d.open for d in fleet.devices), SETTLE_S)
        return {**figures, **_summary(fleet.tally, seconds)}
    finally:
        fleet.close()


def _ask(fleet: Fleet, seconds: float, rate: float, rng: random.Random) -> None:
    """Requests at random times by random devices, `rate` a second on average."""
    now_s = time.monotonic()
    ends_s, next_s = now_s + seconds, now_s + rng.expovariate(rate)
    while now_s < ends_s:
        while next_s <= now_s:
            rng.choice(fleet.devices).ask(now_s)
            next_s += rng.expovariate(rate)
        fleet.turn()
        now_s = time.monotonic()


def _summary(tally: Tally, seconds: float) -> dict[str, Any]:
    ms = np.array(tally.took_s or [0.0]) * 1_000
    return {"asked": tally.asked, "asked_per_second": round(tally.asked / seconds, 1),
            "answered": len(tally.took_s), "lost": tally.lost, "asked_again": tally.again,
            "disconnects": tally.disconnects, "bad_answers": tally.bad,
            **{f"p{p}_ms": round(float(np.percentile(ms, p)), 1) for p in (50, 99)},
            "load_1min": round(os.getloadavg()[0], 1)}


def run_beside(devices: int, seconds: float, rate: float, workers: int, seed: int = 1
               ) -> dict[str, Any]:
    """The same with a Mosquitto and workers of its own."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(Path(scratch), extra_config=(
            "max_connections -1",)))
        for _ in range(workers):
            start_peer("mqtt", broker.url, stack)
        figures = run(BrokerOptions(broker.url), devices, seconds, rate, seed, broker.pid)
        return {**figures, "workers": workers}


def main() -> int:
    """Run, print a table; 1 when something was lost, 2 when the broker cannot be used."""
    parser = argparse.ArgumentParser(prog="tools/fleet", description=__doc__)
    parser.add_argument("--broker", help="URL; without one a broker and workers are started")
    for name in ("ca", "cert", "key"):
        parser.add_argument(f"--{name}", type=Path, help="PEM file, as of the daemon")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second, all together")
    parser.add_argument("--workers", type=int, default=4, help="without --broker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    try:
        if given.broker is None:
            figures = run_beside(given.devices, given.seconds, given.rate, given.workers,
                                 given.seed)
        else:
            options = BrokerOptions(given.broker, given.ca, given.cert, given.key,
                                    given.username, given.password_file)
            figures = run(options, given.devices, given.seconds, given.rate, given.seed)
    except (BrokerRefused, OSError) as error:
        print(f"tools/fleet: {error}", file=sys.stderr)
        return 2
    show("fleet", {"measured": figures})
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
