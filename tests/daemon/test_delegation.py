"""The desk, the outbox and the face without a broker: clocks passed in, a real file below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.background import wire
from daemon.background.cards import Card, TextPart
from daemon.background.clip import decode_flac, encode_flac
from daemon.background.mqtt import BrokerRefused
from daemon.background.wire import AnswerType, BadPayload, Outcome
from daemon.delegation import Link, NullLink
from daemon.outbox import Outbox, OutboxError
from daemon.promises import EventKind
from tests.daemon.desk_stage import Stage

pytestmark = pytest.mark.unit
CARD = Card(title="a card", parts=(TextPart(text="more"),))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "outbox.db")


def test_a_request_is_on_disk_before_it_is_published(stage: Stage) -> None:
    id = stage.ask()
    assert stage.desk.committed(id) and stage.desk.open_ids() == (id,)
    assert [a.id for a in stage.post.asks()] == [id]
    assert [r.id for r in stage.outbox.records()] == [id]


def test_the_same_id_is_published_again_only_after_silence(stage: Stage) -> None:
    id = stage.ask()
    stage.after(4.9)
    assert len(stage.post.asks()) == 1
    stage.after(0.2)
    assert [a.id for a in stage.post.asks()] == [id, id]
    assert stage.post.asks()[1].deadline_s == pytest.approx(54.9, abs=0.01)
    stage.answer(id, AnswerType.ACCEPTED)
    for _ in range(5):
        stage.after(4)
        stage.answer(id, AnswerType.HEARTBEAT)
    assert len(stage.post.asks()) == 2
    stage.after(5.1)
    assert stage.counts["republished"] == 2


def test_pieces_come_in_order_and_once(stage: Stage) -> None:
    id = stage.ask()
    for n in (1, 0, 1, 0):
        stage.answer(id, AnswerType.PART, n=n, text=str(n))
    stage.answer(id, AnswerType.FINAL, n=2, text="2")
    stage.answer(id, AnswerType.FINAL, n=2, text="2")
    events = stage.events.take()
    assert [(e.kind.value, e.n, e.text) for e in events] == [
        ("part", 0, "0"), ("part", 1, "1"), ("final", 2, "2")]
    assert stage.counts["duplicates"] == 3 and stage.desk.open_ids() == ()


def test_a_final_waits_for_the_piece_before_it(stage: Stage) -> None:
    id = stage.ask()
    stage.answer(id, AnswerType.FINAL, n=1, text="b")
    assert stage.kinds() == []
    stage.after(5.1)
    assert len(stage.post.asks()) == 2
    stage.answer(id, AnswerType.PART, n=0, text="a")
    assert stage.kinds() == ["part", "final"]


def test_a_second_worker_counts_only_when_the_first_fell_silent(stage: Stage) -> None:
    id = stage.ask(clip=np.zeros(1_600, np.int16))
    stage.answer(id, AnswerType.ACCEPTED, wants=("audio",))
    stage.answer(id, AnswerType.ACCEPTED, worker="w2", wants=("audio",))
    stage.answer(id, AnswerType.PART, worker="w2", n=0, text="other")
    assert stage.counts["strangers"] == 2
    stage.after(5.1)
    stage.answer(id, AnswerType.ACCEPTED, worker="w2", wants=("audio",))
    stage.answer(id, AnswerType.FINAL, worker="w2", text="mine")
    assert stage.kinds() == ["accepted", "accepted", "final"]
    clips = [t for t, _ in stage.post.sent if t.endswith("/audio")]
    assert clips == [wire.attachment_topic("glasses", w, id, "audio") for w in ("w1", "w2")]


def test_it_expires_aloud_with_the_reason(stage: Stage) -> None:
    stage.post.connected = False
    away = stage.ask(1, deadline_s=10)
    stage.after(10)
    stage.post.connected = True
    nobody = stage.ask(2, deadline_s=10)
    taken = stage.ask(3, deadline_s=10)
    stage.answer(taken, AnswerType.ACCEPTED)
    stage.after(10)
    said = {e.id: e.text for e in stage.events.take() if e.kind is EventKind.EXPIRED}
    assert "no connection" in said[away] and "nobody" in said[nobody] and "in time" in said[taken]
    stage.answer(taken, AnswerType.FINAL, text="too late")
    assert stage.kinds() == []


def test_a_full_outbox_sheds_the_oldest_silent_request_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "o.db", max_open=3)
    first, silent = stage.ask(1), stage.ask(2, placement="silent")
    third = stage.ask(3)
    fourth = stage.ask(4)
    assert stage.desk.open_ids() == (first, third, fourth)
    assert [(e.id, e.kind.value) for e in stage.events.take()] == [(silent, "expired")]
    stage.ask(5)
    assert first not in stage.desk.open_ids() and stage.counts["shed_asks"] == 2


def test_cancelling_tells_the_workers_also_later(stage: Stage) -> None:
    id = stage.ask()
    stage.post.connected = False
    stage.desk.cancel(id)
    stage.answer(id, AnswerType.FINAL, text="unwanted")
    assert stage.kinds() == [] and stage.desk.open_ids() == () and stage.events.ended(id)
    again = Stage(stage.outbox.path, at_s=1)
    again.after(1)
    topic, payload = again.post.sent[0]
    assert topic == wire.cancel_topic("glasses", id)
    assert wire.parse(wire.Cancel, payload).id == id
    assert list(again.outbox.records()) == []


def test_open_requests_and_unsettled_answers_outlive_the_process(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "o.db")
    opened, answered = stage.ask(1), stage.ask(2)
    expired, settled = stage.ask(3, deadline_s=1), stage.ask(4)
    stage.answer(opened, AnswerType.PART, text="first half")
    stage.answer(answered, AnswerType.FINAL, text="16", source="manual", card=CARD)
    stage.answer(settled, AnswerType.FINAL, text="17")
    stage.desk.settle(settled)
    stage.after(2)
    again = Stage(tmp_path / "o.db", at_s=3)
    assert again.desk.open_ids() == (opened,) and again.desk.committed(answered)
    events = {(e.id, e.kind.value): e for e in again.events.take()}
    assert set(events) == {(opened, "part"), (answered, "final"), (expired, "expired")}
    assert events[answered, "final"].source == "manual"
    assert events[answered, "final"].card == CARD
    again.answer(opened, AnswerType.PART, n=0, text="first half")
    again.answer(opened, AnswerType.FINAL, n=1, text="second half")
    assert [e.text for e in again.events.take()] == ["second half"]


def test_an_answer_that_nobody_settled_is_forgotten_at_last(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "o.db")
    stage.answer(stage.ask(deadline_s=10), AnswerType.FINAL, text="16")
    assert Stage(tmp_path / "o.db", at_s=3_000).kinds() == ["final"]
    assert Stage(tmp_path / "o.db", at_s=4_000).kinds() == []


def test_a_request_that_cannot_be_made_is_unavailable(stage: Stage) -> None:
    id = stage.ask(clip=np.zeros((2, 100), np.int16))
    events = stage.events.take()
    assert [e.kind for e in events] == [EventKind.UNAVAILABLE] and not stage.desk.committed(id)
    assert stage.post.sent == []


def test_an_outbox_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database " * 100)
    with pytest.raises(OutboxError, match="broken.db"):
        Outbox(broken)
    with pytest.raises(OutboxError, match="state folder"):
        Outbox(Path("/proc/none/outbox.db"))


def test_without_a_broker_it_is_said_at_once() -> None:
    link = NullLink()
    id = link.ask("question", "what torque")
    assert link.wait(id, 0) and not link.committed(id) and not link.connected
    (event,) = link.poll()
    assert event.kind is EventKind.UNAVAILABLE and event.id == id and event.text
    assert link.poll() == [] and link.open_ids() == () and link.stats()["unavailable"] == 1
    with pytest.raises(ValueError, match="question"):
        link.ask("shell")


def test_a_link_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(BrokerRefused, match="mqtts"):
        Link("mqtt://broker.example", "glasses", tmp_path / "o.db")
    with pytest.raises(ValueError, match="device"):
        Link("mqtt://localhost", "my/glasses", tmp_path / "o.db")


def test_a_clip_goes_round_as_flac_and_bad_ones_are_refused() -> None:
    clip = np.random.default_rng(0).normal(0, 3_000, 48_001).astype(np.int16)
    flac = encode_flac(clip)
    assert np.array_equal(decode_flac(flac), clip)
    for bad in (b"", b"RIFF" * 100, flac[:3_000], b"\0" * (wire.MAX_ATTACHMENT_BYTES + 1)):
        with pytest.raises(BadPayload):
            decode_flac(bad)
    for wrong in (clip.astype(np.float32), clip[:0], np.zeros(31 * 16_000, np.int16)):
        with pytest.raises(ValueError, match="clip"):
            encode_flac(wrong)


def test_the_outcome_of_an_answer_reaches_the_session(stage: Stage) -> None:
    id = stage.ask()
    stage.answer(id, AnswerType.FINAL, text="I did not catch that.", outcome=Outcome.NOT_CAUGHT)
    assert stage.events.take()[-1].outcome == "not_caught"
