"""Coffee orders: what can be ordered, what belongs to it, and what is said for it.

The values are those of `barista_commands` (Picovoice's speech-to-intent benchmark, Apache-2.0): a
drink, its size, roast, shots, milk and sugar, the last two with an amount or without.
"""

from __future__ import annotations

DRINKS = ("coffee", "iced coffee", "house coffee", "drip coffee", "mocha", "iced mocha", "espresso",
          "cappuccino", "americano", "latte")
SIZES = ("small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce")
ROASTS = ("light roast", "medium roast", "dark roast")
SHOTS = ("single shot", "double shot", "triple shot")
MILKS = ("milk", "whole milk", "skim milk", "soy milk", "almond milk", "cream")
SUGARS = ("sugar", "brown sugar", "sweetener")
AMOUNTS = ("a little bit of", "a bit of", "a lot of", "lots of", "some")
FIELDS = ("size", "roast", "shots", "drink", "milk", "sugar")
"""Parts of an order, in the order in which it is read back."""

_OPENINGS = ("", "i would like", "i want", "can i have", "could i get", "may i have",
             "please make me", "give me", "get me", "i need", "make me", "brew me", "i will have",
             "can you make me")
_VALUES = {"size": SIZES, "roast": ROASTS, "shots": SHOTS, "drink": DRINKS, "milk": MILKS,
           "sugar": SUGARS}
WORDS = frozenset(" ".join((*_OPENINGS, *DRINKS, *SIZES, *ROASTS, *SHOTS, *MILKS, *SUGARS, *AMOUNTS,
                            "with and please in no")).split())
"""Every word of an order."""


def sample(rng) -> tuple[list[str], dict[str, str]]:
    """Words of an order and its fields. rng is a numpy Generator."""
    def one(values):
        return values[rng.integers(len(values))]

    def some_of(values) -> str:
        return f"{one(AMOUNTS)} {one(values)}" if rng.random() < 0.5 else one(values)

    order = {"drink": one(DRINKS)}
    order |= {field: one(_VALUES[field]) for field in ("size", "roast", "shots")
              if rng.random() < 0.5}
    order |= {field: some_of(_VALUES[field]) for field in ("milk", "sugar") if rng.random() < 0.4}
    before = [order[f] for f in ("size", "shots", "roast") if f in order]
    rng.shuffle(before)
    after = [order[f] for f in ("milk", "sugar") if f in order]
    opening = one(_OPENINGS)
    article = "a" if opening or rng.random() < 0.5 else ""
    text = f"{opening} {article} {' '.join(before)} {order['drink']}"
    if after:
        text += " with " + " and ".join(after)
    if rng.random() < 0.3:
        text += " please"
    return text.split(), order


def forms() -> dict[str, tuple[str, ...]]:
    """Field -> all that may be said for it, milk and sugar also with an amount."""
    amounts = ("", *(f"{amount} " for amount in AMOUNTS))
    return {field: tuple(f"{a}{value}" for a in amounts for value in values)
            if field in ("milk", "sugar") else values for field, values in _VALUES.items()}


def spoken(order: dict[str, str]) -> str:
    """The order in words: "small dark roast latte with soy milk and sugar"."""
    before = " ".join(order[f] for f in ("size", "shots", "roast") if f in order)
    after = " and ".join(order[f] for f in ("milk", "sugar") if f in order)
    text = f"{before} {order.get('drink', 'something')}".strip()
    return f"{text} with {after}" if after else text
