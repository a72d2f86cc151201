"""What the way to the background costs without the reasoner: MQTT, HTTP and gRPC on loopback.

The same request (its JSON as on the wire) is answered with the same answer by a process beside
this one, in turn over each way, so that what else the machine does meets all of them. MQTT is the
product's: outbox on disk with full sync, Mosquitto, shared subscription, `accepted`, the answer on
disk. HTTP and gRPC keep a connection open and nothing on disk.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from daemon.background import wire
from daemon.background.broker import EmbeddedBroker, free_port
from daemon.background.wire import Ask
from daemon.delegation import Link
from daemon.promises import EventKind
from tools.benchmark.report import show

REPOSITORY = Path(__file__).resolve().parents[2]
WORDS = "what torque does an m eight bolt in aluminium take"
WARM_UP = 20
READY_S = 60.0
ANSWER_S = 30.0
PAUSE_S = 0.005
Call = Callable[[], None]


def start_peer(kind: str, where: str, stack: ExitStack) -> None:
    """Start the other side in a process of its own; returns once it answers."""
    process = subprocess.Popen([sys.executable, "-m", "tools.benchmark.delegation_peer", kind,
                                where], cwd=REPOSITORY, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    stack.callback(_end, process)
    assert process.stdout is not None
    if process.stdout.readline().strip() != b"ready":
        raise RuntimeError(f"the {kind} side of the benchmark did not start")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _request() -> bytes:
    return wire.encode(Ask(id=wire.new_ulid(time.time_ns() // 1_000_000), device="glasses",
                           kind="question", words=WORDS, deadline_s=60))


def over_mqtt(stack: ExitStack, folder: Path) -> Call:
    """The product's link to the product's worker."""
    broker = stack.enter_context(EmbeddedBroker(folder / "broker"))
    start_peer("mqtt", broker.url, stack)
    link = Link(broker.url, "glasses", folder / "outbox.db")
    stack.callback(link.close)

    def call() -> None:
        id = link.ask("question", WORDS)
        if not link.wait(id, ANSWER_S) or link.poll()[-1].kind is not EventKind.FINAL:
            raise RuntimeError(f"no answer over MQTT: {link.last_error or link.stats()}")
        link.settle(id)

    return call


def over_http(stack: ExitStack, folder: Path) -> Call:
    """HTTP/1.1 with a connection that stays open."""
    port = free_port()
    start_peer("http", str(port), stack)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    client.connect()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stack.callback(client.close)

    def call() -> None:
        client.request("POST", "/ask", _request())
        wire.parse(wire.Answer, client.getresponse().read())

    return call


def over_grpc(stack: ExitStack, folder: Path) -> Call:
    """A unary call with the JSON as its bytes: what is compared is the way, not the encoding."""
    import grpc

    port = free_port()
    start_peer("grpc", str(port), stack)
    channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
    ask = channel.unary_unary("/tagalong.Background/Ask")

    def call() -> None:
        wire.parse(wire.Answer, ask(_request(), timeout=ANSWER_S))

    return call


WAYS = {"mqtt": over_mqtt, "http": over_http, "grpc": over_grpc}


def measure(requests: int) -> dict[str, Any]:
    """Time every way, a request of each in turn; prints a table."""
    took_s: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        calls = {way: make(stack, Path(scratch)) for way, make in WAYS.items()}
        for n in range(requests + WARM_UP):
            for way, call in calls.items():
                began_s = time.perf_counter()
                call()
                if n >= WARM_UP:
                    took_s[way].append(time.perf_counter() - began_s)
                time.sleep(PAUSE_S)
    columns = {way: _figures(np.array(times) * 1_000) for way, times in took_s.items()}
    show(f"delegation without the reasoner, loopback, load {os.getloadavg()[0]:.1f}", columns)
    return {"requests": requests, "load_1min": os.getloadavg()[0], "ways": columns}


def _figures(ms: np.ndarray) -> dict[str, float]:
    return {f"p{p}_ms": round(float(np.percentile(ms, p)), 2) for p in (50, 90, 99)} | {
        "max_ms": round(float(ms.max()), 2)}
