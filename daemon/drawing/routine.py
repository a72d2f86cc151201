"""The picture of a routine's report: a row a step with what was seen at its end, when it was and
what came of it. Times lie on one axis, so rests show as gaps.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

from daemon.drawing.picture import FONT, GREEN, INK, LARGE, MARGIN, PAPER, RULE, SMALL
from daemon.drawing.story import BLUE, GREY, ORANGE, VIOLET
from daemon.routines.report import Row, Sheet, clock

WIDTH = 1600
"""Pixels."""
TOP, AXIS, FOOT = 128, 34, 24
"""Heights of the heading, of the axis and below it, pixels."""
NUMBER, THUMB, TASK, RESULT = 56, 144, 420, 250
"""Widths of the columns beside the time axis, pixels."""
THUMB_HEIGHT = 108
ROW, PICTURED = 68, THUMB_HEIGHT + 16
"""Height of a row without and with a key frame, pixels."""
BAR = 26
"""Height of a bar, pixels."""
COLOURS = {"done": GREEN, "skipped": GREY, "back": ORANGE, "stopped": ORANGE}
"""Outcome -> colour of its bar."""
TICKS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Distances of the axis' marks, seconds."""
TICKS = 7
"""Most marks on the axis."""


def draw(sheet: Sheet, path: Path) -> None:
    """Draws a report and writes it as PNG. Raises OSError."""
    pictured = any(row.frame is not None for row in sheet.rows)
    heights = [PICTURED if row.frame is not None else ROW for row in sheet.rows]
    image = Image.new("RGB", (WIDTH, TOP + sum(heights) + AXIS + FOOT), PAPER)
    pen = ImageDraw.Draw(image)
    _heading(pen, sheet)
    left = MARGIN + NUMBER + (THUMB + 20 if pictured else 0)
    axis = _Axis(left + TASK + 20, WIDTH - MARGIN - RESULT - 20, max(sheet.length_s, 1.0))
    axis.grid(pen, TOP, TOP + sum(heights))
    top = TOP
    for row, height in zip(sheet.rows, heights):
        _row(image, pen, row, axis, left, top, height)
        top += height
    image.save(path, optimize=True)


def _heading(pen: ImageDraw.ImageDraw, sheet: Sheet) -> None:
    pen.text((MARGIN, 20), sheet.title, INK, LARGE)
    pen.text((MARGIN, 72), sheet.subtitle, GREY, FONT)
    total = ", ".join(f"{n} {name}" for name, n in sheet.totals.items())
    width = pen.textlength(total, LARGE)
    pen.text((WIDTH - MARGIN - width, 20), total, VIOLET, LARGE)


class _Axis:
    """Time from the beginning of the routine, left to right."""

    def __init__(self, left: float, right: float, length_s: float) -> None:
        self._left = left
        self._scale = (right - left) / length_s
        self._length_s = length_s

    def x(self, t_s: float) -> float:
        """Pixels from the left of the picture."""
        return self._left + t_s * self._scale

    def grid(self, pen: ImageDraw.ImageDraw, top: int, bottom: int) -> None:
        """Marks of time, and their names below."""
        every = next((t for t in TICKS_S if self._length_s / t <= TICKS), TICKS_S[-1])
        for n in range(math.floor(self._length_s / every) + 1):
            x = self.x(n * every)
            pen.line((x, top, x, bottom + 4), RULE, 2)
            name = clock(n * every)
            pen.text((x - pen.textlength(name, SMALL) / 2, bottom + 10), name, GREY, SMALL)


def _row(image: Image.Image, pen: ImageDraw.ImageDraw, row: Row, axis: _Axis, left: int,
         top: int, height: int) -> None:
    middle = top + height / 2
    colour = COLOURS.get(row.outcome, GREY)
    pen.ellipse((MARGIN, middle - 18, MARGIN + 36, middle + 18), colour)
    number = str(row.number)
    pen.text((MARGIN + 18, middle), number, PAPER, FONT, anchor="mm")
    if row.frame is not None:
        frame = Image.fromarray(row.frame).resize((THUMB, THUMB_HEIGHT), Image.Resampling.LANCZOS)
        image.paste(frame, (MARGIN + NUMBER, round(middle - THUMB_HEIGHT / 2)))
    _lines(pen, row.task, left, middle)
    from_x, to_x = axis.x(row.from_s), max(axis.x(row.to_s), axis.x(row.from_s) + 4)
    pen.rounded_rectangle((from_x, middle - BAR / 2, to_x, middle + BAR / 2), 6, colour)
    _took(pen, row, from_x, to_x, middle)
    tint = GREY if row.outcome != "done" else VIOLET if row.result[:1].isdigit() else (
        BLUE if ":" in row.result else INK)
    pen.text((WIDTH - MARGIN - RESULT, middle), _shortened(pen, row.result, RESULT), tint, FONT,
             anchor="lm")


def _took(pen: ImageDraw.ImageDraw, row: Row, from_x: float, to_x: float, middle: float) -> None:
    """How long it was: in the bar, or beside one that is too short for it."""
    width = pen.textlength(row.took, SMALL)
    if to_x - from_x > width + 12:
        pen.text(((from_x + to_x) / 2, middle), row.took, PAPER, SMALL, anchor="mm")
    elif to_x + width + 10 < WIDTH - MARGIN - RESULT:
        pen.text((to_x + 8, middle), row.took, INK, SMALL, anchor="lm")
    else:
        pen.text((from_x - 8, middle), row.took, INK, SMALL, anchor="rm")


def _lines(pen: ImageDraw.ImageDraw, text: str, left: int, middle: float) -> None:
    """A task on two lines at most."""
    words, first = text.split(), ""
    while words and pen.textlength(f"{first} {words[0]}".strip(), FONT) <= TASK:
        first = f"{first} {words.pop(0)}".strip()
    second = _shortened(pen, " ".join(words), TASK)
    if not second:
        pen.text((left, middle), first, INK, FONT, anchor="lm")
        return
    pen.text((left, middle - 14), first, INK, FONT, anchor="lm")
    pen.text((left, middle + 14), second, INK, FONT, anchor="lm")


def _shortened(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    if pen.textlength(text, FONT) <= width:
        return text
    while text and pen.textlength(f"{text}…", FONT) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
