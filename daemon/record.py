"""The flight recorder: every micro-turn as the network got it, and what it answered; exact replay.

A recording is an MCAP file (https://mcap.dev/spec), readable by other tools, with three channels.
For each micro-turn, in this order:

| topic    | encoding          | content                                                        |
|----------|-------------------|----------------------------------------------------------------|
| `/audio` | `x-s16le`         | 3,200 samples after echo cancellation, 16 kHz mono               |
| `/frame` | `x-png`           | one message a video frame, 160x120 RGB, lossless                 |
| `/turn`  | `json`            | index, capture times of the frames, state, reply                 |

`/turn` comes last: a micro-turn without it was cut off by a crash and is left out. Nothing is
chunked or indexed: each micro-turn is with the operating system as soon as it is recorded, and
the writer's memory does not grow with the session. The metadata record `tagalong` names engine,
weights and configuration.
"""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mcap.exceptions import McapError
from mcap.records import Channel, Message, Metadata
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType, Writer
from PIL import Image

from daemon.turn import (
    TURN_S,
    TURN_SAMPLES,
    Act,
    Addressing,
    Floor,
    MicroTurn,
    Reply,
    Slots,
    State,
    Task,
    VideoFrame,
    VoiceState,
)

FORMAT = "1"
"""Version of the layout above; a reader refuses any other."""
PNG_LEVEL = 1
"""Least effort of the lossless picture: about 1 ms a frame."""


class RecordingError(ValueError):
    """A file is no recording of tagalong, or one that this version cannot read."""


class Recorder:
    """Writes a recording. Used by one thread, the writer's."""

    def __init__(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Creates the file and its folder.

        Args:
            path: the recording, by custom `*.mcap`.
            metadata: what a replay must know: `engine`, `weights`, `config`, `version`.

        Raises:
            OSError: the file cannot be created.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "wb")
        self._mcap = Writer(self._file, compression=CompressionType.NONE, use_chunking=False,
                            index_types=IndexType.NONE, use_statistics=False)
        self._mcap.start(profile="tagalong")
        self._mcap.add_metadata("tagalong", {"format": FORMAT, **(metadata or {})})
        self._audio = self._mcap.register_channel("/audio", "x-s16le", 0)
        self._frame = self._mcap.register_channel("/frame", "x-png", 0)
        self._turn = self._mcap.register_channel("/turn", "json", 0)
        self._closed = False

    def turn(self, micro_turn: MicroTurn, reply: Reply, lost_before: int = 0) -> None:
        """Records one micro-turn; `lost_before` says how many were dropped since the last.

        Raises:
            OSError: the disk refused it.
        """
        add, index = self._mcap.add_message, micro_turn.index
        now_ns = _nanoseconds(micro_turn.t_s)
        audio = micro_turn.audio.astype("<i2", copy=False).tobytes()
        add(self._audio, now_ns, audio, now_ns, index)
        for frame in micro_turn.frames:
            add(self._frame, now_ns, _to_png(frame.rgb), _nanoseconds(frame.t_s), index)
        line = {"index": index, "lost_before": lost_before,
                "frame_t_s": [frame.t_s for frame in micro_turn.frames],
                "state": _state_to_json(micro_turn.state), "reply": _reply_to_json(reply)}
        add(self._turn, now_ns, json.dumps(line, default=_plain).encode(), now_ns, index)
        self._file.flush()

    def close(self) -> None:
        """Finishes the file; may be called twice."""
        if not self._closed:
            self._closed = True
            try:
                self._mcap.finish()
            finally:
                self._file.close()


@dataclass(frozen=True)
class Recorded:
    """One micro-turn of a recording."""

    turn: MicroTurn
    reply: Reply
    lost_before: int
    """Micro-turns that the recording dropped between this one and the one before."""


def metadata(path: Path) -> dict[str, str]:
    """What the recording says about engine, weights and configuration.

    Raises:
        OSError: the file cannot be read.
        RecordingError: it is no recording.
    """
    with open(path, "rb") as file:
        return next(_records(path, file))


def read(path: Path) -> Iterator[tuple[MicroTurn, Reply]]:
    """Micro-turns and replies of a recording, in order; ends where a crash cut the file off.

    Raises:
        OSError: the file cannot be read.
        RecordingError: it is no recording of this version.
    """
    for item in read_all(path):
        yield item.turn, item.reply


def read_all(path: Path) -> Iterator[Recorded]:
    """As `read`, with the number of micro-turns that are missing in between."""
    with open(path, "rb") as file:
        records = _records(path, file)
        next(records)
        audio: bytes = b""
        frames: list[bytes] = []
        for topic, data in records:
            if topic == "/audio":
                audio, frames = data, []
            elif topic == "/frame":
                frames.append(data)
            elif topic == "/turn":
                yield _recorded(json.loads(data), audio, frames)


def _records(path: Path, file: io.BufferedReader) -> Iterator[Any]:
    """First the metadata, then (topic, data) of every whole message."""
    topics: dict[int, str] = {}
    seen_metadata = False
    for record in _until_cut_off(path, file):
        if isinstance(record, Metadata) and record.name == "tagalong":
            _check_format(path, record.metadata)
            seen_metadata = True
            yield record.metadata
        elif not seen_metadata and isinstance(record, (Channel, Message)):
            break
        elif isinstance(record, Channel):
            topics[record.id] = record.topic
        elif isinstance(record, Message):
            yield topics.get(record.channel_id, ""), record.data
    if not seen_metadata:
        raise RecordingError(f"{path} is no recording of tagalong: expected an MCAP file that "
                             "`tagalong run --record` wrote")


