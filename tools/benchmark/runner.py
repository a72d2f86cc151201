"""Runs suites item by item and keeps what was found, so that a stopped run goes on.

Findings lie in `out/bench/SUITE-COLUMN-SYSTEM-SEED.jsonl`, one line an item. A finding is used
again as long as its key is the same: a hash of the weights and of the code that makes and judges
the items. The daemon is left out of the key, or every edit of it would cost hours; a second hash
tells which program found what, and a mixture is reported.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import BinaryIO

from daemon.engines import WEIGHTS
from tools.benchmark.source import Source
from tools.benchmark.suites import SUITES

OUT = Path("out/bench")
ROOT = Path(__file__).resolve().parents[2]
PROGRAM, CASCADE = "tagalong", "cascade"
SYSTEMS = (PROGRAM, CASCADE)
SYSTEM_MODULE = {PROGRAM: "program", CASCADE: "cascade"}
FOLDERS = ("daemon", "kernels", "models")
"""What makes the program."""


@dataclass(frozen=True)
class Part:
    """One suite of one column by one system."""

    suite: str
    source: Source
    system: str
    weights: Path | None = None
    """Another exported step than the bundled one."""

    @property
    def column(self) -> str:
        """Its column in table and JSON."""
        plain = self.system == PROGRAM
        return self.source.column if plain else f"{self.source.column} ({self.system})"

    def name(self, number: int) -> str:
        """An item's name in the findings; known before the item is made."""
        return f"{self.suite}-{self.source.column}-{self.source.seed}-{number}"

    def path(self, out: Path) -> Path:
        """File of the findings."""
        return out / f"{self.suite}-{self.source.column}-{self.system}-{self.source.seed}.jsonl"


@lru_cache(maxsize=None)
def key_of(part: Part) -> str:
    """What a finding depends on: weights (the cascade has none), and the suite's code."""
    digest = hashlib.sha256()
    if part.system == PROGRAM:
        step = part.weights or WEIGHTS
        digest.update(step.with_suffix(".bin").read_bytes())
        digest.update(step.with_suffix(".json").read_bytes())  # biases and switches
    suite = SUITES[part.suite].score.__module__.rpartition(".")[2]
    for path in _needed(suite, SYSTEM_MODULE[part.system]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=None)
def _needed(*modules: str) -> tuple[Path, ...]:
    """Files of this package that the modules import, directly or not, and the data that these
    name."""
    folder, found, left = Path(__file__).parent, set(), list(modules)
    while left:
        path = folder / f"{left.pop()}.py"
        if path in found or not path.exists():
            continue
        found.add(path)
        left += _imported(path)
    data = {p for p in folder.glob("*.toml") if any(p.name in f.read_text() for f in found)}
    return tuple(sorted(found | data))


def _imported(path: Path) -> list[str]:
    """Names of modules of `tools.benchmark` that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "tools.benchmark":
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and "tools.benchmark." in (node.module or ""):
            found.append(node.module.rpartition(".")[2])
    return found


@lru_cache(maxsize=1)
def program_hash() -> str:
    """Of the program's code without comments and layout, first 8 digits."""
    digest = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(ast.dump(ast.parse(path.read_text(encoding="utf-8"))).encode())
    return digest.hexdigest()[:8]


def kept(part: Part, out: Path) -> dict[str, dict]:
    """Item name -> row of what an earlier run found with the same weights and code. A last line
    that was cut off is left out."""
    path, key = part.path(out), key_of(part)
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(True)
            if line.endswith("\n")]
    return {row["item"]: row for row in rows if row["key"] == key}


def add(part: Part, number: int, finding: dict, out: Path) -> dict:
    """Append a finding to its file; the row."""
    row = {"item": part.name(number), "key": key_of(part), "program": program_hash(),
           "finding": finding}
    out.mkdir(parents=True, exist_ok=True)
    with open(part.path(out), "ab") as file:
        _drop_torn_line(file)
        file.write(json.dumps(row).encode() + b"\n")
    return row


def _drop_torn_line(file: BinaryIO) -> None:
    """A run that was killed while it wrote leaves half a line: cut it off."""
    with open(file.name, "rb") as written:
        whole = written.read().rfind(b"\n") + 1
    if whole != file.tell():
        file.truncate(whole)


_open: dict[tuple, object] = {}
"""Systems of this process, loaded once: network and voices take seconds."""


def _system(part: Part):
    broker = SUITES[part.suite].broker
    name = (part.system, broker and part.system == PROGRAM, part.weights)
    if name not in _open:
        if part.system == CASCADE:
            from tools.benchmark.cascade import Cascade  # its packages only where it runs

            _open[name] = Cascade()
        else:
            from tools.benchmark.program import Program

            _open[name] = Program(broker, part.weights)
    return _open[name]


def close() -> None:
    """Give back what the systems of this process hold."""
    for system in _open.values():
        system.close()
    _open.clear()


def close_at_exit() -> None:
    """A child process gives back what it holds when it ends."""
    Finalize(None, close, exitpriority=1)


def run_item(parts: tuple[Part, ...], number: int) -> list[dict]:
    """Make an item, run each part's system on it, judge what came out. Also runs in a child
    process. The parts differ in their system only: all hear the very same sound, which espeak-ng
    does not make twice (its voices flutter)."""
    suite = SUITES[parts[0].suite]
    item = suite.make(parts[0].source, number)
    return [suite.score(item, _system(part).run(item)) for part in parts]


def left(part: Part, count: int, out: Path) -> Iterator[int]:
    """Numbers of the first `count` items that were not found yet."""
    known = kept(part, out)
    return (n for n in range(count) if part.name(n) not in known)


def rows(part: Part, count: int, out: Path) -> list[dict]:
    """Rows of the first `count` items, those that are there."""
    known = kept(part, out)
    return [known[part.name(n)] for n in range(count) if part.name(n) in known]
