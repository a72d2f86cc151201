"""One picture of a session: what was seen, heard, said, counted, asked and done, over time; of a
rehearsal also what was expected.

The session is cut into strips of 20 s, one below the other, so that words stay legible at the
width of a README. Pillow and its built-in font are all that it needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from daemon.drawing.story import BLUE, GREY, ORANGE, RED, TEAL, VIOLET, Phrase, Story, story
from daemon.events import Event
from daemon.senses.audio_files import read_audio
from daemon.senses.camera_file import FileCamera
from daemon.turn import SAMPLE_RATE, TURN_S

WIDTH = 1800
"""Pixels; half of it in a README, where 22 pixels of type become 11."""
STRIP_S = 20.0
MARGIN, NAMES = 24, 132
"""Free border, and the column of the lanes' names, pixels."""
SCALE = (WIDTH - 2 * MARGIN - NAMES) / STRIP_S
"""Pixels a second."""
TYPE, LINE = 22, 30
WAVE, GAP = 44, 8
"""Heights of a sound level and between lanes, pixels."""
THUMBS = 14
"""Thumbnails in a strip."""
THUMB_WIDTH = (WIDTH - 2 * MARGIN - NAMES) // THUMBS - 6
THUMB_HEIGHT = THUMB_WIDTH * 3 // 4
TOP = 96
"""Height of the heading, pixels."""
PAPER, INK, RULE, GREEN = "#fffdf8", "#1c1917", "#e7e1d5", "#15803d"
PALE = {GREEN: "#dcfce7", RED: "#fee2e2"}
"""Fill of an expectation, by its verdict."""
VERDICT_ROWS = 6
"""Rows of expectations in a strip at most; more share the last."""
FULL_SCALE = 0.25
"""Sound level that fills a lane; speech is rarely louder."""

FONT = ImageFont.load_default(TYPE)
SMALL = ImageFont.load_default(17)
LARGE = ImageFont.load_default(34)


@dataclass(frozen=True)
class Verdict:
    """An expectation and whether it was met."""

    from_s: float
    to_s: float
    """Its window, seconds."""
    text: str
    passed: bool

    @property
    def colour(self) -> str:
        """Green when it was met."""
        return GREEN if self.passed else RED


def picture(events: Iterable[Event], wearer_sound: Path, own_sound: Path, path: Path, *,
            video: Path | None = None, title: str = "A minute with tagalong",
            verdicts: Sequence[Verdict] = ()) -> None:
    """Draws a session and writes it as PNG.

    Args:
        events: of the session, in order.
        wearer_sound: what the microphone got, any sound file.
        own_sound: what tagalong played, on the same clock.
        path: the picture.
        video: what the camera saw, for thumbnails.
        title: the heading.
        verdicts: what was expected, for a lane of its own.

    Raises:
        BadInput: a sound or the video cannot be read.
        OSError: the picture cannot be written.
    """
    told = story(events)
    wearer, own = read_audio(wearer_sound), read_audio(own_sound)
    length_s = max(told.end_s, len(wearer) / SAMPLE_RATE, len(own) / SAMPLE_RATE)
    film = _thumbnails(video, length_s) if video else None
    strips = [_Strip(number * STRIP_S, told, wearer, own, film, verdicts)
              for number in range(max(1, math.ceil((length_s - 0.5) / STRIP_S)))]
    image = Image.new("RGB", (WIDTH, TOP + sum(strip.height for strip in strips)), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, 22), title, INK, LARGE)
    _legend(draw)
    top = TOP
    for strip in strips:
        strip.draw(image, top)
        top += strip.height
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def _thumbnails(video: Path, length_s: float) -> dict[int, np.ndarray]:
    """Micro-turn -> (120, 160, 3) uint8 as tagalong sees it, where a picture is drawn."""
    camera, shown = FileCamera(video), dict[int, np.ndarray]()
    wanted = {_turn(strip * STRIP_S + n * STRIP_S / THUMBS)
              for strip in range(math.ceil(length_s / STRIP_S) + 1) for n in range(THUMBS)}
    try:
        for turn in range(max(wanted) + 1):
            frames = camera.frames((turn + 1) * TURN_S)
            if frames and turn in wanted:
                shown[turn] = frames[0].rgb
    finally:
        camera.close()
    return shown


def _turn(t_s: float) -> int:
    return int(t_s / TURN_S + 1e-6)


def _legend(draw: ImageDraw.ImageDraw) -> None:
    x = WIDTH - MARGIN
    for name, colour in (("not done, withheld", GREY), ("stopped", RED), ("understood", BLUE),
                         ("counted", VIOLET), ("tagalong", ORANGE), ("wearer", TEAL)):
        x -= round(draw.textlength(name, SMALL))
        draw.text((x, 34), name, colour, SMALL)
        draw.rounded_rectangle((x - 24, 38, x - 8, 54), 4, colour)
        x -= 44


@dataclass(frozen=True)
class _Label:
    """A text with its place in a strip."""

    t_s: float
    text: str
    colour: str
    row: int
    x: float
    """Left edge, pixels from the strip's start."""
    width: float


