"""The report of a routine: Markdown with a picture beside it. Written by the writer thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from daemon.acts_effects import Report
from daemon.ledger_routine import Step, StepDone
from daemon.routines.words import counts


@dataclass(frozen=True)
class Row:
    """One step that was left, as the report shows it."""

    number: int
    """From 1."""
    task: str
    from_s: float
    to_s: float
    """From the beginning of the routine, seconds."""
    result: str
    """Repetitions, reading, or how it ended."""
    outcome: str
    """done, skipped, back or stopped."""
    frame: np.ndarray | None = None
    """(120, 160, 3) uint8, what was seen at its end."""

    @property
    def took(self) -> str:
        """Its length."""
        return clock(self.to_s - self.from_s)


@dataclass(frozen=True)
class Sheet:
    """All that a report shows."""

    title: str
    subtitle: str
    rows: tuple[Row, ...]
    length_s: float
    totals: Mapping[str, int] = field(default_factory=dict)
    """Exercise -> repetitions."""


def sheet(report: Report, ended: datetime) -> Sheet:
    """What is shown of a report; `ended` is the wall clock of its end."""
    run = report.run
    length_s = report.ended_at_s - run.started_at_s
    began = ended - timedelta(seconds=length_s)
    how = "completed" if report.completed else f"stopped at step {run.at + 1} of {len(run.steps)}"
    subtitle = (f"{run.kind.capitalize()}, {began:%A} {began.day} {began:%B %Y}, {began:%H:%M} to "
                f"{ended:%H:%M}, {clock(length_s)}, {how}")
    rows = tuple(_row(report, at, done) for at, done in enumerate(run.done))
    return Sheet(run.name.capitalize(), subtitle, rows, length_s, counts(run))


def _row(report: Report, at: int, done: StepDone) -> Row:
    began_s = report.run.started_at_s
    step = report.run.steps[done.at]
    return Row(done.at + 1, task(step), done.began_at_s - began_s, done.ended_at_s - began_s,
               _result(report, step, done), done.outcome, report.frames.get(at))


def _result(report: Report, step: Step, done: StepDone) -> str:
    if step.reps is not None and (done.count or done.outcome == "done"):
        return f"{done.count} {step.exercise}"
    if step.reading is not None and done.outcome == "done":
        taken = next((r for r in report.readings if r.id == done.reading_id), None)
        where = " ".join(filter(None, (taken.colour, taken.item))) if taken else step.reading
        return f"{where}: {taken.number if taken else 'not taken'}"
    return {"back": "left for the step before"}.get(done.outcome, done.outcome)


def task(step: Step) -> str:
    """What was to be done, in figures: `15 squats, feet wide`, `hold the plank, 0:30`."""
    amount = f"{step.reps} {step.exercise}" if step.reps is not None else ""
    length = clock(step.seconds) if step.seconds is not None else ""
    return ", ".join(filter(None, (amount, step.say, length)))


def clock(seconds: float) -> str:
    """`0:43`, `12:03`, `1:02:03`."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def markdown(shown: Sheet, picture: str) -> str:
    """The text of a report; `picture` is the file name of its picture."""
    lines = [f"# {shown.title}", "", f"{shown.subtitle}.", "",
             "| step | what | at | took | result |", "|---:|---|---:|---:|---|"]
    lines += [f"| {row.number} | {row.task} | {clock(row.from_s)} | {row.took} | {row.result} |"
              for row in shown.rows]
    if shown.totals:
        total = ", ".join(f"{n} {name}" for name, n in shown.totals.items())
        lines += ["", f"Counted: {total}."]
    return "\n".join([*lines, "", f"![{shown.title}, step by step]({picture})", ""])


def write(report: Report, ended: datetime, folder: Path) -> Path:
    """Write report and picture into the folder; returns the Markdown file.

    Raises:
        OSError: the folder cannot be written.
    """
    from daemon.drawing.routine import draw  # Pillow is not needed before

    shown = sheet(report, ended)
    began = ended - timedelta(seconds=shown.length_s)
    stem = f"{began:%Y-%m-%d-%H%M%S}-{report.run.name.replace(' ', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    draw(shown, folder / f"{stem}.png")
    path = folder / f"{stem}.md"
    path.write_text(markdown(shown, f"{stem}.png"), encoding="utf-8")
    return path
