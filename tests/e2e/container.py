"""A small Debian that systemd really boots, for what is installed into a system.

Its root is made once on a machine, in 3 minutes, and kept in /var/cache/tagalong.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path("/var/cache/tagalong")
PACKAGES = "systemd,dbus,systemd-sysv,python3,python3-venv,udev"
BOOT_S = 60.0


def codename() -> str:
    release = Path("/etc/os-release")
    found = re.search(r"^VERSION_CODENAME=(\w+)", release.read_text() if release.exists() else "",
                      re.MULTILINE)  # fmt: skip
    return found.group(1) if found else ""


@pytest.fixture(scope="module")
def root() -> Path:
    """A bare Debian of this machine's release, made once and never changed."""
    if os.geteuid() != 0:
        pytest.skip("booting a container needs root")
    for tool in ("systemd-nspawn", "debootstrap", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: apt install systemd-container debootstrap")
    if not codename():
        pytest.skip("this is no Debian: no release to make a container of")
    digest = hashlib.sha256(PACKAGES.encode()).hexdigest()[:6]
    kept = CACHE / f"container-{codename()}-{digest}"
    if not kept.is_dir():
        _make_root(kept)
    return kept


def _make_root(kept: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        fresh = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename()]
        made = subprocess.run([*command, str(fresh)], capture_output=True, text=True, timeout=400)
        if made.returncode != 0:
            last = (made.stdout.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"debootstrap could not make the container's root: {last}")
        os.rename(fresh, kept)


class Container:
    """A booted system; its own changes live in memory and vanish with it."""

    def __init__(self, root: Path, binds: dict[Path, str], log: Path) -> None:
        command = [
            "systemd-nspawn", f"--directory={root}", "--volatile=overlay", "--register=no",
            "--keep-unit", "--private-network", "--boot", "--console=pipe", "--quiet",
        ]  # fmt: skip
        command += [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        self._log = log
        with open(log, "w") as file:
            self._nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        until(lambda: self.call("systemctl", "is-system-running") in ("running", "degraded"),
              BOOT_S, self.log)  # fmt: skip

    def log(self) -> str:
        return self._log.read_text()[-2000:]

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        children = subprocess.run(
            ["pgrep", "-P", str(self._nspawn.pid)], capture_output=True, text=True
        ).stdout.split()
        assert self._nspawn.poll() is None, f"the container ended: {self.log()}"
        init = children[0] if children else str(self._nspawn.pid)
        enter = ["nsenter", "-t", init, "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return subprocess.run(
            [*enter, *command], input=text, capture_output=True, text=True, timeout=90
        )

    def call(self, *command: str) -> str:
        return self.run(*command).stdout.strip()

    def write(self, path: str, text: str, mode: str = "644") -> None:
        script = f"mkdir -p $(dirname {path}) && cat > {path} && chmod {mode} {path}"
        done = self.run("sh", "-c", script, text=text)
        assert done.returncode == 0, done.stderr

    def show(self, unit: str) -> dict[str, str]:
        names = "ActiveState,SubState,StatusText,MainPID,NRestarts,Result,User"
        lines = self.call("systemctl", "show", unit, f"--property={names}").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def close(self) -> None:
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(10)


def until(holds: Callable[[], bool], within_s: float, explain: Callable[[], str]) -> float:
    """Wait for something that another process does; returns how long it took, seconds."""
    started = time.monotonic()
    while not holds():
        waited_s = time.monotonic() - started
        assert waited_s < within_s, f"not within {within_s:g} s: {explain()}"
        time.sleep(0.2)
    return time.monotonic() - started
