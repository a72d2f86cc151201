"""The messages between device and worker, and their topics: one schema that both sides check.

Every payload is JSON of one of the models below. `parse` refuses what is too large, of another
version or not of the schema with `BadPayload`, whose `reason` is one short word for a counter;
the text of the payload is never part of it, so it may be logged.
"""

from __future__ import annotations

import json
import os
import re
from enum import Enum
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from daemon.background.cards import Card

SCHEMA_VERSION = 1
PREFIX = "tagalong/1"
SHARE_GROUP = "background"

MAX_ASK_BYTES = 65_536
MAX_ANSWER_BYTES = 16_384
MAX_CANCEL_BYTES = 1_024
MAX_STATS_BYTES = 8_192
MAX_ATTACHMENT_BYTES = 2_097_152
"""12 s of 16-bit mono at 16 kHz are 384,000 bytes before FLAC."""
MEDIA = {"audio": "audio/flac", "frame0": "image/jpeg", "frame1": "image/jpeg"}
"""Attachments by name: the wearer's last words; the newest picture, and the one before the view
last changed."""
MAX_PACKET_BYTES = MAX_ATTACHMENT_BYTES + 4_096
"""MQTT 5 maximum packet size that both sides announce."""
MAX_PARTS = 64
"""Numbered parts of one answer, the final one included."""

HEARTBEAT_S = 2.0
"""A worker sends a heartbeat this often for every request that it has accepted, seconds."""
SILENCE_S = 5.0
"""Without `accepted` or heartbeat for this long the device publishes the same id again, seconds."""

ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Ulid = Annotated[str, StringConstraints(pattern=ULID_PATTERN)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Word = Annotated[str, StringConstraints(max_length=64)]


class BadPayload(ValueError):
    """A payload that is dropped; `reason` is one of: size, json, version, schema, topic."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Placement(str, Enum):
    """When an answer may be heard: not at all, in a pause, or at once."""

    SILENT = "silent"
    WHEN_IDLE = "when_idle"
    INTERRUPT = "interrupt"


class AnswerType(str, Enum):
    """What an answer message is."""

    ACCEPTED = "accepted"
    HEARTBEAT = "heartbeat"
    PART = "part"
    FINAL = "final"


class Outcome(str, Enum):
    """How a final answer ended."""

    ANSWERED = "answered"
    NOT_CAUGHT = "not_caught"
    """The words were not understood well enough; the text says so."""
    FAILED = "failed"
    """Understood, but it could not be done; the text says why."""


class Message(BaseModel):
    """What every message has; unknown fields of a later minor version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    v: Literal[1] = 1


class Said(BaseModel):
    """One line of the conversation so far."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    who: Literal["wearer", "tagalong", "ledger"]
    text: Annotated[str, StringConstraints(max_length=500)]


class Attachment(BaseModel):
    """What follows on the worker's own topic once it has accepted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    media: Literal["audio/flac", "image/jpeg"]
    size_bytes: int = Field(ge=1, le=MAX_ATTACHMENT_BYTES)


class Ask(Message):
    """A request of a device to any one worker."""

    id: Ulid
    device: Name
    kind: Literal["question", "calculate", "convert", "workout_log"]
    words: Annotated[str, StringConstraints(max_length=2_000)] = ""
    """What the device's own network heard."""
    arguments: dict[Word, int | float | Word | None] = Field(default_factory=dict, max_length=16)
    conversation: tuple[Said, ...] = Field(default=(), max_length=40)
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=4)
    deadline_s: float = Field(gt=0, le=86_400)
    """Seconds that were left when this copy of the request was published."""
    placement: Placement = Placement.WHEN_IDLE


