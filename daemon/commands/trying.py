"""`tagalong rehearse` and `tagalong fdbench`: the program judged by what is written down."""

from __future__ import annotations

import argparse

from daemon.commands.shared import configuration
from daemon.options import FdbenchOptions, check_broker_url


def rehearse(arguments: argparse.Namespace) -> int:
    """Play a scenario; 1 when an expectation fails, 2 when the file cannot be used."""
    from daemon.rehearse import main as rehearse_main

    return rehearse_main(arguments.file, arguments.out, arguments.json)


def fdbench(arguments: argparse.Namespace) -> int:
    """Answer every sample of a tree; 1 when a sample failed."""
    config = configuration(arguments)
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
