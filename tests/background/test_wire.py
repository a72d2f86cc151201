"""The message schema: what fits goes round, what does not is refused with its reason."""

from __future__ import annotations

import json

import pytest

from daemon.background import wire
from daemon.background.mqtt import BrokerOptions, BrokerRefused, make_client, parse_url
from daemon.background.wire import Answer, AnswerType, Ask, BadPayload

pytestmark = pytest.mark.unit

ID = wire.new_ulid(1_700_000_000_000, bytes(range(10)))


def _ask(**changes: object) -> Ask:
    fields = {"id": ID, "device": "glasses", "kind": "question", "words": "what torque",
              "arguments": {"number": 3, "unit": "bar"}, "deadline_s": 30.0,
              "conversation": [{"who": "wearer", "text": "hello"}]}
    return Ask.model_validate(fields | changes)


def _reason(payload: bytes, model: type[wire.Message] = Ask) -> str:
    with pytest.raises(BadPayload) as caught:
        wire.parse(model, payload)
    return caught.value.reason


def test_a_ulid_sorts_by_time_and_matches_the_pattern() -> None:
    earlier, later = wire.new_ulid(1_000), wire.new_ulid(2_000)
    assert earlier < later and len(earlier) == 26
    assert _ask(id=later).id == later
    assert wire.new_ulid((1 << 48) - 1, b"\xff" * 10) == "7" + "Z" * 25


def test_messages_go_round() -> None:
    ask = _ask()
    assert wire.parse(Ask, wire.encode(ask)) == ask
    answer = Answer(id=ID, worker="w-1", type=AnswerType.PART, n=3, text="16 newton metres")
    assert wire.parse(Answer, wire.encode(answer)) == answer


def test_a_field_of_a_later_version_is_ignored() -> None:
    raw = json.loads(wire.encode(_ask())) | {"mood": "curious"}
    assert wire.parse(Ask, json.dumps(raw).encode()) == _ask()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "json"),
        (b"\xff\xfe", "json"),
        (b"[1, 2]", "json"),
        (b"[" * 60_000, "json"),
        (b'{"v": 2}', "version"),
        (b"{}", "version"),
        (b'{"v": 1}', "schema"),
        (b" " * (wire.MAX_ASK_BYTES + 1), "size"),
    ],
    ids=["empty", "not text", "array", "deep", "version", "no version", "no fields", "large"],
)
def test_what_is_no_message_is_refused(payload: bytes, reason: str) -> None:
    assert _reason(payload) == reason


@pytest.mark.parametrize(
    "change",
    [{"id": "short"}, {"id": ID.lower()}, {"device": "a/b"}, {"device": "+"}, {"kind": "shell"},
     {"deadline_s": 0}, {"deadline_s": 1e9}, {"words": "x" * 3_000}, {"placement": "loud"},
     {"arguments": {str(i): i for i in range(17)}}, {"arguments": {"a": [1]}}],
    ids=str,
)
def test_a_field_out_of_range_is_refused_without_its_text(change: dict[str, object]) -> None:
    raw = json.loads(wire.encode(_ask())) | change
    with pytest.raises(BadPayload) as caught:
        wire.parse(Ask, json.dumps(raw).encode())
    assert caught.value.reason == "schema"
    assert "xxx" not in str(caught.value)


def test_an_answer_too_large_is_not_sent() -> None:
    ask = _ask(conversation=[{"who": "wearer", "text": "\u2603" * 500}] * 40)
    with pytest.raises(BadPayload):
        wire.encode(ask.model_copy(update={"words": "\u2603" * 5_000}))


def test_topics_are_taken_apart_and_others_refused() -> None:
    assert wire.split_topic(wire.ask_topic("glasses")) == ("glasses", ["ask"])
    topic = wire.attachment_topic("glasses", "w-1", ID, "audio")
    assert wire.split_topic(topic) == ("glasses", ["worker", "w-1", ID, "audio"])
    for other in ("tagalong/2/glasses/ask", "other", "tagalong/1/glasses", "tagalong/1//ask"):
        with pytest.raises(BadPayload):
            wire.split_topic(other)


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "localhost:1883", "mqtt://", "mqtt://broker.example", "mqtt://10.0.0.1",
     "mqtt://localhost:99999", "mqtts://user:secret@host"],
)
def test_a_broker_that_may_not_be_used_is_refused(url: str) -> None:
    with pytest.raises(BrokerRefused) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_loopback_needs_no_tls_and_ports_have_defaults() -> None:
    assert parse_url("mqtt://localhost").port == 1883
    assert parse_url("mqtt://127.0.0.1:4711").port == 4711
    assert parse_url("mqtts://broker.example") .port == 8883


def test_missing_credentials_and_certificates_are_named(tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for options in (
        BrokerOptions("mqtt://localhost", username="a", password_file=tmp_path / "none"),
        BrokerOptions("mqtt://localhost", username="a", password_file=empty),
        BrokerOptions("mqtts://localhost", ca=tmp_path / "ca.pem"),
        BrokerOptions("mqtts://localhost", ca=empty),
    ):
        with pytest.raises(BrokerRefused, match=str(tmp_path)):
            make_client(options, "test")
