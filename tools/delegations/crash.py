"""Named points at which a process of ours kills itself, and the log that outlives it."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from daemon.background.service import Worker
from daemon.desk import Desk
from daemon.outbox import Outbox
from tools.delegations.network import enter

DEVICE = {
    "request on disk": (Outbox, "add"),
    "request published": (Desk, "_publish"),
    "answer on disk": (Outbox, "add_answer"),
    "answer acknowledged": (paho.Client, "ack"),
    "state on disk": (Outbox, "set_state"),
    "sentence marked": (Outbox, "mark"),
    "answer settled": (Outbox, "remove"),
}
"""Steps of the device: name -> (class, method)."""
WORKER = {
    "accepted": (Worker, "_send_accepted"),
    "message sent": (Worker, "_publish"),
    "answer remembered": (Worker, "_remember"),
    "answer sent": (Worker, "_publish_all"),
}
"""Steps of a worker."""


def points(steps: dict[str, tuple[type, str]]) -> list[str]:
    """Names of all crash points: before and after every step."""
    return [f"{when} {name}" for name in steps for when in ("before", "after")]


@dataclass(frozen=True)
class Life:
    """What a process is told when it is started."""

    broker: str
    """URL, through a proxy."""
    log: Path
    """What it did; what it says on standard error goes beside it."""
    points: tuple[tuple[str, int], ...] = ()
    """Where it kills itself, and at the how many-th time that it comes there, from 1."""
    namespace: str = ""
    """Of the network that it lives in, empty for this machine's."""

    def begin(self, steps: dict[str, tuple[type, str]]) -> Log:
        """Move into its network, open the log and arm the crash points."""
        if self.namespace:
            enter(self.namespace)
        errors = os.open(self.log.with_suffix(".err"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(errors, 2)
        os.close(errors)
        log = Log(self.log)
        for point, calls in self.points:
            arm(steps, point, calls, log)
        return log


class Log:
    """One JSON object a line; a line that was written survives `kill -9`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, **data: Any) -> None:
        """Append an event with the wall clock's time, seconds."""
        line = json.dumps({"t_s": round(time.time(), 4), "event": event, **data})
        os.write(self._file, line.encode() + b"\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """All events of a log, oldest first."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def arm(steps: dict[str, tuple[type, str]], point: str, after_calls: int, log: Log) -> None:
    """Make this process kill itself at a point, the n-th time it comes there, from 1."""
    when, _, name = point.partition(" ")
    kind, method = steps[name]
    original = getattr(kind, method)
    calls = 0

    def die() -> None:
        log.write("crash", point=point)
        os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after_calls and when == "before":
            die()
        done = original(*args, **kwargs)
        if calls == after_calls and when == "after":
            die()
        return done

    setattr(kind, method, wrapped)
