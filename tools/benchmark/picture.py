"""One picture a suite: shares as bars out of 100, times as bars on a scale of their own."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from daemon.drawing.picture import FONT, INK, LARGE, MARGIN, PAPER, RULE, SMALL
from daemon.drawing.story import BLUE, GREY, ORANGE, TEAL, VIOLET
from tools.benchmark.report import names

WIDTH = 1500
NAMES = 560
"""Width of the column of names, pixels."""
VALUES = 110
BAR, GAP, TOP = 26, 14, 110
COLOURS = {"seen": BLUE, "unseen": TEAL, "real": VIOLET}
PALE = {"seen": "#bfd0f5", "unseen": "#a9d6d0", "real": "#d6c3f3"}
"""The baseline's bar, in the pale colour of its column."""


def draw(title: str, columns: dict[str, dict], path: Path) -> None:
    """Writes the figures of a suite as PNG; columns as `quality` returns them.

    Raises:
        OSError: the picture cannot be written.
    """
    shown = [(name, _values(name, columns)) for name in names(columns)]
    bars = [(name, values) for name, values in shown if values]
    height = TOP + sum(_height(values) for _, values in bars) + 60
    image = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, 20), title, INK, LARGE)
    _legend(pen, columns)
    top, longest_s = TOP, _longest_s(bars)
    for name, values in bars:
        _group(pen, top, name, values, 100.0 if "%" in name else longest_s)
        top += _height(values)
    pen.text((MARGIN, height - 40), _foot(columns), GREY, SMALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def _values(name: str, columns: dict[str, dict]) -> list[tuple[str, float]]:
    """(column, value) of a share or a time; other figures stand in the table only."""
    if "%" not in name and not name.endswith(" s"):
        return []
    found = [(column, figures.get(name)) for column, figures in columns.items()]
    return [(column, float(value)) for column, value in found if isinstance(value, (int, float))]


def _height(values: list[tuple[str, float]]) -> int:
    return len(values) * (BAR + 2) + GAP


def _longest_s(bars: list[tuple[str, list[tuple[str, float]]]]) -> float:
    """Full length of the bars of times, seconds."""
    times = [value for name, values in bars if "%" not in name for _, value in values]
    return max([*times, 1.0])


def _legend(pen: ImageDraw.ImageDraw, columns: dict[str, dict]) -> None:
    x = MARGIN
    for column, figures in columns.items():
        text = f"{column}: {figures['items']} items"
        pen.rounded_rectangle((x, 74, x + 18, 92), 4, _colour(column), _plain(column), 2)
        pen.text((x + 26, 83), text, INK, FONT, anchor="lm")
        x += 26 + round(pen.textlength(text, FONT)) + 40


def _plain(column: str) -> str:
    return COLOURS.get(column.split()[0], ORANGE)


def _colour(column: str) -> str:
    return PALE.get(column.split()[0], ORANGE) if "(" in column else _plain(column)


def _group(pen: ImageDraw.ImageDraw, top: int, name: str, values: list[tuple[str, float]],
           full: float) -> None:
    """The bars of one figure, its name at the left, each value behind its bar."""
    left, right = MARGIN + NAMES, WIDTH - MARGIN - VALUES
    pen.line((MARGIN, top - GAP // 2, WIDTH - MARGIN, top - GAP // 2), RULE, 1)
    pen.text((MARGIN, top + BAR // 2), name, INK, FONT, anchor="lm")
    for row, (column, value) in enumerate(values):
        y = top + row * (BAR + 2)
        end = left + (right - left) * min(max(value, 0.0) / full, 1.0)
        pen.rectangle((left, y, max(end, left + 2), y + BAR), _colour(column), _plain(column), 1)
        unit = "%" if "%" in name else "s"
        pen.text((end + 10, y + BAR // 2), f"{value:g} {unit}", INK, SMALL, anchor="lm")


def _foot(columns: dict[str, dict]) -> str:
    paired = any("(" in column for column in columns)
    text = "Shares out of 100 %; times on one common scale."
    return text + " Pale bars: the cascade on the same items." if paired else text
