"""Questions and answers over a real Mosquitto, and every way in which a side can go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from daemon.background import wire
from daemon.background.wire import Answer, AnswerType, Ask
from daemon.delegation import EventKind
from tests.e2e.mqtt_stage import (
    DEVICE,
    EARLY_S,
    LONG_S,
    REPOSITORY,
    Gate,
    broker,
    jpeg,
    links,
    probe,
    until,
    workers,
)

__all__ = ["broker", "links", "probe", "workers"]
pytestmark = pytest.mark.e2e


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


@pytest.mark.parametrize("words, last", [("early", "Late."), (
    "early fail", "Something went wrong while I looked that up.")])
def test_a_sentence_that_is_known_early_is_there_early_and_once(
        links, workers, words: str, last: str) -> None:
    worker = workers(Gate())
    link = links()
    link.ask("question", words)
    events, came_s = [], {}

    def all_came() -> bool:
        for event in link.poll():
            events.append(event)
            came_s[event.text] = time.monotonic()
        return last in came_s

    until(all_came, "the last sentence came")
    assert [(e.kind.value, e.n, e.text) for e in events] == [
        ("accepted", 0, ""), ("part", 0, "Early."), ("final", 1, last)]
    assert came_s[last] - came_s["Early."] > 0.6 * EARLY_S
    assert link.stats()["duplicates"] == 0 and worker.counts["answered"] == 1


def test_what_cannot_be_answered_now_is_asked_again_and_answered(links, workers) -> None:
    gate = Gate()
    worker = workers(gate)
    link = links(silence_s=0.5)
    assert link.wait(link.ask("question", "not now", deadline_s=30), LONG_S)
    assert [e.text for e in link.poll() if e.text] == ["First of not now.", "Second."]
    assert worker.counts["not_now"] == 1 and len(gate.asked) == 2


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


def test_pictures_reach_the_worker_that_accepted_and_leave_the_file(links, workers, tmp_path):
    gate = Gate()
    worker = workers(gate)
    link = links()
    shown = [jpeg(level) for level in (40, 200)]
    clip = np.zeros(3_200, np.int16)
    id = link.ask("question", "what is this", audio_clip=clip, frames=shown)
    assert link.wait(id, LONG_S)
    assert list(gate.frames[0]) == shown and gate.clips[0] is not None
    assert worker.counts["attached"] == 3
    link.settle(id)
    link.close()
    for file in tmp_path.rglob("*.db*"):
        assert not any(frame in file.read_bytes() for frame in shown), f"{file.name} keeps one"


def test_what_is_no_jpeg_is_dropped_and_the_words_do(links, workers) -> None:
    gate = Gate()
    worker = workers(gate)
    link = links()
    id = link.ask("question", "what is this", frames=[b"\xff\xd8\xff nothing \xff\xd9"])
    assert link.wait(id, 8.0), "it waited for a picture that was refused"
    assert gate.frames[0] == () and worker.counts["bad_picture"] == 1


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


def test_a_device_killed_with_an_open_request_gets_the_answer(
    broker, links, workers, tmp_path
) -> None:
    command = [sys.executable, "-c", DEVICE, broker.url, str(tmp_path / "outbox.db")]
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
