"""The desk at which promises are kept: what was asked is answered, or expires with an event.

`Desk` decides what to store, publish and report. It belongs to one thread (the writer of
`delegation.Link`), owns the outbox, and reaches the broker only through the `Post` it is given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from daemon.background import wire
from daemon.background.clip import encode_flac
from daemon.background.wire import Answer, AnswerType, Ask
from daemon.outbox import Heard, Outbox, Record
from daemon.promises import (
    KEEP_ANSWERED_MS,
    MAX_OPEN,
    MAX_OPEN_BYTES,
    MAX_REMEMBERED,
    EventKind,
    EventQueue,
    NewAsk,
    Post,
    Promise,
    event_of,
    expiry,
    remember,
    unavailable,
)

WINDOW = 8
"""Requests of one device that are with the workers at a time, those that interrupt not counted."""


class Desk:
    """Promises, their outbox and the answers to them."""

    def __init__(
        self,
        device: str,
        outbox: Outbox,
        post: Post,
        events: EventQueue,
        counts: dict[str, int],
        monotonic: Callable[[], float],
        unix_ms: Callable[[], int],
        silence_s: float = wire.SILENCE_S,
        max_open: int = MAX_OPEN,
        metered: Callable[[], bool] = lambda: False,
    ) -> None:
        """`metered`: whether the network costs by the byte; then sound and pictures stay here."""
        self._device, self._outbox, self._post = device, outbox, post
        self._events, self._counts = events, counts
        self._monotonic, self._unix_ms = monotonic, unix_ms
        self._silence_s, self._max_open, self._metered = silence_s, max_open, metered
        self._open: dict[str, Promise] = {}
        self._committed: OrderedDict[str, None] = OrderedDict()
        self._begun: OrderedDict[str, int] = OrderedDict()
        self.last_error = ""
        self._restore()

    def committed(self, id: str) -> bool:
        """Whether the request is on disk."""
        return id in self._committed

    def begun(self, id: str) -> int:
        """Sentences of its answer that are marked as begun by this process."""
        return self._begun.get(id, 0)

    def open_ids(self) -> tuple[str, ...]:
        """Requests that wait for an answer, oldest first."""
        return tuple(i for i, p in list(self._open.items()) if p.record.state == "open")

    def _restore(self) -> None:
        now_ms = self._unix_ms()
        for record in self._outbox.records():
            if record.state != "cancelled" and now_ms > record.deadline_ms + KEEP_ANSWERED_MS:
                self._outbox.remove(record.id)
                continue
            remember(self._committed, record.id)
            promise = self._promise(record)
            if record.state in ("open", "cancelled"):
                self._open[record.id] = promise
            self._report_again(promise)

    def _promise(self, record: Record) -> Promise:
        # A clock that was set back over a restart must not give it more time than it ever had.
        left_ms = min(record.deadline_ms - self._unix_ms(), record.deadline_ms - record.asked_ms)
        return Promise(record, self._monotonic() + left_ms / 1_000)

    def _report_again(self, promise: Promise) -> None:
        record = promise.record
        if record.state == "cancelled":
            return
        heard = self._outbox.heard(record.id)
        for body in self._outbox.answers(record.id):
            for answer in promise.take(wire.parse(Answer, body.encode())):
                final = answer.type is AnswerType.FINAL
                kind = EventKind.FINAL if final else EventKind.PART
                self._events.put(replace(event_of(kind, record, answer), heard=heard))
        if record.state == "expired":
            late = expiry(record, "I got no answer in time.")
            self._events.put(replace(late, heard=heard))

    def add(self, new: NewAsk) -> None:
        """Put a request on disk; reports it as unavailable when that cannot be done.

        Raises:
            sqlite3.Error: the disk refused; reported as well.
        """
        try:
            record = self._record(new)
        except ValueError as error:
            self.last_error = f"delegation {new.kind}: {error}"
            self.refuse(new, "I could not pass that on.")
            return
        try:
            self._shed(record.size_bytes)
            self._outbox.add(record)
        except BaseException:
            self.refuse(new, "I could not note that down.")
            raise
        self._open[new.id] = self._promise(record)
        remember(self._committed, new.id)

    def _record(self, new: NewAsk) -> Record:
        audio = None if new.audio_clip is None else encode_flac(new.audio_clip)
        body = wire.encode(self._ask_of(new, audio)).decode()
        deadline_ms = new.asked_ms + int(new.deadline_s * 1_000)
        given = (body, audio, new.placement, new.asked_ms, deadline_ms)
        return Record(new.id, new.kind, *given, frames=new.frames)

    def _ask_of(self, new: NewAsk, audio: bytes | None) -> Ask:
        sent = ({} if audio is None else {"audio": audio}) | new.frames
        attachments = [
            {"name": name, "media": wire.MEDIA[name], "size_bytes": len(body)}
            for name, body in sent.items()
        ]
        fields = {
            "id": new.id,
            "device": self._device,
            "kind": new.kind,
            "words": new.words,
            "arguments": new.arguments,
            "conversation": [{"who": who, "text": text} for who, text in new.conversation],
            "attachments": attachments,
            "deadline_s": new.deadline_s,
            "placement": new.placement,
        }
        return Ask.model_validate(fields)

    def refuse(self, new: NewAsk, text: str) -> None:
        """Report that nothing was promised."""
        self._counts["unavailable"] += 1
        self._events.put(unavailable(new.id, text, new.placement, new.kind))

    def _shed(self, size_bytes: int) -> None:
        """Make room for a request: the oldest silent one goes, else the oldest, and it is said."""
        while records := [p.record for p in self._open.values()]:
            held_bytes = sum(r.size_bytes for r in records)
            if len(records) < self._max_open and held_bytes + size_bytes <= MAX_OPEN_BYTES:
                return
            silent = [r for r in records if r.placement == wire.Placement.SILENT.value]
            self._counts["shed_asks"] += 1
            self._expire((silent or records)[0], "I had to let go of an earlier question.")

    def tick(self) -> None:
        """Publish what is due, expire what is late, tell what was withdrawn."""
        now_s = self._monotonic()
        for promise in list(self._open.values()):
            if promise.record.state == "cancelled":
                self._tell_cancelled(promise, now_s)
            elif now_s >= promise.ends_s:
                self._expire(promise.record, self._why_late(promise))
        if self._post.connected:
            for promise in self._turns():
                if promise.due(now_s, self._silence_s):
                    self._publish(promise, now_s)

    def _turns(self) -> list[Promise]:
        """Whose turn it is to be with the workers: by placement, then the oldest, `WINDOW` of them.

        More would only wait there, out of order; what interrupts does not wait for the others.
        """
        waiting = [p for p in self._open.values() if p.record.state == "open"]
        first = [p for p in waiting if p.urgency == 0]
        rest = sorted((p for p in waiting if p.urgency), key=lambda p: (not p.out, p.urgency))
        return first + rest[:WINDOW]

    def _why_late(self, promise: Promise) -> str:
        if promise.owner is not None:
            return "I got no answer in time."
        if not self._post.connected:
            return "I could not look that up: there is no connection."
        return "I could not look that up: nobody took the question."

    def _expire(self, record: Record, text: str) -> None:
        self._outbox.set_state(record.id, "expired")
        self._open.pop(record.id, None)
        self._counts["expired"] += 1
        self._events.put(expiry(record, text))

    def _publish(self, promise: Promise, now_s: float) -> None:
        left_s = promise.ends_s - now_s
        ask = wire.parse(Ask, promise.record.body.encode())
        ask = ask.model_copy(update={"deadline_s": left_s, "device": self._device})
        if ask.attachments and self._metered():
            self._counts["held_back"] += 1
            ask = ask.model_copy(update={"attachments": ()})
        self._counts["republished" if promise.out else "published"] += 1
        promise.published_s = now_s
        self._post.publish(wire.ask_topic(self._device), wire.encode(ask), left_s, ask.id)

    def cancel(self, id: str) -> None:
        """Withdraw a request; the workers are told as soon as there is a connection."""
        promise = self._open.get(id)
        if promise is None:
            self.settle(id)
            return
        self._outbox.set_state(id, "cancelled")
        self._counts["cancelled"] += 1
        self._open[id] = Promise(replace(promise.record, state="cancelled"), promise.ends_s)
        self._events.end(id)

    def _tell_cancelled(self, promise: Promise, now_s: float) -> None:
        record = promise.record
        if self._post.connected:
            topic = wire.cancel_topic(self._device, record.id)
            self._post.publish(topic, wire.encode(wire.Cancel(id=record.id)))
        elif now_s < promise.ends_s:
            return
        self._open.pop(record.id, None)
        self._outbox.remove(record.id)

    def settle(self, id: str) -> None:
        """Forget an answer or expiry that was dealt with; an open request stays."""
        if id not in self._open:
            self._outbox.remove(id)

    def mark(self, id: str, heard: Heard) -> None:
        """Put on disk how far an answer was spoken.

        Raises:
            sqlite3.Error: the disk refused; the sentence may sound all the same, for silence
                would be worse than a sentence that is heard again after a crash.
        """
        try:
            self._outbox.mark(id, heard)
        finally:
            self._begun[id] = max(heard.begun, self.begun(id))
            while len(self._begun) > MAX_REMEMBERED:
                self._begun.popitem(last=False)

    def on_answer(self, answer: Answer) -> None:
        """Take one valid message of a worker."""
        promise = self._open.get(answer.id)
        if promise is None or promise.record.state == "cancelled":
            self._counts["duplicates" if self._events.ended(answer.id) else "late"] += 1
            return
        known = promise.owner
        if not promise.belongs(answer, self._monotonic(), self._silence_s):
            self._counts["strangers"] += 1
        elif answer.type is AnswerType.ACCEPTED:
            self._on_accepted(promise, answer, known)
        elif answer.type is AnswerType.HEARTBEAT:
            self._counts["heartbeats"] += 1
        else:
            self._on_piece(promise, answer)

    def _on_accepted(self, promise: Promise, answer: Answer, known: str | None) -> None:
        record = promise.record
        if known == answer.worker:
            self._counts["duplicates"] += 1
        else:
            self._counts["accepted"] += 1
            self._events.put(event_of(EventKind.ACCEPTED, record, answer))
        kept = ({} if record.audio is None else {"audio": record.audio}) | record.frames
        for name in () if self._metered() else kept.keys() & set(answer.wants):
            topic = wire.attachment_topic(self._device, answer.worker, answer.id, name)
            left_s = max(1.0, promise.ends_s - self._monotonic())
            self._post.publish(topic, kept[name], left_s)

    def _on_piece(self, promise: Promise, answer: Answer) -> None:
        if answer.type is AnswerType.FINAL and answer.n < promise.next_n:
            # Another worker took over and had less to say: what was handed on is the answer.
            answer = answer.model_copy(update={"n": promise.next_n, "text": ""})
        if answer.n in promise.held or answer.n < promise.next_n:
            self._counts["duplicates"] += 1
            return
        self._counts["pieces"] += 1
        for ready in promise.take(answer):
            # Handed on first: the answer does not wait for the disk. None of it sounds before it is
            # there, for the mark of its first sentence is written behind it; and the broker keeps
            # what is not acknowledged.
            self._hand_on(promise.record, ready)
            final = ready.type is AnswerType.FINAL
            self._outbox.add_answer(ready.id, ready.n, wire.encode(ready).decode(), final)

    def _hand_on(self, record: Record, answer: Answer) -> None:
        if answer.type is AnswerType.PART:
            self._counts["parts"] += 1
            self._events.put(event_of(EventKind.PART, record, answer))
            return
        self._open.pop(record.id, None)
        self._counts["finals"] += 1
        self._events.put(event_of(EventKind.FINAL, record, answer))
