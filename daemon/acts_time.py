"""Acts on timers, reminders, intervals, the stopwatch and the clock."""

from __future__ import annotations

from dataclasses import replace

from daemon import phrases
from daemon.acts_desk import Desk, Handler, timer_note
from daemon.acts_effects import Effect
from daemon.ledger import Countdown, Interval, Stopwatch, Timer
from daemon.ledger_book import INTERVALS_KEPT, LAPS_KEPT, TIMERS_KEPT
from daemon.turn import Slots


def _set(desk: Desk, slots: Slots, kind: str, text: str, reply: str) -> list[Effect]:
    """A new timer, reminder or rest."""
    ledger, length_s = desk.ledger, phrases.seconds(slots)
    if len(ledger.book.timers) >= TIMERS_KEPT:
        return desk.replies(phrases.TOO_MANY)
    timer = Timer(ledger.new_id(), kind, text, length_s, desk.now_s, desk.now_s + length_s)
    ledger.change(timers=(*ledger.book.timers, timer))
    return [desk.say(reply), timer_note(f"t{timer.id}", text, "set", timer.due_at_s)]


def _cancel(desk: Desk, kinds: tuple[str, ...], reply: str, none: str) -> list[Effect]:
    """Cancel the timer of these kinds that was set last."""
    found = [t for t in desk.ledger.book.timers if t.kind in kinds]
    if not found:
        return desk.replies(none)
    desk.ledger.remove_timers(found[-1:])
    last = found[-1]
    return [desk.say(reply), timer_note(f"t{last.id}", last.text, "cancelled", last.due_at_s)]


def set_timer(desk: Desk, slots: Slots) -> list[Effect]:
    """A timer."""
    return _set(desk, slots, "timer", phrases.duration(slots), phrases.duration(slots))


def rest(desk: Desk, slots: Slots) -> list[Effect]:
    """A rest between sets."""
    return _set(desk, slots, "rest", phrases.duration(slots), f"{phrases.duration(slots)} rest")


def remind(desk: Desk, slots: Slots) -> list[Effect]:
    """A reminder."""
    assert slots.item is not None
    reply = f"{phrases.to_wearer(slots.item)}, in {phrases.duration(slots)}"
    return _set(desk, slots, "reminder", slots.item, reply)


def cancel_timer(desk: Desk, slots: Slots) -> list[Effect]:
    """Cancel the timer or rest that was set last."""
    return _cancel(desk, ("timer", "rest"), "timer cancelled", phrases.NO_TIMER)


def cancel_reminder(desk: Desk, slots: Slots) -> list[Effect]:
    """Cancel the reminder that was set last."""
    return _cancel(desk, ("reminder",), "reminder cancelled", phrases.NO_REMINDER)


def time_left(desk: Desk, slots: Slots) -> list[Effect]:
    """Time to the next due time, that of a routine's hold or rest among them."""
    waiting = [t.due_at_s for t in desk.ledger.book.timers if not t.due]
    run = desk.course.run
    if run is not None and run.due_at_s is not None:
        waiting.append(run.due_at_s)
    return desk.replies(phrases.length(min(waiting) - desk.now_s) if waiting
                        else phrases.NO_TIMER)


def stopwatch(desk: Desk, slots: Slots) -> list[Effect]:
    """Start timing; one that runs begins again."""
    desk.ledger.change(stopwatch=Stopwatch(desk.now_s))
    return desk.replies("timing")


def stop_stopwatch(desk: Desk, slots: Slots) -> list[Effect]:
    """Stop timing and say the time."""
    watch = desk.ledger.book.stopwatch
    if watch is None or watch.stopped_s is not None:
        return desk.replies(phrases.NO_STOPWATCH)
    took = desk.now_s - watch.started_at_s
    desk.ledger.change(stopwatch=replace(watch, stopped_s=took))
    return desk.replies(phrases.length(took))


def lap(desk: Desk, slots: Slots) -> list[Effect]:
    """The time since the last lap."""
    watch = desk.ledger.book.stopwatch
    if watch is None or watch.stopped_s is not None:
        return desk.replies(phrases.NO_STOPWATCH)
    at = desk.now_s - watch.started_at_s
    took = at - (watch.laps_s[-1] if watch.laps_s else 0.0)
    desk.ledger.change(stopwatch=replace(watch, laps_s=(*watch.laps_s, at)[-LAPS_KEPT:]))
    return desk.replies(f"lap {phrases.number(len(watch.laps_s) + 1)}, {phrases.length(took)}")


def elapsed(desk: Desk, slots: Slots) -> list[Effect]:
    """Time of the stopwatch, else of the set."""
    book = desk.ledger.book
    watch, timed = book.stopwatch, book.running or (book.finished[-1] if book.finished else None)
    if watch is not None:
        took = watch.stopped_s
        return desk.replies(phrases.length(
            desk.now_s - watch.started_at_s if took is None else took))
    if timed is None:
        return desk.replies(phrases.NOTHING_TIMED)
    end_s = desk.now_s if timed.ended_at_s is None else timed.ended_at_s
    return desk.replies(phrases.length(end_s - timed.started_at_s))


def every(desk: Desk, slots: Slots) -> list[Effect]:
    """Say something again and again, first after one period."""
    assert slots.item is not None
    ledger, period_s = desk.ledger, phrases.seconds(slots)
    if len(ledger.book.intervals) >= INTERVALS_KEPT:
        return desk.replies(phrases.TOO_MANY)
    one = Interval(ledger.new_id(), slots.item, period_s, desk.now_s + period_s)
    ledger.change(intervals=(*ledger.book.intervals, one))
    reply = f"{phrases.to_wearer(slots.item)}, every {phrases.duration(slots)}"
    return [desk.say(reply), timer_note(f"i{one.id}", one.text, "set", one.next_at_s)]


def stop_every(desk: Desk, slots: Slots) -> list[Effect]:
    """End all intervals."""
    gone = desk.ledger.book.intervals
    if not gone:
        return desk.replies(phrases.NO_INTERVAL)
    desk.ledger.change(intervals=())
    notes = [timer_note(f"i{i.id}", i.text, "cancelled", i.next_at_s) for i in gone]
    return [desk.say("stopped"), *notes]


def countdown(desk: Desk, slots: Slots) -> list[Effect]:
    """Say the first number now; `Acts.tick` says one each second."""
    assert slots.number is not None
    one = Countdown(desk.ledger.new_id(), desk.now_s + slots.number, slots.number)
    if slots.number:
        desk.ledger.change(countdown=one)
    return desk.replies(phrases.number(slots.number))


def clock(desk: Desk, slots: Slots) -> list[Effect]:
    """The time of day."""
    return desk.replies(phrases.clock(desk.ledger.wall()))


def date(desk: Desk, slots: Slots) -> list[Effect]:
    """The date."""
    return desk.replies(phrases.date(desk.ledger.wall()))


HANDLERS: dict[str, Handler] = {
    "set_timer": set_timer, "cancel_timer": cancel_timer, "time_left": time_left,
    "remind": remind, "cancel_reminder": cancel_reminder, "stopwatch": stopwatch,
    "stop_stopwatch": stop_stopwatch, "lap": lap, "elapsed": elapsed, "every": every,
    "stop_every": stop_every, "countdown": countdown, "rest": rest, "clock": clock, "date": date,
}