class Answer(Message):
    """One message of a worker about one request."""

    id: Ulid
    worker: Name
    type: AnswerType
    n: int = Field(default=0, ge=0, lt=MAX_PARTS)
    """Number of a part or of the final message, from 0; 0 for accepted and heartbeat."""
    text: Annotated[str, StringConstraints(max_length=2_000)] = ""
    """One sentence or a few, to be spoken."""
    outcome: Outcome = Outcome.ANSWERED
    placement: Placement = Placement.WHEN_IDLE
    card: Card | None = None
    """What to show where there is a display."""
    source: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Citation: manual and section, or the tool."""
    wants: tuple[Name, ...] = Field(default=(), max_length=4)
    """In `accepted`: names of the attachments that the worker has not got yet."""


class Cancel(Message):
    """A device no longer wants the answer."""

    id: Ulid
    reason: Word = "cancelled"


class Stats(Message):
    """Figures of a device: plain numbers only."""

    values: dict[Word, int | float] = Field(max_length=128)


M = TypeVar("M", bound=Message)

_LIMITS: dict[type[Message], int] = {
    Ask: MAX_ASK_BYTES,
    Answer: MAX_ANSWER_BYTES,
    Cancel: MAX_CANCEL_BYTES,
    Stats: MAX_STATS_BYTES,
}


def parse(model: type[M], payload: bytes) -> M:
    """Check a payload and return it as `model`.

    Raises:
        BadPayload: too large, not JSON, another schema version, or not of the schema.
    """
    if len(payload) > _LIMITS[model]:
        raise BadPayload("size", f"{len(payload)} bytes, at most {_LIMITS[model]}")
    try:
        raw = json.loads(payload)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadPayload("json", "not a JSON text") from None
    if not isinstance(raw, dict):
        raise BadPayload("json", "not a JSON object")
    if raw.get("v") != SCHEMA_VERSION:
        raise BadPayload("version", f"schema version is not {SCHEMA_VERSION}")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadPayload("schema", f"{where} ({first['type']})") from None


def encode(message: Message) -> bytes:
    """The message as it goes on the wire.

    Raises:
        BadPayload: the message is larger than its kind may be.
    """
    payload = message.model_dump_json(exclude_none=True).encode()
    limit = _LIMITS[type(message)]
    if len(payload) > limit:
        raise BadPayload("size", f"{len(payload)} bytes, at most {limit}")
    return payload


def new_ulid(unix_ms: int, randomness: bytes | None = None) -> str:
    """A ULID: 48 bits of time and 80 random bits in 26 characters.

    Source: https://github.com/ulid/spec
    """
    random = os.urandom(10) if randomness is None else randomness
    value = (unix_ms & (1 << 48) - 1) << 80 | int.from_bytes(random, "big")
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def check_name(name: str, what: str) -> str:
    """Return `name` when it may stand in a topic.

    Raises:
        ValueError: it has characters that may not.
    """
    if not re.match(NAME_PATTERN, name):
        raise ValueError(
            f"{what} {name!r}: expected 1 to 64 of the characters A-Z a-z 0-9 _ -; choose another"
        )
    return name


def status_topic(device: str) -> str:
    """Retained `online` or `stopped`; the will message says `offline`."""
    return f"{PREFIX}/{device}/status"


def ask_topic(device: str) -> str:
    """Requests of a device."""
    return f"{PREFIX}/{device}/ask"


def answer_topic(device: str, id: str) -> str:
    """Answers to one request; `+` for all of a device's."""
    return f"{PREFIX}/{device}/answer/{id}"


def attachment_topic(device: str, worker: str, id: str, name: str) -> str:
    """What a device sends to the one worker that accepted."""
    return f"{PREFIX}/{device}/worker/{worker}/{id}/{name}"


def cancel_topic(device: str, id: str) -> str:
    """Withdrawal of a request, to all workers."""
    return f"{PREFIX}/{device}/cancel/{id}"


def stats_topic(device: str) -> str:
    """Figures of a device, not retained."""
    return f"{PREFIX}/{device}/stats"


def worker_topics(worker: str) -> tuple[str, str, str]:
    """What a worker subscribes to: asks (shared), its own attachments, cancellations."""
    return (
        f"$share/{SHARE_GROUP}/{PREFIX}/+/ask",
        f"{PREFIX}/+/worker/{worker}/+/+",
        f"{PREFIX}/+/cancel/+",
    )


def split_topic(topic: str) -> tuple[str, list[str]]:
    """The device of a topic and the levels after it.

    Raises:
        BadPayload: not a topic of ours.
    """
    head, levels = topic.split("/")[:2], topic.split("/")[2:]
    if "/".join(head) != PREFIX or len(levels) < 2 or not re.match(NAME_PATTERN, levels[0]):
        raise BadPayload("topic", "not a topic of tagalong")
    return levels[0], levels[1:]
