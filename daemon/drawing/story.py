"""A session's events as what a picture or a film shows: phrases, counts, acts, delegations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from daemon.events import Event

PHRASE_GAP_S = 1.0
"""Words that come later than this after the one before begin a new phrase."""
WORD_S = 0.35
"""A word is taken to begin this long before the micro-turn that names it ends."""

TEAL, ORANGE, VIOLET, BLUE, RED, GREY = (
    "#0f766e", "#c2410c", "#6d28d9", "#1d4ed8", "#b91c1c", "#57534e")
"""Wearer, tagalong, counts, background, trouble, the rest."""


@dataclass(frozen=True)
class Phrase:
    """Words with their time on the session clock, seconds."""

    start_s: float
    end_s: float
    text: str
    cut: bool = False
    """It was interrupted."""


@dataclass(frozen=True)
class Mark:
    """Something that happened at one moment."""

    t_s: float
    text: str
    colour: str


@dataclass(frozen=True)
class Errand:
    """A delegation: from asking to the answer (None: none came)."""

    start_s: float
    end_s: float | None
    question: str


@dataclass(frozen=True)
class Story:
    """What is worth showing of a session, each in order of time."""

    heard: tuple[Phrase, ...]
    spoken: tuple[Phrase, ...]
    counts: tuple[tuple[float, int], ...]
    """(time in seconds, repetitions so far)."""
    marks: tuple[Mark, ...]
    errands: tuple[Errand, ...]
    end_s: float
    """Last time that any event mentions, seconds."""


def story(events: Iterable[Event]) -> Story:
    """Sorts a session's events into what is shown of them."""
    events = list(events)
    spoken = tuple(Phrase(e.data["start_s"], e.data["end_s"], e.text or "",
                          bool(e.data.get("cut")))
                   for e in events if e.kind == "spoken" and "start_s" in e.data)
    counts = tuple((e.t_s, int(e.data["count"])) for e in events
                   if e.kind == "count" and "count" in e.data)
    marks = tuple(Mark(e.t_s, label(e), colour(e)) for e in events if e.kind in _MARKED)
    end_s = max([e.t_s for e in events] + [p.end_s for p in spoken], default=0.0)
    return Story(_phrases(events), tuple(sorted(spoken, key=lambda p: p.start_s)), counts, marks,
                 _errands(events), end_s)


_MARKED = {"act": BLUE, "duck": GREY, "yield": RED, "mute": RED, "shed": RED, "error": RED,
           "timer": GREY, "step": VIOLET, "view": GREY, "withheld": GREY, "link": GREY}
"""Kinds shown as a mark, and their colour."""


def colour(event: Event) -> str:
    """Colour of a mark; what was not done is grey."""
    if event.kind == "act" and event.data.get("outcome") in ("refused", "ignored"):
        return GREY
    return _MARKED[event.kind]


def label(event: Event) -> str:
    """A few words for a mark: `count reps squats`, `yield`, `timer due: tea`."""
    text = (event.text or "").replace("_", " ")
    if event.kind == "act":
        return " ".join([text, *_values(event.data.get("slots"))])
    if event.kind == "mute":
        word = "mute" if event.data.get("muted", True) else "unmute"
        return f"{word} {event.data.get('what', '')}".strip()
    if event.kind == "timer":
        return f"timer {event.data.get('change', '')}: {text}".rstrip(": ")
    if event.kind == "step":
        return f"step {event.data.get('step', '')} {event.data.get('change', '')}"
    if event.kind == "view":
        return f"{text} {event.data.get('change', '')}"
    if event.kind in ("shed", "error", "link"):
        return f"{event.kind}: {text}".rstrip(": ")
    return event.kind


def _values(slots: Mapping[str, Any] | None) -> list[str]:
    return [str(value) for value in (slots or {}).values() if value is not None]


def _phrases(events: list[Event]) -> tuple[Phrase, ...]:
    phrases: list[Phrase] = []
    for event in events:
        if event.kind != "heard" or not event.text:
            continue
        if phrases and event.t_s - phrases[-1].end_s <= PHRASE_GAP_S:
            last = phrases[-1]
            phrases[-1] = replace(last, end_s=event.t_s, text=f"{last.text} {event.text}")
        else:
            phrases.append(Phrase(max(0.0, event.t_s - WORD_S), event.t_s, event.text))
    return tuple(phrases)


def _errands(events: list[Event]) -> tuple[Errand, ...]:
    answered = {e.data.get("id"): e.t_s for e in reversed(events)
                if e.kind == "answer" and e.data.get("status", "final") != "accepted"}
    # what is sent without being asked aloud, a set for the log, has no words
    return tuple(Errand(e.t_s, answered.get(e.data.get("id")),
                        e.text or str(e.data.get("about", "")).replace("_", " "))
                 for e in events if e.kind == "delegate")
