"""What a scenario expects of tagalong, and the verdict on the events of a run.

An expectation is met by the first event of its kind that lies in its window and carries its text
and fields. `absent` turns it round, `times` wants so many, `sequence` compares all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

END_S = 1e9
"""A window without an end."""
SHOWN = 3
"""Events named at most in one failure."""


class Strict(BaseModel):
    """A table of a scenario file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Expect(Strict):
    """What tagalong must do in a window, or must not."""

    kind: str
    """Kind of event, as `daemon.events` documents them."""
    text: str | list[str] = ""
    """Part of its text; any of several."""
    fields: dict[str, Any] = {}
    """Values of its fields; of a table in it, those that are named."""
    from_s: float = Field(0.0, ge=0)
    to_s: float = Field(END_S, gt=0)
    name: str = ""
    """So that a later expectation can refer to it."""
    after: str = ""
    """Name of an earlier expectation: only from the event on that met it."""
    within_s: float | None = Field(None, gt=0)
    """Not later than so many seconds after that event."""
    absent: bool = False
    """No such event is wanted."""
    times: int | None = Field(None, ge=0)
    """Exactly so many events; None for at least one."""
    sequence: list[str] | None = None
    """Exactly these texts, in order (of a `count`: its numbers), and no other event of the kind."""

    @model_validator(mode="after")
    def _fits_together(self) -> Expect:
        if self.from_s >= self.to_s:
            raise ValueError(f"from_s = {self.from_s:g} must be before to_s = {self.to_s:g}")
        if self.within_s is not None and not self.after:
            raise ValueError("within_s needs after = the name of an earlier expectation")
        if sum((self.absent, self.times is not None, self.sequence is not None)) > 1:
            raise ValueError("only one of absent, times and sequence can be asked for")
        return self

    @property
    def texts(self) -> list[str]:
        """The texts of which one is enough."""
        return [self.text] if isinstance(self.text, str) else list(self.text)


@dataclass(frozen=True)
class Outcome:
    """The verdict on one expectation."""

    expect: Expect
    passed: bool
    subject: str
    """The expectation in words, without its window."""
    when: str
    """Its window in words; empty for the whole session."""
    instead: str
    """What happened instead, nearest to it; empty when it passed."""
    from_s: float
    to_s: float
    """The window on the session clock, seconds."""
    at_s: float | None = None
    """When it was met; None where nothing was to happen, or did."""

    @property
    def what(self) -> str:
        """The expectation in words."""
        return f"{self.subject} {self.when}".strip()

    @property
    def line(self) -> str:
        """One sentence."""
        return self.what if self.passed else f"expected {self.what}; {self.instead}"


