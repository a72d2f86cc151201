"""Device side of background work: a promise is on disk before "I'll check" is heard.

`Link.ask` returns an id at once; a writer thread puts the request on disk, publishes it, publishes
the same id again while no worker gives a sign of life, sorts what comes back and hands it to
`poll`. What was asked is answered, or expires with an event of its own, also over `kill -9`.
`promises.NullLink` has the same face and no broker.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

from daemon.background import wire
from daemon.background.mqtt import (
    KEEPALIVE_S,
    BrokerOptions,
    connect,
    make_client,
    set_backoff,
)
from daemon.background.wire import Answer, BadPayload
from daemon.desk import Desk
from daemon.outbox import Heard, Outbox
from daemon.post import MqttPost
from daemon.promises import (
    COUNTERS,
    MAX_OPEN,
    AnswerEvent,
    Arguments,
    Conversation,
    Delegate,
    EventKind,
    EventQueue,
    FRAME_NAMES,
    NewAsk,
    NullLink,
    check_kind,
    unix_ms_now,
)
from daemon.remote_mute import MuteSet, MuteState, parse_set, set_topic, state_topic

__all__ = ["AnswerEvent", "Delegate", "EventKind", "Link", "NullLink"]

MAX_COMMANDS = 256
SESSION_EXPIRY_S = 86_400
RECEIVE_MAXIMUM = 64
TICK_S = 0.1
MAX_MUTES = 32
_NOT_RETAINED = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
"""A command is never retained; one that somebody retained by mistake must not act again."""


class Link:
    """Delegation over MQTT 5, with an outbox on disk."""

    def __init__(
        self,
        broker_url: str,
        device: str,
        outbox_path: Path,
        *,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        username: str | None = None,
        password_file: Path | None = None,
        keepalive_s: int = KEEPALIVE_S,
        silence_s: float = wire.SILENCE_S,
        max_open: int = MAX_OPEN,
        remote_mute: bool = True,
        metered: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
        unix_ms: Callable[[], int] = unix_ms_now,
    ) -> None:
        """Open the outbox and begin to connect; returns at once, also without a broker.

        Args:
            broker_url: mqtt://localhost[:port], or mqtts://host[:port] anywhere.
            device: name of this device in topics; a stable one, the broker keeps its session.
            outbox_path: SQLite file; made when missing.
            keepalive_s: longest silence before the broker calls the device lost, seconds.
            silence_s: publish again after so long without a sign of life, seconds.
            max_open: open delegations that are kept.
            remote_mute: listen to `mute/set` and publish `mute/state`.
            metered: whether the network costs by the byte; requests then go without attachments.

        Raises:
            ValueError: the device's name may not stand in a topic.
            BrokerRefused: URL, password file or certificates cannot be used.
            OutboxError: the file cannot be used.
        """
        self._device = wire.check_name(device, "device")
        options = BrokerOptions(broker_url, ca, cert, key, username, password_file)
        self._client = make_client(options, f"tagalong-{device}", manual_ack=True)
        self._unix_ms = unix_ms
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._events = EventQueue(self._counts)
        self._post = MqttPost(self._client, device)
        self._outbox = Outbox(outbox_path)
        self._desk = Desk(
            device,
            self._outbox,
            self._post,
            self._events,
            self._counts,
            monotonic,
            unix_ms,
            silence_s,
            max_open,
            metered,
        )
        self._commands: Queue[Callable[[], None]] = Queue(MAX_COMMANDS)
        self._marking: set[tuple[str, int]] = set()
        self._stopping = threading.Event()
        self._remote_mute = remote_mute
        self._mutes: Queue[MuteSet] = Queue(MAX_MUTES)
        self._mute_state: MuteState | None = None
        self._mute_told: MuteState | None = None
        self._failures = 0
        self._connection_error = ""
        self._wire_client()
        self._writer = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._writer.start()
        connect(self._client, broker_url, SESSION_EXPIRY_S, RECEIVE_MAXIMUM, keepalive_s)

    @property
    def connected(self) -> bool:
        """Whether the broker accepted the connection and it stands."""
        return self._post.connected

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, for `status` and `doctor`; empty when nothing did."""
        return self._connection_error or self._desk.last_error

    # Called by the session: touches neither disk nor network.

    def ask(
        self,
        kind: str,
        words: str = "",
        conversation: Conversation = (),
        audio_clip: np.ndarray | None = None,
        deadline_s: float = 60.0,
        placement: str = "when_idle",
        arguments: Arguments | None = None,
        frames: Sequence[bytes] = (),
    ) -> str:
        """Ask the background; returns the request's id at once.

        Args:
            kind: question | calculate | convert | workout_log.
            words: what was heard.
            conversation: (who, text), oldest first, who = wearer | tagalong | ledger; the last 40.
            audio_clip: (T,) int16 at 16 kHz, copied here; at most 30 s.
            deadline_s: 1 to 86,400; then it expires.
            placement: silent | when_idle | interrupt.
            arguments: of a structured request; None values are left out.
            frames: JPEG, the newest first, then the one before the view last changed.

        Raises:
            ValueError: unknown kind or placement, a deadline out of range, or too many frames.
        """
        check_kind(kind)
        placement = wire.Placement(placement).value
        if not 1 <= deadline_s <= 86_400:
            raise ValueError(f"delegation deadline {deadline_s} s: expected 1 to 86400")
        if len(frames) > len(FRAME_NAMES):
            raise ValueError(f"{len(frames)} frames: expected at most {len(FRAME_NAMES)}")
        given = {k: v for k, v in (arguments or {}).items() if v is not None}
        now_ms = self._unix_ms()
        clip = None if audio_clip is None else np.array(audio_clip)
        new = NewAsk(
            wire.new_ulid(now_ms),
            kind,
            words[-2_000:],
            tuple((who, text[-500:]) for who, text in list(conversation)[-40:]),
            clip,
            deadline_s,
            placement,
            given,
            now_ms,
            dict(zip(FRAME_NAMES, frames)),
        )
        self._counts["asks"] += 1
        if not self._command(lambda: self._desk.add(new)):
            self._desk.refuse(new, "I have too much to look up just now.")
        return new.id

    def committed(self, id: str) -> bool:
        """Whether the request is on disk, so that it may be promised aloud."""
        return self._desk.committed(id)

    def cancel(self, id: str) -> None:
        """Withdraw a request: no event comes for it any more, and the workers are told."""
        self._command(lambda: self._desk.cancel(id))

    def settle(self, id: str) -> None:
        """Forget an answer or expiry that was spoken, shown or dropped."""
        self._command(lambda: self._desk.settle(id))

    def begin(self, id: str, sentence: int) -> bool:
        """Whether a sentence of an answer, from 0, may sound: it is marked as begun on disk.

        Asked again until it says so; the first time asks for the mark.
        """
        if self._desk.begun(id) > sentence:
            return True
        if (id, sentence) not in self._marking:
            self._marking.add((id, sentence))
            if not self._command(lambda: self._begin(id, sentence)):
                self._marking.discard((id, sentence))
        return False

    def completed(self, id: str, sentence: int) -> None:
        """A sentence sounded to its end: it is never spoken again, also after a crash."""
        self._command(lambda: self._desk.mark(id, Heard(sentence + 1, sentence + 1)))

    def poll(self) -> list[AnswerEvent]:
        """What happened since the last call, in order; each piece once.

        After a restart, pieces that were not settled come again: the journal knows what was heard.
        """
        return self._events.take()

    def wait(self, id: str, timeout_s: float) -> bool:
        """Block until nothing more comes for `id`; False after `timeout_s`."""
        return self._events.wait(id, timeout_s)

    def open_ids(self) -> tuple[str, ...]:
        """Requests without a final answer, oldest first; after a restart also earlier ones."""
        return self._desk.open_ids()

    def publish_stats(self, values: Mapping[str, int | float]) -> None:
        """Publish figures of the device, QoS 0; dropped while there is no connection."""
        message = wire.Stats(values=dict(values))
        self._command(lambda: self._publish_stats(message))

    def remote_mutes(self) -> list[MuteSet]:
        """Messages that asked to mute or unmute since the last call, oldest first."""
        return [self._mutes.get_nowait() for _ in range(self._mutes.qsize())]

    def publish_mute(self, state: MuteState) -> None:
        """Publish what is muted, retained, now and at every later connect."""
        if self._remote_mute:
            self._mute_state = state

    def stats(self) -> dict[str, int]:
        """Counters since the start, `open` and `connected`."""
        return {**self._counts, "open": len(self.open_ids()), "connected": int(self.connected)}

    def close(self) -> None:
        """Say `stopped`, disconnect and close the file; open requests stay on disk."""
        if self._stopping.is_set():
            return
        if self.connected:
            topic = wire.status_topic(self._device)
            sent = self._client.publish(topic, "stopped", qos=1, retain=True)
            self._wait_sent(sent)
        self._stopping.set()
        self._writer.join(timeout=5)
        self._client.disconnect()
        self._client.loop_stop()
        self._outbox.close()

    def _wait_sent(self, sent: paho.MQTTMessageInfo) -> None:
        try:
            sent.wait_for_publish(1.0)
        except (RuntimeError, ValueError):
            self._connection_error = "status 'stopped' could not be published"

    # The writer thread: the only one that touches the outbox.

    def _command(self, work: Callable[[], None]) -> bool:
        try:
            self._commands.put_nowait(work)
        except Full:
            self._counts["shed_commands"] += 1
            return False
        return True

    def _write(self) -> None:
        while not (self._stopping.is_set() and self._commands.empty()):
            try:
                work: Callable[[], None] | None = self._commands.get(timeout=TICK_S)
            except Empty:
                work = None
            try:
                if work is not None:
                    work()
                self._desk.tick()
                self._tell_mute()
            except sqlite3.Error as error:
                self._counts["disk_errors"] += 1
                self._desk.last_error = f"outbox {self._outbox.path}: {error}"

    def _begin(self, id: str, sentence: int) -> None:
        self._marking.discard((id, sentence))
        self._desk.mark(id, Heard(sentence + 1))

    def _publish_stats(self, message: wire.Stats) -> None:
        if self._post.connected:
            self._client.publish(wire.stats_topic(self._device), wire.encode(message), qos=0)

    def _tell_mute(self) -> None:
        """Publish the state of the mute unless this connection has carried it already."""
        state = self._mute_state
        if state is None or state is self._mute_told or not self._post.connected:
            return
        self._mute_told = state
        self._client.publish(state_topic(self._device), state.model_dump_json(), qos=1, retain=True)

    def _received(self, message: paho.MQTTMessage) -> None:
        try:
            if message.topic == set_topic(self._device) and self._remote_mute:
                self._on_mute(parse_set(bytes(message.payload)))
            else:
                self._on_answer(message)
        except BadPayload as error:
            self._counts[f"bad_{error.reason}"] += 1
        # Acknowledged only now: what was on disk before a crash is not lost with it.
        self._client.ack(message.mid, message.qos)

    def _on_answer(self, message: paho.MQTTMessage) -> None:
        device, rest = wire.split_topic(message.topic)
        answer = wire.parse(Answer, bytes(message.payload))
        if device != self._device or rest != ["answer", answer.id]:
            raise BadPayload("topic", "the id of topic and payload differ")
        self._desk.on_answer(answer)

    def _on_mute(self, wanted: MuteSet) -> None:
        try:
            self._mutes.put_nowait(wanted)
            self._counts["mutes"] += 1
        except Full:  # `mute/state` tells the sender that nothing came of it
            self._counts["shed_mutes"] += 1

    # paho's thread.

    def _wire_client(self) -> None:
        client = self._client
        client.will_set(wire.status_topic(self._device), "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, p: Any) -> None:
        if code.is_failure:
            self._counts["refusals"] += 1
            self._connection_error = f"the broker refused the connection: {code}"
            return
        self._failures = 0
        self._connection_error = ""
        client.subscribe(wire.answer_topic(self._device, "+"), qos=1)
        if self._remote_mute:
            client.subscribe(set_topic(self._device), options=_NOT_RETAINED)
        client.publish(wire.status_topic(self._device), "online", qos=1, retain=True)
        self._counts["connects"] += 1
        self._mute_told = None
        self._post.connected = True

    def _on_disconnect(self, client: paho.Client, data: Any, flags: Any, code: Any, p: Any) -> None:
        if not self._post.connected and not self._connection_error:
            self._connection_error = f"the broker ended the connection unaccepted ({code}); with " \
                "TLS: is the certificate of its authority, and not revoked?"
        self._counts["disconnects"] += self._post.connected
        self._post.connected = False
        self._back_off(client)

    def _on_connect_fail(self, client: paho.Client, data: Any) -> None:
        self._connection_error = "the broker cannot be reached"
        self._back_off(client)

    def _back_off(self, client: paho.Client) -> None:
        set_backoff(client, self._failures)
        self._failures += 1

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        try:
            self._commands.put(lambda: self._received(message), timeout=1.0)
        except Full:
            self._counts["shed_commands"] += 1
            client.ack(message.mid, message.qos)
