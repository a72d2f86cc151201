"""A copy of what a wheel is built from: a build writes beside its sources."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("daemon", "kernels", "models")


def copied(target: Path) -> Path:
    """The packages and what pyproject.toml names, in a new folder `target`."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.tmp")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, target / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    return target
