"""Delegation over a real Mosquitto: every way in which the other side can go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import numpy as np
import paho.mqtt.client as paho
import pytest

from daemon.background import wire
from daemon.background.broker import BrokerError, EmbeddedBroker, find_mosquitto
from daemon.background.mqtt import BrokerOptions
from daemon.background.service import Worker
from daemon.background.tools.result import Result
from daemon.background.wire import Answer, AnswerType, Ask
from daemon.background.worker import MANUALS, WorkerProcess
from daemon.delegation import EventKind, Link

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]
LONG_S = 30.0


def until(check: Callable[[], object], what: str, timeout_s: float = LONG_S) -> None:
    """Wait for something that must happen; how long it takes proves nothing."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if check():
            return
        pause.wait(0.02)
    pytest.fail(f"not within {timeout_s} s: {what}")


class Gate:
    """A reasoner whose answers wait until the test opens it."""

    def __init__(self, opened: bool = True) -> None:
        self.open = threading.Event()
        self.asked: list[Ask] = []
        self.clips: list[np.ndarray | None] = []
        if opened:
            self.open.set()

    def answer(self, ask: Ask, clip: np.ndarray | None, cancelled: Callable[[], bool]):
        self.asked.append(ask)
        self.clips.append(clip)
        while not self.open.wait(0.02):
            if cancelled():
                return None
        if ask.words == "fail":
            raise RuntimeError("on purpose")
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


def test_a_question_with_its_clip_is_answered_in_order(links, workers) -> None:
    gate = Gate()
    workers(gate)
    link = links()
    clip = np.arange(32_000, dtype=np.int16)
    id = link.ask("question", "torque", (("wearer", "hello"),), clip, 30, "interrupt")
    assert link.wait(id, LONG_S)
    events = link.poll()
    assert [(e.kind.value, e.n, e.text) for e in events] == [
        ("accepted", 0, ""), ("part", 0, "First of torque."), ("final", 1, "Second.")]
    assert {e.placement for e in events} == {"interrupt"}
    assert np.array_equal(gate.clips[0], clip)
    assert gate.asked[0].conversation[0].text == "hello"
    assert link.committed(id) and link.open_ids() == ()


def test_a_round_trip_is_not_held_up_by_nagle(links, workers) -> None:
    """Without TCP_NODELAY on both ends every exchange would wait 40 ms or more for an ACK."""
    workers(Gate())
    link = links()
    took_s = []
    for _ in range(15):
        began_s = time.monotonic()
        assert link.wait(link.ask("calculate", "x"), LONG_S)
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 0.08


def test_a_request_that_comes_twice_is_answered_once(links, workers, probe) -> None:
    gate = Gate()
    worker = workers(gate)
    link = links()
    client, asks = probe(wire.ask_topic("glasses"))
    id = link.ask("question", "torque")
    assert link.wait(id, LONG_S)
    until(lambda: asks, "the request was seen")
    for _ in range(3):
        client.publish(asks[0].topic, asks[0].payload, qos=1)
    until(lambda: link.stats()["duplicates"] >= 6, "the answer came again, twice in three parts")
    assert [e.kind.value for e in link.poll()].count("final") == 1
    assert len(gate.asked) == 1 and worker.counts["duplicates"] == 3


def test_a_worker_that_dies_mid_request_is_replaced(links, workers) -> None:
    dead = workers(Gate(opened=False))
    link = links(silence_s=0.5)
    id = link.ask("question", "torque", audio_clip=np.zeros(3_200, np.int16))
    until(lambda: link.stats()["accepted"] == 1, "the first worker accepted")
    dead.stop()
    gate = Gate()
    workers(gate)
    assert link.wait(id, LONG_S)
    assert link.poll()[-1].text == "Second." and gate.clips[0] is not None
    assert link.stats()["republished"] >= 1


