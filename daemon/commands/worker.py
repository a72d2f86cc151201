"""`tagalong background`."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.commands.shared import configuration, make_folder, start_logging, state_dir
from daemon.config import ConfigError
from daemon.options import check_broker_url


def background(arguments: argparse.Namespace) -> int:
    """Answer questions from the broker until somebody stops it."""
    config = configuration(arguments)
    link, worker = config.broker, config.background
    url = link.url if arguments.broker is None else check_broker_url(arguments.broker)
    if url in ("none", "embedded"):
        raise ConfigError(
            f"background: broker {url} cannot be reached from another process; "
            "next: tagalong background --broker mqtt://localhost"
        )
    log = arguments.workout_log or worker.workout_log or state_dir(config) / "workout.db"
    flags = {
        "--broker": url,
        "--manuals": arguments.manuals or worker.manuals,
        "--workout-log": log,
        "--agent": worker.agent,
        "--name": arguments.name or worker.name,
        "--concurrency": worker.concurrency,
        "--ca": link.ca_file,
        "--cert": link.cert_file,
        "--key": link.key_file,
        "--username": link.username,
        "--password-file": link.password_file,
    }
    if "://" not in str(log):
        make_folder(Path(log).parent)
    start_logging()
    from daemon.background.worker import main as worker_main

    given = [(flag, str(value)) for flag, value in flags.items() if value is not None]
    return worker_main([part for pair in given for part in pair])
