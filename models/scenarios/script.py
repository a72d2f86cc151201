"""The scenario language: a TOML timeline of what is said, heard and seen, and what must follow.

    title = "..."            seconds = 30.0        seed = 1
    noise_db = -60.0         # hiss of the room, dBFS
    addressing = "follow_up" # name | follow_up | open
    known_failure = ""       # what today's weights get wrong here, and why; tests expect it then
    [voices]                 # who -> engine:speaker, see models.scenarios.voices
    wearer = "espeak:m1"
    [[say]]                  # at_s, text; who, level_db, rate, far = true (across the room),
    at_s = 1.0               # pause = { after = words, s = 0.7 }
    text = "tagalong count my squats"
    [[sound]]                # at_s, kind = cough | knock | clank | beep, level_db
    [[background]]           # kind = hum | music, or file = a recording beside the scenario,
                             # repeated as needed; from_s, to_s, level_db
    [[see]]                  # from_s, kind = an exercise, or walk; reps, period_s. It lasts until
                             # the next one; without any the camera sees an empty room
    [[expect]]               # kind of event (daemon.events); text it contains, or one of a list;
                             # fields = { outcome = "done", slots = { number = 8 } };
                             # from_s, to_s; absent; times = 2; sequence = ["one", "two"];
                             # name = "asked", and later after = "asked", within_s = 2.0

Times are seconds from the start. An expectation with `absent` fails when a matching event lies in
its window; one with `sequence` lists the text of every event of its kind in the window.
`tagalong rehearse FILE.toml` plays a scenario through the program and judges it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from models import toml_file
from models.scenarios.expectations import Expect, Outcome, Strict, judge

__all__ = ["Background", "Expect", "Outcome", "Pause", "Say", "Scenario", "ScenarioError", "See",
           "Sound", "check", "judge", "load"]

LANGUAGE = "models/scenarios/script.py"
"""Where the language is described."""


class ScenarioError(Exception):
    """A scenario file that cannot be used: says what, where and what was expected."""


class Pause(Strict):
    """A hesitation inside an utterance."""

    after: int = Field(ge=1)
    """Words before it."""
    s: float = Field(gt=0, le=5)


class Say(Strict):
    """Somebody speaks."""

    at_s: float = Field(ge=0)
    text: str = Field(min_length=1)
    who: str = "wearer"
    level_db: float = Field(-22.0, ge=-80, le=0)
    """dBFS of the speech."""
    rate: int = Field(165, ge=80, le=300)
    """Words a minute, espeak-ng voices."""
    far: bool = False
    """Across the room: little direct sound, dull."""
    pause: Pause | None = None

    @model_validator(mode="after")
    def _pause_is_inside(self) -> Say:
        if self.pause and self.pause.after >= len(self.text.split()):
            raise ValueError(f"pause.after = {self.pause.after} must be less than the "
                             f"{len(self.text.split())} words of its text")
        return self


class Sound(Strict):
    """Something else is heard for a moment."""

    at_s: float = Field(ge=0)
    kind: Literal["cough", "knock", "clank", "beep"]
    level_db: float = Field(-24.0, ge=-80, le=0)
    """dBFS of its peak."""


class Background(Strict):
    """Something is heard for a while."""

    kind: Literal["hum", "music"] | None = None
    file: str = ""
    """A sound file, relative to the scenario's folder; repeated when it is too short."""
    from_s: float = Field(0.0, ge=0)
    to_s: float = Field(1e9, gt=0)
    level_db: float = Field(-40.0, ge=-80, le=0)
    """dBFS of its effective value."""

    @model_validator(mode="after")
    def _one_source(self) -> Background:
        if (self.kind is None) == (not self.file):
            raise ValueError("either kind or file must say what is heard")
        if self.from_s >= self.to_s:
            raise ValueError(f"from_s = {self.from_s:g} must be before to_s = {self.to_s:g}")
        return self


class See(Strict):
    """What the camera sees until the next one: somebody who exercises, then stands still."""

    from_s: float = Field(ge=0)
    kind: Literal["squat", "lunge", "push_up", "pull_up", "jumping_jack", "sit_up", "walk"]
    reps: int = Field(0, ge=0, le=500)
    period_s: float = Field(2.0, gt=0.2, le=20)


class Scenario(Strict):
    """One script."""

    title: str
    seconds: float = Field(gt=0, le=36_000)
    seed: int = 1
    noise_db: float = Field(-62.0, ge=-120, le=0)
    addressing: Literal["name", "follow_up", "open"] = "follow_up"
    known_failure: str = ""
    """What fails with today's weights and why; the test then fails when it begins to pass."""
    voices: dict[str, str] = {"wearer": "espeak:m1"}
    say: tuple[Say, ...] = ()
    sound: tuple[Sound, ...] = ()
    background: tuple[Background, ...] = ()
    see: tuple[See, ...] = ()
    expect: tuple[Expect, ...] = ()

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> Scenario:
        for n, say in enumerate(self.say):
            if say.who not in self.voices:
                raise ValueError(f"say.{n}.who = {say.who!r} has no entry in [voices] "
                                 f"({', '.join(self.voices)})")
        for key, starts in (("say", [s.at_s for s in self.say]),
                            ("sound", [s.at_s for s in self.sound]),
                            ("see", [s.from_s for s in self.see])):
            for n, at_s in enumerate(starts):
                if at_s >= self.seconds:
                    raise ValueError(f"{key}.{n} begins at {at_s:g} s, after the end at "
                                     f"{self.seconds:g} s")
        if list(self.see) != sorted(self.see, key=lambda s: s.from_s):
            raise ValueError("see must be in order of from_s")
        self._check_names()
        return self

    def _check_names(self) -> None:
        known: set[str] = set()
        for n, expect in enumerate(self.expect):
            if expect.after and expect.after not in known:
                raise ValueError(f"expect.{n}.after = {expect.after!r} is no name of an earlier "
                                 f"expectation ({', '.join(sorted(known)) or 'none has one'})")
            if expect.name in known:
                raise ValueError(f"expect.{n}.name = {expect.name!r} is taken already")
            known |= {expect.name} - {""}


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError naming file, key, value and what was expected."""
    return toml_file.read(path, Scenario, ScenarioError, LANGUAGE)


def check(scenario: Scenario, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was expected and did not happen, one sentence each; empty when all is well."""
    return [outcome.line for outcome in judge(scenario.expect, events) if not outcome.passed]