def _place(wanted: Iterable[tuple[float, str, str]], from_s: float, pad: int,
           rows: int) -> list[_Label]:
    """Places (time, text, colour) of one strip in rows so that none covers another."""
    right = STRIP_S * SCALE
    ends, placed = [0.0] * rows, []
    for t_s, text, colour in wanted:
        if not from_s <= t_s < from_s + STRIP_S:
            continue
        width = FONT.getlength(text) + pad
        x = max(0.0, min((t_s - from_s) * SCALE, right - width))
        row = next((r for r, end in enumerate(ends) if end <= x), None)
        if row is None:
            row = ends.index(min(ends))
            x = ends[row]
        width = max(1.0, min(width, right - x))
        ends[row] = x + width + 10
        placed.append(_Label(t_s, text, colour, row, x, width))
    return placed


def _rows(labels: Sequence[_Label]) -> int:
    return 1 + max((label.row for label in labels), default=-1)


class _Strip:
    """20 s of a session; only lanes in which something happens take room."""

    def __init__(self, from_s: float, told: Story, wearer: np.ndarray, own: np.ndarray,
                 film: dict[int, np.ndarray] | None, verdicts: Sequence[Verdict]) -> None:
        self._from_s, self._wearer, self._own, self._film = from_s, wearer, own, film
        self._told = told
        self._heard = _place(((p.start_s, p.text, TEAL) for p in told.heard), from_s, 8, 2)
        self._spoken = _place(((p.start_s, p.text + (" …" if p.cut else ""), ORANGE)
                               for p in told.spoken), from_s, 8, 2)
        self._marks = _place(((m.t_s, m.text, m.colour) for m in told.marks), from_s, 22, 3)
        self._counts = [(t_s, n) for t_s, n in told.counts if self._in(t_s)]
        self._errands = [e for e in told.errands if e.start_s < from_s + STRIP_S
                         and (e.end_s is None or e.end_s > from_s)]
        self._verdicts = _stack(verdicts, from_s)
        rows = 1 + max((row for row, _ in self._verdicts), default=-1)
        self._lanes = (
            ("sees", THUMB_HEIGHT if film else 0, self._thumbnails),
            ("wearer", WAVE + 6 + LINE * _rows(self._heard), self._wearer_lane),
            ("tagalong", WAVE + 6 + LINE * _rows(self._spoken), self._own_lane),
            ("counts", 36 if self._counts else 0, self._count_lane),
            ("does", (LINE + 4) * _rows(self._marks), self._mark_lane),
            ("looks up", LINE if self._errands else 0, self._errand_lane),
            ("expected", (LINE + 4) * rows, self._verdict_lane))
        self.height = 30 + sum(height + GAP for _, height, _ in self._lanes if height) + 16

    def draw(self, image: Image.Image, top: int) -> None:
        """Draws the strip with its upper edge at `top`."""
        self._axis(ImageDraw.Draw(image), top)
        top += 30
        for name, height, lane in self._lanes:
            if height:
                ImageDraw.Draw(image).text((MARGIN, top + 2), name, GREY, FONT)
                lane(image, top)
                top += height + GAP

    def _x(self, t_s: float) -> float:
        return MARGIN + NAMES + (t_s - self._from_s) * SCALE

    def _in(self, t_s: float) -> bool:
        return self._from_s <= t_s < self._from_s + STRIP_S

    def _axis(self, draw: ImageDraw.ImageDraw, top: int) -> None:
        draw.line((MARGIN, top, WIDTH - MARGIN, top), RULE, 2)
        for second in range(int(STRIP_S) + 1):
            x = self._x(self._from_s + second)
            if second % 5 == 0:
                draw.line((x, top, x, top + self.height - 16), RULE, 2)
                if second < STRIP_S:
                    draw.text((x + 6, top + 5), f"{self._from_s + second:.0f} s", GREY, SMALL)
            else:
                draw.line((x, top, x, top + 8), RULE, 2)

    def _thumbnails(self, image: Image.Image, top: int) -> None:
        assert self._film is not None
        for number in range(THUMBS):
            x = MARGIN + NAMES + number * (THUMB_WIDTH + 6)
            rgb = self._film.get(_turn(self._from_s + number * STRIP_S / THUMBS))
            if rgb is not None:
                small = Image.fromarray(rgb).resize((THUMB_WIDTH, THUMB_HEIGHT))
                image.paste(small, (x, top))

    def _wearer_lane(self, image: Image.Image, top: int) -> None:
        draw = ImageDraw.Draw(image)
        self._sound_lane(draw, top, self._wearer, self._told.heard, self._heard, TEAL)

    def _own_lane(self, image: Image.Image, top: int) -> None:
        draw = ImageDraw.Draw(image)
        self._sound_lane(draw, top, self._own, self._told.spoken, self._spoken, ORANGE)

    def _sound_lane(self, draw: ImageDraw.ImageDraw, top: int, sound: np.ndarray,
                    phrases: Sequence[Phrase], labels: Sequence[_Label], colour: str) -> None:
        _wave(draw, top, sound, self._from_s, colour)
        for phrase in phrases:
            if self._in(phrase.start_s):
                at, end = self._x(phrase.start_s), min(self._x(phrase.end_s), WIDTH - MARGIN)
                draw.line((at, top + WAVE + 2, max(at + 2, end), top + WAVE + 2), colour, 4)
        for label in labels:
            draw.text((MARGIN + NAMES + label.x, top + WAVE + 6 + label.row * LINE),
                      _fit(label.text, label.width), colour, FONT)

    def _count_lane(self, image: Image.Image, top: int) -> None:
        draw = ImageDraw.Draw(image)
        for t_s, number in self._counts:
            x, half = self._x(t_s), 17 if number < 100 else 22
            draw.rounded_rectangle((x - half, top, x + half, top + 34), 17, VIOLET)
            draw.text((x, top + 17), str(number), PAPER, FONT, anchor="mm")

    def _mark_lane(self, image: Image.Image, top: int) -> None:
        draw = ImageDraw.Draw(image)
        for label in self._marks:
            left, y = MARGIN + NAMES + label.x, top + label.row * (LINE + 4)
            draw.rounded_rectangle((left, y, left + label.width, y + LINE), 8, PAPER,
                                   label.colour, 2)
            draw.text((left + 11, y + LINE / 2), _fit(label.text, label.width - 18), label.colour,
                      FONT, anchor="lm")

    def _errand_lane(self, image: Image.Image, top: int) -> None:
        """A bar from each question to its answer; to the strip's end where none came."""
        draw = ImageDraw.Draw(image)
        for errand in self._errands:
            end_s = math.inf if errand.end_s is None else errand.end_s
            left = max(self._x(errand.start_s), MARGIN + NAMES)
            right = max(left + 12, min(self._x(end_s), WIDTH - MARGIN))
            draw.rounded_rectangle((left, top + 6, right, top + 22), 8, BLUE)
            if self._in(end_s):
                draw.text((right + 8, top + 14), f"{end_s - errand.start_s:.1f} s", BLUE, SMALL,
                          anchor="lm")

    def _verdict_lane(self, image: Image.Image, top: int) -> None:
        """A box over each window, as wide as its words at least."""
        draw = ImageDraw.Draw(image)
        for row, verdict in self._verdicts:
            left, right = _span(verdict, self._from_s)
            y, x = top + row * (LINE + 4), MARGIN + NAMES
            draw.rounded_rectangle((x + left, y, x + right, y + LINE), 8, PALE[verdict.colour],
                                   verdict.colour, 2)
            draw.text((x + left + 11, y + LINE / 2), _fit(_mark(verdict), right - left - 18),
                      verdict.colour, FONT, anchor="lm")


