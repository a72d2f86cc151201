"""Whether the state folder can be written and has room."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok, warn

NEEDED_BYTES = 200 * 10**6
"""Ledger, outbox and logs of a long day; below this the daemon should not start."""
COMFORTABLE_BYTES = 10**9


@dataclass(frozen=True)
class Disk:
    """Writes and removes a small file."""

    folder: Path
    needed_bytes: int = NEEDED_BYTES
    comfortable_bytes: int = COMFORTABLE_BYTES
    name: str = "disk"

    def run(self) -> Result:
        """Write, then ask for the room that is left."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder) as file:
                file.write(b"x" * 4096)
                file.flush()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            return fail(f"{self.folder}: {error.strerror}", f"ls -ld {self.folder}")
        found = f"{self.folder}, {free / 1e9:.1f} GB free"
        if free < self.needed_bytes:
            return fail(f"{found}, {self.needed_bytes / 1e9:.1f} GB are needed", "df -h")
        if free < self.comfortable_bytes:
            return warn(f"{found}: recordings will not fit", "df -h")
        return ok(found)
