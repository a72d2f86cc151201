"""Which routines there are: those shipped, and the wearer's own, which come first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from daemon.routines.language import Routine, RoutineError, load

SHIPPED = Path(__file__).parent
"""Folder of the routines that come with tagalong."""


@dataclass(frozen=True)
class Library:
    """Routines by what they are called."""

    by_name: Mapping[str, Routine]

    def find(self, words: tuple[str, ...]) -> tuple[str, Routine] | None:
        """The routine that the words end with, and its first name; the longest name counts."""
        for at in range(len(words)):
            found = self.by_name.get(" ".join(words[at:]))
            if found is not None:
                return found.calls[0], found
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """What the routines are called, each once."""
        return tuple(dict.fromkeys(one.calls[0] for one in self.by_name.values()))


@cache
def shipped() -> Library:
    """The routines that come with tagalong. Reads the disk the first time."""
    return Library(_named([load(path) for path in sorted(SHIPPED.glob("*.toml"))]))


def library(folder: Path | None) -> tuple[Library, list[str]]:
    """Routines of the wearer's folder and those shipped, and what was wrong with files of the
    folder, which are left out. Reads the disk."""
    if folder is None:
        return shipped(), []
    own, problems = [], []
    if not folder.is_dir():
        problems.append(f"routines.folder = {folder}: there is no such folder")
    for path in sorted(folder.glob("*.toml")):
        try:
            own.append(load(path))
        except RoutineError as error:
            problems.append(str(error))
    names = _named(own)
    kept = [one for one in shipped().by_name.values() if not set(one.calls) & set(names)]
    return Library({**_named(kept), **names}), problems


def _named(routines: list[Routine]) -> dict[str, Routine]:
    return {name: one for one in routines for name in one.calls}
