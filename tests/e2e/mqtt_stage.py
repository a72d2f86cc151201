"""A real Mosquitto, devices, workers and onlookers for the tests of delegation over MQTT."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import paho.mqtt.client as paho
import pytest

from daemon.background.broker import BrokerError, EmbeddedBroker, find_mosquitto
from daemon.background.mqtt import BrokerOptions
from daemon.background.reasoner import Say, keep
from daemon.background.service import Worker
from daemon.background.tools.result import NotNow, Result
from daemon.background.wire import Ask
from daemon.delegation import Link

REPOSITORY = Path(__file__).resolve().parents[2]
LONG_S = 30.0
EARLY_S = 0.5
"""Between a sentence that is known early and the rest of the answer."""
DEVICE = """
import sys, threading
from pathlib import Path
from daemon.delegation import Link
link = Link(sys.argv[1], "glasses", Path(sys.argv[2]))
id = link.ask("question", "torque")
while not link.committed(id):
    threading.Event().wait(0.01)
print(id, flush=True)
threading.Event().wait()
"""
"""A device that asks once and waits; arguments: broker's URL, outbox."""


def until(check: Callable[[], object], what: str, timeout_s: float = LONG_S) -> None:
    """Wait for something that must happen; how long it takes proves nothing."""
    deadline_s = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)


def jpeg(level: int) -> bytes:
    """A grey picture of 64 x 48 pixels."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
    encoder.time_base = Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
    packets = encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None)
    return b"".join(bytes(packet) for packet in packets)


class Gate:
    """A reasoner whose answers wait until the test opens it."""

    def __init__(self, opened: bool = True) -> None:
        self.open = threading.Event()
        self.asked: list[Ask] = []
        self.clips: list[np.ndarray | None] = []
        self.frames: list[Sequence[bytes]] = []
        if opened:
            self.open.set()

    def answer(self, ask: Ask, clip: np.ndarray | None, cancelled: Callable[[], bool],
               frames: Sequence[bytes] = (), say: Say = keep):
        self.asked.append(ask)
        self.clips.append(clip)
        self.frames.append(frames)
        while not self.open.wait(0.02):
            if cancelled():
                return None
        if ask.words.startswith("early"):
            say("Early.")
            time.sleep(EARLY_S)
        if ask.words == "not now" and len(self.asked) == 1:
            raise NotNow("on purpose")
        if ask.words.endswith("fail"):
            raise RuntimeError("on purpose")
        if ask.words == "early":
            return Result(("Early.", "Late."), source="test")
        return Result((f"First of {ask.words}.", "Second."), source="test")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    try:
        find_mosquitto()
    except BrokerError as error:
        pytest.skip(str(error))
    with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def links(broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Callable[..., Link]]:
    made: list[Link] = []

    def make(**options) -> Link:
        link = Link(broker.url, "glasses", tmp_path / "outbox.db", **options)
        made.append(link)
        until(lambda: link.connected, "the device is connected")
        return link

    yield make
    for link in made:
        link.close()


@pytest.fixture
def workers(broker: EmbeddedBroker) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(gate: Gate, concurrency: int = 2) -> Worker:
        worker = Worker(gate, BrokerOptions(broker.url), "test", concurrency)
        worker.start()
        made.append(worker)
        assert worker.subscribed.wait(LONG_S)
        return worker

    yield make
    for worker in made:
        worker.stop()


@pytest.fixture
def probe(broker: EmbeddedBroker) -> Iterator[Callable[[str], tuple[paho.Client, list]]]:
    made: list[paho.Client] = []

    def make(topic: str) -> tuple[paho.Client, list]:
        seen: list[paho.MQTTMessage] = []
        subscribed = threading.Event()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.on_message = lambda c, d, message: seen.append(message)
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.subscribe(topic, qos=1)
        assert subscribed.wait(LONG_S)
        made.append(client)
        return client, seen

    yield make
    for client in made:
        client.disconnect()
        client.loop_stop()
