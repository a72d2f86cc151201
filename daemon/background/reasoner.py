"""The reasoner that needs no weights: words -> tool -> a short answer with its source, or "I did
not catch that". What a manual says is content: it is spoken, and changes nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from daemon.background.overheard import Overheard, joined
from daemon.background.spoken import words_of
from daemon.background.tools.calculate import calculate, calculate_words
from daemon.background.tools.convert import convert, convert_words, load_units
from daemon.background.tools.manual_fit import answering
from daemon.background.tools.manual_search import Hit, ManualIndex, cited, terms_of
from daemon.background.tools.manual_store import ManualStore
from daemon.background.tools.manual_words import same
from daemon.background.tools.result import Result, failed, not_caught
from daemon.background.tools.workout_log import WorkoutLog, is_shared
from daemon.background.transcribe import Transcriber
from daemon.background.wire import Ask

LOG = logging.getLogger("tagalong.background")
NOT_THERE = "That is not in the manuals."
BLIND = "I cannot look at pictures here."
CONFIDENCE = 0.35
"""An answer less likely right than this is not given. Chosen with the weights of `overheard`, on
the same 76 spoken development questions: words that only one listener heard lower the cover."""
LOOKED_AT = 12
"""Sections in which the answer to a written question is looked for."""
LEAST_HEARD = 0.2
"""Weight of the recogniser's own terms that a section must have, where the device's helped."""
# Logistic regression on 73 of the spoken questions of tests/background/questions_dev.toml, 20 of
# them not about the manuals; drawn towards an earlier one on 144 others. Bias, then score, margin,
# cover and heading of the hit.
_BIAS, _SCORE, _MARGIN, _COVER, _HEADING = -5.003, 0.298, 2.691, 5.277, 1.719


Say = Callable[[str], None]
"""Takes a sentence of an answer before the whole is known."""


def keep(sentence: str) -> None:
    """Nothing is said before the whole answer is known."""


class Reasoner(Protocol):
    """What the worker needs of a reasoner."""

    def answer(
        self, ask: Ask, clip: np.ndarray | None, cancelled: Callable[[], bool],
        frames: Sequence[bytes] = (), say: Say = keep,
    ) -> Result | None:
        """The whole answer, of which what went to `say` is the beginning; at least one sentence
        more. None when it was cancelled."""


def confidence(hit: Hit) -> float:
    """Probability that the section is the one that was asked about, 0 to 1."""
    z = _BIAS + _SCORE * hit.score + _MARGIN * hit.margin
    z += _COVER * hit.cover + _HEADING * hit.heading
    return 1 / (1 + math.exp(-z))


def _name_of(folder: Path) -> str:
    """A short name for a folder: each has an index of its own."""
    return hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:8]


class PlainReasoner:
    """Tools and manuals, no language model behind it. Thread-safe."""

    def __init__(self, manuals_dir: Path, workout_log: Path | str) -> None:
        """Load manuals, recogniser and workout log; the manuals' index is kept beside the log, in
        memory where that is a shared database.

        Raises:
            ManualError: the folder of manuals cannot be used.
            ValueError: the workout log cannot be used.
        """
        name = f"manuals-{_name_of(manuals_dir)}.sqlite"
        index = None if is_shared(workout_log) else Path(workout_log).with_name(name)
        self.manuals = ManualStore(manuals_dir, index)
        for problem in self.manuals.problems:
            LOG.warning("%s", problem)
        sections = self.manuals.sections
        self.index = ManualIndex(sections, self.manuals.candidates)
        self.overheard = Overheard(sections)
        self.transcriber = Transcriber(sections)
        self.workout_log = WorkoutLog(workout_log)
        load_units()

    def close(self) -> None:
        """Close the files."""
        self.workout_log.close()
        self.manuals.close()

    def answer(
        self, ask: Ask, clip: np.ndarray | None, cancelled: Callable[[], bool],
        frames: Sequence[bytes] = (), say: Say = keep,
    ) -> Result | None:
        """Answer a request; None when it was cancelled meanwhile. frames: JPEG."""
        if ask.kind == "calculate":
            return calculate(ask.arguments)
        if ask.kind == "convert":
            return convert(ask.arguments)
        if ask.kind == "workout_log":
            return None if cancelled() else self._log(ask)
        if frames:
            # A device sends pictures only where the words point at what is seen.
            return failed(BLIND)
        if clip is not None:
            heard = self.transcriber.hear(clip)
            if cancelled():
                return None
            return self.answer_heard(heard.terms, ask.words)
        return self.answer_words(ask.words)

    def _log(self, ask: Ask) -> Result:
        return self.workout_log.answer(ask.id, ask.device, ask.arguments)

    def answer_words(self, text: str) -> Result:
        """Answer a question in writing."""
        done = calculate_words(text) or convert_words(text)
        if done is not None:
            return done
        terms = dict.fromkeys((s for t in terms_of(words_of(text)) for s in same(t)), 1.0)
        found = answering(text, self.index.ranked(terms, LOOKED_AT), self.index.rarity)
        return failed(NOT_THERE) if found is None else cited(found[0], found[1:])

    def answer_heard(self, heard: dict[str, float], words: str) -> Result:
        """Answer what the recogniser heard, helped by the device's words; they are not enough to
        choose a section of which the recogniser heard nothing."""
        terms = joined(heard, self.overheard.terms(words))
        hit = self.index.search(terms)
        if hit is not None:
            own = set(terms_of(words_of(f"{hit.section.heading} {hit.section.text}")))
            if sum(weight for term, weight in heard.items() if term in own) < LEAST_HEARD:
                return not_caught()
        return self.answer_terms(terms)

    def answer_terms(self, terms: dict[str, float]) -> Result:
        """Answer from the manuals when the section is sure enough."""
        hit = self.index.search(terms)
        if hit is None or confidence(hit) < CONFIDENCE:
            return not_caught()
        return self.index.answer(hit, terms)
