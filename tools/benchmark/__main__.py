"""`tools/bench`: quality suites, speed, latency live and to the background, as tables and JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tools.benchmark import delegation, live, quality, soak, speed


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    verbs = made.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("quality", help="what it hears, does, counts, and when it is quiet")
    quality.add_arguments(one)
    two = verbs.add_parser("speed", help="step time and memory over simulated time")
    two.add_argument("--minutes", type=float, default=60.0)
    three = verbs.add_parser("live", help="deadlines and latency on a virtual sound card")
    three.add_argument("--minutes", type=float, default=10.0)
    four = verbs.add_parser("delegation", help="the way to the background, beside HTTP and gRPC")
    four.add_argument("--requests", type=int, default=500)
    five = verbs.add_parser("soak", help="hours in one process, with parts going away at random")
    five.add_argument("--hours", type=float, default=8.0)
    five.add_argument("--seed", type=int, default=1)
    for verb in (one, two, three, four, five):
        verb.add_argument("--json", type=Path, help="write the figures here")
    return made


def main() -> None:
    """Run a verb."""
    options = parser().parse_args()
    if options.verb == "quality":
        figures = quality.quality(quality.plan_of(options))
    elif options.verb == "delegation":
        figures = delegation.measure(options.requests)
    elif options.verb == "soak":
        figures = soak.measure(options.hours, options.seed)
    else:
        figures = {"speed": speed, "live": live}[options.verb].measure(options.minutes)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
