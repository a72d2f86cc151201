"""The command `tagalong`: what can be said to it, and which function of `daemon.commands` does it.

A verb's module is imported when the verb runs, so that `--help` and `status` are quick.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENGINES = ("auto", "onnx", "torch", "tensorrt", "cuda", "cuda-shim")
PRECISIONS = ("fp32", "fp16", "bf16")
BACKENDS = ("tensorrt", "tensorrt_rtx")
MISUSED = 2
"""Exit code: it was asked wrongly. 1 says that it did not work."""

DESCRIPTION = """\
tagalong listens through a microphone, looks through a camera and speaks at the right moment: it
counts repetitions, keeps timers, answers questions. Hearing, seeing and speaking are worked out on
this device, and nothing leaves it unless a broker is set. With one, a worker answers open questions
from their sound (the last 12 s at most) and the words exchanged before, and keeps the workout log.
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
BUILD_EXAMPLES = """\
examples:
  tagalong build-engine                       for this GPU, into the state folder
  tagalong build-engine --backend tensorrt_rtx --compute-capability 8.6,12.0 --to step.engine
                                              for other GPUs, on a machine without one
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    from daemon.config import ConfigError  # not above: --help has no need of it

    module = importlib.import_module(f"daemon.commands.{arguments.module}")
    try:
        return int(getattr(module, arguments.verb)(arguments))
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
    _background_parser(verbs)
    _engine_parser(verbs)
    return parser


def _verb(verbs: Any, name: str, module: str, text: str, **more: Any) -> argparse.ArgumentParser:
    """A verb, done by the function of its name in that module of `daemon.commands`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )
    parser.set_defaults(module=module, verb=name)
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
    run = _verb(verbs, "run", "live", "listen, look and speak", epilog=RUN_EXAMPLES)
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
    doctor = _verb(verbs, "doctor", "look", "say what works here, and what to do next")
    _device_flags(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")
    devices = _verb(verbs, "devices", "look", "list microphones, speakers and cameras")
    devices.add_argument("--json", action="store_true", help="for programs")


def _ask_parsers(verbs: Any) -> None:
    """The verbs that talk to a running daemon."""
    status = _verb(verbs, "status", "ask", "say how the running tagalong is")
    status.add_argument("--json", action="store_true", help="for programs")
    mute = _verb(verbs, "mute", "ask", "close the microphone, the camera, or both")
    mute.add_argument("--for", dest="duration", metavar="10m", help="90s, 10m, 1h30m; else no end")
    unmute = _verb(verbs, "unmute", "ask", "open again what was muted")
    unmute.set_defaults(duration=None)
    for parser in (mute, unmute):
        parser.add_argument("sensor", choices=("microphone", "camera", "all"))
    for parser in (status, mute, unmute):
        _config_flag(parser)


def _replay_parser(verbs: Any) -> None:
    replay = _verb(verbs, "replay", "replaying", "run a recording again and compare")
    replay.add_argument("file", type=Path, metavar="FILE.mcap")
    replay.add_argument("--assert", action="store_true", help="exit with 1 at a difference")
    replay.add_argument("--speed", type=float, metavar="N", help="times real time; else at once")
    replay.add_argument("--engine", choices=ENGINES, help="else the one of the recording")
    replay.add_argument(
        "--config", type=Path, metavar="F", help="weights of this TOML file, not the recording's"
    )


def _rehearse_parser(verbs: Any) -> None:
    text = "play a scenario through the program and say whether all went as expected"
    rehearse = _verb(verbs, "rehearse", "trying", text, epilog=REHEARSE_EXAMPLES)
    rehearse.add_argument("file", type=Path, metavar="FILE.toml")
    rehearse.add_argument(
        "--out", type=Path, metavar="DIR", help="for its files; else out/rehearse/NAME"
    )
    rehearse.add_argument("--json", action="store_true", help="for programs")


def _fdbench_parser(verbs: Any) -> None:
    text = "answer every sample of a Full-Duplex-Bench tree"
    fdbench = _verb(verbs, "fdbench", "trying", text, epilog=FDBENCH_EXAMPLES)
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


def _background_parser(verbs: Any) -> None:
    text = "the worker that answers questions"
    background = _verb(verbs, "background", "worker", text)
    _config_flag(background)
    background.add_argument("--broker", metavar="URL", help="mqtt://localhost, mqtts://HOST")
    background.add_argument("--manuals", type=Path, metavar="DIR", help="*.md, *.txt, *.pdf")
    background.add_argument("--workout-log", metavar="FILE",
                            help="SQLite file, or postgresql+psycopg://USER@HOST/DATABASE")
    background.add_argument("--name", help="name of this worker in the topics")


def _engine_parser(verbs: Any) -> None:
    text = "build TensorRT's engine of the network for this machine's GPU"
    build = _verb(verbs, "build-engine", "engine_build", text, epilog=BUILD_EXAMPLES)
    build.set_defaults(verb="build_engine")
    _config_flag(build)
    build.add_argument("--precision", choices=PRECISIONS, help="else engine.precision")
    build.add_argument("--weights", type=Path, metavar="step.onnx", help="else engine.weights")
    build.add_argument("--backend", choices=BACKENDS, help="else the one that is installed")
    build.add_argument(
        "--compute-capability", metavar="8.6,8.9", help="for other GPUs (tensorrt_rtx only)"
    )
    build.add_argument("--to", type=Path, metavar="FILE", help="else below the state folder")
    build.add_argument("--force", action="store_true", help="also where one is there that fits")


if __name__ == "__main__":
    sys.exit(main())
