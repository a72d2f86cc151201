"""Whether this Python is one that tagalong is made for."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from daemon.checks.base import Result, fail, ok, warn

OLDEST, NEWEST = (3, 10), (3, 13)


@dataclass(frozen=True)
class PythonVersion:
    """Python 3.10 (JetPack 6) to 3.13."""

    version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])
    name: str = "python"

    def run(self) -> Result:
        """Compare versions."""
        found = f"Python {self.version[0]}.{self.version[1]} at {sys.executable}"
        if self.version < OLDEST:
            return fail(f"{found}; 3.10 or newer is needed", "python3.11 -m venv .venv")
        if self.version > NEWEST:
            return warn(f"{found}; newer than the 3.13 it was tried with", "tools/test")
        return ok(found)
