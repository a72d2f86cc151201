"""The workout log: sets go in, totals of a day or a week come out.

One SQLite file, or a database that workers on several machines share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import (
    Column,
    Float,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from daemon.background.cards import Card, ChartPart
from daemon.background.tools.result import NotNow, Result, failed, say_number

SOURCE = "workout log"
PERIODS = {"today": 1, "day": 1, "week": 7, "this week": 7, "month": 30, "this month": 30}
WEIGHTS = ("kilos", "kilograms", "pounds", "grams", "ounces")
BUSY_S = 30.0
"""How long a writer waits for another one of the same file."""
_SETS = Table(
    "sets", MetaData(),
    Column("id", String(26), primary_key=True), Column("device", String(32), nullable=False),
    Column("day", String(10), nullable=False), Column("item", String(200), nullable=False),
    Column("number", Float, nullable=False), Column("unit", String(40), nullable=False),
)
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""What knows "unless it is there" in each database."""


def is_shared(where: Path | str) -> bool:
    """Whether a log is named by a URL and lies elsewhere, not in a file here."""
    return "://" in str(where)


class WorkoutLog:
    """What each device's wearer did. Thread-safe; a request that comes twice counts once."""

    def __init__(self, where: Path | str, today: Callable[[], date] = date.today) -> None:
        """Open or make the log: a SQLite file, or `postgresql+psycopg://USER@HOST/DATABASE`, whose
        password libpq takes from a file (`?passfile=...`).

        Raises:
            ValueError: it cannot be used; the message says why and what to do.
        """
        self._today = today
        try:
            self._db = _engine(where)
            self._insert = _INSERT[self._db.dialect.name]
            _make_table(self._db)
        except KeyError as error:
            raise ValueError(f"workout log {where}: expected a SQLite file or a PostgreSQL URL, not "
                             f"{error.args[0]}") from None
        except ImportError as error:
            raise ValueError(f"workout log {where}: {error}; next: pip install 'tagalong[shared]'"
                             ) from None
        except (OSError, SQLAlchemyError) as error:
            cause = str(error).splitlines()[0]
            raise ValueError(f"workout log {where}: {cause}; expected a SQLite file in a folder that "
                             "can be written, or a database that lets this worker in: name another "
                             "with --workout-log") from None

    def close(self) -> None:
        """Close file or connections."""
        self._db.dispose()

    def answer(
        self, id: str, device: str, arguments: Mapping[str, int | float | str | None]
    ) -> Result:
        """Log {number, item[, unit]}, or total {item[, period]} (today | week | month).

        Raises:
            NotNow: the database is away, or the disk full.
        """
        try:
            return self._answer(id, device, arguments)
        except DBAPIError as error:
            raise NotNow(f"workout log: {str(error).splitlines()[0]}") from error

    def _answer(self, id: str, device: str,
                arguments: Mapping[str, int | float | str | None]) -> Result:
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
        row = {"id": id, "device": device, "day": self._today().isoformat(),
               "item": item or "weight", "number": number, "unit": unit}
        with self._db.begin() as open_:
            open_.execute(self._insert(_SETS).values(row).on_conflict_do_nothing())
        what = " ".join(part for part in (say_number(number), unit, item) if part)
        return Result((f"Logged {what}.",), source=SOURCE)

    def _total(self, device: str, item: str, period: str) -> Result:
        days = PERIODS.get(period)
        if days is None:
            return failed("I can total today, a week or a month.", SOURCE)
        by_day = self._by_day(device, item, days)
        sets, total = (sum(column) for column in zip(*by_day.values())) if by_day else (0, 0.0)
        when = {1: "today", 7: "in seven days", 30: "in thirty days"}[days]
        if not sets:
            return Result((f"No {item} logged {when}.",), source=SOURCE)
        in_sets = "one set" if sets == 1 else f"{sets} sets"
        card = None if days == 1 else self._chart(item, days, by_day)
        return Result((f"{say_number(total)} {item} in {in_sets} {when}.",), source=SOURCE,
                      card=card)

    def _by_day(self, device: str, item: str, days: int) -> dict[str, tuple[int, float]]:
        """Day -> sets and repetitions, of the last days."""
        first = (self._today() - timedelta(days=days - 1)).isoformat()
        c = _SETS.c
        query = select(c.day, func.count(), func.sum(c.number)).where(
            c.device == device, c.item == item, c.unit == "", c.day >= first).group_by(c.day)
        with self._db.connect() as open_:
            return {day: (sets, total) for day, sets, total in open_.execute(query)}

    def _chart(self, item: str, days: int, by_day: dict[str, tuple[int, float]]) -> Card:
        """What was done on each day."""
        dates = [self._today() - timedelta(days=n) for n in reversed(range(days))]
        label = "%a" if days <= 7 else "%-d"
        return Card(title=f"{item}, {days} days"[:200], parts=(ChartPart(
            labels=tuple(d.strftime(label) for d in dates),
            values=tuple(by_day.get(d.isoformat(), (0, 0.0))[1] for d in dates), unit=item[:200]),))


def _make_table(db: Engine) -> None:
    """Make the table where it is not there; two workers may begin at once."""
    try:
        _SETS.metadata.create_all(db)
    except SQLAlchemyError:
        if not inspect(db).has_table(_SETS.name):
            raise


def _engine(where: Path | str) -> Engine:
    """Connections to a log. Raises KeyError for another kind of database, ImportError, OSError,
    SQLAlchemyError."""
    if is_shared(where):
        url = make_url(str(where))
        _INSERT[url.get_backend_name()]
        return create_engine(url, pool_pre_ping=True)  # a database that was restarted is no error
    Path(where).parent.mkdir(parents=True, exist_ok=True)
    made = create_engine(URL.create("sqlite", database=str(where)),
                         connect_args={"timeout": BUSY_S})

    @event.listens_for(made, "connect")
    def _readers_beside_a_writer(connection, record) -> None:
        connection.execute("PRAGMA journal_mode=WAL")

    return made
