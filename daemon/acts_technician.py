"""Acts of somebody at work: readings, conversions and sums."""

from __future__ import annotations

from daemon import phrases
from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Delegate, Effect
from daemon.ledger import Reading
from daemon.ledger_book import READINGS_KEPT
from daemon.turn import Slots

READ_BACK_MOST = 10
"""Readings that are read back at once; the newest ones."""


def reading(desk: Desk, slots: Slots) -> list[Effect]:
    """Take a number down, and say it back: that is the check."""
    assert slots.item is not None and slots.number is not None
    ledger = desk.ledger
    one = Reading(ledger.new_id(), slots.item, slots.number, slots.colour, desk.now_s)
    ledger.change(readings=(*ledger.book.readings, one)[-READINGS_KEPT:])
    return desk.replies(phrases.reading(one.item, one.colour, one.number))


def recall_reading(desk: Desk, slots: Slots) -> list[Effect]:
    """The newest reading of an object; without a colour, of any."""
    assert slots.item is not None
    for one in reversed(desk.ledger.book.readings):
        if one.item == slots.item and slots.colour in (None, one.colour):
            return desk.replies(f"{phrases.number(one.number)}, {_ago(desk.now_s - one.at_s)}")
    return desk.replies(f"no reading of the {phrases.thing(slots.item, slots.colour)}")


def _ago(age_s: float) -> str:
    """Roughly how long ago."""
    if age_s < 60:
        return "just now"
    minutes = int(age_s / 60)
    if minutes < 60:
        return f"{phrases.amount(minutes, 'minute')} ago"
    return f"{phrases.amount(minutes // 60, 'hour')} ago"


def read_back(desk: Desk, slots: Slots) -> list[Effect]:
    """The newest readings, in the order in which they were taken."""
    newest = desk.ledger.book.readings[-READ_BACK_MOST:]
    parts = [phrases.reading(one.item, one.colour, one.number) for one in newest]
    return desk.replies(". ".join(parts) if parts else phrases.NO_READINGS)


def clear_readings(desk: Desk, slots: Slots) -> list[Effect]:
    """Forget all readings; `undo` brings them back."""
    count = len(desk.ledger.book.readings)
    if not count:
        return desk.replies(phrases.NO_READINGS)
    desk.ledger.change(readings=())
    return desk.replies(f"{phrases.amount(count, 'readings')} deleted")


def convert(desk: Desk, slots: Slots) -> list[Effect]:
    """Ask the background for a conversion."""
    payload = {"number": slots.number, "unit": slots.unit, "unit2": slots.unit2}
    return [Delegate("convert", payload, desk.words)]


def calculate(desk: Desk, slots: Slots) -> list[Effect]:
    """Ask the background for a sum."""
    payload = {"number": slots.number, "op": slots.item, "number2": slots.number2}
    return [Delegate("calculate", payload, desk.words)]


HANDLERS: dict[str, Handler] = {
    "reading": reading, "recall_reading": recall_reading, "read_back": read_back,
    "clear_readings": clear_readings, "convert": convert, "calculate": calculate,
}