def test_heartbeats_keep_a_slow_request_from_being_asked_again(links, workers) -> None:
    gate = Gate(opened=False)
    workers(gate)
    link = links(silence_s=3.0)
    id = link.ask("question", "slow")
    until(lambda: link.stats()["heartbeats"] >= 2, "two heartbeats")
    assert link.stats()["republished"] == 0
    gate.open.set()
    assert link.wait(id, LONG_S)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_restarts_loses_nothing(broker, links, workers, end: str) -> None:
    gate = Gate(opened=False)
    workers(gate)
    link = links(silence_s=0.5)
    first = link.ask("question", "one")
    until(lambda: gate.asked, "the worker has the first")
    getattr(broker, end)()
    until(lambda: not link.connected, "the device noticed")
    second = link.ask("question", "two")
    until(lambda: link.committed(second), "the second is on disk without a broker")
    gate.open.set()
    broker.start()
    assert link.wait(first, LONG_S) and link.wait(second, LONG_S)
    finals = [e.id for e in link.poll() if e.kind is EventKind.FINAL]
    assert sorted(finals) == sorted([first, second])


_DEVICE = """
import sys, threading
from pathlib import Path
from daemon.delegation import Link
link = Link(sys.argv[1], "glasses", Path(sys.argv[2]))
id = link.ask("question", "torque")
while not link.committed(id):
    pass
print(id, flush=True)
threading.Event().wait()
"""


def test_a_device_killed_with_an_open_request_gets_the_answer(
    broker, links, workers, tmp_path
) -> None:
    command = [sys.executable, "-c", _DEVICE, broker.url, str(tmp_path / "outbox.db")]
    device = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    try:
        assert device.stdout is not None
        id = device.stdout.readline().strip()
    finally:
        os.kill(device.pid, signal.SIGKILL)
        device.wait()
        device.stdout.close()
    gate = Gate()
    workers(gate)
    link = links()
    assert link.committed(id)
    assert link.wait(id, LONG_S)
    assert [e.id for e in link.poll() if e.kind is EventKind.FINAL] == [id]
    link.settle(id)


def test_an_answer_waits_at_the_broker_for_a_device_that_is_away(
    broker, links, workers, tmp_path
) -> None:
    gate = Gate(opened=False)
    worker = workers(gate)
    link = links()
    id = link.ask("question", "torque")
    until(lambda: gate.asked, "the worker has it")
    link.close()
    gate.open.set()
    until(lambda: worker.counts["answered"] == 1, "answered while the device is away")
    again = links()
    assert again.wait(id, LONG_S) and again.poll()[-1].kind is EventKind.FINAL
    assert len(gate.asked) == 1


def test_bad_payloads_are_counted_and_the_rest_goes_on(links, workers, probe) -> None:
    gate = Gate()
    worker = workers(gate)
    link = links()
    client, _ = probe("none")
    bad = [b"", b"nonsense", b'{"v": 9}', b'{"v": 1}', b"x" * (wire.MAX_ASK_BYTES + 1)]
    stranger = Ask(id=wire.new_ulid(0), device="other", kind="question", deadline_s=5)
    for payload in [*bad, wire.encode(stranger)]:
        client.publish(wire.ask_topic("glasses"), payload, qos=1)
    id = wire.new_ulid(1)
    for payload in bad[:4]:
        client.publish(wire.answer_topic("glasses", id), payload, qos=1)
    foreign = Answer(id=wire.new_ulid(2), worker="w", type=AnswerType.FINAL)
    client.publish(wire.answer_topic("glasses", id), wire.encode(foreign), qos=1)
    unknown = Answer(id=id, worker="w", type=AnswerType.FINAL, text="spoof")
    client.publish(wire.answer_topic("glasses", id), wire.encode(unknown), qos=1)
    asked = link.ask("question", "torque")
    assert link.wait(asked, LONG_S)
    until(lambda: link.stats()["late"] == 1, "an answer to nothing was counted")
    stats = link.stats()
    reasons = ("bad_json", "bad_version", "bad_schema", "bad_topic")
    assert [stats[r] for r in reasons] == [2, 1, 1, 1]
    assert [worker.counts[r] for r in (*reasons, "bad_size")] == [2, 1, 1, 1, 1]
    assert {e.id for e in link.poll()} == {asked}


