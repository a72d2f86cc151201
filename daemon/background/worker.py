"""The background worker as a program: `tagalong background`, or a child of `tagalong run`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from daemon.background.mqtt import BrokerOptions, BrokerRefused
from daemon.background.reasoner import PlainReasoner, Reasoner
from daemon.background.service import TICK_S, Worker
from daemon.background.tools.workout_log import is_shared

MANUALS = Path(__file__).with_name("manuals")
REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0


def run_worker(
    broker_url: str,
    manuals_dir: Path = MANUALS,
    workout_log: Path | str = Path("workout.db"),
    name: str = "worker",
    concurrency: int = 2,
    *,
    agent: Path | None = None,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    username: str | None = None,
    password_file: Path | None = None,
    stop: threading.Event | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run a worker until SIGTERM or SIGINT, or until `stop` is set.

    agent: settings of a language model; without one the local reasoner answers alone. `ready` is
    called once, when the broker has granted the subscriptions.

    Raises:
        BrokerRefused, ManualError, ValueError: a setting cannot be used; the message says which.
    """
    options = BrokerOptions(broker_url, ca, cert, key, username, password_file)
    ended = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    local = PlainReasoner(manuals_dir, workout_log)
    reasoner = _with_model(local, agent)
    worker = Worker(reasoner, options, name, concurrency)
    worker.start()
    try:
        while not ended.is_set() and not worker.subscribed.wait(TICK_S):
            continue
        if not ended.is_set():
            ready()
        ended.wait()
    finally:
        worker.stop()
        local.close()


def _with_model(local: PlainReasoner, agent: Path | None) -> Reasoner:
    """The local reasoner, or one with a language model before it."""
    if agent is None:
        logging.getLogger("tagalong.background").info(
            "no language model is set (--agent): the local reasoner answers")
        return local
    from daemon.background.agent import AgentReasoner
    from daemon.background.agent_config import load_agent

    return AgentReasoner(local, load_agent(agent))


class WorkerProcess:
    """A worker as a child process on this machine, for `--broker embedded`."""

    def __init__(
        self, broker_url: str, manuals_dir: Path, workout_log: Path | str, concurrency: int = 1
    ) -> None:
        """Prepare; `start` starts it."""
        self._command = [sys.executable, "-m", "daemon.background.worker", "--with-parent"]
        self._command += ["--broker", broker_url, "--manuals", str(Path(manuals_dir).resolve())]
        log = workout_log if is_shared(workout_log) else Path(workout_log).resolve()
        self._command += ["--workout-log", str(log)]
        self._command += ["--concurrency", str(concurrency)]
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id; 0 before `start`."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and return at once; it loads its models for some seconds."""
        self._ready.clear()
        self._process = subprocess.Popen(
            self._command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == b"ready":
                self._ready.set()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> bool:
        """Block until it takes requests; False after `timeout_s` or when it ended."""
        for _ in range(max(1, int(timeout_s / TICK_S))):
            if self._ready.wait(TICK_S):
                return True
            if self._process is None or self._process.poll() is not None:
                return False
        return False

    def stop(self) -> None:
        """End it in order; killed when it does not within 10 s."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def main(argv: Sequence[str] | None = None) -> int:
    """`tagalong background`: parse, run, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="tagalong background", description="Answer what tagalong cannot answer by itself."
    )
    parser.add_argument("--broker", required=True, help="mqtt://localhost[:port] or mqtts://host")
    parser.add_argument("--manuals", type=Path, default=MANUALS,
                        help="folder of manuals: *.md, *.txt, *.pdf")
    parser.add_argument(
        "--workout-log", default="workout.db", metavar="FILE",
        help="SQLite file of the sets done, or postgresql+psycopg://USER@HOST/DATABASE",
    )
    parser.add_argument("--agent", type=Path, metavar="FILE.toml",
                        help="language model behind it, see daemon/background/agent_config.py")
    parser.add_argument("--name", default="worker", help="name in the topics")
    parser.add_argument("--concurrency", type=int, default=2, help="questions at once (1 to 64)")
    parser.add_argument("--ca", type=Path, help="certificates to trust")
    parser.add_argument("--cert", type=Path, help="certificate of this worker")
    parser.add_argument("--key", type=Path, help="its private key")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, help="the password is its first line")
    parser.add_argument(
        "--with-parent", action="store_true", help="stop when standard input is closed"
    )
    given = parser.parse_args(argv)
    level = logging.WARNING if given.with_parent else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    stop = threading.Event()
    if given.with_parent:
        threading.Thread(target=_wait_for_parent, args=(stop,), daemon=True).start()
    try:
        run_worker(
            given.broker,
            given.manuals,
            given.workout_log,
            given.name,
            given.concurrency,
            agent=given.agent,
            ca=given.ca,
            cert=given.cert,
            key=given.key,
            username=given.username,
            password_file=given.password_file,
            stop=stop,
            ready=lambda: print("ready", flush=True),
        )
    except (BrokerRefused, ValueError) as error:
        print(f"tagalong background: {error}", file=sys.stderr)
        return 2
    return 0


def _wait_for_parent(stop: threading.Event) -> None:
    # Not sys.stdin: its lock would be held by this thread when the interpreter ends.
    while os.read(0, 4_096):
        continue
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
