"""The manuals' index: sections in SQLite with FTS5, read again only where a file has changed.

The file is a cache: whatever is wrong with it, it is made anew from the folder. FTS5 finds the
sections that have any of a question's words; which of them is meant `manual_search` decides.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from daemon.background.spoken import stem, words_of
from daemon.background.tools.manual_files import (
    ManualError,
    Section,
    manual_files,
    read_manual,
)

VERSION = 1
"""Of what is stored; another one is thrown away."""
MOST_CANDIDATES = 400
WAIT_S = 30.0
"""For another worker that brings the same index up to date."""
_SCHEMA = """
CREATE TABLE files (path TEXT PRIMARY KEY, hash TEXT NOT NULL, problem TEXT NOT NULL);
CREATE TABLE sections (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    manual TEXT NOT NULL,
    heading TEXT NOT NULL,
    page INTEGER,
    sentences TEXT NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5 (stems);
"""


class ManualStore:
    """The index of one folder."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """Open the index and bring it up to date.

        Args:
            folder: the manuals.
            path: the index, in memory when None.

        Raises:
            ManualError: no such folder, or no manual in it that can be read.
        """
        self.folder = Path(folder)
        files = manual_files(self.folder)
        self.read: list[str] = []
        """Names of the files that were read this time."""
        self._db = _open(path)
        self._asking = threading.Lock()
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._update(files)
        except sqlite3.Error as error:
            raise ManualError(f"index of manuals {path}: {error}; delete it, it is made "
                              "again") from None
        rows = self._db.execute(
            "SELECT id, manual, heading, page, sentences FROM sections "
            "ORDER BY path, id").fetchall()
        self._at = {row[0]: at for at, row in enumerate(rows)}
        self.sections = [Section(manual, heading, tuple(json.loads(sentences)), page)
                         for _, manual, heading, page, sentences in rows]
        if not self.sections:
            problems = "; ".join(self.problems) or "expected *.md with '## ' headings, *.txt, *.pdf"
            raise ManualError(f"manuals {folder}: no section in it: {problems}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def problems(self) -> list[str]:
        """What cannot be read, and why, as sentences."""
        rows = self._db.execute("SELECT problem FROM files WHERE problem != '' ORDER BY path")
        return [row[0] for row in rows]

    def candidates(self, terms: Iterable[str]) -> list[int]:
        """Positions in `sections` of those that have any of these stems, the likeliest first."""
        quoted = ['"' + term.replace('"', '""') + '"' for term in terms]
        if not quoted:
            return []
        with self._asking:
            rows = self._db.execute(
                "SELECT rowid FROM words WHERE stems MATCH ? ORDER BY rank LIMIT ?",
                (" OR ".join(quoted), MOST_CANDIDATES)).fetchall()
        return [self._at[row[0]] for row in rows]

    def _update(self, files: list[Path]) -> None:
        known = dict(self._db.execute("SELECT path, hash FROM files"))
        now = {path.name: path for path in files}
        for gone in known.keys() - now.keys():
            self._forget(gone)
        for name, path in now.items():
            print_now = _fingerprint(path)
            if known.get(name) != print_now:
                self._forget(name)
                self._add(path, print_now)

    def _forget(self, name: str) -> None:
        ids = self._db.execute("SELECT id FROM sections WHERE path = ?", (name,)).fetchall()
        self._db.executemany("DELETE FROM words WHERE rowid = ?", ids)
        self._db.execute("DELETE FROM sections WHERE path = ?", (name,))
        self._db.execute("DELETE FROM files WHERE path = ?", (name,))

    def _add(self, path: Path, fingerprint: str) -> None:
        self.read.append(path.name)
        sections: list[Section] = []
        problem = ""
        try:
            sections = read_manual(path)
        except ManualError as error:
            problem = str(error)
        self._db.execute("INSERT INTO files VALUES (?, ?, ?)", (path.name, fingerprint, problem))
        for section in sections:
            row = (path.name, section.manual, section.heading, section.page,
                   json.dumps(section.sentences))
            cursor = self._db.execute(
                "INSERT INTO sections (path, manual, heading, page, sentences) "
                "VALUES (?, ?, ?, ?, ?)", row)
            text = f"{section.manual} {section.heading} {section.text}"
            stems = " ".join(stem(word) for word in words_of(text))
            self._db.execute("INSERT INTO words (rowid, stems) VALUES (?, ?)",
                             (cursor.lastrowid, stems))


def _fingerprint(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"


def _open(path: Path | None) -> sqlite3.Connection:
    """The index at `path`; one that is damaged or of another version is made anew.

    Raises:
        ManualError: it cannot be made.
    """
    try:
        db = _connected(path)
        if db is None and path is not None:
            for old in path.parent.glob(f"{path.name}*"):
                old.unlink()
            db = _connected(path)
    except (OSError, sqlite3.Error) as error:
        raise ManualError(f"index of manuals {path}: {error}; expected a folder that can be "
                          "written, and SQLite with FTS5") from None
    if db is None:
        raise ManualError(f"index of manuals {path}: another program changes it; end that one")
    return db


def _connected(path: Path | None) -> sqlite3.Connection | None:
    """A connection with the tables in place; None when the file cannot be used as it is."""
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False,
                         timeout=WAIT_S)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        with db:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
        if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return db
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # no damage: locked, full, read-only
            db.close()
            raise
    db.close()
    return None
