"""Is it alive, and how well: the service manager's watchdog, and the figures of `tagalong status`.

The watchdog is fed by finished micro-turns and by nothing else, so a daemon whose loop hangs is
restarted, however alive its other threads are.
"""

from __future__ import annotations

import os
import socket
from array import array
from pathlib import Path

FEED_TURNS = 5
"""Micro-turns between two watchdog messages: 1 s, well inside the unit's WatchdogSec=5s."""
RING_TURNS = 1500
"""Step times kept for the percentiles: the last five minutes."""


class Notifier:
    """Messages to the service manager, after sd_notify(3); silent where there is none.

    Source: systemd's sd_notify(3): newline-separated assignments in one datagram to the socket that
    NOTIFY_SOCKET names, `@` standing for the abstract namespace.
    """

    def __init__(self, address: str | None) -> None:
        """`address` is the value of NOTIFY_SOCKET, None without a service manager."""
        self._address = None
        self._socket = None
        self._last_turn = -1
        self._next_feed = 0
        self.lost = 0
        """Messages that the service manager did not take."""
        if address:
            self._address = "\0" + address[1:] if address.startswith("@") else address
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @property
    def active(self) -> bool:
        """Whether a service manager listens."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """The first micro-turn can come: start-up is over."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; no words of the wearer in it."""
        self._send(f"STATUS={_one_line(text)}")

    def extend_start(self, seconds: float) -> None:
        """Ask for more time, for example while an engine is built."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def stopping(self, status: str = "stopping") -> None:
        """The way out has begun."""
        self._send(f"STOPPING=1\nSTATUS={_one_line(status)}")

    def turn_finished(self, index: int) -> None:
        """A micro-turn is done; feeds the watchdog if it is a later one than before."""
        if index <= self._last_turn:
            return
        self._last_turn = index
        if index >= self._next_feed:
            self._next_feed = index + FEED_TURNS
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:
            self.lost += 1


def _one_line(text: str) -> str:
    """A line break would begin another assignment."""
    return " ".join(text.split())


class Health:
    """Counters and step times; written by the step thread, read by any other."""

    def __init__(self, deadline_s: float = 0.2) -> None:
        """`deadline_s` is the longest step that is in time, seconds."""
        self._deadline_s = deadline_s
        self._step_s = array("d", bytes(8 * RING_TURNS))
        self.turns = 0
        """Micro-turns finished."""
        self.late = 0
        """Steps longer than the deadline."""
        self.dropped_turns = 0
        """Waiting micro-turns given up."""
        self.dropped_frames = 0
        """Video frames given up."""
        self.errors = 0
        """Errors that were survived."""

    def step(self, seconds: float) -> None:
        """A step took this long."""
        self._step_s[self.turns % RING_TURNS] = seconds
        self.turns += 1
        if seconds > self._deadline_s:
            self.late += 1

    def step_ms(self, percentile: float) -> float | None:
        """Step time at a percentile (0 to 100, nearest rank) of the last five minutes, ms."""
        count = min(self.turns, RING_TURNS)
        if count == 0:
            return None
        ordered = sorted(self._step_s[:count])
        rank = max(1, -(-int(percentile * count) // 100))
        return round(ordered[min(rank, count) - 1] * 1e3, 3)

    def report(self) -> dict[str, object]:
        """Everything, for `tagalong status` and the stats topic."""
        return {
            "turns": self.turns,
            "step_ms": {f"p{p}": self.step_ms(p) for p in (50, 95, 99, 100)},
            "late": self.late,
            "dropped_turns": self.dropped_turns,
            "dropped_frames": self.dropped_frames,
            "errors": self.errors,
            "memory_bytes": memory_bytes(),
        }


def memory_bytes(statm: Path = Path("/proc/self/statm")) -> int | None:
    """Resident memory of this process, bytes; None where the kernel does not tell.

    Source: proc(5), second field of statm, in pages.
    """
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
