"""What makes a suite: which items there are, how one is judged, and the figures of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.benchmark.items import Item
from tools.benchmark.program import Result
from tools.benchmark.source import SEEN, UNSEEN, Source


@dataclass(frozen=True)
class Suite:
    """One suite; `suites.SUITES` names them all."""

    title: str
    """What is measured, for the heading of table and picture."""
    make: Callable[[Source, int], Item]
    """The item of a number, from 0."""
    size: Callable[[Source], int]
    """Items of a full run; of recordings as many as there are."""
    score: Callable[[Item, Result], dict]
    """Raw findings of one item, JSON values."""
    summary: Callable[[list[dict]], dict]
    """Figures of all findings."""
    quick: int
    """Items of a quick run."""
    columns: tuple[str, ...] = (SEEN, UNSEEN)
    """Columns that can be filled."""
    broker: bool = False
    """Needs the background."""
    baseline: bool = True
    """The cascade runs beside it; not where only pictures tell anything, or there is nothing to
    be done."""
    long: bool = False
    """Its items are minutes long: a quick run does without the cascade."""

    @property
    def quick_column(self) -> str:
        """The one column of a quick run."""
        return UNSEEN if UNSEEN in self.columns else self.columns[-1]


def always(count: int) -> Callable[[Source], int]:
    """So many items from every source."""
    return lambda source: count
