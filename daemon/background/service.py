"""The background worker: takes requests from the broker and answers them.

Stateless behind a shared subscription: start more for more wearers. It acknowledges what it takes,
says that it lives while it works, answers the same id the same way, and leaves recovery to the
device. A request that it has no room for it does not accept; the device asks again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import paho.mqtt.client as paho

from daemon.background import wire
from daemon.background.clip import decode_flac
from daemon.background.mqtt import (
    BrokerOptions,
    connect,
    make_client,
    publish_properties,
    set_backoff,
)
from daemon.background.picture import check_jpeg
from daemon.background.reasoner import Reasoner
from daemon.background.tools.result import NotNow, Result, failed
from daemon.background.wire import Answer, AnswerType, Ask, BadPayload

LOG = logging.getLogger("tagalong.background")
ATTACHMENT_WAIT_S = 10.0
"""How long an accepted request waits for its attachments, seconds."""
WAITING_PER_THREAD = 4
"""Requests that are accepted and wait, for each that is worked on."""
MAX_REMEMBERED = 256
TICK_S = 0.2

_Key = tuple[str, str]
"""Device and id of a request."""


@dataclass
class _Job:
    """A request that was accepted."""

    ask: Ask
    device: str
    ends_s: float
    """Monotonic time of its deadline."""
    accepted_s: float
    missing: set[str]
    """Names of attachments that are announced and neither here nor refused."""
    clip: np.ndarray | None = None
    frames: dict[str, bytes] = field(default_factory=dict)
    """JPEG by name; gone with the job, never written anywhere."""
    cancelled: bool = False
    beat_s: float = 0.0
    said: list[str] = field(default_factory=list)
    """Sentences that were sent before the whole answer was known."""


@dataclass(frozen=True)
class _Done:
    """What a request was answered with, for those that come twice."""

    device: str
    messages: tuple[Answer, ...] = field(default=())
    """Empty when it was cancelled."""


class Worker:
    """One worker process's connection, its threads and its requests."""

    def __init__(
        self,
        reasoner: Reasoner,
        options: BrokerOptions,
        name: str,
        concurrency: int = 2,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            name: of the machine or service; the process id and a random part are added, because
                a restarted worker must not be taken for the one before it.

        Raises:
            BrokerRefused: URL, password file or certificates cannot be used.
            ValueError: the name may not stand in a topic, or no concurrency.
        """
        if not 1 <= concurrency <= 64:
            raise ValueError(f"concurrency {concurrency}: expected 1 to 64")
        full = f"{name}-{os.getpid()}-{wire.new_ulid(0)[-6:]}"
        self.name = wire.check_name(full, "worker")
        self.counts: Counter[str] = Counter()
        self._reasoner, self._monotonic = reasoner, monotonic
        self._concurrency, self._url = concurrency, options.url
        self._lock = threading.Condition()
        self._waiting: deque[_Key] = deque()
        self._jobs: dict[_Key, _Job] = {}
        self._done: OrderedDict[_Key, _Done] = OrderedDict()
        self.subscribed = threading.Event()
        self._stopping = False
        self._failures = 0
        self._client = make_client(options, f"tagalong-worker-{self.name}")
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        targets = [self._beat, *[self._work] * concurrency]
        self._threads = [threading.Thread(target=t, daemon=True) for t in targets]

    def start(self) -> None:
        """Begin to connect and to work."""
        for thread in self._threads:
            thread.start()
        connect(self._client, self._url, session_expiry_s=0, receive_maximum=self._concurrency)

    def stop(self) -> None:
        """Stop taking requests, finish none, disconnect; devices ask again elsewhere."""
        with self._lock:
            self._stopping = True
            for job in self._jobs.values():
                job.cancelled = True
            self._lock.notify_all()
        self._client.disconnect()
        self._client.loop_stop()
        for thread in self._threads:
            thread.join(timeout=5)

    # paho's thread.

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, p: Any) -> None:
        if code.is_failure:
            self.counts["refusals"] += 1
            LOG.error("the broker refused the connection: %s", code)
            return
        self._failures = 0
        client.subscribe([(topic, 1) for topic in wire.worker_topics(self.name)])
        LOG.info("connected as %s", self.name)

    def _on_subscribe(self, client: paho.Client, data: Any, mid: Any, codes: Any, p: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            LOG.error("the broker refused a subscription: %s", ", ".join(refused))
        else:
            self.subscribed.set()

    def _on_disconnect(self, client: paho.Client, data: Any, flags: Any, code: Any, p: Any) -> None:
        if not self._stopping:
            LOG.warning("connection lost: %s", code)
        self._back_off(client)

    def _on_connect_fail(self, client: paho.Client, data: Any) -> None:
        if not self._failures:
            LOG.warning("the broker cannot be reached; trying again")
        self._back_off(client)

    def _back_off(self, client: paho.Client) -> None:
        set_backoff(client, self._failures)
        self._failures += 1

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        try:
            device, rest = wire.split_topic(message.topic)
            if rest == ["ask"]:
                self._on_ask(device, message)
            elif rest[0] == "cancel" and len(rest) == 2:
                self._on_cancel(device, wire.parse(wire.Cancel, bytes(message.payload)))
            elif rest[0] == "worker" and len(rest) == 4 and rest[1] == self.name:
                self._on_attachment(device, rest[2], rest[3], bytes(message.payload))
            else:
                raise BadPayload("topic", "nothing of a worker's")
        except BadPayload as error:
            name = f"bad_{error.reason}"
            self.counts[name] += 1
            if self.counts[name].bit_count() == 1:  # 1, 2, 4, 8 ...: nobody can fill the log
                LOG.warning("dropped a message, %d of this reason: %s", self.counts[name], error)

    def _on_ask(self, device: str, message: paho.MQTTMessage) -> None:
        ask = wire.parse(Ask, bytes(message.payload))
        if ask.device != device:
            raise BadPayload("topic", "the device of topic and payload differ")
        answer_to = getattr(message.properties, "ResponseTopic", None)
        if answer_to not in (None, wire.answer_topic(device, ask.id)):
            raise BadPayload("topic", "the response topic is not the request's")
        left_s = float(getattr(message.properties, "MessageExpiryInterval", ask.deadline_s))
        left_s = min(left_s, ask.deadline_s)
        with self._lock:
            done, job = self._done.get((device, ask.id)), self._jobs.get((device, ask.id))
            if done is None and job is None:
                job = self._accept(ask, device, left_s)
        if done is not None:
            self.counts["duplicates"] += 1
            self._publish_all(done)
        elif job is not None:
            self._send_accepted(job)

    def _accept(self, ask: Ask, device: str, left_s: float) -> _Job | None:
        if self._stopping or len(self._jobs) >= self._concurrency * (1 + WAITING_PER_THREAD):
            self.counts["no_room"] += 1
            return None
        now_s = self._monotonic()
        missing = {a.name for a in ask.attachments if wire.MEDIA.get(a.name) == a.media}
        job = _Job(ask, device, now_s + left_s, now_s, missing, beat_s=now_s)
        self._jobs[device, ask.id] = job
        self._waiting.append((device, ask.id))
        self.counts["accepted"] += 1
        self._lock.notify_all()
        return job

    def _send_accepted(self, job: _Job) -> None:
        with self._lock:
            wants = tuple(sorted(job.missing))
        self._publish(job.device, self._message(job.ask, AnswerType.ACCEPTED, wants=wants))

    def _on_cancel(self, device: str, cancel: wire.Cancel) -> None:
        with self._lock:
            job = self._jobs.get((device, cancel.id))
            self.counts["cancelled" if job is not None else "late"] += 1
            if job is not None:
                job.cancelled = True
            self._remember((device, cancel.id), _Done(device))
            self._lock.notify_all()

    def _on_attachment(self, device: str, id: str, name: str, payload: bytes) -> None:
        with self._lock:
            job, done = self._jobs.get((device, id)), (device, id) in self._done
        if job is None and done:
            self.counts["duplicates"] += 1  # it was asked for twice, or came too late to help
            return
        if job is None or all(name != a.name for a in job.ask.attachments):
            raise BadPayload("attachment", "nothing asked for it")
        if name not in job.missing:
            self.counts["duplicates"] += 1
            return
        try:
            taken = decode_flac(payload) if name == "audio" else check_jpeg(payload)
        except BadPayload:
            # The words alone must do: it will not get better by asking again.
            self._take(job, name, None)
            raise
        self._take(job, name, taken)
        self.counts["attached"] += 1

    def _take(self, job: _Job, name: str, taken: np.ndarray | bytes | None) -> None:
        """Give a job what it waited for; None: it need not wait for it any more."""
        with self._lock:
            job.missing.discard(name)
            if isinstance(taken, np.ndarray):
                job.clip = taken
            elif taken is not None:
                job.frames[name] = taken
            self._lock.notify_all()

    # The worker's own threads.

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            key, messages = (job.device, job.ask.id), ()
            try:
                if not job.cancelled:
                    messages = self._answer(job)
            except NotNow as error:
                self.counts["not_now"] += 1
                LOG.error("a request of kind %s is left to be asked again: %s", job.ask.kind, error)
                with self._lock:
                    self._jobs.pop(key, None)
                continue
            with self._lock:
                self._jobs.pop(key, None)
                if self._stopping:
                    continue
                done = _Done(job.device, () if job.cancelled else messages)
                self._remember(key, done)
            self._publish_all(done, len(job.said))
            self.counts["answered"] += bool(done.messages)

    def _next(self) -> _Job | None:
        with self._lock:
            while True:
                if self._stopping:
                    return None
                for key in self._waiting:
                    if self._ready(self._jobs[key]):
                        self._waiting.remove(key)
                        return self._jobs[key]
                self._lock.wait(TICK_S)

    def _ready(self, job: _Job) -> bool:
        late_s = self._monotonic() - job.accepted_s
        has_all = not job.missing or late_s >= ATTACHMENT_WAIT_S
        return job.cancelled or (has_all and not self._follows(job))

    def _follows(self, job: _Job) -> bool:
        """Whether an earlier entry of the same wearer's log is still being written."""
        if job.ask.kind != "workout_log":
            return False
        logs = (j for j in self._jobs.values() if j.ask.kind == "workout_log")
        return next(j for j in logs if j.device == job.device) is not job

    def _answer(self, job: _Job) -> tuple[Answer, ...]:
        def gone() -> bool:
            return job.cancelled or self._monotonic() > job.ends_s

        def say(sentence: str) -> None:
            n = len(job.said)
            if n < wire.MAX_PARTS - 1 and not gone():
                job.said.append(sentence)
                self._publish(job.device, self._message(job.ask, AnswerType.PART, n=n,
                                                        text=sentence[:2_000]))

        if gone():
            return ()
        try:
            with self._lock:
                frames = tuple(job.frames[name] for name in sorted(job.frames))
            result = self._reasoner.answer(job.ask, job.clip, gone, frames=frames, say=say)
        except NotNow:
            raise
        except Exception as error:
            # One question must not end the worker. The message may quote the wearer: not logged.
            at = traceback.extract_tb(error.__traceback__)[-1]
            where = (type(error).__name__, at.filename, at.lineno)
            LOG.error("a request of kind %s failed: %s at %s:%s", job.ask.kind, *where)
            self.counts["failed"] += 1
            result = failed("Something went wrong while I looked that up.")
            result = replace(result, sentences=(*job.said, *result.sentences))
        return () if result is None else self._messages(job.ask, result)

    def _messages(self, ask: Ask, result: Result) -> tuple[Answer, ...]:
        sentences = result.sentences[: wire.MAX_PARTS]
        last = len(sentences) - 1
        return tuple(
            self._message(
                ask,
                AnswerType.FINAL if n == last else AnswerType.PART,
                n=n,
                text=text[:2_000],
                outcome=result.outcome,
                card=result.card if n == last else None,
                source=result.source,
            )
            for n, text in enumerate(sentences)
        )

    def _message(self, ask: Ask, kind: AnswerType, **more: Any) -> Answer:
        return Answer(id=ask.id, worker=self.name, type=kind, placement=ask.placement, **more)

    def _remember(self, key: _Key, done: _Done) -> None:
        self._done[key] = done
        while len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)

    def _publish_all(self, done: _Done, first: int = 0) -> None:
        for message in done.messages[first:]:
            self._publish(done.device, message)

    def _publish(self, device: str, answer: Answer) -> None:
        self._client.publish(
            wire.answer_topic(device, answer.id),
            wire.encode(answer),
            qos=1,
            properties=publish_properties(3_600, correlation=answer.id),
        )

    def _beat(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    return
                self._lock.wait(TICK_S)
                now_s = self._monotonic()
                due = [
                    job
                    for job in self._jobs.values()
                    if now_s - job.beat_s >= wire.HEARTBEAT_S and not job.cancelled
                ]
                for job in due:
                    job.beat_s = now_s
            for job in due:
                self._publish(job.device, self._message(job.ask, AnswerType.HEARTBEAT))
