"""`tagalong doctor` and `tagalong devices`."""

from __future__ import annotations

import argparse

from daemon.checks import all_checks
from daemon.checks.report import list_devices, report
from daemon.commands.shared import FAILED, find_config, reachable_socket, run_options
from daemon.config import Config, ConfigError, load_config
from daemon.options import RunOptions


def doctor(arguments: argparse.Namespace) -> int:
    """Check all; 1 when a check failed."""
    path = find_config(arguments.config)
    try:
        config = load_config(path)
    except ConfigError:
        config = Config()  # the check of the configuration says what is wrong with it
    options = run_options(arguments, config)
    muted, running = _muted_now(options)
    checks = all_checks(config, options, path, muted, running)
    return FAILED if report(checks, as_json=arguments.json) else 0


def _muted_now(options: RunOptions) -> tuple[frozenset[str], bool]:
    """Names of muted sensors, from the running daemon or from what the last one left."""
    from daemon.control import ControlError, ask
    from daemon.mute import BOTH, MuteControl, MuteStore

    try:
        sensors = ask(reachable_socket(options), {"verb": "status"})["sensors"]
        return frozenset(name for name, entry in sensors.items() if entry["muted"]), True
    except ControlError:
        kept = MuteControl(MuteStore(options.state_dir / "mute.json"))
        return frozenset(sensor.value for sensor in BOTH if kept.muted(sensor)), False


def devices(arguments: argparse.Namespace) -> int:
    """List microphones, speakers and cameras."""
    return list_devices(as_json=arguments.json)