def test_a_cancelled_request_is_dropped_on_both_sides(links, workers) -> None:
    gate = Gate(opened=False)
    worker = workers(gate)
    link = links()
    id = link.ask("question", "torque")
    until(lambda: gate.asked, "the worker has it")
    link.cancel(id)
    until(lambda: worker.counts["cancelled"] == 1, "the worker was told")
    assert link.wait(id, LONG_S)
    assert [e.kind.value for e in link.poll()] in ([], ["accepted"])
    gate.open.set()
    assert link.wait(link.ask("question", "next"), LONG_S)
    assert worker.counts["answered"] == 1


def test_without_a_worker_a_request_expires(links) -> None:
    link = links()
    id = link.ask("question", "torque", deadline_s=1)
    assert link.wait(id, LONG_S)
    (event,) = link.poll()
    assert event.kind is EventKind.EXPIRED and "nobody" in event.text


def test_a_reasoner_that_fails_is_said_and_the_worker_lives(links, workers) -> None:
    worker = workers(Gate())
    link = links()
    assert link.wait(link.ask("question", "fail"), LONG_S)
    assert link.poll()[-1].outcome == "failed"
    assert link.wait(link.ask("question", "next"), LONG_S)
    assert worker.counts["failed"] == 1


def test_more_than_it_has_room_for_is_not_accepted_and_comes_again(links, workers) -> None:
    gate = Gate(opened=False)
    worker = workers(gate, concurrency=1)
    link = links(silence_s=0.5)
    ids = [link.ask("question", str(i)) for i in range(8)]
    until(lambda: worker.counts["no_room"] >= 1, "one was not accepted")
    gate.open.set()
    assert all(link.wait(id, LONG_S) for id in ids)
    assert len(gate.asked) == 8


def test_status_is_retained_and_the_will_says_offline(broker, links, probe, tmp_path) -> None:
    _, seen = probe(wire.status_topic("glasses"))
    link = links()
    until(lambda: [m.payload for m in seen] == [b"online"], "online")
    link.close()
    until(lambda: [m.payload for m in seen] == [b"online", b"stopped"], "stopped")
    command = [sys.executable, "-c", _DEVICE, broker.url, str(tmp_path / "other.db")]
    device = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    until(lambda: len(seen) == 3, "online again")
    device.kill()
    device.wait()
    until(lambda: len(seen) == 4 and seen[-1].payload == b"offline", "the will")
    _, late = probe(wire.status_topic("glasses"))
    until(lambda: late and late[0].retain and late[0].payload == b"offline", "retained")


def test_a_refused_connection_is_not_a_connection(tmp_path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    extra = ("allow_anonymous false", f"password_file {passwords}")
    with EmbeddedBroker(tmp_path / "b", extra_config=extra) as broker:
        link = Link(broker.url, "glasses", tmp_path / "o.db")
        until(lambda: link.stats()["refusals"] >= 1, "refused")
        assert not link.connected and "refused" in link.last_error
        link.close()


def _certificates(folder: Path) -> None:
    """A CA, and one certificate of it for localhost, used by both sides."""
    names = folder / "san"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    make = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=test-ca -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost "
        "-keyout side.key -out side.csr",
        "x509 -req -in side.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san "
        "-out side.pem",
    ]
    for line in make:
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)


