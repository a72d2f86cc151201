"""The scenario language: a TOML timeline of what is said, seen and expected.

    title = "..."            seconds = 30.0        seed = 1
    noise_db = -60.0         # background, dBFS
    addressing = "follow_up"
    [voices]                 # who -> engine:speaker, see models.scenarios.voices
    wearer = "espeak:m1"
    [[say]]                  # at_s, text; who, level_db, rate, pause = { after = words, s = 0.7 }
    at_s = 1.0
    text = "tagalong count my squats"
    [[sound]]                # at_s, kind = cough | knock, level_db
    [[see]]                  # from_s, to_s, kind = exercise or empty; reps, period_s
    [[expect]]               # kind of event; text it contains; from_s, to_s; absent; count

`text` of an expectation is one of several when written as a list. An expectation with `absent`
fails when a matching event lies in the window. Times are seconds from the start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class ScenarioError(Exception):
    """A scenario file that cannot be used: says what, where and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pause(_Strict):
    """A hesitation inside an utterance."""

    after: int = Field(ge=1)
    """Words before it."""
    s: float = Field(gt=0, le=5)


class Say(_Strict):
    """Somebody speaks."""

    at_s: float = Field(ge=0)
    text: str = Field(min_length=1)
    who: str = "wearer"
    level_db: float = Field(-22.0, ge=-80, le=0)
    """dBFS of the speech."""
    rate: int = Field(165, ge=80, le=300)
    """Words a minute, espeak-ng voices."""
    pause: Pause | None = None


class Sound(_Strict):
    """Something else is heard."""

    at_s: float = Field(ge=0)
    kind: Literal["cough", "knock"]
    level_db: float = Field(-24.0, ge=-80, le=0)


class See(_Strict):
    """What the camera sees for a while; nothing but the room where there is no entry."""

    from_s: float = Field(ge=0)
    kind: Literal["squat", "lunge", "push_up", "pull_up", "jumping_jack", "sit_up", "walk"]
    reps: int = Field(0, ge=0, le=500)
    period_s: float = Field(2.0, gt=0.2, le=20)


class Expect(_Strict):
    """What tagalong must do in a window, or must not."""

    kind: str
    """Kind of event, as `daemon.events` documents them."""
    text: str | list[str] = ""
    """Part of its text; any of several."""
    from_s: float = Field(0.0, ge=0)
    to_s: float = Field(1e9, gt=0)
    absent: bool = False
    times: int | None = Field(None, ge=0)
    """Exactly so many events; None for at least one."""


class Scenario(_Strict):
    """One script."""

    title: str
    seconds: float = Field(gt=0, le=36_000)
    seed: int = 1
    noise_db: float = Field(-62.0, ge=-120, le=0)
    addressing: Literal["name", "follow_up", "open"] = "follow_up"
    voices: dict[str, str] = {"wearer": "espeak:m1"}
    say: tuple[Say, ...] = ()
    sound: tuple[Sound, ...] = ()
    see: tuple[See, ...] = ()
    expect: tuple[Expect, ...] = ()


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError naming file, key, value and what was expected."""
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
        return Scenario(**data)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); next: check the path"
                            ) from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: is no TOML ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{path}: {where} = {first.get('input')!r}: {first['msg']}; next: see "
                            "models/scenarios/script.py for the language") from error


def check(scenario: Scenario, events: list[dict]) -> list[str]:
    """What was expected and did not happen, one sentence each; empty when all is well."""
    return [f for e in scenario.expect if (f := _failure(e, events))]


def _failure(expect: Expect, events: list[dict]) -> str | None:
    wanted = [expect.text] if isinstance(expect.text, str) else list(expect.text)
    found = [e for e in events
             if e["kind"] == expect.kind and expect.from_s <= _time(e) <= expect.to_s
             and any(w.lower() in (e.get("text") or "").lower() for w in wanted)]
    what = f"{expect.kind} {' or '.join(map(repr, wanted))}"
    window = f"between {expect.from_s:g} and {expect.to_s:g} s"
    if expect.absent:
        return f"{what} {window} was not wanted" if found else None
    if expect.times is not None and len(found) != expect.times:
        return f"{what} {window}: {len(found)} times, expected {expect.times}"
    if expect.times is None and not found:
        return f"{what} {window} did not happen"
    return None


def _time(event: dict) -> float:
    """When it was to be noticed: the start of the sound for speech, else the micro-turn's end."""
    return float(event.get("start_s", event["t_s"]))
