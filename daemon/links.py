"""Which link to the background a run has: none, a broker somewhere, or one of its own."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from daemon.background.broker import BrokerError, EmbeddedBroker
from daemon.background.worker import MANUALS, WorkerProcess
from daemon.config import Config
from daemon.delegation import Link, NullLink
from daemon.metered import Metered
from daemon.promises import Delegate

WORKER_START_S = 60.0
CONNECT_S = 5.0
CONNECT_SLICES = 100


class OwnBackground:
    """A broker on loopback and a worker, children of this run. The worker loads its models for some
    seconds, so they are started first and awaited last."""

    def __init__(self, config: Config, state_dir: Path, stack: ExitStack) -> None:
        """Start both; the stack ends them. Raises BrokerError: no broker can be had or started."""
        self.url = stack.enter_context(EmbeddedBroker(state_dir / "broker")).url
        background = config.background
        self.worker = stack.enter_context(WorkerProcess(
            self.url, background.manuals or MANUALS,
            background.workout_log or state_dir / "workout.sqlite", background.concurrency))

    def wait_ready(self, link: Link) -> None:
        """Until both take requests, so that no answer depends on how fast they start. Raises
        BrokerError: the worker did not start."""
        if not self.worker.wait_ready(WORKER_START_S):
            raise BrokerError("the worker beside the embedded broker did not start; next: "
                              f"tagalong background --broker {self.url}, which says why")
        _wait_connected(link)


def open_link(url: str, config: Config, outbox: Path, stepped: bool, own: OwnBackground | None,
              stack: ExitStack) -> Delegate:
    """The link for `--broker`, which is `own` where that is there; the stack closes it.

    Raises:
        BrokerRefused: address, password file or certificates cannot be used.
        OutboxError: the outbox cannot be used.
    """
    if url == "none":
        return NullLink()
    broker = config.broker
    link = Link(own.url if own else url, broker.device, outbox,
                ca=None if own else broker.ca_file, cert=None if own else broker.cert_file,
                key=None if own else broker.key_file,
                username=None if own else broker.username,
                password_file=None if own else broker.password_file,
                metered=Metered("no" if own else broker.metered), remote_mute=not stepped)  # a run over files must not depend on who sends what
    stack.callback(link.close)
    return link


def _wait_connected(link: Link) -> None:
    """Until the broker that was just started has accepted the link."""
    pause = threading.Event()
    for _ in range(CONNECT_SLICES):
        if link.connected:
            return
        pause.wait(CONNECT_S / CONNECT_SLICES)
