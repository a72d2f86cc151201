"""Which real material is never trained on: one rule, by hash, the same on every machine."""

from __future__ import annotations

import hashlib

HELD_OUT_SHARE = 0.25
"""Share of the names of each kind that training never sees."""


def held_out(kind: str, name: str) -> bool:
    """Whether `name` (an exercise, a speaker ...) of `kind` belongs to the unseen quarter.

    The hash covers the kind, so the same name in two sets falls independently.
    """
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def held_out_quarter(kind: str, names) -> frozenset[str]:
    """The quarter (rounded up) of the names with the smallest hashes: for sets so small that
    `held_out` could keep none of them."""
    ranked = sorted(set(names), key=lambda n: hashlib.sha256(f"{kind}/{n}".encode()).digest())
    return frozenset(ranked[: -(-len(ranked) // 4)])


def tuning_quarter(kind: str, names) -> frozenset[str]:
    """Of held-out names the quarter (rounded down) with the smallest hashes: settings may be tried
    on these, and nothing reported is ever made of them."""
    ranked = sorted(set(names),
                    key=lambda n: hashlib.sha256(f"tuning/{kind}/{n}".encode()).digest())
    return frozenset(ranked[: len(ranked) // 4])
