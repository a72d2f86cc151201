"""The phrasebook for interpreting: English phrases and what they are in Spanish and German."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.toml_file import tomllib

FILE = Path(__file__).with_name("phrasebook.toml")
VOICE = {"spanish": "es", "german": "de"}
"""Language -> its voice of espeak-ng."""


@dataclass(frozen=True)
class Phrase:
    """One phrase with its slots filled in."""

    english: str
    spanish: str
    german: str


@lru_cache(maxsize=1)
def phrasebook() -> tuple[Phrase, ...]:
    """All phrases, every slot with every value."""
    book = tomllib.loads(FILE.read_text(encoding="utf-8"))
    found = []
    for row in book["phrases"]:
        slot = re.search(r"\{(\w+)\}", row[0])
        values = book["slots"][slot[1]] if slot else [["", "", ""]]
        found += [Phrase(*(re.sub(r"\{\w+\}", v, text) for text, v in zip(row, value)))
                  for value in values]
    return tuple(found)


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """Every English word of the phrases."""
    return frozenset(word for phrase in phrasebook() for word in phrase.english.split())
