"""Carries weights over to a vocabulary that has grown: rows move by what they mean, not by number.

Words, intents, slot values and state fields may be added between two trainings. A checkpoint tells
what each of its rows meant (`tokens.names`); rows that are new begin with no say of their own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models import tokens
from models.model import FED_BACK, OUTPUT_HEADS

_LIST = {"heard0": "heard", "heard1": "heard", "act": "act", "floor": "floor", "unit": "unit",
         "unit2": "unit", "item": "item", "colour": "colour"}
"""Head -> the list of `tokens.names` that its classes come from; the others never change."""
BELOW = 4.0
"""The bias of a new class is so far below the least of its head: it is not chosen until learned."""


def _rows(heads: tuple[str, ...], names: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(head, meaning) of each row of a table over these heads."""
    found = []
    for head in heads:
        count = OUTPUT_HEADS[head]
        values = names[_LIST[head]] if head in _LIST else [str(i) for i in range(count)]
        found += [(head, value) for value in values]
    return found


def _moved(old: Tensor, before: list, now: list, fresh: Tensor) -> Tensor:
    """The rows of `old` at the places where their meanings are now; the others from `fresh`."""
    at = {meaning: i for i, meaning in enumerate(before)}
    if len(before) != len(old):
        raise ValueError(f"the checkpoint has {len(old)} rows and names {len(before)} of them; "
                         "it was written by another version: use the version that wrote it")
    out = fresh.clone()
    for i, meaning in enumerate(now):
        if meaning in at:
            out[i] = old[at[meaning]]
    return out


def carry_over(weights: dict[str, Tensor], names: dict[str, list[str]],
               now: dict[str, list[str]] | None = None) -> dict[str, Tensor]:
    """Weights for today's vocabulary; `names` is the checkpoint's, `now` today's (tests give it).

    Raises:
        ValueError: the names do not fit the weights.
    """
    now = now or tokens.names()
    if names == now:
        return weights
    weights = dict(weights)
    every = tuple(OUTPUT_HEADS)
    before, after = _rows(every, names), _rows(every, now)
    head, bias = weights["heads.weight"], weights["heads.bias"]
    rare = {}
    for name in every:
        mine = bias[[i for i, (h, _) in enumerate(before) if h == name]].float()
        rare[name] = float(mine.min()) - BELOW
    fresh = torch.zeros(len(after), head.shape[1], dtype=head.dtype)
    weights["heads.weight"] = _moved(head, before, after, fresh)
    fresh = torch.tensor([rare[h] for h, _ in after], dtype=bias.dtype)
    weights["heads.bias"] = _moved(bias, before, after, fresh)
    for key, meanings in (("previous.weight", lambda n: _rows(FED_BACK, n)),
                          ("state.weight", lambda n: n["state"])):
        old, now_named = weights[key], meanings(now)
        fresh = torch.zeros(len(now_named), old.shape[1], dtype=old.dtype)
        weights[key] = _moved(old, meanings(names), now_named, fresh)
    return weights
