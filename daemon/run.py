"""`tagalong run`: builds a session out of real parts, runs it, takes everything down again."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from threadpoolctl import threadpool_limits

from daemon.background.broker import BrokerError
from daemon.background.mqtt import BrokerRefused
from daemon.button import ButtonError
from daemon.config import Config, ConfigError
from daemon.control import ControlError
from daemon.engines.base import EngineMismatch
from daemon.events import Event
from daemon.health import Health, Notifier
from daemon.interaction import InteractionModel, Model
from daemon.ledger import LedgerError
from daemon.light import LightError
from daemon.options import RunOptions
from daemon.outbox import OutboxError
from daemon.senses.errors import BadInput, DeviceLost
from daemon.voice import Voice, open_voice
from daemon.wiring import Wiring

REFUSALS = (BadInput, DeviceLost, EngineMismatch, ConfigError, BrokerRefused, BrokerError,
            ButtonError, ControlError, OutboxError, LedgerError, LightError, OSError)
"""What may stop a run before it begins; each says what is wrong and what to do."""
ENGINE_START_S = 60.0
"""Longest that loading an engine takes; the service manager is told."""

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class RunResult:
    """What a run came to."""

    reason: str
    """Why it ended."""
    turns: int
    resumed: bool
    """The ledger of an unfinished session was taken up again."""
    counts: dict[str, int] = field(default_factory=dict)
    """Kind of event -> how many."""
    health: dict[str, object] = field(default_factory=dict)
    """`Health.report`: step times, what was dropped."""

    def summary(self) -> str:
        """One paragraph for the terminal."""
        steps = self.health.get("step_ms", {})
        said = ", ".join(f"{self.counts[kind]} {kind}" for kind in
                         ("heard", "act", "spoken", "count", "delegate", "shed", "error")
                         if self.counts.get(kind))
        times = f"step {steps.get('p50')} ms median, {steps.get('p99')} ms p99, " if steps else ""
        return (f"{self.reason} after {self.turns * 0.2:.1f} s ({self.turns} micro-turns); "
                f"{times}{self.health.get('late', 0)} late; {said or 'nothing happened'}")


class Runner:
    """Keeps what takes long to load, network and voices, over many runs in one process."""

    def __init__(self, config: Config = Config(), *, engine: str | None = None,
                 model: Model | None = None) -> None:
        """`model` takes the place of the network; without one it is loaded at the first run."""
        self.config = config
        self._engine = engine
        self._model = model
        self._voices: dict[tuple[float, str], Voice] = {}
        self._tell_engine: Callable[[str], None] = lambda text: None

    def model(self, engine: str, built: Path, tell: Callable[[str], None]) -> Model:
        """The network, at the beginning of a stream. `built`: folder with TensorRT's engine;
        `tell` gets one sentence when another engine has to stand in. Raises EngineMismatch."""
        self._tell_engine = tell  # the network outlives the session that is told
        if self._model is None:
            section = self.config.engine
            self._model = InteractionModel.open(
                self._engine or engine, section.weights, section.threads, built,
                section.precision, lambda text: self._tell_engine(text))
        self._model.reset()
        return self._model

    @property
    def model_loaded(self) -> Model | None:
        """The network, if a run has loaded it."""
        return self._model

    def voice(self, rate: float, cache_dir: Path, language: str = "") -> Voice:
        """The configured voice at a speed, or espeak-ng's of a `language` (`es`); the first run's
        folder keeps its number clips.

        Raises BadInput.
        """
        key = (rate, language)
        if key not in self._voices:
            name = f"espeak:{language}" if language else self.config.voice.name
            self._voices[key] = open_voice(name, rate, cache_dir)
        return self._voices[key]

    def wiring(self, options: RunOptions, stack: contextlib.ExitStack, health: Health,
               notifier: Notifier, listeners: Sequence[Listener]) -> Wiring:
        """What puts a session together; a measurement may put other senses in."""
        return Wiring(self, options, stack, health, notifier, listeners)

    def run(self, options: RunOptions, listeners: Sequence[Listener] = (),
            stopping: threading.Event | None = None) -> RunResult:
        """One session from beginning to end.

        Raises:
            REFUSALS: something that it needs cannot be used.
        """
        counts: Counter[str] = Counter()
        health, notifier = Health(), Notifier(options.notify_socket)
        notifier.extend_start(ENGINE_START_S)
        with contextlib.ExitStack() as stack:
            # Matrices here are small: a second thread costs more than it brings (a frame took
            # 110 ms instead of 10 on two busy cores), and the audio callback needs the core.
            stack.enter_context(threadpool_limits(1, "blas"))
            stack.callback(notifier.close)
            wiring = self.wiring(options, stack, health, notifier,
                                 [*listeners, lambda event: counts.update([event.kind])])
            session = wiring.session()
            gc.collect()
            gc.freeze()  # what was loaded stays: no long collection in the middle of a step
            stack.callback(gc.unfreeze)
            notifier.ready("listening")
            reason = "failed"
            try:
                reason = session.run(stopping or threading.Event())
            finally:
                notifier.stopping()
                session.finish(reason)
        return RunResult(reason, session.index, wiring.resumed, dict(counts), health.report())

    def run_files(self, microphone: Path | str = "none", camera: Path | str = "none",
                  speaker: Path | str = "none", events: Path | None = None, *,
                  record: Path | None = None, echo: Path | None = None, tail_s: float = 5.0,
                  broker: str = "none", state_dir: Path | None = None,
                  listeners: Sequence[Listener] = ()) -> RunResult:
        """A session over files on the stepped clock; without `state_dir` nothing outlives it.

        Raises: as `run`.
        """
        with contextlib.ExitStack() as stack:
            folder = state_dir
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory("-tagalong")))
            options = RunOptions(
                str(microphone), str(camera), str(speaker), events, record,
                self._engine or "auto", broker, True, echo, tail_s, folder, folder)
            return self.run(options, listeners)


def run_files(microphone: Path | str = "none", camera: Path | str = "none",
              speaker: Path | str = "none", events: Path | None = None, *,
              config: Config = Config(), engine: str = "auto", runner: Runner | None = None,
              record: Path | None = None, echo: Path | None = None, tail_s: float = 5.0,
              broker: str = "none", state_dir: Path | None = None,
              listeners: Sequence[Listener] = ()) -> RunResult:
    """A session over files on the stepped clock. `runner`: one that has loaded things already;
    then `config` and `engine` are its own.

    Raises: as `Runner.run`.
    """
    return (runner or Runner(config, engine=engine)).run_files(
        microphone, camera, speaker, events, record=record, echo=echo, tail_s=tail_s,
        broker=broker, state_dir=state_dir, listeners=listeners)


def run(config: Config, options: RunOptions, runner: Runner | None = None) -> int:
    """`tagalong run`; returns the exit status: 0, or 1 when something could not be used.

    `runner`: one that has loaded things already; then `config` is its own.
    """
    stopping = threading.Event()
    try:
        with _stop_signals(stopping):
            result = (runner or Runner(config)).run(options, stopping=stopping)
    except REFUSALS as error:
        print(f"tagalong: {error}", file=sys.stderr)
        return 1
    print(result.summary())
    return 0


@contextlib.contextmanager
def _stop_signals(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT end the session in order; a second one at once."""

    def stop(number: int, frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
