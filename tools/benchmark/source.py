"""What the items of a column are made of: the one place where seen, unseen, real and tuning part.

A voice, a sentence, a recording, a photo or a clip is in one of four hands: training, the tuning of
settings, the reported figures, or none. Item seeds from `TUNING_SEEDS` on are for tuning; they
are made of other voices, sentences, recordings and clips than the reported ones, by the rules of
`models.splits`, and of other noise, because every generator is seeded with the item's seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.scenarios import recordings, talk, voices
from models.scenarios.stills import DEFAULT_FOLDER, Stills
from models.splits import tuning_quarter

TUNING_SEEDS = 1000
"""Seeds from here on belong to tuning."""
SEEN, UNSEEN, REAL = "seen", "unseen", "real"
COLUMNS = (SEEN, UNSEEN, REAL)
PLAIN_VOICE = "m1"
"""A voice that training knows, for what is not about recognising speech."""


@dataclass(frozen=True)
class Source:
    """Where the items of one column come from."""

    column: str = UNSEEN
    """One of `COLUMNS`: voices, sentences and photos of training; ones that training never had;
    recordings of people and places."""
    seed: int = 1
    """Fresh items with every seed, but for recordings: of these there are only so many."""

    @property
    def tuning(self) -> bool:
        """Whether settings may be tried on these items."""
        return self.seed >= TUNING_SEEDS

    def voices(self) -> list[str]:
        """`engine:speaker` names; of training those that are always there and quick."""
        if self.column == SEEN:
            return [n for n in voices.speakers(True) if not n.startswith(voices.SLOW)]
        return voices.speakers(False, self.tuning)

    def voice(self, rng: np.random.Generator) -> str:
        """One of the voices; of reported items every fourth is not of espeak-ng."""
        names = self.voices()
        if self.tuning:
            return names[rng.integers(len(names))]
        recorded = [n for n in names if not n.startswith("espeak")]
        pool = recorded if rng.random() < 0.25 else [n for n in names if n.startswith("espeak")]
        return pool[rng.integers(len(pool))]

    def speak(self, rng: np.random.Generator, words, voice: str | None = None) -> voices.Spoken:
        """Words by a voice (None: any), drawn again while its synthesiser splits them otherwise."""
        name = voice or self.voice(rng)
        for _ in range(5):
            try:
                return voices.speak(rng, words, self.column == SEEN, name)
            except ValueError:
                name = self.voice(rng)
        steady = next(n for n in reversed(self.voices()) if n.startswith("espeak"))
        return voices.espeak().speak(words, steady.split(":")[1])

    def sentences(self) -> list[list[str]]:
        """Open speech. Tuning uses sentences that training knows: those that it does not know are
        all kept for the reported items."""
        return talk.sentences(self.column == SEEN or self.tuning)

    def stills(self) -> Stills:
        """Exercise photos; tuning uses those of training, as with sentences."""
        return _stills(self.column != SEEN and not self.tuning)

    def recorded(self, name: str) -> list[dict]:
        """Rows of a set of recordings under `recordings.DATA`; empty when it is absent. Of sets
        that may be trained on, tuning uses training's speakers; of the others a quarter."""
        return _recorded(name, self.tuning)

    def item_seed(self, number: int) -> int:
        """Seed of an item; those of two seeds never meet."""
        return self.seed * 100_000 + number


GROUP_COLUMN = {"reps_exercise": "source_group", "reps_quva": "source_group",
                "gauges": "device", "read_speech": "speaker"}
"""Sets that may not be trained on: what all clips of one person, video or device share."""


@lru_cache(maxsize=2)
def _stills(unseen: bool) -> Stills:
    return Stills(DEFAULT_FOLDER, unseen)


@lru_cache(maxsize=32)
def _recorded(name: str, tuning: bool) -> list[dict]:
    if not (recordings.DATA / name).is_dir():
        return []
    if name in recordings.SPEAKER_COLUMN:
        return recordings.rows(name, trained=tuning)
    rows, group = recordings.labels(name), GROUP_COLUMN.get(name, "path")
    tried = tuning_quarter(name, [r[group] for r in rows])
    return [r for r in rows if (r[group] in tried) == tuning]
