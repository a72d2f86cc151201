"""What a doctor check is: a name, and a result with its cause and the next command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Level(Enum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It runs, with something missing."""
    FAIL = "fail"
    """What the configuration asks for cannot work."""


@dataclass(frozen=True)
class Result:
    """What a check found."""

    level: Level
    cause: str
    """What was found, or what is wrong."""
    next_command: str = ""
    """The command that leads on; empty when all is well."""


class Check(Protocol):
    """One question about this machine; a frozen dataclass of plain values."""

    name: str

    def run(self) -> Result:
        """Look; never raises for what it is there to find."""


def ok(cause: str) -> Result:
    """All is well."""
    return Result(Level.OK, cause)


def warn(cause: str, next_command: str) -> Result:
    """It runs, with something missing."""
    return Result(Level.WARN, cause, next_command)


def fail(cause: str, next_command: str) -> Result:
    """It cannot work as configured."""
    return Result(Level.FAIL, cause, next_command)


def run_check(check: Check) -> Result:
    """Run one check; a check that breaks is a finding too, and the others still run."""
    try:
        return check.run()
    except Exception as error:  # a broken driver can throw anything; the finding names it
        return fail(f"the check itself broke: {type(error).__name__}: {error}", "tagalong doctor")
