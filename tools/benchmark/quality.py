"""`tools/bench quality`: chooses the parts, runs what is left of them, tells what was found."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.benchmark import picture, report, runner
from tools.benchmark.runner import CASCADE, PROGRAM, Part
from tools.benchmark.source import COLUMNS, SEEN, TUNING_SEEDS, Source
from tools.benchmark.suites import SUITES

QUICK_S = 240.0
"""A quick run begins no item after its suite's share of this time."""


@dataclass(frozen=True)
class Plan:
    """What a run is asked for."""

    suites: tuple[str, ...] = tuple(SUITES)
    columns: tuple[str, ...] = COLUMNS
    seed: int = 1
    quick: bool = False
    items: int = 0
    """Items of each part at most; 0 for all."""
    baseline: bool = True
    jobs: int = 1
    weights: Path | None = None
    fresh: bool = False
    """Forget what an earlier run found."""
    out: Path = runner.OUT

    def parts(self, suite: str) -> list[Part]:
        """The suite's columns, each by tagalong and by the cascade beside it. Tuning has no
        column of what training saw."""
        spec, found = SUITES[suite], []
        columns = (spec.quick_column,) if self.quick else spec.columns
        for column in columns:
            if column not in self.columns or column == SEEN and self.seed >= TUNING_SEEDS:
                continue
            source = Source(column, self.seed)
            found.append(Part(suite, source, PROGRAM, self.weights))
            if self.baseline and spec.baseline and not (self.quick and spec.long):
                found.append(Part(suite, source, CASCADE))
        return found

    def count(self, part: Part) -> int:
        """Items of a part."""
        spec = SUITES[part.suite]
        whole = spec.size(part.source)
        asked = self.items or (spec.quick if self.quick else whole)
        return min(asked, whole)


def quality(plan: Plan) -> dict:
    """Runs a plan; {suite: {column: {"items": n, figure: value}}}. Pictures lie in `plan.out`."""
    figures: dict[str, dict] = {}
    began_s = time.monotonic()
    for number, suite in enumerate(plan.suites):
        share = QUICK_S * (number + 1) / len(plan.suites)
        until_s = began_s + share if plan.quick else float("inf")
        _run(plan, suite, until_s)
        figures[suite] = _figures(plan, suite)
        report.show(suite, figures[suite])
        picture.draw(SUITES[suite].title, figures[suite], plan.out / f"{suite}.png")
    runner.close()
    return figures


def _figures(plan: Plan, suite: str) -> dict:
    """Figures of all columns in which anything was found."""
    found = {}
    for part in plan.parts(suite):
        rows = runner.rows(part, plan.count(part), plan.out)
        if rows:
            found[part.column] = {"items": len(rows),
                                  **SUITES[suite].summary([r["finding"] for r in rows])}
            programs = sorted({r["program"] for r in rows})
            if len(programs) > 1:
                found[part.column]["found by several programs"] = ", ".join(programs)
    return found


def _run(plan: Plan, suite: str, until_s: float) -> None:
    """All that is left of a suite, column by column, a bar for each system."""
    bars = (TextColumn("{task.description:34}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn())
    with Progress(*bars) as progress:
        for _, column in groupby(plan.parts(suite), lambda part: part.source):
            parts = tuple(column)
            tasks = {part: progress.add_task(f"{suite}, {part.column}") for part in parts}
            todo = _todo(plan, parts)
            count = plan.count(parts[0])
            for part, task in tasks.items():
                open_ = sum(part in some for some, _ in todo)
                progress.update(task, total=count, completed=count - open_)
            for some, number, findings in _found(plan.jobs, todo, until_s):
                for part, finding in zip(some, findings):
                    runner.add(part, number, finding, plan.out)
                    progress.advance(tasks[part])


Todo = list[tuple[tuple[Part, ...], int]]
"""(parts that have not run it, number) of items."""


def _todo(plan: Plan, parts: tuple[Part, ...]) -> Todo:
    """What is left of a column."""
    count = plan.count(parts[0])
    if plan.fresh:
        for part in parts:
            part.path(plan.out).unlink(missing_ok=True)
    open_ = {part: set(runner.left(part, count, plan.out)) for part in parts}
    found = [(tuple(p for p in parts if n in open_[p]), n) for n in range(count)]
    return [(some, n) for some, n in found if some]


def _found(jobs: int, todo: Todo,
           until_s: float) -> Iterator[tuple[tuple[Part, ...], int, list[dict]]]:
    """(parts, number, findings) as they come; in this process with one job."""
    if jobs == 1:
        for parts, number in todo:
            if time.monotonic() < until_s:
                yield parts, number, runner.run_item(parts, number)
        return
    spawn = multiprocessing.get_context("spawn")  # the synthesisers do not survive a fork
    with ProcessPoolExecutor(min(jobs, max(len(todo), 1)), spawn, runner.close_at_exit) as pool:
        waiting = {pool.submit(runner.run_item, parts, n): (parts, n) for parts, n in todo}
        for done in as_completed(waiting):
            yield *waiting[done], done.result()
            if time.monotonic() >= until_s:
                pool.shutdown(cancel_futures=True)
                return


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--suite", action="append", choices=list(SUITES), help="only this one")
    parser.add_argument("--column", action="append", choices=COLUMNS, help="only this one")
    parser.add_argument("--quick", action="store_true",
                        help="a few items of one column each, in four minutes")
    parser.add_argument("--items", type=int, default=0, help="items of each column at most")
    parser.add_argument("--seed", type=int, default=1,
                        help=f"fresh items; from {TUNING_SEEDS} on items for tuning, of other "
                             "voices, sentences and clips")
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True,
                        help="the cascade beside it")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--weights", type=Path, help="another exported step than the bundled one")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run found")


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan of a command line."""
    return Plan(tuple(options.suite or SUITES), tuple(options.column or COLUMNS), options.seed,
                options.quick, options.items, options.baseline, options.jobs, options.weights,
                options.fresh)
