"""Acts on what happens in view: tell me when the light turns red, when it moves, who comes in."""

from __future__ import annotations

from daemon import phrases
from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Effect, Note
from daemon.acts_views import NOTHING_SEEN
from daemon.ledger_routine import SCENES_KEPT, SceneWatch
from daemon.turn import Slots

NOTHING_WATCHED = "I am not watching for anything"
NO_MORE = "I watch no more"


def _watch(desk: Desk, what: str, told: str, colour: str | None = None) -> list[Effect]:
    """Watch for something from now on; the same again begins anew."""
    if desk.course.views.sight.frame(desk.now_s) is None:
        return desk.replies(NOTHING_SEEN)
    ledger = desk.ledger
    others = tuple(s for s in ledger.book.scenes if s.what != what)
    if len(others) >= SCENES_KEPT:
        return desk.replies(phrases.TOO_MANY)
    watch = SceneWatch(ledger.new_id(), what, colour)
    ledger.change(scenes=(*others, watch))
    return [desk.say(told), Note("scene", colour, {"id": watch.id, "what": what,
                                                   "change": "watching"})]


def watch_light(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when something turns a colour."""
    assert slots.colour is not None
    return _watch(desk, "light", f"watching for {slots.colour}", slots.colour)


def watch_enter(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when somebody comes in."""
    return _watch(desk, "enter", "watching the door")


def watch_needle(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when the needle passes its mark, or, where no mark was named, when it moves."""
    marked = "mark" in desk.words or "passes" in desk.words
    return _watch(desk, "mark" if marked else "needle", "watching the needle")


def watch_motion(desk: Desk, slots: Slots) -> list[Effect]:
    """Say "start" when it moves and "stop" when it stands still, once."""
    return _watch(desk, "motion", "watching")


def watch_start(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when something begins to move."""
    return _watch(desk, "start", "watching")


def watch_stop(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when what moves stands still."""
    return _watch(desk, "stop", "watching")


def stop_watching(desk: Desk, slots: Slots) -> list[Effect]:
    """Watch for nothing any more, remembered views included."""
    if not desk.ledger.book.scenes and desk.ledger.book.watch is None:
        return desk.replies(NOTHING_WATCHED)
    desk.ledger.change(scenes=(), watch=None)
    return desk.replies(NO_MORE)


HANDLERS: dict[str, Handler] = {
    "watch_light": watch_light, "watch_enter": watch_enter, "watch_needle": watch_needle,
    "watch_motion": watch_motion, "watch_start": watch_start, "watch_stop": watch_stop,
    "stop_watching": stop_watching,
}