def judge(expects: Iterable[Expect], events: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """The verdict on every expectation, in their order; `events` as lines of events.jsonl."""
    outcomes: list[Outcome] = []
    met: dict[str, float | None] = {}
    for expect in expects:
        outcome = _judge(expect, events, met)
        outcomes.append(outcome)
        if expect.name:
            met[expect.name] = outcome.at_s
    return outcomes


def time_of(event: Mapping[str, Any]) -> float:
    """When it was to be noticed: the start of the sound for speech, else the micro-turn's end."""
    return float(event.get("start_s", event["t_s"]))


def _judge(expect: Expect, events: Sequence[Mapping[str, Any]],
           met: Mapping[str, float | None]) -> Outcome:
    from_s, to_s = expect.from_s, expect.to_s
    if expect.after:
        base_s = met.get(expect.after)
        if base_s is None:
            return Outcome(expect, False, _subject(expect), _window(expect),
                           f"{expect.after!r} never happened", from_s, to_s)
        from_s = max(from_s, base_s)
        to_s = to_s if expect.within_s is None else min(to_s, base_s + expect.within_s)
    of_kind = [e for e in events if e["kind"] == expect.kind]
    inside = [e for e in of_kind if from_s <= time_of(e) <= to_s]
    found = [e for e in inside if _matches(expect, e)]
    passed = _passes(expect, inside, found)
    instead = "" if passed else _instead(expect, of_kind, inside, found, (from_s, to_s))
    at_s = time_of(found[0]) if passed and found and not expect.absent else None
    return Outcome(expect, passed, _subject(expect), _window(expect), instead, from_s, to_s, at_s)


def _passes(expect: Expect, inside: Sequence[Mapping[str, Any]],
            found: Sequence[Mapping[str, Any]]) -> bool:
    if expect.absent:
        return not found
    if expect.sequence is not None:
        return [_words(e) for e in inside] == expect.sequence
    return bool(found) if expect.times is None else len(found) == expect.times


def _matches(expect: Expect, event: Mapping[str, Any]) -> bool:
    text = (event.get("text") or "").lower()
    return any(t.lower() in text for t in expect.texts) and _covers(expect.fields, event)


def _covers(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether all wanted values are there; tables are compared key by key."""
    return all(_covers(value, given.get(key) or {}) if isinstance(value, Mapping)
               else given.get(key) == value for key, value in wanted.items())


def _words(event: Mapping[str, Any]) -> str:
    return str(event["count"]) if event["kind"] == "count" else event.get("text") or ""


def _subject(expect: Expect) -> str:
    """`act 'set_timer' (outcome = done)`."""
    parts = ["no " + expect.kind if expect.absent else expect.kind]
    if expect.sequence is not None:
        parts.append(", ".join(expect.sequence) or "nothing")
    elif any(expect.texts):
        parts.append(" or ".join(map(repr, expect.texts)))
    if expect.fields:
        parts.append("(" + ", ".join(_flat(expect.fields)) + ")")
    if expect.times is not None:
        parts.append(f"{expect.times} times")
    return " ".join(parts)


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} = {value}"


def _window(expect: Expect) -> str:
    if expect.after:
        limit = "" if expect.within_s is None else f"within {expect.within_s:g} s "
        return f"{limit}after {expect.after!r}"
    if expect.to_s < END_S:
        return f"between {expect.from_s:g} and {expect.to_s:g} s"
    return f"after {expect.from_s:g} s" if expect.from_s else ""


def _instead(expect: Expect, of_kind: Sequence[Mapping[str, Any]],
             inside: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]],
             window: tuple[float, float]) -> str:
    """What happened instead, nearest first."""
    if expect.absent:
        return "instead " + _shown(found)
    if expect.times is not None:
        return f"instead {len(found)} times" + (": " + _shown(found) if found else "")
    if expect.sequence is not None:
        return "instead " + (", ".join(map(_words, inside)) or f"no {expect.kind} at all")
    matching = [e for e in of_kind if _matches(expect, e)]
    if matching:
        nearest = min(matching, key=lambda e: _distance(time_of(e), window))
        early = time_of(nearest) < window[0]
        return (f"instead {_shown([nearest])}, {_distance(time_of(nearest), window):.1f} s "
                f"{'before' if early else 'after'} the window")
    if inside:
        return "instead " + _shown(inside)
    if of_kind:
        nearest = min(of_kind, key=lambda e: _distance(time_of(e), window))
        return f"nothing in the window; nearest: {_shown([nearest])}"
    return f"no {expect.kind} in the whole session"


def _distance(t_s: float, window: tuple[float, float]) -> float:
    """How far outside the window, seconds."""
    return max(window[0] - t_s, t_s - window[1], 0.0)


def _shown(events: Sequence[Mapping[str, Any]]) -> str:
    """`say 'seven' at 17.8 s, act 'stop' (ignored) at 18.2 s and 4 more`."""
    parts = []
    for event in events[:SHOWN]:
        values = {k: v for k, v in (event.get("slots") or {}).items() if v is not None}
        more = [*_flat(values), *([event["outcome"]] if event.get("outcome") else [])]
        extra = f" ({', '.join(more)})" if more else ""
        words = _words(event)
        parts.append(f"{event['kind']}{f' {words!r}' if words else ''}{extra} "
                     f"at {time_of(event):.1f} s")
    rest = len(events) - SHOWN
    return ", ".join(parts) + (f" and {rest} more" if rest > 0 else "")
