"""Whether the weights are there, whole and readable."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok

POINTER = b"version https://git-lfs"
"""What a large file is when only its pointer was fetched."""


@dataclass(frozen=True)
class Weights:
    """The exported step with its description and data beside it."""

    weights: Path | None = None
    """None: the bundled ones."""
    name: str = "weights"

    def run(self) -> Result:
        """Look at every file of the export."""
        step = self.weights or _bundled()
        restore = f"git checkout -- {step.parent}"
        if not step.is_file():
            return fail(f"{step}: there is no such file", restore)
        files = sorted(path for path in step.parent.glob(f"{step.stem}.*") if path.is_file())
        if not step.with_suffix(".json").is_file():
            return fail(f"{step.with_suffix('.json')}: there is no such file", restore)
        for path in files:
            if not os.access(path, os.R_OK):
                return fail(f"{path}: may not be read by this user", f"sudo chmod a+r {path}")
            if problem := _problem(path):
                return fail(f"{path}: {problem}", restore)
        total = sum(path.stat().st_size for path in files)
        return ok(f"{step}, {len(files)} files, {total / 1e6:.1f} MB")


def _bundled() -> Path:
    from daemon.engines import WEIGHTS

    return WEIGHTS


def _problem(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(len(POINTER))
    if not start:
        return "is empty"
    return "is only a pointer to the file" if start == POINTER else ""
