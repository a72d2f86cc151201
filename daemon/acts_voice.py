"""Acts on the voice, on manners and on privacy."""

from __future__ import annotations

from daemon import (
    acts_cues,
    acts_interpret,
    acts_routine,
    acts_scenes,
    acts_sets,
    acts_time,
    phrases,
)
from daemon.acts_desk import Desk, Handler, timer_note
from daemon.acts_effects import (
    Bookmark,
    CancelDelegations,
    Earcon,
    Effect,
    Mute,
    Rate,
    Stop,
    Unmute,
    Volume,
)
from daemon.turn import Slots

VOLUME_STEP = 15
"""Percent."""
RATE_LIMIT = 3
"""Steps from the configured speed, either way."""
RINGING_S = 10.0
"""A timer spoken so recently is what `stop` is about."""


def _volume(desk: Desk, percent: int) -> list[Effect]:
    percent = min(max(percent, 0), 100)
    desk.ledger.change(volume=percent)
    return [Volume(percent), desk.say(f"{phrases.number(percent)} percent")]


def louder(desk: Desk, slots: Slots) -> list[Effect]:
    """Raise the volume."""
    return _volume(desk, desk.ledger.book.volume + VOLUME_STEP)


def softer(desk: Desk, slots: Slots) -> list[Effect]:
    """Lower the volume, but keep it audible."""
    return _volume(desk, max(desk.ledger.book.volume - VOLUME_STEP, VOLUME_STEP))


def set_volume(desk: Desk, slots: Slots) -> list[Effect]:
    """Set the volume."""
    assert slots.number is not None
    return _volume(desk, slots.number)


def _rate(desk: Desk, delta: int, reply: str) -> list[Effect]:
    rate = desk.ledger.book.rate + delta
    if abs(rate) > RATE_LIMIT:
        return desk.replies("this is as far as it goes")
    desk.ledger.change(rate=rate)
    return [Rate(delta), desk.say(reply)]


def faster(desk: Desk, slots: Slots) -> list[Effect]:
    """Talk faster."""
    return _rate(desk, 1, "faster")


def slower(desk: Desk, slots: Slots) -> list[Effect]:
    """Talk slower."""
    return _rate(desk, -1, "slower")


def be_quiet(desk: Desk, slots: Slots) -> list[Effect]:
    """Fall silent, now and until called again; where it was talking the silence is the reply,
    otherwise a sound."""
    desk.ledger.change(quiet=True)
    return [Stop()] if desk.ledger.spoken_over(desk.now_s) else [Stop(), Earcon("accepted")]


def talk_again(desk: Desk, slots: Slots) -> list[Effect]:
    """End quiet mode."""
    desk.ledger.change(quiet=False)
    return desk.replies("talking again")


def say_again(desk: Desk, slots: Slots) -> list[Effect]:
    """Repeat the last sentence or answer."""
    said = desk.ledger.said
    return desk.replies(said.text if said else phrases.NOTHING_SAID)


def stop(desk: Desk, slots: Slots) -> list[Effect]:
    """End what the wearer most likely means: the voice, or the task that it speaks for; else the
    set, the countdown, the interval, the stopwatch, the view, what rings, what was asked, the
    routine."""
    effects: list[Effect] = []
    if desk.ledger.spoken_over(desk.now_s):
        effects.append(Stop())
        if not _speaks_for_task(desk):
            return effects
    return effects + _stop_task(desk, slots)


def _speaks_for_task(desk: Desk) -> bool:
    """Whether the last sound was a number of a set or of a countdown, or an interval's words."""
    voiced = desk.ledger.voiced
    return voiced is not None and voiced.cause.startswith(("count:", "timer:i", "timer:c"))


def _stop_task(desk: Desk, slots: Slots) -> list[Effect]:
    book = desk.ledger.book
    if book.running is not None:
        hold = desk.words[-1:] == ("wait",) or desk.words[-2:] == ("hold", "on")
        if hold and not book.running.paused:
            return acts_sets.pause_count(desk, slots)
        return acts_sets.stop_count(desk, slots)
    if book.countdown is not None:
        desk.ledger.change(countdown=None)
        return desk.replies("stopped")
    if book.intervals:
        return acts_time.stop_every(desk, slots)
    if book.cues:
        return acts_cues.stop_cues(desk, slots)
    if book.stopwatch is not None and book.stopwatch.stopped_s is None:
        return acts_time.stop_stopwatch(desk, slots)
    if book.watch is not None or book.scenes:
        return acts_scenes.stop_watching(desk, slots)
    if book.interpreting is not None:
        return acts_interpret.stop_interpret(desk, slots)
    if book.ordering is not None:
        desk.ledger.change(ordering=None)
        return desk.replies("no order")
    return _stop_ringing(desk) or drop_requests(desk) or _stop_routine(desk, slots)


def _stop_routine(desk: Desk, slots: Slots) -> list[Effect]:
    return acts_routine.stop_routine(desk, slots) if desk.course.run is not None else []


def _stop_ringing(desk: Desk) -> list[Effect]:
    """Silence timers that are due; one that has just been spoken needs no more than a sound."""
    due, voiced = desk.ledger.due(), desk.ledger.voiced
    if due:
        desk.ledger.remove_timers(due)
        notes = [timer_note(f"t{t.id}", t.text, "cancelled", t.due_at_s) for t in due]
        return [Earcon("accepted"), *notes]
    rang = voiced is not None and voiced.cause.startswith("timer:t")
    if rang and desk.now_s - voiced.at_s <= RINGING_S:  # type: ignore[union-attr]
        return [Earcon("accepted")]
    return []


def drop_requests(desk: Desk) -> list[Effect]:
    """Withdraw what was asked of the background, and answers not yet spoken."""
    ledger = desk.ledger
    ids = tuple(d.id for d in ledger.book.delegations if not d.silent)
    ids += tuple(a.id for a in ledger.answers if a.id not in ids)
    if not ids:
        return []
    ledger.change(delegations=tuple(d for d in ledger.book.delegations if d.id not in ids))
    ledger.answers = ()
    return [CancelDelegations(ids), desk.say("okay, dropped")]


def mute_microphone(desk: Desk, slots: Slots) -> list[Effect]:
    """Close the microphone; without a length only the button or `tagalong unmute` opens it."""
    return _mute(desk, slots, "microphone")


def mute_camera(desk: Desk, slots: Slots) -> list[Effect]:
    """Close the camera."""
    return _mute(desk, slots, "camera")


def _mute(desk: Desk, slots: Slots, what: str) -> list[Effect]:
    """What is being said ends here: the device must not stay open through a long answer."""
    if slots.number is None or slots.unit is None:
        return [Stop(), desk.say(f"{what} off"), Mute(what)]
    return [Stop(), desk.say(f"{what} off for {phrases.duration(slots)}"),
            Mute(what, phrases.seconds(slots))]


def unmute_camera(desk: Desk, slots: Slots) -> list[Effect]:
    """Open the camera again."""
    return [Unmute("camera"), desk.say("camera on")]


def bookmark(desk: Desk, slots: Slots) -> list[Effect]:
    """Mark this moment."""
    return [Bookmark(), desk.say("marked")]


HANDLERS: dict[str, Handler] = {
    "louder": louder, "softer": softer, "set_volume": set_volume, "faster": faster,
    "slower": slower, "be_quiet": be_quiet, "talk_again": talk_again, "say_again": say_again,
    "stop": stop, "mute_microphone": mute_microphone, "mute_camera": mute_camera,
    "unmute_camera": unmute_camera, "bookmark": bookmark,
}
