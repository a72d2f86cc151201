"""Payloads that are nearly right: what a broken, old or hostile peer may send on each topic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.background import wire
from daemon.background.cards import Card, ChartPart, TablePart, TextPart
from daemon.background.clip import encode_flac
from daemon.background.wire import Answer, AnswerType, Ask, Cancel
from daemon.remote_mute import MuteSet, set_topic

DEVICE = "glasses"
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, -(2**70), 1e308, float("nan"), float("inf"), "", "\u0000", "\ud800",
    "x" * 70_000, "a/b", "../../etc/passwd", [], {}, [[[[]]]], {"v": 1}, ["x"] * 5_000,
)
"""Put in the place of any value."""
CARD = Card(title="Torque", parts=(
    TextPart(text="Sixteen."), TablePart(columns=("size", "torque"), rows=(("M8", "16"),)),
    ChartPart(labels=("Mon", "Tue"), values=(12.0, 8.0), unit="squats")))
MAX_EDITS = 4
LARGEST_BYTES = 300_000


Message = tuple[str, bytes]
"""Topic and payload."""


@dataclass(frozen=True)
class Target:
    """One kind of message."""

    name: str
    valid: Callable[[random.Random], list[Message]]
    """A right message of this topic, last, and what has to come before it."""

    def shot(self, rng: random.Random) -> list[Message]:
        """The same with faults in the last."""
        *before, (topic, payload) = self.valid(rng)
        return [*before, (topic, mutated(payload, rng))]


def new_id(rng: random.Random) -> str:
    """An id nobody has used."""
    return wire.new_ulid(rng.getrandbits(40), rng.randbytes(10))


def _ask(rng: random.Random, id: str) -> bytes:
    fields = {"id": id, "device": DEVICE, "kind": "question", "words": "torque",
              "arguments": {"number": 3, "unit": "kilos"}, "deadline_s": 5.0,
              "conversation": [{"who": "wearer", "text": "hello"}],
              "attachments": [{"name": "audio", "media": "audio/flac", "size_bytes": 900}]}
    return wire.encode(Ask.model_validate(fields))


def targets(worker: str, open_id: Callable[[], str]) -> list[Target]:
    """Every topic that a device or this worker listens to; `open_id` gives a request that waits
    for an answer of this worker."""

    def answer(rng: random.Random) -> list[Message]:
        id = open_id()
        part = Answer(id=id, worker=worker, type=AnswerType.PART, n=rng.randint(0, 63),
                      text="Sixteen.", source="manual", card=CARD)
        return [(wire.answer_topic(DEVICE, id), wire.encode(part))]

    def mute(rng: random.Random) -> list[Message]:
        wanted = MuteSet(v=1, sensor="camera", muted=True, for_s=5.0, id=new_id(rng))
        return [(set_topic(DEVICE), wanted.model_dump_json().encode())]

    def ask(rng: random.Random) -> list[Message]:
        return [(wire.ask_topic(DEVICE), _ask(rng, new_id(rng)))]

    def attachment(rng: random.Random) -> list[Message]:
        id = new_id(rng)
        clip = encode_flac(np.arange(rng.randint(160, 1_600), dtype=np.int16))
        return [(wire.ask_topic(DEVICE), _ask(rng, id)),
                (wire.attachment_topic(DEVICE, worker, id, "audio"), clip)]

    def cancel(rng: random.Random) -> list[Message]:
        id = new_id(rng)
        return [(wire.cancel_topic(DEVICE, id), wire.encode(Cancel(id=id)))]

    made = {"answer": answer, "mute/set": mute, "attachment": attachment, "cancel": cancel,
            "ask": ask}
    return [Target(name, valid) for name, valid in made.items()]


def mutated(payload: bytes, rng: random.Random) -> bytes:
    """A payload with up to four faults in its bytes or in its JSON."""
    if payload[:1] == b"{" and rng.random() < 0.5:
        payload = _edited(json.loads(payload), rng)
    for _ in range(rng.randint(0, MAX_EDITS)):
        payload = rng.choice(_BYTES)(payload, rng)
    return payload[:LARGEST_BYTES]


def _edited(raw: dict[str, Any], rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, MAX_EDITS)):
        place = raw
        key = rng.choice(sorted(place) or ["v"])
        while (inner := _inside(place.get(key), rng)) and rng.random() < 0.5:
            place, key = inner, rng.choice(sorted(inner))
        change = rng.randrange(3)
        if change == 0:
            place.pop(key, None)
        elif change == 1:
            place[key] = rng.choice(VALUES)
        else:
            place[rng.choice(("extra", key + "_", "v"))] = rng.choice(VALUES)
    return json.dumps(raw).encode("utf-8", "surrogatepass")


def _inside(value: Any, rng: random.Random) -> dict[str, Any]:
    """An object that is the value or one of its items; empty where there is none."""
    objects = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict)]
    return rng.choice(objects) if objects else {}


def _flip(payload: bytes, rng: random.Random) -> bytes:
    if not payload:
        return payload
    at = rng.randrange(len(payload))
    return payload[:at] + bytes([payload[at] ^ 1 << rng.randrange(8)]) + payload[at + 1 :]


def _cut(payload: bytes, rng: random.Random) -> bytes:
    return payload[: rng.randint(0, len(payload))]


def _insert(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(payload))
    return payload[:at] + rng.randbytes(rng.randint(1, 64)) + payload[at:]


def _repeat(payload: bytes, rng: random.Random) -> bytes:
    return payload * rng.randint(2, 5)


def _nest(payload: bytes, rng: random.Random) -> bytes:
    deep = rng.choice((10, 2_000))
    return b"[" * deep + payload + b"]" * deep


def _replace(payload: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"", b"null", b"[]", b"{}", b'"', b"\xff\xfe", b"{" * 5_000, b"0" * 66_000))


_BYTES = (_flip, _flip, _cut, _insert, _repeat, _nest, _replace)
