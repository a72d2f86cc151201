"""`tagalong status`, `mute` and `unmute`: what is asked of a running daemon."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from daemon.checks.report import sensors_sentence, table
from daemon.commands.shared import FAILED, configuration, control_socket
from daemon.config import ConfigError
from daemon.control import ControlError
from daemon.control import ask as ask_daemon
from daemon.mute import parse_duration


def status(arguments: argparse.Namespace) -> int:
    """Print how the running tagalong is."""
    reply = _ask(arguments, {"verb": "status"})
    if reply is None:
        return FAILED
    del reply["ok"]
    print(json.dumps(reply, indent=2) if arguments.json else table(reply))
    return 0


def mute(arguments: argparse.Namespace) -> int:
    """Close sensors, or open them again: the verb decides."""
    request: dict[str, Any] = {"verb": arguments.verb, "sensor": arguments.sensor}
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


unmute = mute


def _ask(arguments: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any] | None:
    """Ask the running daemon; None after a refusal was printed."""
    socket = control_socket(configuration(arguments))
    try:
        return ask_daemon(socket, request)
    except ControlError as error:
        print(f"tagalong: {error}", file=sys.stderr)
        return None
