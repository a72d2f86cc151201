"""Acts on sets of repetitions."""

from __future__ import annotations

from dataclasses import replace

from daemon import acts_routine, phrases
from daemon.acts_desk import Desk, Handler, unlogged
from daemon.acts_effects import Delegate, Effect
from daemon.ledger import RepSet
from daemon.ledger_book import FINISHED_KEPT
from daemon.turn import Slots

REOPENED_S = 60.0
"""A set that ended so recently is taken up again by `resume_count`, corrected by `set_count`."""


def _begin(desk: Desk, exercise: str, target: int | None) -> None:
    """A new set; one that runs is finished first."""
    desk.ledger.finish(desk.now_s)
    desk.ledger.change(running=RepSet(
        desk.ledger.new_id(), exercise, started_at_s=desk.now_s, target=target))


def _last(desk: Desk) -> RepSet | None:
    """The finished set that may still be changed."""
    done = desk.ledger.book.finished[-1:]
    if not done or done[0].logged or desk.now_s - (done[0].ended_at_s or 0.0) > REOPENED_S:
        return None
    return done[0]


def _change_last(desk: Desk, changed: RepSet) -> None:
    desk.ledger.change(finished=(*desk.ledger.book.finished[:-1], changed))


def count_reps(desk: Desk, slots: Slots) -> list[Effect]:
    """Begin to count."""
    exercise = slots.item or "reps"
    _begin(desk, exercise, None)
    return desk.replies(f"counting {exercise}")


def target(desk: Desk, slots: Slots) -> list[Effect]:
    """Begin to count up to a number."""
    assert slots.item is not None and slots.number is not None
    _begin(desk, slots.item, slots.number)
    return desk.replies(phrases.amount(slots.number, slots.item))


def stop_count(desk: Desk, slots: Slots) -> list[Effect]:
    """End the set and say how many it was; in a routine without one, the step is done."""
    if desk.ledger.book.running is None and desk.course.run is not None:
        return acts_routine.next_step(desk, slots)
    done = desk.ledger.finish(desk.now_s)
    return desk.replies(phrases.amount(done.count, done.exercise) if done else phrases.NO_SET)


def pause_count(desk: Desk, slots: Slots) -> list[Effect]:
    """Stop counting for a while."""
    running = desk.ledger.book.running
    if running is None:
        return desk.replies(phrases.NO_SET)
    desk.ledger.change(running=replace(running, paused=True))
    return desk.replies(f"paused at {phrases.number(running.count)}")


def resume_count(desk: Desk, slots: Slots) -> list[Effect]:
    """Go on counting; a set that has just ended is taken up again without its target."""
    ledger, last = desk.ledger, _last(desk)
    running = ledger.book.running
    if running is None and last is not None:
        ledger.change(finished=ledger.book.finished[:-1])
        running = replace(last, ended_at_s=None, target=None)
    if running is None:
        return desk.replies(phrases.NO_SET)
    ledger.change(running=replace(running, paused=False))
    return desk.replies(f"from {phrases.number(running.count)}")


def how_many(desk: Desk, slots: Slots) -> list[Effect]:
    """The count of the running set, or of the last one."""
    book = desk.ledger.book
    if book.running is not None:
        return desk.replies(phrases.number(book.running.count))
    if not book.finished:
        return desk.replies(phrases.NO_SET_YET)
    last = book.finished[-1]
    return desk.replies(phrases.amount(last.count, last.exercise))


def reset_count(desk: Desk, slots: Slots) -> list[Effect]:
    """Begin the set again."""
    running = desk.ledger.book.running
    if running is None:
        return desk.replies(phrases.NO_SET)
    desk.ledger.change(running=replace(
        running, count=0, announced=0, paused=False, started_at_s=desk.now_s))
    return desk.replies("from zero")


def set_count(desk: Desk, slots: Slots) -> list[Effect]:
    """Correct the count of the running set, or of the one that has just ended."""
    assert slots.number is not None
    running, last = desk.ledger.book.running, _last(desk)
    if running is not None:
        desk.ledger.change(running=replace(running, count=slots.number, announced=slots.number))
        return desk.replies(phrases.number(slots.number))
    if last is None:
        return desk.replies(phrases.NO_SET)
    _change_last(desk, replace(last, count=slots.number))
    return desk.replies(phrases.amount(slots.number, last.exercise))


def log_set(desk: Desk, slots: Slots) -> list[Effect]:
    """Take down a set that was not counted here."""
    assert slots.item is not None and slots.number is not None
    ledger = desk.ledger
    done = RepSet(ledger.new_id(), slots.item, desk.now_s, slots.number, ended_at_s=desk.now_s)
    ledger.change(finished=(*ledger.book.finished, done)[-FINISHED_KEPT:])
    return desk.replies(f"{phrases.amount(slots.number, slots.item)}, logged")


def log_weight(desk: Desk, slots: Slots) -> list[Effect]:
    """The weight of the running set, or of the one that has just ended."""
    assert slots.number is not None and slots.unit is not None
    running, last = desk.ledger.book.running, _last(desk)
    if running is not None:
        desk.ledger.change(running=replace(running, weight=slots.number, unit=slots.unit))
    elif last is not None:
        _change_last(desk, replace(last, weight=slots.number, unit=slots.unit))
    else:
        return desk.replies(phrases.NO_SET)
    return desk.replies(phrases.amount(slots.number, slots.unit))


def history(desk: Desk, slots: Slots) -> list[Effect]:
    """Ask the workout log, with everything in it that is known here.

    No slot holds the period: the words do, and a week is what is meant without them.
    """
    period = "today" if "today" in desk.words else "week"
    if "history" in desk.words:
        period = "month"
    ask = Delegate("workout_log", {"item": slots.item, "period": period}, desk.words,
                   phrases.CHECKING)
    return [*unlogged(desk.ledger), ask]


HANDLERS: dict[str, Handler] = {
    "count_reps": count_reps, "target": target, "stop_count": stop_count,
    "pause_count": pause_count, "resume_count": resume_count, "how_many": how_many,
    "reset_count": reset_count, "set_count": set_count, "log_set": log_set,
    "log_weight": log_weight, "history": history,
}
