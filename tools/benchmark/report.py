"""Figures as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def names(columns: dict[str, dict]) -> list[str]:
    """Figures of all columns that fit into a cell, in the order of their first appearance."""
    return list(dict.fromkeys(name for figures in columns.values()
                              for name, value in figures.items() if not isinstance(value, dict)))


def show(suite: str, columns: dict[str, dict], console: Console | None = None) -> None:
    """Print one suite: a line a figure, a column a source of items, the baseline beside."""
    table = Table(title=suite, caption=None if columns else "nothing to run")
    table.add_column("figure")
    for column in columns:
        table.add_column(column, justify="right")
    for name in names(columns):
        table.add_row(name, *(_cell(figures.get(name)) for figures in columns.values()))
    (console or Console()).print(table)


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
