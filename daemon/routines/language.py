"""The routine language: a short TOML file of steps, each said and then waited for.

    title = "Leg day"        # heading of the report
    names = ["leg day"]      # what the wearer says after "start my"; without any the title
    kind = "workout"         # workout | procedure | recipe
    rest_s = 30              # rest between steps, seconds; none without it

    [[step]]                 # waits for a word: "next", "ready", "that is it"
    say = "warm up a little"

    [[step]]                 # waits for repetitions, which are counted; say may add to it
    exercise = "squats"
    reps = 15
    rest_s = 45              # the rest after this step

    [[step]]                 # waits for the time and ends by itself
    say = "hold the plank"
    seconds = 30

    [[step]]                 # waits for a reading: "the gauge reads two"
    say = "read the pressure"
    reading = "gauge"

    [[step]]
    say = "look at the open cover"
    remember = "cover"       # the view at its end is remembered under this name

    [[step]]                 # waits until it looks like that again
    say = "put the cover back"
    view = "cover"

A step waits for one thing at most; "next" ends any of them. What is said is plain words, numbers
spelled out, for it goes to the voice as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from daemon.ledger_routine import Step
from models import toml_file
from models.grammar import EXERCISES, OBJECTS

LANGUAGE = "daemon/routines/language.py"
"""Where the language is described."""
STEPS_MOST = 50
LONGEST_S = 3600.0
"""Longest step or rest that ends by itself, seconds."""
SPOKEN_LETTERS = 200
"""Longest text of a step."""
_WAITS = ("reps", "seconds", "reading", "view")


class RoutineError(Exception):
    """A routine file that cannot be used: says file, key, value and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _spoken(text: str) -> str:
    """Text as the voice may say it."""
    if any(letter.isdigit() for letter in text):
        raise ValueError(f"{text!r}: numbers must be spelled out, they are spoken as they are")
    return " ".join(text.split())


class StepEntry(_Strict):
    """A `[[step]]`; fields as in `ledger_routine.Step`."""

    say: str = Field("", max_length=SPOKEN_LETTERS)
    exercise: str | None = None
    reps: int | None = Field(None, ge=1, le=999)
    seconds: float | None = Field(None, gt=0, le=LONGEST_S)
    reading: str | None = None
    view: str | None = Field(None, pattern=r"^[a-z]+( [a-z]+)*$", max_length=40)
    remember: str | None = Field(None, pattern=r"^[a-z]+( [a-z]+)*$", max_length=40)
    rest_s: float | None = Field(None, ge=0, le=LONGEST_S)

    _say = field_validator("say")(_spoken)

    @field_validator("exercise")
    @classmethod
    def _known_exercise(cls, value: str | None) -> str | None:
        return _one_of(value, EXERCISES)

    @field_validator("reading")
    @classmethod
    def _known_object(cls, value: str | None) -> str | None:
        return _one_of(value, OBJECTS)

    @model_validator(mode="after")
    def _one_wait(self) -> StepEntry:
        waits = [name for name in _WAITS if getattr(self, name) is not None]
        if len(waits) > 1:
            raise ValueError(f"waits for {' and '.join(waits)}; expected one of them")
        if (self.exercise is None) != (self.reps is None):
            raise ValueError("exercise and reps come together")
        if not self.say and self.reps is None:
            raise ValueError("say is missing: only repetitions speak for themselves")
        return self

    def step(self, rest_s: float) -> Step:
        """The ledger's record of it; `rest_s` where it names no rest of its own."""
        values = self.model_dump()
        return Step(**values | {"rest_s": rest_s if self.rest_s is None else self.rest_s})


class Routine(_Strict):
    """A routine file."""

    title: str = Field(min_length=1, max_length=60)
    names: tuple[str, ...] = Field((), strict=False)
    kind: Literal["workout", "procedure", "recipe"]
    rest_s: float = Field(0.0, ge=0, le=LONGEST_S)
    step: tuple[StepEntry, ...] = Field(strict=False, min_length=1, max_length=STEPS_MOST)

    _title = field_validator("title")(_spoken)

    @field_validator("names")
    @classmethod
    def _plain_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name.replace(" ", "").isalpha() or name != name.lower().strip():
                raise ValueError(f"{name!r}: expected small letters and spaces, as it is said")
        return names

    @property
    def calls(self) -> tuple[str, ...]:
        """What the wearer may call it; the first is what tagalong calls it."""
        return self.names or (self.title.lower(),)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The ledger's records of its steps; nothing is rested after the last."""
        *first, last = self.step
        return (*(entry.step(self.rest_s) for entry in first), last.step(0.0))


def _one_of(value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise ValueError(f"{value!r}: expected one of {', '.join(known)}")
    return value


def load(path: Path) -> Routine:
    """Read a routine file. Raises RoutineError naming file, key, value and what was expected."""
    return toml_file.read(path, Routine, RoutineError, LANGUAGE)
