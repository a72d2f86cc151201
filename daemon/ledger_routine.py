"""The ledger's records of a routine that runs and of remembered views; see `ledger_book`."""

from __future__ import annotations

from dataclasses import dataclass

DONE_KEPT = 100
"""Steps left behind that are kept for the report; the newest."""
VIEWS_KEPT = 12
SCENES_KEPT = 4
"""Things watched for at once; each costs time with every picture."""


@dataclass(frozen=True)
class Step:
    """One step, as its file has it; it waits for the first of these that is there: repetitions,
    time, a reading, a view; without any for a word."""

    say: str = ""
    """What to do, plain words; empty where the repetitions say it all."""
    exercise: str | None = None
    reps: int | None = None
    """Repetitions of the exercise at which it ends."""
    seconds: float | None = None
    """Length of a step that ends by itself."""
    reading: str | None = None
    """Object of the reading that it waits for."""
    view: str | None = None
    """Name of the remembered view that it waits for."""
    remember: str | None = None
    """Name under which the view at its end is remembered."""
    rest_s: float = 0.0
    """Rest after it."""


@dataclass(frozen=True)
class StepDone:
    """A step that was left, in the order of leaving."""

    at: int
    """Number of the step, from 0."""
    outcome: str
    """done, skipped or back (left for the step before)."""
    began_at_s: float
    ended_at_s: float
    set_id: int | None = None
    """Its set of repetitions."""
    count: int = 0
    """Repetitions of that set."""
    reading_id: int | None = None
    """The reading taken in it."""


@dataclass(frozen=True)
class RoutineRun:
    """A routine at one of its steps, or in the rest before it."""

    id: int
    name: str
    """As the wearer calls it."""
    kind: str
    """workout, procedure or recipe."""
    steps: tuple[Step, ...]
    started_at_s: float
    at: int = 0
    """Number of the step, from 0."""
    step_at_s: float = 0.0
    """When the step, or the rest before it, began."""
    due_at_s: float | None = None
    """When the step or the rest ends by itself."""
    resting: bool = False
    """In the rest before the step."""
    set_id: int | None = None
    """Set of repetitions that the step waits for."""
    done: tuple[StepDone, ...] = ()

    @property
    def step(self) -> Step:
        """The step that it is at."""
        return self.steps[self.at]

    @property
    def last(self) -> bool:
        """Whether no step follows."""
        return self.at == len(self.steps) - 1


@dataclass(frozen=True)
class View:
    """What a remembered view looked like; no picture."""

    id: int
    name: str
    descriptor: str
    """As `kernels.views_ref.packed` writes it."""


@dataclass(frozen=True)
class SceneWatch:
    """Something in view that the wearer wants to be told of when it happens."""

    id: int
    what: str
    """light, enter, mark, needle, motion, start or stop."""
    colour: str | None = None
    """That a light turns."""
    begun: bool = False
    """Of motion: `start` was said, `stop` is awaited."""


@dataclass(frozen=True)
class Interpreting:
    """What the wearer says is said again in another language."""

    language: str
    """spanish or german."""
    since_at_s: float


@dataclass(frozen=True)
class Ordering:
    """Somebody's order is being listened for."""

    asked_at_s: float


@dataclass(frozen=True)
class ViewWatch:
    """A view that the wearer wants to be told of when it comes back."""

    id: int
    view_id: int
    left: bool = False
    """It has looked different since."""
