"""The workout log: sets go in, totals of a day or a week come out. One SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

from daemon.background.cards import Card, ChartPart
from daemon.background.tools.result import Result, failed, say_number

SOURCE = "workout log"
PERIODS = {"today": 1, "day": 1, "week": 7, "this week": 7, "month": 30, "this month": 30}
WEIGHTS = ("kilos", "kilograms", "pounds", "grams", "ounces")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sets (
    id TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    day TEXT NOT NULL,
    item TEXT NOT NULL,
    number REAL NOT NULL,
    unit TEXT NOT NULL
)
"""


class WorkoutLog:
    """What each device's wearer did. Thread-safe; a request that comes twice counts once."""

    def __init__(self, path: Path, today: Callable[[], date] = date.today) -> None:
        """Open or make the file.

        Raises:
            ValueError: it cannot be written or is not a SQLite file.
        """
        self._today = today
        self._lock = threading.Lock()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ValueError(
                f"workout log {path}: {error}; expected a SQLite file in a folder that can be "
                "written: name another with --workout-log"
            ) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def answer(
        self, id: str, device: str, arguments: Mapping[str, int | float | str | None]
    ) -> Result:
        """Log {number, item[, unit]}, or total {item[, period]} (today | week | month)."""
        item = str(arguments.get("item") or "").strip().lower()
        unit = str(arguments.get("unit") or "").strip().lower()
        number = arguments.get("number")
        if isinstance(number, (int, float)):
            return self._log(id, device, item, unit, float(number))
        if not item:
            return failed("Which exercise?", SOURCE)
        return self._total(device, item, str(arguments.get("period") or "week").lower())

    def _log(self, id: str, device: str, item: str, unit: str, number: float) -> Result:
        if not item and unit not in WEIGHTS:
            return failed("Which exercise?", SOURCE)
        if not 0 < number <= 100_000:
            return failed("That number does not fit into the log.", SOURCE)
        row = (id, device, self._today().isoformat(), item or "weight", number, unit)
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO sets VALUES (?, ?, ?, ?, ?, ?)", row)
        what = " ".join(part for part in (say_number(number), unit, item) if part)
        return Result((f"Logged {what}.",), source=SOURCE)

    def _total(self, device: str, item: str, period: str) -> Result:
        days = PERIODS.get(period)
        if days is None:
            return failed("I can total today, a week or a month.", SOURCE)
        first = (self._today() - timedelta(days=days - 1)).isoformat()
        with self._lock:
            total, sets = self._db.execute(
                "SELECT COALESCE(SUM(number), 0), COUNT(*) FROM sets "
                "WHERE device = ? AND item = ? AND unit = '' AND day >= ?",
                (device, item, first),
            ).fetchone()
        when = {1: "today", 7: "in seven days", 30: "in thirty days"}[days]
        if not sets:
            return Result((f"No {item} logged {when}.",), source=SOURCE)
        in_sets = "one set" if sets == 1 else f"{sets} sets"
        card = None if days == 1 else self._chart(device, item, days)
        return Result((f"{say_number(total)} {item} in {in_sets} {when}.",), source=SOURCE,
                      card=card)

    def _chart(self, device: str, item: str, days: int) -> Card:
        """What was done on each day."""
        dates = [self._today() - timedelta(days=n) for n in reversed(range(days))]
        with self._lock:
            found = dict(self._db.execute(
                "SELECT day, SUM(number) FROM sets "
                "WHERE device = ? AND item = ? AND unit = '' AND day >= ? GROUP BY day",
                (device, item, dates[0].isoformat())))
        label = "%a" if days <= 7 else "%-d"
        return Card(title=f"{item}, {days} days"[:200], parts=(ChartPart(
            labels=tuple(d.strftime(label) for d in dates),
            values=tuple(found.get(d.isoformat(), 0.0) for d in dates), unit=item[:200]),))