def _mark(verdict: Verdict) -> str:
    return verdict.text if verdict.passed else f"FAILED: {verdict.text}"


def _span(verdict: Verdict, from_s: float) -> tuple[float, float]:
    """Left and right edge in a strip, pixels from its start; a window that is cut by the strip's
    edge gets room for its words on the side where it is longer."""
    right_end = STRIP_S * SCALE
    first, last = max(verdict.from_s, from_s), min(verdict.to_s, from_s + STRIP_S)
    left, width = (first - from_s) * SCALE, (last - first) * SCALE
    if last - first >= (verdict.to_s - verdict.from_s) / 2:
        width = max(width, min(FONT.getlength(_mark(verdict)) + 24, right_end))
    left = max(0.0, min(left, right_end - width))
    return left, left + width


def _stack(verdicts: Sequence[Verdict], from_s: float) -> list[tuple[int, Verdict]]:
    """Those that a strip shows, in rows in which none covers another."""
    ends, placed = [0.0] * VERDICT_ROWS, []
    for verdict in sorted(verdicts, key=lambda v: v.from_s):
        if verdict.from_s >= from_s + STRIP_S or verdict.to_s <= from_s:
            continue
        left, right = _span(verdict, from_s)
        row = next((r for r, end in enumerate(ends) if end <= left), VERDICT_ROWS - 1)
        ends[row] = right + 6
        placed.append((row, verdict))
    return placed


def _wave(draw: ImageDraw.ImageDraw, top: int, sound: np.ndarray, from_s: float,
          colour: str) -> None:
    """Peak level of each pixel, as a band around the lane's middle."""
    first, step = round(from_s * SAMPLE_RATE), SAMPLE_RATE / SCALE
    middle = top + WAVE / 2
    draw.line((MARGIN + NAMES, middle, WIDTH - MARGIN, middle), RULE, 1)
    for pixel in range(round(STRIP_S * SCALE)):
        part = sound[first + round(pixel * step):first + round((pixel + 1) * step)]
        if len(part):
            level = min(1.0, float(np.abs(part.astype(np.int32)).max()) / 32768 / FULL_SCALE)
            x = MARGIN + NAMES + pixel
            draw.line((x, middle - level * WAVE / 2, x, middle + level * WAVE / 2), colour, 1)


def _fit(text: str, width: float) -> str:
    """The text, shortened to so many pixels."""
    if FONT.getlength(text) <= width:
        return text
    while text and FONT.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
