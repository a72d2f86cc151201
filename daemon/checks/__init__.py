"""The doctor: one check a file, each with its cause and the next command."""

from __future__ import annotations

from pathlib import Path

from daemon.checks.base import Check
from daemon.config import Config
from daemon.options import RunOptions


def all_checks(
    config: Config,
    options: RunOptions,
    config_path: Path | None = None,
    muted: frozenset[str] = frozenset(),
    running: bool = False,
) -> list[Check]:
    """Every check, in the order in which they are best read.

    Args:
        muted: names of the sensors that are muted; these are not opened.
        running: whether a daemon runs and holds its devices.
    """
    from daemon.background.mqtt import BrokerOptions
    from daemon.checks.broker import Broker
    from daemon.checks.button import ButtonReads
    from daemon.checks.camera import Camera
    from daemon.checks.clock import Clock
    from daemon.checks.config import Configuration
    from daemon.checks.disk import Disk
    from daemon.checks.engine import EngineLoads
    from daemon.checks.gpu import Gpu
    from daemon.checks.light import Light
    from daemon.checks.microphone import Microphone
    from daemon.checks.packages import Packages
    from daemon.checks.python_version import PythonVersion
    from daemon.checks.speaker import Speaker
    from daemon.checks.unit import SystemdUnit
    from daemon.checks.voice import Voice
    from daemon.checks.weights import Weights

    link = config.broker
    broker = BrokerOptions(
        options.broker, link.ca_file, link.cert_file, link.key_file, link.username,
        link.password_file,
    )  # fmt: skip
    return [
        PythonVersion(),
        Packages(),
        Configuration(config_path),
        Clock(),
        Disk(options.state_dir),
        Weights(config.engine.weights),
        EngineLoads(options.engine, config.engine.weights, config.engine.threads,
                    options.state_dir, config.engine.precision),
        Gpu(options.engine),
        Microphone(options.microphone, "microphone" in muted, running),
        Speaker(options.speaker, running),
        Voice(config.voice.name),
        Camera(options.camera, "camera" in muted, running, config.light),
        Light(config.light, running),
        ButtonReads(config.button, running),
        Broker(broker, link.device),
        SystemdUnit(),
    ]
