"""The command `tagalong`: reads arguments, environment and configuration, and hands on.

The only file of the daemon that reads the environment. Whatever a verb needs is imported when the
verb runs, so that `--help` and `status` are quick.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daemon.config import Config, ConfigError, load_config
from daemon.options import (
    FdbenchOptions,
    RunOptions,
    check_broker_url,
    check_files,
    choose_clock,
    runtime_folder,
    state_folder,
)

ENGINES = ("auto", "onnx", "torch", "tensorrt")
SYSTEM_SOCKET = Path("/run/tagalong/control")
"""Where the system's daemon answers, for users without one of their own."""
SYSTEM_CONFIG = Path("/etc/tagalong/tagalong.toml")
FAILED, MISUSED = 1, 2
"""Exit codes: it did not work; it was asked wrongly."""

DESCRIPTION = """\
tagalong listens through a microphone, looks through a camera and speaks at the right moment: it
counts repetitions, keeps timers, answers questions. Everything is worked out on this device.
"""
EXAMPLES = """\
examples:
  tagalong doctor                     what works on this machine, and what to do about the rest
  tagalong run                        live, with the machine's own microphone, camera and speaker
  tagalong run --camera none          the same without a camera
  tagalong run --microphone in.wav --camera in.mp4 --speaker out.wav --events out.jsonl
                                      files in, files out, as fast as the machine can
  tagalong mute all --for 10m         close microphone and camera for ten minutes
  tagalong status                     how the running tagalong is
"""
RUN_EXAMPLES = """\
examples:
  tagalong run --microphone squats.wav --camera squats.mp4 --speaker out.wav
  tagalong run --microphone none --camera none --speaker none    idle: does it start at all?
  tagalong run --broker embedded --record today.mcap             live, with a worker and a recording
"""
REHEARSE_EXAMPLES = """\
examples:
  tagalong rehearse scenarios/cooking.toml     exits 1 when an expectation fails
The language is described in models/scenarios/script.py; scenarios/ has more.
"""
FDBENCH_EXAMPLES = """\
examples:
  tagalong fdbench Full-Duplex-Bench-Data/v1.0    output.wav and output.json beside each input.wav
Stopped, or some samples failed? The same command goes on with those that have no output.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.verb(arguments))
    except ConfigError as error:
        print(f"tagalong: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tagalong",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(title="what it can do", metavar="VERB", required=True)
    _run_parser(verbs)
    _doctor_parser(verbs)
    _ask_parsers(verbs)
    _replay_parser(verbs)
    _rehearse_parser(verbs)
    _fdbench_parser(verbs)
    background = _verb(verbs, "background", background_verb, "the worker that answers questions")
    _config_flag(background)
    background.add_argument("--broker", metavar="URL", help="mqtt://localhost, mqtts://HOST")
    background.add_argument("--manuals", type=Path, metavar="DIR", help="Markdown manuals")
    background.add_argument("--workout-log", type=Path, metavar="FILE", help="SQLite file")
    background.add_argument("--name", help="name of this worker in the topics")
    return parser


def _verb(verbs: Any, name: str, function: Any, text: str, **more: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )
    parser.set_defaults(verb=function)
    return parser


def _config_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="F", help="TOML file; without it the user's, else /etc's"
    )


def _device_flags(parser: argparse.ArgumentParser) -> None:
    """What a run and the doctor have in common; each overrides the configuration."""
    _config_flag(parser)
    parser.add_argument(
        "--microphone", metavar="device|none|FILE", help="name of a sound device, or a sound file"
    )
    parser.add_argument(
        "--camera", metavar="device|none|FILE|URL", help="a camera, a video file, or rtsp://..."
    )
    parser.add_argument(
        "--speaker", metavar="device|none|FILE.wav", help="name of a sound device, or a file"
    )
    parser.add_argument("--engine", choices=ENGINES, help="what runs the network (auto: best)")
    parser.add_argument(
        "--broker", metavar="URL|embedded|none", help="mqtts://HOST[:PORT], or one on loopback"
    )


def _run_parser(verbs: Any) -> None:
    run = _verb(verbs, "run", run_verb, "listen, look and speak", epilog=RUN_EXAMPLES)
    _device_flags(run)
    run.add_argument(
        "--events", type=Path, metavar="FILE.jsonl", help="write what happens, a line each"
    )
    run.add_argument(
        "--record", type=Path, metavar="FILE.mcap", help="record every micro-turn, for replay"
    )
    run.add_argument(
        "--clock", choices=("device", "stepped"), help="stepped: as fast as it can (with files)"
    )
    run.add_argument(
        "--echo", metavar="none|FILE.wav", help="how a file microphone hears tagalong itself"
    )
    run.add_argument(
        "--tail", type=float, metavar="S", help="with files: longest wait for the last words"
    )


def _doctor_parser(verbs: Any) -> None:
    doctor = _verb(verbs, "doctor", doctor_verb, "say what works here, and what to do next")
    _device_flags(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")
    devices = _verb(verbs, "devices", devices_verb, "list microphones, speakers and cameras")
    devices.add_argument("--json", action="store_true", help="for programs")


def _ask_parsers(verbs: Any) -> None:
    """The verbs that talk to a running daemon."""
    status = _verb(verbs, "status", status_verb, "say how the running tagalong is")
    status.add_argument("--json", action="store_true", help="for programs")
    mute = _verb(verbs, "mute", mute_verb, "close the microphone, the camera, or both")
    mute.add_argument("--for", dest="duration", metavar="10m", help="90s, 10m, 1h30m; else no end")
    unmute = _verb(verbs, "unmute", mute_verb, "open again what was muted")
    unmute.set_defaults(duration=None)
    for parser, name in ((mute, "mute"), (unmute, "unmute")):
        parser.add_argument("sensor", choices=("microphone", "camera", "all"))
        parser.set_defaults(request=name)
    for parser in (status, mute, unmute):
        _config_flag(parser)


def _replay_parser(verbs: Any) -> None:
    replay = _verb(verbs, "replay", replay_verb, "run a recording again and compare")
    replay.add_argument("file", type=Path, metavar="FILE.mcap")
    replay.add_argument("--assert", action="store_true", help="exit with 1 at a difference")
    replay.add_argument("--speed", type=float, metavar="N", help="times real time; else at once")
    replay.add_argument("--engine", choices=ENGINES, default="auto", help="what runs the network")


def _rehearse_parser(verbs: Any) -> None:
    text = "play a scenario through the program and say whether all went as expected"
    rehearse = _verb(verbs, "rehearse", rehearse_verb, text, epilog=REHEARSE_EXAMPLES)
    rehearse.add_argument("file", type=Path, metavar="FILE.toml")
    rehearse.add_argument(
        "--out", type=Path, metavar="DIR", help="for its files; else out/rehearse/NAME"
    )
    rehearse.add_argument("--json", action="store_true", help="for programs")


def _fdbench_parser(verbs: Any) -> None:
    text = "answer every sample of a Full-Duplex-Bench tree"
    fdbench = _verb(verbs, "fdbench", fdbench_verb, text, epilog=FDBENCH_EXAMPLES)
    _config_flag(fdbench)
    fdbench.add_argument("tree", type=Path, metavar="DIR", help="the data, a task, or one sample")
    fdbench.add_argument("--fresh", action="store_true", help="throw earlier outputs away first")
    fdbench.add_argument("--engine", choices=ENGINES, help="what runs the network (auto: best)")
    fdbench.add_argument("--broker", metavar="URL|embedded|none", help="for open questions")
    fdbench.add_argument(
        "--addressing",
        choices=("name", "follow_up", "open"),
        default="open",
        help="when words are meant for tagalong (open: always, since nobody says its name there)",
    )
    fdbench.add_argument("--json", action="store_true", help="for programs")


def _find_config(asked: Path | None) -> Path | None:
    """The named file, else the service's, the user's or the system's, else none."""
    if asked is not None:
        return asked
    home = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
    folders = [os.environ.get("CONFIGURATION_DIRECTORY"), f"{home}/tagalong"]
    candidates = [Path(folder) / "tagalong.toml" for folder in folders if folder]
    return next((path for path in [*candidates, SYSTEM_CONFIG] if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    """A folder that may not be entered hides a configuration: no reason to run without it."""
    try:
        return path.is_file()
    except PermissionError:
        hint = f"next: ls -ld {path.parent}"
        raise ConfigError(f"{path}: may not be read by this user; {hint}") from None


def _options(arguments: argparse.Namespace, config: Config) -> RunOptions:
    """Command line over configuration.

    Raises:
        ConfigError: names the flag and what is wrong with it.
    """
    given = {"events": None, "record": None, "clock": None, "echo": None, "tail": None}
    given |= vars(arguments)
    tail_s = config.session.tail_s if given["tail"] is None else given["tail"]
    if not 0.0 <= tail_s <= 600.0:
        raise ConfigError(f"--tail {tail_s:g}: must be a number from 0 to 600")
    microphone = given["microphone"] or config.microphone.device
    camera = given["camera"] or config.camera.device
    broker = given["broker"]
    environment = dict(os.environ)
    state_dir = state_folder(config, environment)
    return RunOptions(
        microphone=microphone,
        camera=camera,
        speaker=given["speaker"] or config.speaker.device,
        events=given["events"],
        record=given["record"],
        engine=given["engine"] or config.engine.name,
        broker=config.broker.url if broker is None else check_broker_url(broker),
        stepped=choose_clock(given["clock"], microphone, camera),
        echo=None if given["echo"] in (None, "none") else Path(given["echo"]),
        tail_s=tail_s,
        state_dir=state_dir,
        runtime_dir=runtime_folder(state_dir, environment),
        control_mode=0o660 if "RUNTIME_DIRECTORY" in environment else 0o600,
        notify_socket=environment.get("NOTIFY_SOCKET"),
    )


def run_verb(arguments: argparse.Namespace) -> int:
    """`tagalong run`."""
    config = load_config(_find_config(arguments.config))
    options = _options(arguments, config)
    check_files(options)
    for folder in (options.state_dir, options.runtime_dir):
        _make_folder(folder)
    _start_logging()
    from daemon.run import run

    return run(config, options)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; next: set session.state_dir") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: may not be written; next: set session.state_dir")


def _start_logging() -> None:
    """To standard error; below systemd with the levels that the journal understands."""
    journal = "JOURNAL_STREAM" in os.environ
    for level, number in (("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)):
        logging.addLevelName(getattr(logging, level), f"<{number}>" if journal else f"{level:7} ")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s%(name)s: %(message)s")


def doctor_verb(arguments: argparse.Namespace) -> int:
    """`tagalong doctor`; 1 when a check failed."""
    from daemon.checks import all_checks
    from daemon.checks.report import report

    path = _find_config(arguments.config)
    try:
        config = load_config(path)
    except ConfigError:
        config = Config()  # the check of the configuration says what is wrong with it
    options = _options(arguments, config)
    muted, running = _muted_now(options)
    checks = all_checks(config, options, path, muted, running)
    return FAILED if report(checks, as_json=arguments.json) else 0


def _muted_now(options: RunOptions) -> tuple[frozenset[str], bool]:
    """Names of muted sensors, from the running daemon or from what the last one left."""
    from daemon.control import ControlError, ask
    from daemon.mute import BOTH, MuteControl, MuteStore

    try:
        sensors = ask(_socket(options), {"verb": "status"})["sensors"]
        return frozenset(name for name, entry in sensors.items() if entry["muted"]), True
    except ControlError:
        kept = MuteControl(MuteStore(options.state_dir / "mute.json"))
        return frozenset(sensor.value for sensor in BOTH if kept.muted(sensor)), False


def devices_verb(arguments: argparse.Namespace) -> int:
    """`tagalong devices`."""
    from daemon.checks.report import list_devices

    return list_devices(as_json=arguments.json)


def _socket(options: RunOptions) -> Path:
    """The socket of this user's daemon, else the system's."""
    own = options.control_socket
    return SYSTEM_SOCKET if not own.exists() and SYSTEM_SOCKET.exists() else own


def _ask(arguments: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any] | None:
    """Ask the running daemon; None after a refusal was printed."""
    from daemon.control import ControlError, ask

    config = load_config(_find_config(arguments.config))
    state_dir = state_folder(config, dict(os.environ))
    options = RunOptions(runtime_dir=runtime_folder(state_dir, dict(os.environ)))
    try:
        return ask(_socket(options), request)
    except ControlError as error:
        print(f"tagalong: {error}", file=sys.stderr)
        return None


def status_verb(arguments: argparse.Namespace) -> int:
    """`tagalong status`."""
    from daemon.checks.report import table

    reply = _ask(arguments, {"verb": "status"})
    if reply is None:
        return FAILED
    del reply["ok"]
    print(json.dumps(reply, indent=2) if arguments.json else table(reply))
    return 0


def mute_verb(arguments: argparse.Namespace) -> int:
    """`tagalong mute` and `tagalong unmute`."""
    from daemon.checks.report import sensors_sentence
    from daemon.mute import parse_duration

    request: dict[str, Any] = {"verb": arguments.request, "sensor": arguments.sensor}
    if arguments.duration is not None:
        try:
            request["for_s"] = parse_duration(arguments.duration)
        except ValueError as error:
            raise ConfigError(f"--for {error}") from error
    reply = _ask(arguments, request)
    if reply is None:
        return FAILED
    print(sensors_sentence(reply["sensors"]))
    return 0


def replay_verb(arguments: argparse.Namespace) -> int:
    """`tagalong replay`."""
    if arguments.speed is not None and not arguments.speed > 0:
        raise ConfigError(f"--speed {arguments.speed:g}: must be a number above 0")
    from daemon.record import replay_main

    return replay_main(arguments)


def rehearse_verb(arguments: argparse.Namespace) -> int:
    """`tagalong rehearse`; 1 when an expectation fails, 2 when the file cannot be used."""
    from daemon.rehearse import main as rehearse_main

    return rehearse_main(arguments.file, arguments.out, arguments.json)


def fdbench_verb(arguments: argparse.Namespace) -> int:
    """`tagalong fdbench`; 1 when a sample failed."""
    config = load_config(_find_config(arguments.config))
    broker = arguments.broker
    options = FdbenchOptions(
        tree=arguments.tree,
        engine=arguments.engine or config.engine.name,
        broker=config.broker.url if broker is None else check_broker_url(broker),
        addressing=arguments.addressing,
        fresh=arguments.fresh,
        json=arguments.json,
    )
    from daemon.fdbench import main as fdbench_main

    return fdbench_main(config, options)


def background_verb(arguments: argparse.Namespace) -> int:
    """`tagalong background`."""
    config = load_config(_find_config(arguments.config))
    link, worker = config.broker, config.background
    url = link.url if arguments.broker is None else check_broker_url(arguments.broker)
    if url in ("none", "embedded"):
        raise ConfigError(
            f"background: broker {url} cannot be reached from another process; "
            "next: tagalong background --broker mqtt://localhost"
        )
    folder = state_folder(config, dict(os.environ))
    flags = {
        "--broker": url,
        "--manuals": arguments.manuals or worker.manuals,
        "--workout-log": arguments.workout_log or worker.workout_log or folder / "workout.db",
        "--name": arguments.name or worker.name,
        "--concurrency": worker.concurrency,
        "--ca": link.ca_file,
        "--cert": link.cert_file,
        "--key": link.key_file,
        "--username": link.username,
        "--password-file": link.password_file,
    }
    _make_folder(Path(str(flags["--workout-log"])).parent)
    _start_logging()
    from daemon.background.worker import main as worker_main

    given = [(flag, str(value)) for flag, value in flags.items() if value is not None]
    return worker_main([part for pair in given for part in pair])


if __name__ == "__main__":
    sys.exit(main())
