"""What happened in a session, as `events.jsonl`: the one place that documents its lines.

One JSON object a line, in the order in which things became known. Every line has

| field  | meaning                                                                    |
|--------|----------------------------------------------------------------------------|
| `t_s`  | session clock at the end of the micro-turn, seconds                         |
| `turn` | number of the micro-turn, from 0                                            |
| `kind` | one of `KINDS` below                                                        |
| `text` | the words, where there are any                                             |

and the fields of its kind, which `KINDS` lists with their meaning. `tagalong run --events` writes
the file; live listeners (the timeline in the terminal) get the same `Event` objects.

With a stepped clock two runs over the same files write the same lines, except `stats`, which
holds wall-clock measurements, and the ids of delegations.

`EventLog` is used by the writer thread only (`daemon.writer`): the step thread touches no disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class Kind:
    """What a kind of event means, and which fields a line of that kind may have."""

    meaning: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field name -> meaning and unit."""
    expendable: bool = False
    """May be dropped, and is counted, when the disk is slower than the session."""


KINDS: Mapping[str, Kind] = {
    "start": Kind("The session began.", {
        "version": "version of tagalong",
        "engine": "engine that runs the network: onnx, torch or tensorrt",
        "weights": "SHA-256 of the weight file, first 12 digits",
        "microphone": "what is listened to",
        "camera": "what is looked at",
        "speaker": "where the voice goes",
        "broker": "where background work is asked for",
        "clock": "device or stepped",
        "compute_ms": "declared time of a step under the stepped clock, ms",
        "output_ms": "declared delay of the output under the stepped clock, ms",
        "resumed": "true when the ledger of an unfinished session was taken up again",
    }),
    "heard": Kind("Words recognised in this micro-turn (`text`).", {}, expendable=True),
    "act": Kind("A command was understood; `text` is its intent.", {
        "slots": "the values that it carries, by name",
        "confidence": "smallest probability among the intent and its slots, 0 to 1",
        "outcome": "done, asked (read back or asked for a value), undone or ignored",
        "reason": "why it was asked or ignored",
    }),
    "say": Kind("A sentence (`text`) was handed to the voice.", {
        "cause": "what made it speak: act, count, cue, timer, routine, view, answer, delegation "
                 "or notice, with a colon and the name or id",
        "utterance": "number of the sentence, from 0; `spoken` refers to it",
        "unasked": "true when no command of the wearer led to it directly",
    }),
    "spoken": Kind("A sentence (`text`) has been played, or as much of it as was played.", {
        "start_s": "session clock of its first sample, seconds",
        "end_s": "session clock of its last sample that was played, seconds",
        "utterance": "number of the sentence, as in `say`",
        "cut": "true when it was interrupted",
    }),
    "earcon": Kind("A short sound was played; `text` is its name.", {
        "start_s": "session clock of its first sample, seconds",
        "end_s": "session clock of its last sample, seconds",
    }),
    "count": Kind("The ledger counted a repetition.", {
        "count": "repetitions of the running set so far",
        "item": "what is counted",
    }),
    "timer": Kind("A timer, reminder or interval changed; `text` is what it reminds of.", {
        "id": "id of the timer",
        "change": "set, due, spoken or cancelled",
        "due_s": "session clock at which it is due, seconds",
    }),
    "step": Kind("A routine moved; `text` is what is to be done in the step.", {
        "routine": "name of the routine",
        "step": "number of the step, from 1",
        "steps": "how many there are",
        "change": "started, begun, resting (before the step), done, skipped, back, resumed, "
                  "stopped or finished",
        "count": "repetitions counted in a step that was left",
    }),
    "view": Kind("A view was remembered or is watched for; `text` is its name.", {
        "change": "remembered, watching, left (it looks different) or seen (it is back)",
        "similarity": "of what is seen now, -1 to 1",
    }),
    "scene": Kind("Something in view is watched for, or happened; `text` is what was said of it.", {
        "id": "number of the watch", "what": "light, enter, mark, needle, motion, start or stop",
        "change": "watching, start, stop, pass, enter or the colour that a light turned",
    }),
    "interpreted": Kind("A phrase of the wearer's is said in another language; `text` is it.", {
        "from": "the phrase it was taken for", "language": "spanish or german",
        "likeness": "of the words heard to the phrase, percent",
    }),
    "order": Kind("An order was taken; `text` is it.", {
        "order": "its parts: size, shots, roast, drink, milk, sugar, those that were named",
    }),
    "report": Kind("The report of a routine was written.", {
        "routine": "name of the routine",
        "path": "the Markdown file; the picture lies beside it",
    }),
    "duck": Kind("The voice was lowered by 15 dB.", {"utterance": "the sentence being spoken"}),
    "resume": Kind("The voice is back at full level.", {"utterance": "the sentence being spoken"}),
    "yield": Kind("The voice fell silent for somebody; `resume` follows where it goes on, `spoken` "
                  "with `cut` where it does not.", {"utterance": "the sentence being spoken"}),
    "withheld": Kind("The governor held back something unasked (`text`).", {
        "cause": "as in `say`",
        "reason": "why it was held back",
    }),
    "delegate": Kind("A question was given to the background; `text` is what was heard.", {
        "id": "id of the delegation, a ULID",
        "deadline_s": "session clock at which it expires, seconds",
        "about": "why it was asked: question, calculate, convert or workout_log",
        "pictures": "frames of the camera that go with it, JPEG; 0 to 2",
        "lines": "of the ledger and the conversation that go with it",
        "audio_s": "sound of the microphone that goes with it, seconds",
    }),
    "answer": Kind("News about a delegation; `text` is the answer, where there is one.", {
        "id": "id of the delegation",
        "status": "accepted, part, final, refused, expired or cancelled",
        "placement": "silent, when_idle or interrupt",
        "source": "where the answer was found",
        "latency_s": "seconds between asking and this",
        "card": "what to show where there is a display, see `daemon/background/cards.py`",
    }),
    "link": Kind("The connection to the broker changed; `text` says how.", {
        "up": "true while connected",
    }),
    "mute": Kind("A sensor was muted or opened again.", {
        "what": "microphone or camera",
        "muted": "true when muted",
        "by": "command, voice, button or timer",
    }),
    "shed": Kind("Something was dropped to keep up; `text` says what.", {
        "what": "video, turns, captions, recording or samples",
        "count": "how many since the last such line",
    }),
    "error": Kind("Something failed and the rest went on; `text` says what and what to do.", {
        "where": "the part it happened in",
    }),
    "stats": Kind("Measurements of the last micro-turns, in wall-clock time.", {
        "step_ms": "median time of a step, ms",
        "step_p95_ms": "95th percentile, ms",
        "step_max_ms": "longest, ms",
        "turns": "number of micro-turns measured",
    }, expendable=True),
    "end": Kind("The session ended; `text` says why.", {
        "turns": "micro-turns made",
        "counters": "what was dropped or missed, by name",
    }),
}
"""Every kind of event, with its fields."""

