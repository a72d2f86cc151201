"""What the verbs share: configuration, folders, logging.

The only file of the daemon that reads the environment; the broker's child inherits it.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from daemon.config import Config, ConfigError, load_config
from daemon.options import (
    RunOptions,
    check_broker_url,
    choose_clock,
    runtime_folder,
    state_folder,
)

SYSTEM_SOCKET = Path("/run/tagalong/control")
"""Where the system's daemon answers, for users without one of their own."""
SYSTEM_CONFIG = Path("/etc/tagalong/tagalong.toml")
FAILED = 1
"""Exit code: it did not work."""


def configuration(arguments: argparse.Namespace) -> Config:
    """The configuration of this call. Raises ConfigError."""
    return load_config(find_config(arguments.config))


def find_config(asked: Path | None) -> Path | None:
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


def run_options(arguments: argparse.Namespace, config: Config) -> RunOptions:
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
    state = state_dir(config)
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
        state_dir=state,
        runtime_dir=runtime_folder(state, environment),
        control_mode=0o660 if "RUNTIME_DIRECTORY" in environment else 0o600,
        notify_socket=environment.get("NOTIFY_SOCKET"),
    )


def state_dir(config: Config) -> Path:
    """Folder of ledger, outbox and workout log."""
    return state_folder(config, dict(os.environ))


def control_socket(config: Config) -> Path:
    """Where the running daemon answers: this user's, else the system's."""
    folder = runtime_folder(state_dir(config), dict(os.environ))
    return reachable_socket(RunOptions(runtime_dir=folder))


def reachable_socket(options: RunOptions) -> Path:
    """The socket of this user's daemon, else the system's."""
    own = options.control_socket
    return SYSTEM_SOCKET if not own.exists() and SYSTEM_SOCKET.exists() else own


def make_folder(folder: Path) -> None:
    """Make a folder of this user's own, or take the one that is there. Raises ConfigError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; next: set session.state_dir") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: may not be written; next: set session.state_dir")


def start_logging() -> None:
    """To standard error; below systemd with the levels that the journal understands."""
    journal = "JOURNAL_STREAM" in os.environ
    for level, number in (("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)):
        logging.addLevelName(getattr(logging, level), f"<{number}>" if journal else f"{level:7} ")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s%(name)s: %(message)s")
