"""Acts on routines: start, move, ask where, stop, ask which there are."""

from __future__ import annotations

from daemon import phrases
from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Effect
from daemon.routines import words
from daemon.routines.course import Move
from daemon.turn import Slots

_STARTS = ("start", "begin")
_ARTICLES = ("my", "the")


def start_routine(desk: Desk, slots: Slots) -> list[Effect]:
    """Begin a routine. The words name it, also one that only the wearer has; else the slot."""
    course = desk.course
    if course.run is not None:
        return desk.replies(f"{words.where(course.run, desk.now_s)}. stop it first")
    named = _named(desk.words)
    found = course.library.find(named) or course.library.find(tuple((slots.item or "").split()))
    if found is not None:
        return _said(desk, course.start(*found, desk.now_s))
    known = f"there are {phrases.listing(course.library.names)}"
    name = " ".join(named[1:] if named[:1] and named[0] in _ARTICLES else named)
    return desk.replies(f"there is no {name}. {known}" if name else known)


def _named(heard: tuple[str, ...]) -> tuple[str, ...]:
    """The words after start or begin."""
    for at in range(len(heard) - 1, -1, -1):
        if heard[at] in _STARTS:
            return heard[at + 1 :]
    return ()


def next_step(desk: Desk, slots: Slots) -> list[Effect]:
    """The step is done, or the rest long enough."""
    if desk.course.run is None:
        return desk.replies(words.NONE_RUNS)
    return _said(desk, desk.course.advance(desk.now_s))


def skip_step(desk: Desk, slots: Slots) -> list[Effect]:
    """Leave the step out."""
    if desk.course.run is None:
        return desk.replies(words.NONE_RUNS)
    return _said(desk, desk.course.advance(desk.now_s, "skipped"))


def previous_step(desk: Desk, slots: Slots) -> list[Effect]:
    """One step back."""
    if desk.course.run is None:
        return desk.replies(words.NONE_RUNS)
    return _said(desk, desk.course.back(desk.now_s))


def repeat_step(desk: Desk, slots: Slots) -> list[Effect]:
    """Say the step again; without a routine, what was said last."""
    run = desk.course.run
    if run is not None:
        return desk.replies(words.here(run, desk.now_s))
    said = desk.ledger.said
    return desk.replies(said.text if said else phrases.NOTHING_SAID)


def where_was_i(desk: Desk, slots: Slots) -> list[Effect]:
    """Title, number of the step and its text."""
    run = desk.course.run
    return desk.replies(words.where(run, desk.now_s) if run else words.NONE_RUNS)


def stop_routine(desk: Desk, slots: Slots) -> list[Effect]:
    """End it before its last step."""
    if desk.course.run is None:
        return desk.replies(words.NONE_RUNS)
    return _said(desk, desk.course.stop(desk.now_s))


def list_routines(desk: Desk, slots: Slots) -> list[Effect]:
    """Which there are."""
    return desk.replies(phrases.listing(desk.course.library.names))


def _said(desk: Desk, move: Move) -> list[Effect]:
    text, effects = move
    return [desk.say(text), *effects]


HANDLERS: dict[str, Handler] = {
    "start_routine": start_routine, "next_step": next_step, "previous_step": previous_step,
    "repeat_step": repeat_step, "skip_step": skip_step, "where_was_i": where_was_i,
    "stop_routine": stop_routine, "list_routines": list_routines,
}
