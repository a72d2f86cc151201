"""Orders: "take an order", then somebody's coffee, in their own words.

While one is taken, whoever speaks is the guest: nothing but a sentence with tagalong's name is for
tagalong. Once they have paused the order is said again; in the end it says that it understood none.
"""

from __future__ import annotations

from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Earcon, Effect, Note, Say
from daemon.ledger import Ledger
from daemon.ledger_routine import Ordering
from daemon.order_match import OrderMatcher, Place
from daemon.turn import TURN_S, Slots
from models import orders

PAUSE_S = 1.2
"""Without a word: the guest has finished."""
WAIT_S = 12.0
"""So long after the request nobody has ordered anything."""
LIMIT_S = 30.0
"""An order takes no longer; whoever still talks talks about something else."""
SETTLE_S = 0.6
"""Words heard so soon after the request are still its own."""
TWICE_S = 0.3
"""The same word again so soon was said once: nobody speaks that fast."""
NO_ORDER = "no drink understood"


def take_order(desk: Desk, slots: Slots) -> list[Effect]:
    """Listen for an order. A sound and no word: the guest may have begun already."""
    desk.ledger.change(ordering=Ordering(desk.now_s))
    return [Earcon("accepted")]


HANDLERS: dict[str, Handler] = {"take_order": take_order}


class OrderTaker:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._matcher = ledger, OrderMatcher()
        self._places: list[Place] = []
        self._last_s: float | None = None
        """When the newest word was heard; None while there is none."""

    def hear(self, words: tuple[str, ...], now_s: float,
             rivals: tuple[tuple[str, float], ...] = ()) -> list[Effect]:
        """The words of a micro-turn, none too, and what these may have been instead; the order once
        it is complete."""
        mode = self._ledger.book.ordering
        if mode is None or now_s - mode.asked_at_s < SETTLE_S:
            self._places, self._last_s = [], None
            return []
        new = [(word, rivals) for word in words or ("",) * bool(rivals)
               if not word or not self._again(word, now_s)]
        self._places += new
        if words:
            self._last_s = now_s
        heard = self._last_s is not None
        paused = heard and now_s - self._last_s >= PAUSE_S - 1e-6
        waited_s = now_s - mode.asked_at_s
        # what was no order at the last look is none until more is heard
        look = paused and (new or now_s - self._last_s < PAUSE_S + TURN_S) or waited_s >= LIMIT_S
        order = self._matcher.find(self._places) if look else {}
        if "drink" in order:
            self._ledger.change(ordering=None)
            self._ledger.exchanged(now_s)
            text = orders.spoken(order)
            return [Note("order", text, {"order": order}), Say(text, cause="act:take_order")]
        if waited_s >= LIMIT_S or waited_s >= WAIT_S and (paused or not heard):
            self._ledger.change(ordering=None)
            return [Say(NO_ORDER, cause="act:take_order")]
        return []

    def _again(self, word: str, now_s: float) -> bool:
        """Whether the network tells the newest word a second time."""
        last = next((w for w, _ in reversed(self._places) if w), None)
        return word == last and self._last_s is not None and now_s - self._last_s < TWICE_S
