"""What a routine says: where it is, what is to be done, how it went."""

from __future__ import annotations

from collections import Counter

from daemon import phrases
from daemon.ledger_routine import RoutineRun, Step

NONE_RUNS = "no routine is running"
FIRST = "this is the first step"
TIME_IS_UP = "time is up"
REST_IS_OVER = "rest is over"
SEEN = "it looks right"
UNSEEN = "I have not seen how it must look, say next when it is done"


def task(step: Step) -> str:
    """What is to be done: `fifteen squats, feet wide`, `hold the plank, thirty seconds`."""
    parts = [step.say]
    if step.reps is not None and step.exercise is not None:
        parts.insert(0, phrases.amount(step.reps, step.exercise))
    elif step.seconds is not None:
        parts.append(phrases.length(step.seconds))
    return ", ".join(filter(None, parts))


def place(run: RoutineRun) -> str:
    """`step three`, `last step`."""
    return "last step" if run.last and run.at else f"step {phrases.number(run.at + 1)}"


def numbered(run: RoutineRun) -> str:
    """`step three of six`."""
    return f"step {phrases.number(run.at + 1)} of {phrases.number(len(run.steps))}"


def announced(run: RoutineRun) -> str:
    """The step that begins, or the rest before it."""
    if run.resting and run.due_at_s is not None:
        return f"rest, {phrases.length(run.due_at_s - run.step_at_s)}"
    return f"{place(run)}: {task(run.step)}"


def begun(run: RoutineRun) -> str:
    """The first words of a routine, before its first step is announced."""
    return f"{run.name}, {phrases.amount(len(run.steps), 'steps')}"


def here(run: RoutineRun, now_s: float) -> str:
    """Where it is, after its name."""
    left = "" if run.due_at_s is None else phrases.length(run.due_at_s - now_s)
    if run.resting:
        return f"resting, {left} left, then {numbered(run)}: {task(run.step)}"
    where = f"{numbered(run)}: {task(run.step)}"
    return f"{where}, {left} left" if left else where


def where(run: RoutineRun, now_s: float) -> str:
    """The answer to `where was I`."""
    return f"{run.name}, {here(run, now_s)}"


def status(run: RoutineRun | None) -> str | None:
    """For `tagalong status`: `leg day, step 3 of 7: ten lunges`; None when none runs."""
    if run is None:
        return None
    rest = " after the rest" if run.resting else ""
    return f"{run.name}, step {run.at + 1} of {len(run.steps)}{rest}: {task(run.step)}"


def resumed(run: RoutineRun) -> str:
    """After a restart: `back at step three: ten lunges`."""
    if run.resting:
        return f"back in the rest before step {phrases.number(run.at + 1)}"
    return f"back at step {phrases.number(run.at + 1)}: {task(run.step)}"


def summary(run: RoutineRun, now_s: float, completed: bool) -> str:
    """`leg day done, twelve minutes, thirty squats`."""
    took = phrases.length(_rounded(now_s - run.started_at_s))
    parts = [f"{run.name} {'done' if completed else 'stopped'}", took]
    parts += [phrases.amount(n, name) for name, n in counts(run).items()]
    if not completed:
        parts.insert(1, f"at {numbered(run)}")
    return ", ".join(parts)


def counts(run: RoutineRun) -> Counter[str]:
    """Repetitions counted, by exercise."""
    total: Counter[str] = Counter()
    for one in run.done:
        exercise = run.steps[one.at].exercise
        if exercise is not None and one.count:
            total[exercise] += one.count
    return total


def _rounded(seconds: float) -> float:
    """Whole minutes where seconds do not matter any more."""
    return seconds if seconds < 120 else round(seconds / 60) * 60
