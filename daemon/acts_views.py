"""Acts on views: remember one, tell when it is back."""

from __future__ import annotations

from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Effect
from daemon.turn import Slots
from daemon.views import UNNAMED

NOTHING_SEEN = "I see nothing now"
NO_VIEW = "no view is remembered"


def remember_view(desk: Desk, slots: Slots) -> list[Effect]:
    """Remember what is seen now; `as` and a name after it name it."""
    name = _name(desk.words)
    effects = desk.course.views.remember(name or UNNAMED, desk.now_s)
    if not effects:
        return desk.replies(NOTHING_SEEN)
    return [desk.say(f"remembered, {name}" if name else "remembered"), *effects]


def _name(heard: tuple[str, ...]) -> str:
    """`remember this view as open cover`: open cover. A word without `as` was misheard."""
    return " ".join(heard[heard.index("as") + 1 :]) if "as" in heard else ""


def when_view(desk: Desk, slots: Slots) -> list[Effect]:
    """Tell when the view that was remembered last is back, once it has been left."""
    effects = desk.course.views.watch()
    return [desk.say("I will tell you"), *effects] if effects else desk.replies(NO_VIEW)


HANDLERS: dict[str, Handler] = {"remember_view": remember_view, "when_view": when_view}
