"""What the daemon wants done after an act: plain values that the session carries out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daemon.ledger_book import Reading
from daemon.ledger_routine import RoutineRun


@dataclass(frozen=True)
class Say:
    """A sentence for the voice."""

    text: str
    """Plain words, numbers spelled out."""
    kind: str = "say"
    """say, count, reminder, answer or note."""
    cause: str = ""
    """What made it speak, as in the `say` event: `act:set_timer`, `count:squats`, `timer:t3`,
    `cue:um`, `answer:<id>`, `delegation:<id>`, `routine:leg day`, `view:<name>`,
    `scene:<what>`, `interpret:<language>`,
    `notice:<name>`."""
    unasked: bool = False
    """No command of the wearer led to it directly; already passed the governor."""
    latest_wins: str | None = None
    """Slot: a newer sentence of this slot replaces one that has not begun."""
    after: str | None = None
    """Outbox id that must be on disk before this may be heard."""
    interrupt: bool = False
    """Goes before whatever has not begun."""
    over: bool = False
    """Said over the wearer's words, neither held nor ducked for them: a cue they asked for."""
    language: str = ""
    """Voice of espeak-ng that says it, `es`; empty for the configured voice."""
    sentence: tuple[str, int] | None = None
    """Id and number of a sentence of an answer: marked on disk before its first sample."""


@dataclass(frozen=True)
class Stop:
    """Flush tagalong's own voice."""


@dataclass(frozen=True)
class Delegate:
    """Ask the background; the session then calls `Acts.delegated` with the id that it got."""

    kind: str
    """question, calculate, convert or workout_log."""
    payload: Mapping[str, int | float | str | None] = field(default_factory=dict)
    """Flat arguments for the tool."""
    words: tuple[str, ...] = ()
    """What was heard, without the name."""
    filler: str = ""
    """Said once the request is on disk; empty for none."""
    silent: bool = False
    """Its answer is only written to the journal (placement `silent`)."""
    leave: bool | None = None
    """Whether what the wearer was asked about may go along; None: they were not asked."""


@dataclass(frozen=True)
class CancelDelegations:
    """Withdraw these requests."""

    ids: tuple[str, ...] = ()
    """Outbox ids."""


@dataclass(frozen=True)
class Mute:
    """Close a device at its source, after what was said before has been heard."""

    what: str
    """microphone, camera or all."""
    seconds: float | None = None
    """Length, None until it is lifted."""


@dataclass(frozen=True)
class Unmute:
    """Open a device again, unless a hardware switch holds it closed."""

    what: str
    """microphone, camera or all."""


@dataclass(frozen=True)
class Volume:
    """Level of the voice."""

    percent: int
    """0 to 100."""


@dataclass(frozen=True)
class Rate:
    """Speed of the voice, relative to what it is now."""

    delta: int
    """Steps; positive is faster."""


@dataclass(frozen=True)
class Earcon:
    """A short sound instead of words."""

    name: str
    """accepted, muted, error or link_lost."""


@dataclass(frozen=True)
class Bookmark:
    """Mark this moment in the recording."""


@dataclass(frozen=True)
class Report:
    """Write down how a routine went."""

    run: RoutineRun
    """As it was when it ended."""
    readings: tuple[Reading, ...]
    """All readings of the session."""
    ended_at_s: float
    completed: bool
    """It went to its last step."""
    frames: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Position in `run.done` -> what was seen at the end of that step, (120, 160, 3) uint8."""


@dataclass(frozen=True)
class Note:
    """An event for the log; fields as `daemon.events.KINDS` describes them."""

    kind: str
    """A key of `KINDS`."""
    text: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


Effect = (Say | Stop | Delegate | CancelDelegations | Mute | Unmute | Volume | Rate | Earcon
          | Bookmark | Report | Note)
