"""Acts on interpreting: into which language, and no more."""

from __future__ import annotations

from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Effect
from daemon.ledger_routine import Interpreting
from daemon.turn import Slots

NOT_INTERPRETING = "I am not interpreting"


def interpret(desk: Desk, slots: Slots) -> list[Effect]:
    """Say the wearer's phrases in another language from now on."""
    assert slots.item is not None
    desk.ledger.change(interpreting=Interpreting(slots.item, desk.now_s))
    return desk.replies(f"into {slots.item}")


def stop_interpret(desk: Desk, slots: Slots) -> list[Effect]:
    """Only English again."""
    if desk.ledger.book.interpreting is None:
        return desk.replies(NOT_INTERPRETING)
    desk.ledger.change(interpreting=None)
    return desk.replies("no more interpreting")


HANDLERS: dict[str, Handler] = {"interpret": interpret, "stop_interpret": stop_interpret}