class _WholeReads:
    """Reads all that was asked for or nothing, so that half a record counts as the end."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def read(self, length: int) -> bytes:
        """`length` bytes, or none when there are fewer."""
        data = self._file.read(length)
        return data if len(data) == length else b""


def _until_cut_off(path: Path, file: io.BufferedReader) -> Iterator[Any]:
    """MCAP records up to the end of the file, wherever that is."""
    try:
        yield from StreamReader(_WholeReads(file), record_size_limit=64 * 2**20).records
    except (McapError, struct.error, UnicodeDecodeError) as error:
        if file.read(1):
            raise RecordingError(f"{path} is damaged or no MCAP file ({error!r}); record again "
                                 "with `tagalong run --record`") from error


def _check_format(path: Path, found: Mapping[str, str]) -> None:
    if found.get("format") != FORMAT:
        raise RecordingError(f"{path} has format {found.get('format')!r}, expected {FORMAT!r}; "
                             "replay it with the version of tagalong that recorded it")


def _recorded(line: dict[str, Any], audio: bytes, frames: list[bytes]) -> Recorded:
    samples = np.frombuffer(audio, dtype="<i2").astype(np.int16)
    if len(samples) != TURN_SAMPLES or len(frames) != len(line["frame_t_s"]):
        raise RecordingError(f"micro-turn {line['index']} has {len(samples)} samples and "
                             f"{len(frames)} frames, expected {TURN_SAMPLES} and "
                             f"{len(line['frame_t_s'])}; the recording is damaged")
    video = tuple(VideoFrame(t_s, _from_png(png)) for t_s, png in zip(line["frame_t_s"], frames))
    turn = MicroTurn(line["index"], samples, video, _state_from_json(line["state"]))
    return Recorded(turn, _reply_from_json(line["index"], line["reply"]), line["lost_before"])


def _nanoseconds(t_s: float) -> int:
    return max(0, round(t_s * 1e9))


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number that JSON knows."""
    return value.item()


def _to_png(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb, "RGB").save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _from_png(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def _state_to_json(state: State) -> dict[str, Any]:
    return {**asdict(state), "voice": state.voice.name, "task": state.task.name,
            "addressing": state.addressing.name}


def _state_from_json(line: dict[str, Any]) -> State:
    return State(**{**line, "voice": VoiceState[line["voice"]], "task": Task[line["task"]],
                    "addressing": Addressing[line["addressing"]]})


def _reply_to_json(reply: Reply) -> dict[str, Any]:
    return {"heard": list(reply.heard), "act": asdict(reply.act) if reply.act else None,
            "floor": reply.floor.name, "counted": reply.counted, "active": float(reply.active),
            "rate_hz": float(reply.rate_hz)}


def _reply_from_json(index: int, line: dict[str, Any]) -> Reply:
    act = line["act"] and Act(line["act"]["name"], Slots(**line["act"]["slots"]),
                              line["act"]["confidence"])
    return Reply(index, tuple(line["heard"]), act, Floor[line["floor"]], line["counted"],
                 line["active"], line["rate_hz"])


class Model(Protocol):
    """What a replay needs of `daemon.interaction.InteractionModel`."""

    def reset(self) -> None:
        """Forgets the session so far."""

    def step(self, turn: MicroTurn) -> Reply:
        """Answers one micro-turn."""


@dataclass(frozen=True)
class Difference:
    """The first place where a replay differs from its recording."""

    turn: int
    """Number of the micro-turn."""
    what: str
    """Field of the reply, or `recording` where micro-turns are missing from it."""
    recorded: object
    replayed: object

    def __str__(self) -> str:
        at_s = (self.turn + 1) * TURN_S
        return (f"micro-turn {self.turn} ({at_s:.1f} s), {self.what}: "
                f"recorded {self.recorded!r}, replayed {self.replayed!r}")


def difference(recorded: Reply, replayed: Reply, tolerance: float = 1e-3) -> Difference | None:
    """The first field in which two replies to the same micro-turn differ.

    Words, act with slots, floor and count must be equal; probabilities and the rate may differ by
    `tolerance`, since another processor rounds differently. Rivals of words are neither recorded
    nor compared: on another processor one at the edge may be another.
    """
    for name in ("heard", "floor", "counted", "active", "rate_hz"):
        old, new = getattr(recorded, name), getattr(replayed, name)
        if (abs(old - new) > tolerance) if isinstance(old, float) else (old != new):
            return Difference(recorded.index, name, old, new)
    old_act, new_act = recorded.act, replayed.act
    if _what(old_act) != _what(new_act):
        return Difference(recorded.index, "act", old_act, new_act)
    if old_act and new_act and abs(old_act.confidence - new_act.confidence) > tolerance:
        return Difference(recorded.index, "act.confidence", old_act.confidence,
                          new_act.confidence)
    return None


def _what(act: Act | None) -> tuple[str, Slots] | None:
    return (act.name, act.slots) if act else None


def replay(path: Path, model: Model, speed: float | None = None, *,
           show: Callable[[MicroTurn, Reply], None] = lambda turn, reply: None,
           wait: Callable[[float], None] = time.sleep) -> Difference | None:
    """Runs the model over a recording and returns the first difference, or None.

    Args:
        path: the recording.
        model: reset, then given every micro-turn in order.
        speed: times real time; None for as fast as possible.
        show: called with every micro-turn and the new reply.
        wait: waits for that many seconds, where `speed` asks for it.

    Raises:
        OSError, RecordingError: as `read`.
        ValueError: `speed` is not positive.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed is {speed}, expected more than 0 (1 is real time)")
    model.reset()
    for item in read_all(path):
        if item.lost_before:
            return Difference(item.turn.index, "recording", f"{item.lost_before} lost before", 0)
        reply = model.step(item.turn)
        show(item.turn, reply)
        if (found := difference(item.reply, reply)) is not None:
            return found
        if speed is not None:
            wait(TURN_S / speed)
    return None
