"""Whether the Python packages that every run needs can be imported."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata

from daemon.checks.base import Result, fail, ok

NEEDED = (
    ("numpy", "numpy"),
    ("onnxruntime", "onnxruntime"),
    ("pydantic", "pydantic"),
    ("av", "av"),
    ("soxr", "soxr"),
    ("paho.mqtt.client", "paho-mqtt"),
    ("mcap", "mcap"),
)
"""Module, and the package that brings it."""


@dataclass(frozen=True)
class Packages:
    """Each package is really imported: one that is installed may still lack its library."""

    needed: tuple[tuple[str, str], ...] = NEEDED
    name: str = "packages"

    def run(self) -> Result:
        """Import them all."""
        found, broken, missing = [], [], []
        for module, package in self.needed:
            try:
                importlib.import_module(module)
                found.append(f"{package} {metadata.version(package)}")
            except (ImportError, OSError) as error:
                broken.append(f"{module}: {error}")
                missing.append(package)
        if broken:
            return fail("; ".join(broken), "pip install " + " ".join(missing))
        return ok(", ".join(found))
