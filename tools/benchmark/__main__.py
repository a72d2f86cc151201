"""`tools/bench`: quality suites and speed, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tools.benchmark import live, speed
from tools.benchmark.program import Program
from tools.benchmark.suites import SUITES

OUT = Path("out/bench")


def quality(options: argparse.Namespace) -> dict:
    """Run the suites; findings are kept item by item, so that a stopped run goes on."""
    OUT.mkdir(parents=True, exist_ok=True)
    names = options.suite or list(SUITES)
    figures = {}
    for name in names:
        suite = SUITES[name]
        n = suite.quick if options.quick else (options.items or suite.count)
        other = f"-{options.weights.parent.name}" if options.weights else ""
        kept = OUT / f"{name}-{options.seed}{'-quick' if options.quick else ''}{other}.jsonl"
        if options.fresh:
            kept.unlink(missing_ok=True)
        rows = _rows(name, n, options.seed, kept, options.weights)
        figures[name] = {"unseen synthetic and real" if name == "silence" else "unseen": {
            "items": len(rows), **suite.summary(rows)}}
        _show(name, figures[name])
    return figures


def _rows(name: str, n: int, seed: int, kept: Path, weights: Path | None) -> list[dict]:
    suite = SUITES[name]
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rows = [row["finding"] for row in done]
    known = {row["item"] for row in done}
    with Program(suite.broker, weights) as program, Progress() as bar, open(kept, "a") as file:
        task = bar.add_task(name, total=n or None)
        for item in suite.items(n, seed):
            if item.name not in known:
                finding = suite.score(item, program.run(item))
                file.write(json.dumps({"item": item.name, "finding": finding}) + "\n")
                file.flush()
                rows.append(finding)
            bar.advance(task)
    return rows


def _show(name: str, columns: dict) -> None:
    table = Table(title=name)
    table.add_column("figure")
    for column in columns:
        table.add_column(column)
    first = next(iter(columns.values()))
    for figure in first:
        if figure != "per clip":
            table.add_row(figure, *(str(c[figure]) for c in columns.values()))
    Console().print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("quality", help="what it hears, does, counts, and when it is quiet")
    one.add_argument("--suite", action="append", choices=list(SUITES))
    one.add_argument("--quick", action="store_true", help="a few items each")
    one.add_argument("--items", type=int, default=0, help="items of each suite")
    one.add_argument("--seed", type=int, default=1,
                     help="fresh items; from 1000 on items for tuning, with other voices")
    one.add_argument("--weights", type=Path, help="another exported step than the bundled one")
    one.add_argument("--fresh", action="store_true", help="forget what an earlier run found")
    two = verbs.add_parser("speed", help="step time and memory over simulated time")
    two.add_argument("--minutes", type=float, default=60.0)
    three = verbs.add_parser("live", help="deadlines and latency on a virtual sound card")
    three.add_argument("--minutes", type=float, default=10.0)
    for verb in (one, two, three):
        verb.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.verb == "quality":
        figures = quality(options)
    else:
        figures = {"speed": speed, "live": live}[options.verb].measure(options.minutes)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
