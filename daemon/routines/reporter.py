"""Has reports written by the writer thread, and tells of them once they are on the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from daemon.acts_effects import Report
from daemon.routines import report as page


class Teller(Protocol):
    """What it needs of the session."""

    def emit(self, kind: str, text: str | None = None, **data: Any) -> None:
        """An event of this micro-turn."""

    def aside(self, job: Callable[[], None], where: str) -> None:
        """Work for the writer thread."""


class Reporter:
    """Used by the step thread; only what `write` posts runs on the writer's."""

    def __init__(self, folder: Path | None, wall: Callable[[], datetime], teller: Teller) -> None:
        """`folder` of the reports, None: none are written."""
        self._folder = folder
        self._wall = wall
        self._tell = teller
        self._written: deque[tuple[str, Path]] = deque()

    def write(self, report: Report) -> None:
        """Have a report written."""
        folder, ended = self._folder, self._wall()
        if folder is not None:
            self._tell.aside(lambda: self._written.append(
                (report.run.name, page.write(report, ended, folder))), "report")

    def look(self) -> None:
        """Once a micro-turn: an event for every report that has been written."""
        while self._written:
            name, path = self._written.popleft()
            self._tell.emit("report", routine=name, path=str(path))
