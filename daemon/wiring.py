"""Wires real parts into a session: which microphone, which voice, which broker, what is on disk.

Everything that is opened goes onto the stack that the caller closes, in the order of need.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.acts import Acts
from daemon.clock import SampleClock, SteppedClock, SystemClock
from daemon.config import Config
from daemon.context import Privacy
from daemon.control import ControlServer, mute_handlers
from daemon.ears import Ears
from daemon.engines import WEIGHTS
from daemon.errands import Errands
from daemon.events import Event, EventLog
from daemon.governor import Governor
from daemon.health import Health, Notifier
from daemon.ledger import Book, Ledger, LedgerError, LedgerStore, local_time
from daemon.light import LightError, SensorLight, make_lamp
from daemon.links import OwnBackground, open_link
from daemon.mouth import Mouth
from daemon.mute import MuteControl, MuteStore, Sensor
from daemon.options import RunOptions, Source, source_kind
from daemon.parts import Parts, Settings
from daemon.playback import Playback
from daemon.routines import words as routine_words
from daemon.routines.library import Library, library
from daemon.senses.camera import Camera, open_camera
from daemon.senses.camera_late import LateCamera
from daemon.senses.echo import EchoCanceller, SyntheticRoom
from daemon.senses.microphone import (
    DeviceMicrophone,
    FileMicrophone,
    Microphone,
    Pace,
    SilentMicrophone,
)
from daemon.senses.speaker import DeviceSpeaker, FileSpeaker, NullSpeaker, Speaker
from daemon.sensors import Sensors
from daemon.session import Session
from daemon.turn import Addressing
from daemon.writer import Writer

if TYPE_CHECKING:
    from daemon.run import Runner

RESUME_S = 1_800.0
"""A session over files that was killed longer ago than this is not taken up again."""


class Wiring:
    """One session's parts; `session` makes them and begins it."""

    def __init__(self, runner: Runner, options: RunOptions, stack: ExitStack, health: Health,
                 notifier: Notifier, listeners: Sequence[Callable[[Event], None]] = ()) -> None:
        self.resumed = False
        """The ledger of an unfinished session was taken up again."""
        self._runner = runner
        self._config: Config = runner.config
        self.background: OwnBackground | None = None
        """Broker and worker of `--broker embedded`."""
        self._options = options
        self._stack = stack
        self._health = health
        self._notifier = notifier
        self._listeners = list(listeners)
        self._monotonic = SystemClock()
        self._clock = (SteppedClock() if options.stepped
                       else SampleClock(self._monotonic.now_ns()))
        self._playback = Playback(self._config.speaker.duck_db)
        self._session: Session | None = None
        self._control: MuteControl | None = None
        self._problems: list[tuple[str, str]] = []

    def session(self) -> Session:
        """All parts, opened; the first event is written.

        Raises:
            daemon.run.REFUSALS: something that it needs cannot be used.
        """
        options, config = self._options, self._config
        if options.broker == "embedded":
            self.background = OwnBackground(config, options.state_dir, self._stack)
        own = self.background
        if config.page.port and not options.stepped:
            from daemon.page.server import open_page

            self._problems += open_page(config.page.port, self._muted, self._listeners,
                                        self._stack)
        model = self._runner.model(options.engine, options.state_dir, self._engine_trouble)
        store, ledger = self._ledger()  # before the writer, which writes to it until it closes
        ledger.follow_up_s = config.addressing.window_s
        writer = self._writer()
        governor = Governor(config.governor.unasked_per_hour, config.governor.unasked_gap_s,
                            config.governor.quiet)
        mouth = self._mouth()
        control = self._control = self._mute_control()
        self._light = self._open_light(mouth)
        speaker = self._speaker()
        ears = self._ears(control)
        camera = self._camera(control)
        link = open_link(options.broker, config, self._file("outbox.sqlite"), options.stepped, own,
                         self._stack)
        if options.broker == "none":
            ledger.reconcile(())  # nobody works any more at what was asked before
        parts = Parts(
            model, ears, camera, speaker, mouth, ledger, governor,
            Acts(ledger, governor, library=self._library(),
                 key_frames=config.routines.key_frames),
            Errands(link, self._clock.answer_s if options.stepped else None),
            Sensors(control), writer, store, self._health, self._notifier)
        if own is not None and options.stepped:
            own.wait_ready(link)
        session = Session(parts, self._settings(), ends=self._ends())
        self._session = session
        session.begin(self._start_event())
        for where, text in self._problems:
            session.error(where, text)
        if not options.stepped:
            self._live(session, control)
        return session

    def _muted(self) -> dict[str, bool]:
        """What is muted, by name."""
        control = self._control
        return {} if control is None else {s.value: control.muted(s) for s in Sensor}

    def _engine_trouble(self, text: str) -> None:
        """Another engine stands in; before the session begins this is one of its problems."""
        if self._session is None:
            self._problems.append(("engine", text))
        else:
            self._session.error("engine", text)

    # -- disk ---------------------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        """A file of the state folder; sessions over files keep theirs apart from the live one."""
        stem, _, suffix = name.partition(".")
        return self._options.state_dir / (f"{stem}-files.{suffix}" if self._options.stepped
                                          else name)

    def _writer(self) -> Writer:
        options = self._options
        recorder = None
        if options.record is not None:
            from daemon.record import Recorder

            recorder = Recorder(options.record, {
                "version": _version(), "engine": self._engine_name(), "weights": self._weights(),
                "config": self._config.model_dump_json()})
        writer = Writer(EventLog(options.events, self._listeners), recorder,
                        lossless=options.stepped)
        self._stack.callback(writer.close)
        return writer

    def _ledger(self) -> tuple[LedgerStore, Ledger]:
        store = LedgerStore(self._file("ledger.sqlite"))
        self._stack.callback(store.close)
        if store.moved is not None:
            self._problems.append(("ledger", f"the ledger was damaged, see {store.moved}"))
        addressing = Addressing[self._config.addressing.mode.upper()]
        try:
            snapshot = store.load()
            if snapshot is not None and self._fresh(snapshot):
                ledger = Ledger.restore(snapshot, addressing=addressing)
                book = ledger.book
                self.resumed = any((book.running, book.timers, book.intervals, book.stopwatch,
                                    book.delegations, book.routine, book.watch, book.scenes,
                                    book.interpreting, book.cues))
                return store, ledger
        except LedgerError as error:
            self._problems.append(("ledger", str(error)))
        volume = round(self._config.voice.volume * 100)
        return store, Ledger(addressing=addressing, book=Book(volume=volume))

    def _library(self) -> Library:
        """Routines; one of the wearer's files that cannot be used is left out and told of."""
        found, problems = library(self._config.routines.folder)
        self._problems += [("routines", problem) for problem in problems]
        return found

    def _fresh(self, snapshot: dict[str, Any]) -> bool:
        """Whether a snapshot is of the same session: live there is only one, over files it must
        have been killed a short while ago."""
        if not self._options.stepped:
            return True
        now_s = local_time().timestamp()
        return 0.0 <= now_s - float(snapshot.get("unix_s", 0.0)) <= RESUME_S

    # -- senses and voice ---------------------------------------------------------------------

    def _mouth(self) -> Mouth:
        folder = self._options.state_dir / "voice"
        rate = self._config.voice.rate
        self._runner.voice(rate, folder)  # a voice that cannot be had is refused before the start
        return Mouth(self._playback, lambda speed, language: self._runner.voice(
            speed, folder, language), rate)

    def _mute_control(self) -> MuteControl:
        store = None
        if not self._options.stepped:
            store = MuteStore(self._options.state_dir / "mute.json")
        control = MuteControl(store)
        if store is not None and store.fault is not None:
            self._problems.append(("mute", f"everything starts muted: {store.fault}"))
        return control

    def _open_light(self, mouth: Mouth) -> SensorLight:
        light = self._config.light
        lamp = make_lamp(light.kind, light.led, light.chip, light.line, light.active_low,
                         lambda on: mouth.earcon("accepted" if on else "muted"))
        return SensorLight(lamp)

    def _ears(self, control: MuteControl) -> Ears:
        """Microphone, the room between files, and the echo canceller where there is an echo."""
        options = self._options
        microphone = self._microphone()
        self._stack.callback(microphone.close)

        def opened() -> None:
            microphone.set_muted(False)

        def closed() -> None:
            microphone.set_muted(True)

        live = source_kind(options.microphone) is Source.DEVICE
        if live:
            opened, closed = self._light.guard(Sensor.MICROPHONE, opened, closed)
        control.attach(Sensor.MICROPHONE, opened, closed)
        if not control.muted(Sensor.MICROPHONE):
            opened()
        room = None if options.echo is None else SyntheticRoom(options.echo)
        cancels = room is not None or (live and self._config.microphone.echo_cancel)
        return Ears(microphone, room, EchoCanceller() if cancels else None)

    def _microphone(self) -> Microphone:
        """Closed, where it is a device: the light comes first."""
        name = self._options.microphone
        pace = None if isinstance(self._clock, SteppedClock) else Pace(self._clock)
        kind = source_kind(name)
        if kind is Source.NONE:
            return SilentMicrophone(pace)
        if kind is not Source.DEVICE:
            return FileMicrophone(name, pace)
        assert isinstance(self._clock, SampleClock)
        return DeviceMicrophone(_device(name), self._clock, muted=True)

    def _speaker(self) -> Speaker:
        name, kind = self._options.speaker, source_kind(self._options.speaker)
        stepped = isinstance(self._clock, SteppedClock)
        delays = (self._clock.compute_ms, self._clock.output_ms) if stepped else ()
        if kind is Source.FILE:
            speaker: Speaker = FileSpeaker(name, *delays)
        elif kind is Source.NONE or stepped:
            speaker = NullSpeaker(*delays)
        else:
            speaker = DeviceSpeaker(_device(name), self._clock,
                                    output_ms=self._config.speaker.latency_ms)
        if kind is Source.DEVICE and stepped:
            self._problems.append(("speaker", f"a run over files cannot play on {name!r}; nothing "
                                   "is heard, next: --speaker out.wav"))
        self._stack.callback(speaker.close)
        speaker.start(self._playback)
        return speaker

    def _camera(self, control: MuteControl) -> Camera:
        options, config = self._options, self._config.camera

        def lit(on: bool) -> None:
            try:
                (self._light.acquire if on else self._light.release)(Sensor.CAMERA)
            except LightError as error:
                raise OSError(str(error)) from error

        def make() -> Camera:
            return open_camera(options.camera, self._clock, self._monotonic, fps=config.fps,
                               rotate=config.rotate, latency_ms=config.latency_ms, light=lit)

        camera = LateCamera(make, control.muted(Sensor.CAMERA))
        self._stack.callback(camera.close)
        control.attach(Sensor.CAMERA, lambda: camera.set_muted(False),
                       lambda: camera.set_muted(True))
        return camera

    # -- live ---------------------------------------------------------------------------------

    def _live(self, session: Session, control: MuteControl) -> None:
        """Threads and doors that only a session on a device's clock has."""
        stopping = threading.Event()
        voice = threading.Thread(target=session.parts.mouth.run, args=(stopping,), name="voice",
                                 daemon=True)
        voice.start()
        self._stack.callback(voice.join)
        self._stack.callback(stopping.set)
        self._button(session, control)
        handlers = mute_handlers(control, lambda: session.now_s, lambda: self.status(session))
        server = ControlServer(self._options.control_socket, handlers,
                               self._options.control_mode)
        self._stack.callback(server.close)

    def _button(self, session: Session, control: MuteControl) -> None:
        config = self._config.button
        if config.kind == "none":
            return
        from daemon.button import Button, open_input

        source = open_input(config.kind, config.device, config.code, config.switch, config.chip,
                            config.line, config.active_low)
        sensors = tuple(Sensor) if config.sensor == "all" else (Sensor(config.sensor),)
        button = Button(source, control, sensors, config.switch, lambda: session.now_s)
        self._stack.callback(button.close)

    def status(self, session: Session) -> dict[str, Any]:
        """The report of `tagalong status`."""
        parts = session.parts
        return {
            "session_s": round(session.now_s, 1), "engine": self._engine_name(),
            "stages": getattr(parts.model, "stages", {}),
            "sensors": parts.sensors.control.status(session.now_s),
            "camera_open": parts.camera.sensor_open,
            "health": self._health.report(), "shed": session.totals,
            "link": parts.errands.link.stats(), "left_the_device": asdict(parts.errands.sent),
            "privacy": self._config.privacy.model_dump(),
            "unasked": parts.governor.counters(),
            "routine": routine_words.status(parts.ledger.book.routine),
            "voice": self._config.voice.name, "light": self._light.fault or "ok",
        }

    # -- facts --------------------------------------------------------------------------------

    def _settings(self) -> Settings:
        options, config, privacy = self._options, self._config, self._config.privacy
        return Settings(
            options.stepped, options.tail_s, config.background.deadline_s,
            Privacy(privacy.conversation, privacy.audio, privacy.pictures, privacy.audio_s),
            source_kind(options.microphone) is not Source.NONE,
            source_kind(options.camera) not in (Source.NONE, Source.SYNTHETIC),
            options.state_dir / "reports")

    def _ends(self) -> bool:
        """Whether the inputs come to an end: files and what has no end of its own, no device."""
        kinds = {source_kind(self._options.microphone), source_kind(self._options.camera)}
        return self._options.stepped or (
            Source.FILE in kinds and not kinds & {Source.DEVICE, Source.URL})

    def _start_event(self) -> dict[str, Any]:
        options = self._options
        facts = {
            "version": _version(), "engine": self._engine_name(), "weights": self._weights(),
            "microphone": _named(options.microphone), "camera": _named(options.camera),
            "speaker": _named(options.speaker), "broker": options.broker,
            "clock": "stepped" if options.stepped else "device", "resumed": self.resumed,
        }
        if isinstance(self._clock, SteppedClock):
            facts |= {"compute_ms": self._clock.compute_ms, "output_ms": self._clock.output_ms}
        return facts

    def _engine_name(self) -> str:
        model = self._runner.model_loaded
        return getattr(getattr(model, "engine", None), "name", "scripted")

    def _weights(self) -> str:
        """SHA-256 of the weight file, first 12 digits."""
        path = (self._config.engine.weights or WEIGHTS).with_suffix(".bin")
        if self._engine_name() == "scripted" or not path.is_file():
            return "none"
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _device(name: str) -> str | None:
    """A device's name for PortAudio, which calls the default one None."""
    return None if name in ("default", "device") else name


def _named(name: str) -> str:
    """A source as the `start` event names it: files by their name, without the folder."""
    return Path(name).name if source_kind(name) is Source.FILE else name


def _version() -> str:
    try:
        return version("tagalong")
    except PackageNotFoundError:
        return "source"
