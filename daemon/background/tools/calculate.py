"""Arithmetic: two numbers and an operator, or a line of words; a parser of its own, no eval."""

from __future__ import annotations

import math
from collections.abc import Mapping

from daemon.background.spoken import parse_number, words_of
from daemon.background.tools.result import Result, failed, say_number

SOURCE = "calculate"
LIMIT = 1e15
OPERATORS = {
    "plus": "+",
    "add": "+",
    "+": "+",
    "minus": "-",
    "-": "-",
    "times": "*",
    "multiplied by": "*",
    "*": "*",
    "x": "*",
    "divided by": "/",
    "over": "/",
    "/": "/",
}
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def calculate(arguments: Mapping[str, int | float | str | None]) -> Result:
    """Answer {number, op, number2}; `item` is taken for a missing `op`."""
    op = arguments.get("op") or arguments.get("item")
    symbol = OPERATORS.get(str(op).lower().strip())
    left, right = arguments.get("number"), arguments.get("number2")
    if symbol is None or not _is_number(left) or not _is_number(right):
        return failed("I need two numbers, and plus, minus, times or divided by.", SOURCE)
    return _answer([float(left), symbol, float(right)])  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _answer(items: list[float | str]) -> Result:
    try:
        value = evaluate(items)
    except ZeroDivisionError:
        return failed("I cannot divide by zero.", SOURCE)
    if abs(value) > LIMIT:
        return failed("That number is too large to say.", SOURCE)
    asked = " ".join(_SPOKEN[i] if isinstance(i, str) else say_number(i) for i in items)
    return Result((f"{asked} is {say_number(value)}.",), source=SOURCE)


def evaluate(items: list[float | str]) -> float:
    """Value of number, operator, number, ...; times and divided by bind first.

    Raises:
        ZeroDivisionError: division by zero.
    """
    terms: list[float] = [float(items[0])]
    for op, operand in zip(items[1::2], items[2::2]):
        value = float(operand)
        if op == "*":
            terms[-1] *= value
        elif op == "/":
            terms[-1] /= value
        else:
            terms.append(value if op == "+" else -value)
    return math.fsum(terms)


def calculate_words(text: str) -> Result | None:
    """Answer "what is 17 times 4 plus 2"; None when the text is no such line."""
    for symbol in "+*/":
        text = text.replace(symbol, f" {_SPOKEN[symbol]} ")
    words = words_of(text.replace("multiplied by", "times").replace("divided by", "over"))
    while words and words[0] in ("what", "is", "how", "much", "calculate", "tagalong", "hey", "s"):
        words = words[1:]
    items: list[float | str] = []
    pending: list[str] = []
    for word in [*words, ""]:
        sign = OPERATORS.get(word)
        if sign is None and word:
            pending.append(word)
            continue
        value = parse_number(pending)
        if value is None:
            return None
        items += [value, sign] if sign else [value]
        pending = []
    return _answer(items) if len(items) >= 3 else None
