"""What the camera saw, with captions burnt in and the mixed sound, as MP4."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from daemon.drawing.story import Phrase, Story, story
from daemon.events import Event
from daemon.senses.audio_files import read_audio
from daemon.turn import SAMPLE_RATE
from tools.video import Film, FilmWriter

WIDTH, HEIGHT, BAND = 640, 480, 128
"""Pixels: the picture, and below it a band for the words."""
FPS = 10
HOLD_S = 1.6
"""Words stay this long after their end."""
COUNT_S = 1.2
AHEAD = 8
"""Pictures drawn and not yet encoded, at most."""
MARK_S = 2.0
INK, PAPER = (16, 16, 18), (245, 245, 244)
LIGHT_TEAL, LIGHT_ORANGE, LIGHT_VIOLET = "#5eead4", "#fdba74", "#c4b5fd"

FONT = ImageFont.load_default(25)
SMALL = ImageFont.load_default(20)
HUGE = ImageFont.load_default(92)


def captions(video: Path | None, events: Iterable[Event], sound: Path, path: Path) -> None:
    """Writes the film; it is as long as the sound.

    Args:
        video: what the camera saw; None for a dark picture.
        events: of the session, in order.
        sound: the mix of wearer and tagalong, on the session clock.
        path: the MP4.

    Raises:
        BadInput: the sound cannot be read.
        av.FFmpegError: the video cannot be read.
        OSError: the film cannot be written.
    """
    told, samples = story(events), read_audio(sound)
    film = Film(video, WIDTH, HEIGHT) if video else None
    writer = FilmWriter(path, WIDTH, HEIGHT + BAND, FPS)
    step = SAMPLE_RATE // FPS
    shown: Image.Image | None = None
    with ThreadPoolExecutor(1) as encoder:  # encodes while the next pictures are drawn
        waiting: deque[Future[None]] = deque()
        for number in range(math.ceil(len(samples) / step)):
            t_s = number / FPS
            rgb = film.at(t_s) if film else None
            # After the end of the video its last picture stays, darkened.
            shown = Image.fromarray(rgb) if rgb is not None else _darker(shown)
            waiting.append(encoder.submit(writer.add, np.asarray(_frame(shown, told, t_s)),
                                          samples[number * step:(number + 1) * step]))
            if len(waiting) > AHEAD:
                waiting.popleft().result()
        for one in waiting:
            one.result()
    writer.close()


def _darker(image: Image.Image | None) -> Image.Image:
    if image is None:
        return Image.new("RGB", (WIDTH, HEIGHT), (40, 40, 44))
    return image.point(lambda value: max(value - 4, value // 3))


def _frame(picture: Image.Image, told: Story, t_s: float) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT + BAND), INK)
    image.paste(picture)
    draw = ImageDraw.Draw(image)
    _page(draw, HEIGHT + 10, "wearer", _spoken_at(told.heard, t_s), LIGHT_TEAL, 1)
    _page(draw, HEIGHT + 50, "tagalong", _spoken_at(told.spoken, t_s), LIGHT_ORANGE, 2)
    draw.text((WIDTH - 14, 12), f"{t_s:.1f} s", PAPER, SMALL, anchor="ra", stroke_width=2,
              stroke_fill=INK)
    count = _latest(((at, str(number)) for at, number in told.counts), t_s, COUNT_S)
    if count:
        draw.text((WIDTH - 30, 60), count, LIGHT_VIOLET, HUGE, anchor="ra", stroke_width=4,
                  stroke_fill=INK)
    mark = _latest(((mark.t_s, mark.text) for mark in told.marks), t_s, MARK_S)
    if mark:
        draw.text((14, 12), mark, PAPER, SMALL, stroke_width=2, stroke_fill=INK)
    return image


def _page(draw: ImageDraw.ImageDraw, y: int, who: str, said: tuple[str, float], colour: str,
          rows: int) -> None:
    """The lines of a phrase that are being said, `rows` at a time."""
    draw.text((14, y + 4), who, (140, 140, 146), SMALL)
    text, progress = said
    lines = _wrapped(draw, text)
    pages = math.ceil(len(lines) / rows)
    first = min(pages - 1, int(progress * pages)) * rows if lines else 0
    for row, line in enumerate(lines[first:first + rows]):
        draw.text((116, y + row * 33), line, colour, FONT)


def _wrapped(draw: ImageDraw.ImageDraw, text: str) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and draw.textlength(f"{lines[-1]} {word}", FONT) <= WIDTH - 128:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _spoken_at(phrases: Iterable[Phrase], t_s: float) -> tuple[str, float]:
    """(text, part of it that has been said, 0 to 1) of the phrase at `t_s`."""
    found = [p for p in phrases if p.start_s <= t_s <= p.end_s + HOLD_S]
    if not found:
        return "", 0.0
    phrase = found[-1]
    progress = (t_s - phrase.start_s) / max(0.1, phrase.end_s - phrase.start_s)
    return phrase.text + (" …" if phrase.cut else ""), min(1.0, progress)


def _latest(items: Iterable[tuple[float, str]], t_s: float, hold_s: float) -> str:
    found = [text for at, text in items if at <= t_s < at + hold_s]
    return found[-1] if found else ""
