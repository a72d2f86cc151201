"""Which link to the background a run has: none, a broker somewhere, or one of its own."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from daemon.background.broker import BrokerError, EmbeddedBroker
from daemon.background.worker import MANUALS, WorkerProcess
from daemon.config import Config
from daemon.delegation import Link, NullLink
from daemon.promises import Delegate

WORKER_START_S = 60.0
CONNECT_S = 5.0
CONNECT_SLICES = 100


def open_link(url: str, config: Config, state_dir: Path, outbox: Path, stepped: bool,
              stack: ExitStack) -> Delegate:
    """The link for `--broker`; what it needs is closed with the stack.

    `embedded` starts a broker on loopback and a worker as children; a stepped run waits until both
    are ready, so that its answers do not depend on how fast they start.

    Raises:
        BrokerError: no broker or worker of our own can be had or started.
        BrokerRefused: address, password file or certificates cannot be used.
        OutboxError: the outbox cannot be used.
    """
    if url == "none":
        return NullLink()
    broker = config.broker
    own = url == "embedded"
    if own:
        url = _start_own(config, state_dir, stepped, stack)
    link = Link(url, broker.device, outbox,
                ca=None if own else broker.ca_file, cert=None if own else broker.cert_file,
                key=None if own else broker.key_file,
                username=None if own else broker.username,
                password_file=None if own else broker.password_file,
                remote_mute=not stepped)  # a run over files must not depend on who sends what
    stack.callback(link.close)
    if own and stepped:
        _wait_connected(link)
    return link


def _start_own(config: Config, state_dir: Path, stepped: bool, stack: ExitStack) -> str:
    """A broker and a worker as children; the broker's address."""
    broker = stack.enter_context(EmbeddedBroker(state_dir / "broker"))
    background = config.background
    worker = WorkerProcess(broker.url, background.manuals or MANUALS,
                           background.workout_log or state_dir / "workout.sqlite",
                           background.concurrency)
    stack.enter_context(worker)
    if stepped and not worker.wait_ready(WORKER_START_S):
        raise BrokerError("the worker beside the embedded broker did not start; next: "
                          f"tagalong background --broker {broker.url}, which says why")
    return broker.url


def _wait_connected(link: Link) -> None:
    """Until the broker that was just started has accepted the link."""
    pause = threading.Event()
    for _ in range(CONNECT_SLICES):
        if link.connected:
            return
        pause.wait(CONNECT_S / CONNECT_SLICES)
