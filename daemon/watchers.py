"""Watchers of a view: each looks at one halved picture after the other (10 a second) and says when
what it waits for happens. They learned nothing; thresholds were chosen on tuning items of the
suites `visual_cue` and `localise`. Used by the step thread.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from daemon.changes import changed, grown, islands, over, shift

FPS = 10
HISTORY = 30
"""Pictures kept, 3 s."""


class Motion:
    """Tells when something begins to move and when all stands still.

    Its measure is the mean of the most changed pixels against the picture 0.3 s earlier. What a
    resting view has of it (noise, a wearer who is not quite still) is learned as it goes.
    """

    LAG, MOST = 3, 15
    QUARTILE = 75
    """Of the resting measures; what moves is above it."""
    ABOVE, MORE = 1.15, 1.0
    """It moves where the measure is over `ABOVE` times what rest has, and `MORE`."""
    BEGUN, OVER = 2, 8
    """Pictures in a row that must agree that it moves, or that it stands."""
    SETTLE = 8
    """Measures after which rest is known."""
    FELL = 0.5
    """Where the measure falls below so much of what rest was thought to have, it had moved."""

    def __init__(self) -> None:
        self._pictures: deque[np.ndarray] = deque(maxlen=self.LAG + 1)
        self._newest: deque[float] = deque(maxlen=self.SETTLE)
        self._resting: deque[float] = deque(maxlen=HISTORY)
        self._row = 0
        self.moving = False

    def look(self, picture: np.ndarray) -> str | None:
        """`start`, `stop` or None."""
        self._pictures.append(picture)
        if len(self._pictures) <= self.LAG:
            return None
        found = changed(picture, self._pictures[0]).ravel()
        measure = float(np.partition(found, -self.MOST)[-self.MOST :].mean())
        self._newest.append(measure)
        if len(self._newest) < self.SETTLE:
            return None
        if not self._resting:
            self._resting.extend(self._newest)
        rest = float(np.percentile(self._resting, self.QUARTILE))
        if not self.moving and np.median(self._newest) < self.FELL * rest - self.MORE:
            self._resting.clear()  # what was taken for rest was motion
            self._row = 0
            return "stop"
        moves = measure > self.ABOVE * rest + self.MORE
        if not moves and not self.moving:
            self._resting.append(measure)
        self._row = self._row + 1 if moves != self.moving else 0
        if self._row < (self.OVER if self.moving else self.BEGUN):
            return None
        self._row, self.moving = 0, moves
        return "start" if moves else "stop"


COLOUR = {"red": (225, 40, 35), "green": (50, 200, 70), "blue": (50, 90, 230),
          "yellow": (240, 215, 60), "orange": (240, 130, 30), "purple": (140, 50, 170),
          "white": (240, 240, 240), "black": (25, 25, 25), "grey": (128, 128, 128),
          "brown": (120, 75, 40)}
"""What a thing of a colour looks like, RGB."""


def looks(picture: np.ndarray, colour: str) -> np.ndarray:
    """(60, 80) bool: pixels of a halved picture that have a colour. Coloured ones by their hue
    (the order and proportion of the channels above the least), the others by brightness."""
    wanted = np.array(COLOUR[colour], np.float32)
    low, high = picture.min(2), picture.max(2)
    spread = wanted.max() - wanted.min()
    if spread < 20:
        plain = high - low < 30
        return plain & (high > 200 if colour == "white" else
                        high < 55 if colour == "black" else (high > 80) & (high < 190))
    hue = (picture - low[..., None]) / np.maximum(high - low, 1)[..., None]
    near = np.abs(hue - (wanted - wanted.min()) / spread).max(2) < 0.25
    return near & (high - low > 45) & (high - low > 0.35 * high)


class Lamp:
    """Tells when something turns a colour: pixels have it that had it nowhere near before."""

    LEAST = 10
    """Pixels."""
    LAGS = (6, 12, 20)
    NEAR = 2
    ROW = 2

    def __init__(self, colour: str) -> None:
        self._colour = colour
        self._pictures: deque[np.ndarray] = deque(maxlen=HISTORY)
        self._row = 0

    def look(self, picture: np.ndarray) -> str | None:
        """The colour or None."""
        self._pictures.append(picture)
        known = len(self._pictures)
        if known <= self.LAGS[0]:
            return None
        new = looks(picture, self._colour)
        for lag in self.LAGS:
            before = self._pictures[max(known - 1 - lag, 0)]
            by = shift(before, picture)
            new &= ~grown(looks(np.roll(before, by, (0, 1)), self._colour), self.NEAR)
            if lag == self.LAGS[0]:
                new &= np.abs(over(before, picture, by) - picture).max(2) > 40
        new[:3] = new[-3:] = new[:, :3] = new[:, -3:] = False
        self._row = self._row + 1 if _largest(new) >= self.LEAST else 0
        return self._colour if self._row >= self.ROW else None


def _largest(mask: np.ndarray) -> int:
    return max((len(part) for part in islands(mask)), default=0)


class Entering:
    """Tells when somebody comes in: a tall change that reaches in from a side."""

    LAG = 20
    OVER = 25.0
    TALL, AREA, EDGE = 18, 60, 10
    ROW = 2

    def __init__(self) -> None:
        self._pictures: deque[np.ndarray] = deque(maxlen=self.LAG + 1)
        self._row = 0

    def look(self, picture: np.ndarray) -> str | None:
        """`enter` or None."""
        self._pictures.append(picture)
        if len(self._pictures) < FPS:
            return None
        mask = grown(changed(picture, self._pictures[0]) > self.OVER, 1)
        found = any(self._person(part) for part in islands(mask))
        self._row = self._row + 1 if found else 0
        return "enter" if self._row >= self.ROW else None

    def _person(self, part: np.ndarray) -> bool:
        if len(part) < self.AREA or np.ptp(part[:, 0]) < self.TALL:
            return False
        return bool(part[:, 1].min() < self.EDGE or part[:, 1].max() >= 80 - self.EDGE)


class Needle:
    """Tells when something thin passes a small coloured mark: the mark is covered most then."""

    SMALL, LARGE = 3, 40
    COVERED = 22.0
    FALLEN = 0.93
    ROW = 2

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._marks: list[np.ndarray] = []
        self._most = np.zeros(0)
        self._fallen = np.zeros(0, int)
        self._smooth = np.zeros(0)
        self._rest: list[np.ndarray] = []

    def look(self, picture: np.ndarray) -> str | None:
        """`pass` or None."""
        if self._first is None:
            self._first = picture
            low, high = picture.min(2), picture.max(2)
            vivid = (high - low > 60) & (high - low > 0.45 * high)
            self._marks = [p for p in islands(vivid) if self.SMALL <= len(p) <= self.LARGE
                           and p.min() > 4 and p[:, 0].max() < 56 and p[:, 1].max() < 76]
            self._most = np.zeros(len(self._marks))
            self._smooth = np.zeros(len(self._marks))
            self._fallen = np.zeros(len(self._marks), int)
            return None
        found = changed(picture, self._first)
        cover = np.array([found[p[:, 0], p[:, 1]].mean() for p in self._marks])
        if len(self._rest) < 10:
            self._rest.append(cover)
        rest = np.median(self._rest, 0)
        self._smooth = 0.5 * self._smooth + 0.5 * np.maximum(cover - rest, 0)
        self._most = np.maximum(self._most, self._smooth)
        past = (self._most > self.COVERED) & (self._smooth < self.FALLEN * self._most)
        self._fallen = np.where(past, self._fallen + 1, 0)
        return "pass" if (self._fallen >= self.ROW).any() else None
