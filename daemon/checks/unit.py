"""Whether the systemd unit is installed, valid and enabled."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok, warn

UNIT = "tagalong.service"
FOLDERS = tuple(Path(top) / "systemd/system" for top in ("/etc", "/usr/lib", "/lib"))
BOOTED = Path("/run/systemd/system")
"""Source: sd_booted(3)."""


@dataclass(frozen=True)
class SystemdUnit:
    """A run by hand needs no unit, so only a bad unit fails."""

    folders: tuple[Path, ...] = FOLDERS
    booted: Path = BOOTED
    name: str = "systemd"

    def run(self) -> Result:
        """Find the unit, verify it, ask whether it starts at boot."""
        unit = next((f / UNIT for f in self.folders if (f / UNIT).is_file()), None)
        if unit is None:
            folder = Path(__file__).resolve().parents[2] / "systemd"
            return warn("no unit is installed; it runs by hand only", f"less {folder}/README.md")
        if complaint := said_against(unit):
            return fail(f"{unit}: {complaint}", f"systemd-analyze verify {unit}")
        if not self.booted.exists():
            return ok(f"{unit}; this system was not booted with systemd")
        state = _output(["systemctl", "is-enabled", UNIT])
        if state != "enabled":
            return warn(f"{unit} is {state or 'unknown'}", f"sudo systemctl enable --now {UNIT}")
        return ok(f"{unit}, enabled, {_output(['systemctl', 'is-active', UNIT])}")


def said_against(unit: Path) -> str:
    """What systemd says against a unit; its exit code does not tell, its words do."""
    if shutil.which("systemd-analyze") is None:
        return ""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True, text=True, timeout=30.0, check=False,
    )  # fmt: skip
    return done.stderr.strip().splitlines()[0] if done.stderr.strip() else ""


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30.0, check=False)
    return done.stdout.strip()
