"""A PostgreSQL of its own for a test: nothing but a socket in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _programs() -> Path:
    """Folder of initdb and pg_ctl; skips the test where there is none."""
    on_path = shutil.which("pg_ctl")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not on_path and not found:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    return Path(on_path).parent if on_path else found[-1].parent


class Postgres:
    """A cluster that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._data, self._sockets = _programs(), folder / "data", folder / "run"
        self._as: tuple[str, ...] = ()
        if os.geteuid() == 0:  # it refuses to be root
            self._as = ("runuser", "-u", "postgres", "--")
            owner = pwd.getpwnam("postgres").pw_uid
            for path in (folder, self._sockets):
                path.mkdir(exist_ok=True)
                os.chown(path, owner, -1)
        self._sockets.mkdir(exist_ok=True)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "log", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://log@/postgres?host={self._sockets}"

    def start(self) -> None:
        options = f"-k {self._sockets} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", self._data / "log", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run([*self._as, self._bin / program, *map(str, arguments)], check=True,
                       capture_output=True, cwd="/")


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """One that runs until the block ends."""
    made = Postgres(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()
