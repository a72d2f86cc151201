"""What the device must not forget about its delegations: requests, answers and withdrawals.

One SQLite file with write-ahead log and full sync. One thread owns it (the writer of
`delegation.Link`); nothing here blocks on the network.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asks (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    audio BLOB,
    placement TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'answered', 'cancelled', 'expired'))
);
CREATE TABLE IF NOT EXISTS answers (
    id TEXT NOT NULL REFERENCES asks (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id, n)
);
CREATE TABLE IF NOT EXISTS frames (
    id TEXT NOT NULL REFERENCES asks (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (id, name)
);
CREATE TABLE IF NOT EXISTS heard (
    id TEXT PRIMARY KEY REFERENCES asks (id) ON DELETE CASCADE,
    begun INTEGER NOT NULL,
    completed INTEGER NOT NULL
);
"""
USER_VERSION = 1


class OutboxError(RuntimeError):
    """The file cannot be used; the message says which and what to do."""


class Heard(NamedTuple):
    """How far an answer was spoken, in sentences."""

    begun: int = 0
    """Sentences of which the first sample may have sounded, those before them included."""
    completed: int = 0
    """Sentences up to the last that sounded to its end."""

    @property
    def broken_off(self) -> bool:
        """A sentence was begun and not brought to its end."""
        return self.begun > self.completed

    @property
    def next(self) -> int:
        """Number of the sentence to go on with: the one broken off, else the one after it."""
        return self.begun - 1 if self.broken_off else self.completed


@dataclass(frozen=True)
class Record:
    """A request as it is on disk."""

    id: str
    kind: str
    body: str
    """JSON of the `wire.Ask`; its deadline is that of the first publish."""
    audio: bytes | None
    """FLAC, None without a clip."""
    placement: str
    asked_ms: int
    """Unix time, ms."""
    deadline_ms: int
    """Unix time, ms."""
    state: str = "open"
    """open | answered (final on disk, not settled) | cancelled (to be told) | expired."""
    frames: dict[str, bytes] = field(default_factory=dict)
    """JPEG by the name of the attachment."""

    @property
    def size_bytes(self) -> int:
        """What it takes on disk, about."""
        frames = sum(len(frame) for frame in self.frames.values())
        return len(self.body) + len(self.audio or b"") + frames


class Outbox:
    """The table of requests and the answers to them that were not settled yet."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            OutboxError: it cannot be written or is not one of ours.
        """
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            # Sound and pictures that were removed are overwritten, not left in free pages.
            self._db.execute("PRAGMA secure_delete=ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, USER_VERSION):
                raise OutboxError(
                    f"outbox {self.path}: version {version}, expected {USER_VERSION}; "
                    "it is of another tagalong: move it away"
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={USER_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(
                f"outbox {self.path}: {error}; expected a SQLite file of tagalong in a folder "
                "that can be written: move it away or name another state folder"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, record: Record) -> None:
        """Put a request on disk; it is there when this returns."""
        row = (
            record.id,
            record.kind,
            record.body,
            record.audio,
            record.placement,
            record.asked_ms,
            record.deadline_ms,
            record.state,
        )
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("INSERT INTO asks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            frames = [(record.id, name, body) for name, body in record.frames.items()]
            self._db.executemany("INSERT INTO frames VALUES (?, ?, ?)", frames)

    def records(self) -> Iterator[Record]:
        """All requests, oldest first."""
        rows = self._db.execute("SELECT * FROM asks ORDER BY asked_ms, id").fetchall()
        for row in rows:
            frames = self._db.execute("SELECT name, body FROM frames WHERE id = ?", row[:1])
            yield Record(*row, dict(frames.fetchall()))

    def set_state(self, id: str, state: str) -> None:
        """Change the state of a request."""
        self._db.execute("UPDATE asks SET state = ? WHERE id = ?", (state, id))

    def add_answer(self, id: str, n: int, body: str, final: bool) -> None:
        """Keep one numbered answer; with `final` its request is answered, in the same write."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (id, n, body))
            if final:
                self._db.execute("UPDATE asks SET state = 'answered' WHERE id = ?", (id,))

    def answers(self, id: str) -> list[str]:
        """JSON of the answers to a request, by number."""
        rows = self._db.execute("SELECT body FROM answers WHERE id = ? ORDER BY n", (id,))
        return [row[0] for row in rows]

    def mark(self, id: str, heard: Heard) -> None:
        """Note how far an answer was spoken, unless it is settled; on disk when this returns."""
        self._db.execute(
            "INSERT INTO heard SELECT id, ?, ? FROM asks WHERE id = ? "
            "ON CONFLICT (id) DO UPDATE SET "
            "begun = max(begun, excluded.begun), completed = max(completed, excluded.completed)",
            (heard.begun, heard.completed, id),
        )

    def heard(self, id: str) -> Heard:
        """How far an answer was spoken."""
        row = self._db.execute("SELECT begun, completed FROM heard WHERE id = ?", (id,)).fetchone()
        return Heard() if row is None else Heard(*row)

    def remove(self, id: str) -> None:
        """Forget a request and its answers.

        Without a sync of its own: if power fails the request is there again, and its marks say
        that it was dealt with.
        """
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._db.execute("DELETE FROM asks WHERE id = ?", (id,))
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
