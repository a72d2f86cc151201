"""`tagalong build-engine`: TensorRT's engine of the network, for this machine's GPU."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.shared import FAILED, configuration, make_folder, state_dir
from daemon.config import ConfigError
from daemon.engines import WEIGHTS
from daemon.engines.base import EngineMismatch

if TYPE_CHECKING:
    from daemon.engines.tensorrt_build import Show

SHOWN_PHASES = 3
"""Progress bars at a time: phases are nested deeper, and the inner ones last milliseconds."""


def build_engine(arguments: argparse.Namespace) -> int:
    """Build it unless the one that is there fits; 1 when it cannot be built."""
    config = configuration(arguments)
    folder = state_dir(config)
    make_folder(folder)
    try:
        return _build(arguments, arguments.weights or config.engine.weights or WEIGHTS,
                      arguments.precision or config.engine.precision, folder)
    except EngineMismatch as error:
        print(f"tagalong build-engine: {error}", file=sys.stderr)
        return FAILED


def _build(arguments: argparse.Namespace, weights: Path, precision: str, folder: Path) -> int:
    from daemon.engines import tensorrt_build as building

    gpus = _architectures(arguments.compute_capability)
    trt = building.import_backend(arguments.backend)
    ahead = trt.__name__ == "tensorrt_rtx"
    if gpus and not ahead:
        raise EngineMismatch(f"--compute-capability {arguments.compute_capability}: {trt.__name__} "
                             "builds for the GPU of this machine only; next: leave it out, or "
                             "--backend tensorrt_rtx")
    key = building.key_of(trt, weights, precision, gpus or building.own_gpu())
    path = arguments.to or building.engine_file(folder, precision)
    reason = building.unfit(path, key)
    if not reason and not arguments.force:
        print(f"{path}: is there and fits ({key.gpu}, {key.compiler}, {precision})")
        return 0
    print(f"{path}: building, {reason or 'as asked'}; this can take minutes")
    began_s = time.monotonic()
    with _progress() as show:
        building.build(trt, weights, path, key, show, ahead)
    print(f"{path}: built for {key.gpu} by {key.compiler} in {time.monotonic() - began_s:.0f} s, "
          f"{path.stat().st_size / 1e6:.1f} MB")
    return 0


def _architectures(asked: str | None) -> str:
    """`sm_86+sm_120` of `8.6,12.0`; empty for none. Raises ConfigError."""
    if asked is None:
        return ""
    found = [re.fullmatch(r"(\d+)\.(\d)", part.strip()) for part in asked.split(",")]
    if not all(found):
        raise ConfigError(f"--compute-capability {asked}: expected numbers such as 8.6 or "
                          "8.6,8.9,12.0")
    return "+".join(f"sm_{match[1]}{match[2]}" for match in found if match)


@contextmanager
def _progress() -> Iterator[Show]:
    """Bars on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
                  console=console, disable=not console.is_terminal, transient=True) as bars:
        tasks: dict[str, int] = {}

        def show(phase: str, done: int, steps: int) -> None:
            if phase not in tasks and len(tasks) < SHOWN_PHASES:
                tasks[phase] = bars.add_task(phase, total=steps)
            if phase in tasks:
                bars.update(tasks[phase], completed=done, total=steps)
            if phase in tasks and done >= steps:
                bars.remove_task(tasks.pop(phase))

        yield show
