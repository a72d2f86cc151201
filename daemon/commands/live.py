"""`tagalong run`."""

from __future__ import annotations

import argparse

from daemon.commands.shared import configuration, make_folder, run_options, start_logging
from daemon.options import check_files


def run(arguments: argparse.Namespace) -> int:
    """Listen, look and speak until the input ends or somebody stops it."""
    config = configuration(arguments)
    options = run_options(arguments, config)
    check_files(options)
    for folder in (options.state_dir, options.runtime_dir):
        make_folder(folder)
    start_logging()
    from daemon.run import run as run_session

    return run_session(config, options)
