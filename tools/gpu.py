"""Behind `tools/gpu_check`: what the kernels do on this machine's GPU, as a table and as JSON.

Every kernel is compared with its reference, then timed as launches of a recorded graph, beside the
bandwidth of a copy on the same card; last come micro-turns, all kernels of one as one graph.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from daemon.engines.base import EngineMismatch
from kernels.backend import Gpu, GpuError
from kernels.build import BuildError
from kernels.graph import Graph
from tests.kernels.cases import CASES
from tools.gpu_load import HEADS, MicroTurn, large

WAYS = ("eager", "compiled", "library")
"""Of torch, as `tools.gpu_beside` names them."""
LAUNCHES = 20
"""In one graph, so that the time of a launch is the GPU's and not that of asking for it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 1 where something is wrong or there is no GPU."""
    parser = argparse.ArgumentParser(prog="tools/gpu_check", description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="random cases of each kernel")
    parser.add_argument("--turns", type=int, default=3000, help="micro-turns to run")
    parser.add_argument("--repeats", type=int, default=50, help="runs that a time is the mean of")
    parser.add_argument("--small", action="store_true", help="leave out sizes that fill a card")
    parser.add_argument("--json", type=Path, default=Path("out/gpu_check.json"))
    asked = parser.parse_args(argv)
    try:
        gpu = Gpu()
        report = measure(gpu, asked)
    except (GpuError, BuildError) as error:
        print(f"tools/gpu_check: {error}", file=sys.stderr)
        return 1
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)
    wrong = [w for row in report["checks"] for w in row["wrong"]]
    return 1 if wrong or report.get("network_wrong") else 0


def measure(gpu: Gpu, asked: argparse.Namespace) -> dict:
    """The whole report: plain numbers, names with their units."""
    report: dict = {"gpu": gpu.name_of_device, "architecture": gpu.architecture}
    report["checks"] = [check(gpu, name, asked.cases) for name in CASES]
    report["copy_gb_s"] = copy_bandwidth(gpu, 1 << (20 if asked.small else 28), asked.repeats)
    turn = MicroTurn(gpu)
    loads = {**turn.loads, **({} if asked.small else large(gpu))}
    report["kernels"] = [timed(gpu, name, *load, asked.repeats)
                         for name, load in loads.items()]
    report["micro_turn"] = micro_turns(gpu, turn, asked.turns)
    report["left_out"] = []
    for name, part in (("torch beside the kernels", beside), ("the network", network)):
        try:
            report |= part(asked)
        except (ImportError, RuntimeError, EngineMismatch) as error:  # torch raises RuntimeError
            report["left_out"].append(f"{name}: {str(error).splitlines()[0]}")
    return report


def beside(asked: argparse.Namespace) -> dict:
    """Torch's times for the same operations, microseconds."""
    from tools.gpu_beside import compared

    return {"torch_us": compared(HEADS, asked.repeats, LAUNCHES)}


def network(asked: argparse.Namespace) -> dict:
    """Whole micro-turns of the shipped weights by `--engine cuda`, held to ONNX Runtime first."""
    from tools.gpu_network import compare, stepped

    return {"network_wrong": compare(min(asked.turns, 200)), "network": stepped(asked.turns)}


def check(gpu: Gpu, name: str, cases: int) -> dict:
    """Random cases of a kernel against its reference."""
    wrong = []
    for seed in range(cases):
        try:
            CASES[name](gpu, np.random.default_rng([9, seed]))
        except AssertionError as error:
            wrong.append(f"case {seed}: {error}"[:200])
    return {"kernel": name, "cases": cases, "wrong": wrong}


def seconds(gpu: Gpu, run: Callable[[], object], times: int) -> float:
    """Of one run when many follow one another; the first, which warms up, does not count."""
    run()
    gpu.wait()
    began = time.perf_counter()
    for _ in range(times):
        run()
    gpu.wait()
    return (time.perf_counter() - began) / times


def copy_bandwidth(gpu: Gpu, size_bytes: int, repeats: int) -> float:
    """GB/s of a copy on the card, read and written bytes counted."""
    a, b = (gpu.array(np.zeros(size_bytes, np.uint8)) for _ in range(2))
    return 2 * size_bytes / seconds(gpu, lambda: gpu.copy(b, a), repeats) / 1e9


def timed(gpu: Gpu, name: str, launch: Callable[[], object], moved_bytes: int,
          repeats: int) -> dict:
    """One launch of a kernel in microseconds, and the GB/s of the bytes that it must move."""
    def many() -> None:
        for _ in range(LAUNCHES):
            launch()

    graph = Graph(gpu, many)
    one_s = seconds(gpu, graph.replay, repeats) / LAUNCHES
    graph.close()
    return {"kernel": name, "launch_us": one_s * 1e6, "moved_bytes": moved_bytes,
            "gb_s": moved_bytes / one_s / 1e9}


def micro_turns(gpu: Gpu, turn: MicroTurn, turns: int) -> dict:
    """Milliseconds from having sound and frames to having the result on the host."""
    graph = Graph(gpu, turn.launch)
    took_ms = []
    for number in range(turns):
        began = time.perf_counter()
        turn.put(number)
        graph.replay()
        turn.get()
        took_ms.append((time.perf_counter() - began) * 1e3)
    p50, p99 = np.percentile(took_ms, (50, 99))
    return {"turns": turns, "launches_in_the_graph": graph.nodes, "p50_ms": float(p50),
            "p99_ms": float(p99), "max_ms": max(took_ms)}


def show(report: dict) -> None:
    """The report as a table."""
    console, checks = Console(), {row["kernel"]: row for row in report["checks"]}
    table = Table(title=f"{report['gpu']}, {report['architecture']}, copies at "
                        f"{report['copy_gb_s']:.0f} GB/s")
    for column in ("kernel", "cases right", "launch us", "GB/s", "share of a copy", *WAYS):
        table.add_column(column, justify="left" if column == "kernel" else "right")
    for row in report["kernels"]:
        checked = checks.get(row["kernel"])
        right = checked and f"{checked['cases'] - len(checked['wrong'])} of {checked['cases']}"
        table.add_row(row["kernel"], right or "", f"{row['launch_us']:.1f}", f"{row['gb_s']:.1f}",
                      f"{100 * row['gb_s'] / report['copy_gb_s']:.1f} %",
                      *_times(report.get("torch_us", {}).get(row["kernel"], {}), row["launch_us"]))
    console.print(table)
    turn = report["micro_turn"]
    console.print(f"{turn['turns']} micro-turns of {turn['launches_in_the_graph']} launches in one "
                  f"graph: {turn['p50_ms']:.2f} ms, p99 {turn['p99_ms']:.2f} ms, longest "
                  f"{turn['max_ms']:.2f} ms")
    for row in report["checks"]:
        for wrong in row["wrong"][:3]:
            console.print(f"WRONG {row['kernel']} {wrong}", markup=False)
    if "network" in report:
        net = report["network"]
        console.print(f"the network, {net['turns']} micro-turns: {net['p50_ms']:.2f} ms, p99 "
                      f"{net['p99_ms']:.2f} ms; other than ONNX Runtime: {report['network_wrong']}")
    if report["left_out"]:
        console.print("left out: " + "; ".join(report["left_out"]), markup=False)


def _times(torch_us: dict[str, float], ours_us: float) -> list[str]:
    """Of each way of torch: microseconds, and how many times ours that is."""
    return [f"{torch_us[way]:.1f} ({torch_us[way] / ours_us:.1f}x)" if way in torch_us else ""
            for way in WAYS]


if __name__ == "__main__":
    sys.exit(main())
