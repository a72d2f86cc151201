"""One workout log for workers on several machines: a real PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from daemon.background.tools.result import NotNow
from daemon.background.tools.workout_log import WorkoutLog
from daemon.config import ConfigError, load_config
from tests.background.postgres_stage import Postgres, postgres

pytestmark = pytest.mark.e2e
SQUATS = {"item": "squats"}


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    # the database's own user must reach the folder, and pytest's are closed to all but their owner
    with tempfile.TemporaryDirectory(prefix="tagalong-pg-") as folder:
        Path(folder).chmod(0o755)
        with postgres(Path(folder) / "cluster") as running:
            yield running


def test_workers_that_begin_at_once_and_write_at_once_lose_nothing(database) -> None:
    with ThreadPoolExecutor(8) as pool:
        logs = list(pool.map(lambda _: WorkoutLog(database.url), range(4)))
        list(pool.map(lambda n: logs[n % 4].answer(f"b{n}", "busy", {"number": 1, **SQUATS}),
                      range(60)))
    assert logs[0].answer("x", "busy", SQUATS).sentences[0].startswith("60 squats in 60 sets")
    for log in logs:
        log.close()


def test_what_one_worker_logs_another_totals_and_a_repeated_request_counts_once(database) -> None:
    here, there = (WorkoutLog(database.url, today=lambda: date(2026, 11, 20)) for _ in range(2))
    here.answer("1", "glasses", {"number": 20, **SQUATS})
    there.answer("1", "glasses", {"number": 20, **SQUATS})  # asked again: another worker took it
    there.answer("2", "glasses", {"number": 12, **SQUATS})
    there.answer("3", "other", {"number": 99, **SQUATS})
    total = here.answer("4", "glasses", SQUATS)
    assert total.sentences == ("32 squats in 2 sets in seven days.",)
    assert total.card is not None and total.card.parts[0].values[-1] == 32.0
    here.close()
    there.close()


def test_a_database_that_is_started_again_is_used_again(database) -> None:
    log = WorkoutLog(database.url)
    log.answer("r1", "again", {"number": 5, **SQUATS})
    database.stop()
    with pytest.raises(NotNow, match="^workout log: .*connect"):
        log.answer("r2", "again", {"number": 5, **SQUATS})
    database.start()
    log.answer("r2", "again", {"number": 5, **SQUATS})  # the device asks again
    assert log.answer("r3", "again", SQUATS).sentences[0].startswith("10 squats in 2 sets")
    log.close()


@pytest.mark.parametrize("url, told", [
    ("postgresql+psycopg://log@/nothing?host=/nowhere", "workout log postgresql.*expected a SQLite"),
    ("mysql://log@host/db", "expected a SQLite file or a PostgreSQL URL, not mysql"),
    ("postgresql+nothing://log@host/db", "nothing"),
])
def test_a_log_that_cannot_be_used_is_named(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WorkoutLog(url)


def test_the_configuration_takes_a_file_or_a_url_without_a_password(tmp_path: Path) -> None:
    def load(where: str) -> str | None:
        path = tmp_path / "t.toml"
        path.write_text(f'[background]\nworkout_log = "{where}"\n')
        return load_config(path).background.workout_log

    assert load("log.db") == str(tmp_path / "log.db")
    url = "postgresql+psycopg://log@host/db?passfile=/etc/tagalong/pgpass"
    assert load(url) == url
    with pytest.raises(ConfigError, match="without a password"):
        load("postgresql+psycopg://log:secret@host/db")
