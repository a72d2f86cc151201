"""The report of a routine: what it tells, its files, and that only the writer touches the disk."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.acts_effects import Report
from daemon.ledger import Reading
from daemon.ledger_routine import RoutineRun, StepDone
from daemon.routines.library import shipped
from daemon.routines.report import clock, markdown, sheet, write
from daemon.routines.reporter import Reporter

pytestmark = pytest.mark.unit
ENDED = datetime(2026, 11, 25, 18, 4, 0, tzinfo=timezone.utc)
FRAME = np.full((120, 160, 3), (200, 30, 30), np.uint8)


def report(name: str, *done: StepDone, completed: bool = True, frames=None) -> Report:
    one = shipped().by_name[name]
    run = RoutineRun(1, name, one.kind, one.steps, 100.0, done[-1].at, done=done)
    readings = (Reading(7, "gauge", 2, "red", 150.0),)
    return Report(run, readings, done[-1].ended_at_s, completed, frames or {})


LEGS = report("leg day", StepDone(0, "done", 100.0, 160.0),
              StepDone(1, "done", 160.0, 203.0, 4, 15),
              StepDone(2, "skipped", 248.0, 250.0, 5), StepDone(3, "done", 250.0, 300.0, 6, 14),
              frames={1: FRAME})


def test_times_counts_and_readings() -> None:
    shown = sheet(LEGS, ENDED)
    assert shown.title == "Leg day" and dict(shown.totals) == {"squats": 29}
    assert shown.subtitle == (
        "Workout, Wednesday 25 November 2026, 18:00 to 18:04, 3:20, completed")
    assert [(r.number, r.took, r.result) for r in shown.rows] == [
        (1, "1:00", "done"), (2, "0:43", "15 squats"), (3, "0:02", "skipped"),
        (4, "0:50", "14 squats")]
    boiler = report("boiler check", StepDone(2, "done", 140.0, 151.0, reading_id=7),
                    StepDone(7, "done", 151.0, 160.0), StepDone(8, "stopped", 160.0, 170.0),
                    completed=False)
    shown = sheet(boiler, ENDED)
    assert [r.result for r in shown.rows] == ["red gauge: 2", "boiler: not taken", "stopped"]
    assert shown.subtitle.endswith("stopped at step 9 of 9")


def test_the_text_is_a_table_with_the_picture_below() -> None:
    text = markdown(sheet(LEGS, ENDED), "legs.png")
    assert "| 2 | 15 squats | 1:00 | 0:43 | 15 squats |" in text.splitlines()
    assert "Counted: 29 squats." in text and "![Leg day, step by step](legs.png)" in text


@pytest.mark.parametrize(("seconds", "text"), [
    (0.0, "0:00"), (43.4, "0:43"), (59.6, "1:00"), (723.0, "12:03"), (3723.0, "1:02:03"),
    (-1.0, "0:00")])
def test_lengths(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_two_files_are_written_and_the_picture_shows_the_key_frame(tmp_path: Path) -> None:
    path = write(LEGS, ENDED, tmp_path / "reports")
    assert path.name == "2026-11-25-180040-leg-day.md"
    assert "(2026-11-25-180040-leg-day.png)" in path.read_text("utf-8")
    picture = np.asarray(Image.open(path.with_suffix(".png")).convert("RGB"))
    assert picture.shape[1] == 1600
    assert (picture == FRAME[0, 0]).all(2).sum() > 10_000, "the red frame is in it"


def test_a_picture_of_very_short_and_very_long_routines_can_be_drawn(tmp_path: Path) -> None:
    moment = report("pancakes", StepDone(0, "stopped", 100.0, 100.0), completed=False)
    day = report("pancakes", *(StepDone(n % 7, "done", 100.0 + 900 * n, 1000.0 + 900 * n)
                               for n in range(60)))
    for one in (moment, day):
        assert write(one, ENDED, tmp_path).with_suffix(".png").stat().st_size > 1000


def test_the_step_thread_only_posts_and_the_event_follows_the_file(tmp_path: Path) -> None:
    posted, events = [], []

    class Session:
        def aside(self, job, where):
            posted.append((job, where))

        def emit(self, kind, text=None, **data):
            events.append((kind, data))

    reporter = Reporter(tmp_path / "reports", lambda: ENDED, Session())
    reporter.write(LEGS)
    reporter.look()
    assert not (tmp_path / "reports").exists() and not events
    (job, where), = posted
    job()
    reporter.look()
    reporter.look()
    (kind, data), = events
    assert (kind, where) == ("report", "report")
    assert data["routine"] == "leg day" and Path(data["path"]).exists()
    Reporter(None, lambda: ENDED, Session()).write(LEGS)
    assert len(posted) == 1