def test_tls_with_certificates_and_a_password(tmp_path) -> None:
    if which("openssl") is None or which("mosquitto_passwd") is None:
        pytest.skip("needs openssl and mosquitto_passwd: apt-get install openssl mosquitto")
    _certificates(tmp_path)
    (tmp_path / "secret").write_text("correct horse\n")
    hashed = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "users"), "me", "correct horse"]
    subprocess.run(hashed, check=True)
    extra = ("allow_anonymous false", f"password_file {tmp_path}/users",
             f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/side.pem",
             f"keyfile {tmp_path}/side.key", "require_certificate true")
    with EmbeddedBroker(tmp_path / "b", extra_config=extra) as broker:
        url = f"mqtts://localhost:{broker.port}"
        keys = {"cert": tmp_path / "side.pem", "key": tmp_path / "side.key", "username": "me",
                "password_file": tmp_path / "secret"}
        trusted = Link(url, "glasses", tmp_path / "o.db", ca=tmp_path / "ca.pem", **keys)
        until(lambda: trusted.connected, "connected over TLS")
        doubting = Link(url, "doubter", tmp_path / "p.db", **keys)
        worker = Worker(Gate(), BrokerOptions(url, tmp_path / "ca.pem", **keys), "test")
        worker.start()
        assert worker.subscribed.wait(LONG_S)
        assert trusted.wait(trusted.ask("question", "torque"), LONG_S)
        until(lambda: doubting.last_error, "an unknown CA is not trusted")
        assert not doubting.connected
        worker.stop()
        trusted.close()
        doubting.close()


def test_stats_are_published_and_not_retained(links, probe) -> None:
    _, seen = probe(wire.stats_topic("glasses"))
    link = links()
    link.publish_stats({"step_p95_ms": 12.5})
    until(lambda: seen, "stats")
    assert wire.parse(wire.Stats, seen[0].payload).values == {"step_p95_ms": 12.5}
    assert not seen[0].retain and seen[0].qos == 0


def test_the_worker_program_answers_and_stops_in_order(broker, links, tmp_path) -> None:
    with WorkerProcess(broker.url, MANUALS, tmp_path / "log.db") as worker:
        assert worker.wait_ready()
        link = links()
        ids = [
            link.ask("workout_log", arguments={"number": 15, "item": "squats"}, placement="silent"),
            link.ask("workout_log", arguments={"item": "squats", "period": "today"}),
            link.ask("question", "how do i stop a nosebleed"),
            link.ask("convert", arguments={"number": 2, "unit": "bar", "unit2": "psi"}),
        ]
        assert all(link.wait(id, LONG_S) for id in ids)
        said = {e.id: e.text for e in link.poll() if e.kind is not EventKind.ACCEPTED and not e.n}
        assert said[ids[1]] == "15 squats in one set today."
        assert said[ids[2]].startswith("Sit upright")
        process = worker._process
        worker.stop()
        assert process is not None and process.returncode == 0


def test_a_worker_ends_with_its_parent(broker, tmp_path) -> None:
    worker = WorkerProcess(broker.url, MANUALS, tmp_path / "log.db")
    worker.start()
    assert worker.wait_ready()
    process = worker._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(LONG_S) == 0


def test_the_worker_names_what_it_cannot_use(tmp_path) -> None:
    command = [sys.executable, "-m", "daemon.background.worker", "--broker", "mqtt://localhost"]
    done = subprocess.run(
        [*command, "--manuals", str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2 and "no section" in done.stderr


def test_a_broker_that_cannot_start_is_named(broker, tmp_path) -> None:
    second = EmbeddedBroker(tmp_path / "second", port=broker.port)
    with pytest.raises(BrokerError, match="mosquitto"):
        second.start()
    with pytest.raises(BrokerError, match="install"):
        find_mosquitto(cache=tmp_path / "empty", search_path=str(tmp_path))


def test_a_broker_left_over_by_a_killed_parent_is_ended(tmp_path) -> None:
    first = EmbeddedBroker(tmp_path / "b")
    first.start()
    with EmbeddedBroker(tmp_path / "b"):
        until(lambda: not first.running, "the orphan has ended")
    first.stop()