_COMMON = ("t_s", "turn", "kind", "text")


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    t_s: float
    """Session clock at the end of the micro-turn, seconds."""
    turn: int
    """Number of the micro-turn, from 0."""
    kind: str
    """A key of `KINDS`."""
    text: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    """The fields of this kind; JSON values only."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of event {self.kind!r}; expected one of "
                             f"{', '.join(KINDS)}. Describe new kinds in daemon/events.py.")

    @property
    def expendable(self) -> bool:
        """May be dropped when the disk is slower than the session."""
        return KINDS[self.kind].expendable


def undocumented(event: Event) -> list[str]:
    """Names of the event's fields that `KINDS` does not describe; empty is right."""
    return [name for name in event.data if name not in KINDS[event.kind].fields]


def to_line(event: Event) -> str:
    """The event as one line of JSON, without the line end; `t_s` is rounded to a millisecond."""
    line: dict[str, Any] = {"t_s": round(event.t_s, 3), "turn": event.turn, "kind": event.kind}
    if event.text is not None:
        line["text"] = event.text
    line.update(event.data)
    return json.dumps(line, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number that JSON knows.

    Raises:
        TypeError: it is none.
    """
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} cannot be written as JSON; use numbers, texts, lists and dicts")


def from_line(line: str) -> Event:
    """The event of one line of JSON.

    Raises:
        ValueError: not JSON, a common field is missing, or an unknown kind.
    """
    fields = json.loads(line)
    missing = [name for name in _COMMON[:3] if name not in fields]
    if missing:
        raise ValueError(f"event without {', '.join(missing)}: {line[:80]}")
    data = {name: value for name, value in fields.items() if name not in _COMMON}
    return Event(fields["t_s"], fields["turn"], fields["kind"], fields.get("text"), data)


def read_events(path: Path) -> Iterator[Event]:
    """Events of a file, in order; a last line that a crash cut off is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not an event; the message names file and line.
    """
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return
            try:
                yield from_line(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


class EventLog:
    """Writes events to a file and hands them to listeners. Used by one thread, the writer's."""

    def __init__(self, path: Path | None,
                 listeners: Sequence[Callable[[Event], None]] = ()) -> None:
        """Opens `path` for writing (None: no file) and creates its folder.

        Raises:
            OSError: the file cannot be created.
        """
        self._file: TextIO | None = None
        self._listeners = list(listeners)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "w", encoding="utf-8")

    def write(self, event: Event) -> None:
        """Appends one line, and tells the listeners.

        A listener that raises is not called again: what shows events must not end a session.

        Raises:
            OSError: the disk refused the line; the listeners have been told before.
            TypeError, ValueError: `data` holds something that JSON cannot.
        """
        for listener in tuple(self._listeners):
            self._tell(listener, event)
        if self._file is not None:
            self._file.write(to_line(event) + "\n")

    def _tell(self, listener: Callable[[Event], None], event: Event) -> None:
        try:
            listener(event)
        except Exception as error:  # a display's fault, of whatever kind, stays the display's
            self._listeners.remove(listener)
            self.write(Event(event.t_s, event.turn, "error",
                             f"a display of events failed and was switched off: {error!r}",
                             {"where": "events"}))

    def flush(self) -> None:
        """Hands written lines to the operating system, so that `tail -f` and a crash see them."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None
