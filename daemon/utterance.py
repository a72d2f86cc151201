"""What can be said: an utterance, the span that it took, and its samples on the way out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Utterance:
    """One sound to play: a sentence, a number, an earcon."""

    id: int
    pcm: np.ndarray | Iterator[np.ndarray]
    """(n,) int16 at 16 kHz, or an iterator of such chunks."""
    text: str = ""
    kind: str = "say"
    """say, count, answer, earcon or reminder."""
    latest_wins: str | None = None
    """Slot: a newer utterance of this slot replaces one that has not begun."""
    ready: Callable[[], bool] | None = None
    """Asked until it says True; only then the utterance may begin (a commit on disk, say)."""
    urgent: bool = False
    """Goes before whatever has not begun and is not urgent itself."""


@dataclass(frozen=True)
class Span:
    """Where an utterance lies in the sound as played."""

    id: int
    text: str
    kind: str
    start_sample: int
    """On the session clock, 16 kHz; equal to `end_sample` if it never began."""
    end_sample: int
    completed: bool
    """It was heard to its end."""


class Source:
    """An utterance on its way: samples that wait, how far it is, how it ends."""

    def __init__(self, utterance: Utterance, position: int) -> None:
        self.utterance = utterance
        self.ready = utterance.ready is None
        self.since = position
        self.start = 0
        self.failed = False
        self.fade_total = self.fade_left = 0
        self._pieces: deque[np.ndarray] = deque()
        self.buffered = 0
        whole = isinstance(utterance.pcm, np.ndarray)
        self._rest = None if whole else utterance.pcm
        if whole:
            self.add(checked(utterance.pcm))

    @property
    def exhausted(self) -> bool:
        """No more samples will come than those that wait."""
        return self._rest is None

    @property
    def ended(self) -> bool:
        """All samples were taken."""
        return self.exhausted and self.buffered == 0

    def add(self, piece: np.ndarray) -> None:
        """Append (n,) int16 samples that `checked` has passed."""
        if len(piece):
            self._pieces.append(piece)
            self.buffered += len(piece)

    def pull(self) -> np.ndarray | None:
        """Next chunk of the iterator; None at its end. Raises whatever the iterator raises."""
        piece = None if self._rest is None else next(self._rest, None)
        return None if piece is None else checked(piece)

    def finish(self) -> None:
        """The iterator has no more."""
        self._rest = None

    def take_into(self, out: np.ndarray) -> int:
        """Move up to len(out) samples into `out`, fading where a flush asked for it."""
        done = 0
        while done < len(out) and self._pieces:
            piece = self._pieces[0]
            part = piece[: len(out) - done]
            out[done : done + len(part)] = part
            done += len(part)
            if len(part) == len(piece):
                self._pieces.popleft()
            else:
                self._pieces[0] = piece[len(part) :]
        self.buffered -= done
        if self.fade_total:
            out[:done] *= (self.fade_left - np.arange(done, dtype=np.float32)) / self.fade_total
            self.fade_left -= done
        return done

    def cut(self, fade: int) -> bool:
        """Keep only `fade` samples, fading to nothing; True if that leaves something out."""
        whole = self.exhausted and self.buffered <= fade
        self.finish()
        kept = np.concatenate(list(self._pieces))[:fade] if self._pieces else np.zeros(0, np.int16)
        self._pieces = deque([kept] if len(kept) else [])
        self.buffered = self.fade_total = self.fade_left = len(kept)
        self.failed = self.failed or not whole
        return not whole


def checked(pcm: np.ndarray) -> np.ndarray:
    """`pcm` itself if it is (n,) int16. Raises TypeError otherwise."""
    if not isinstance(pcm, np.ndarray):
        raise TypeError(f"expected (n,) int16 samples, got {type(pcm).__name__}")
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise TypeError(f"expected (n,) int16 samples, got {pcm.shape} {pcm.dtype}")
    return pcm
