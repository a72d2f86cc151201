"""Whether the clocks can be relied on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from daemon.checks.base import Result, fail, ok, warn

WORST_RESOLUTION_S = 1e-3
OLDEST_UNIX_S = 1_735_689_600
"""2025-01-01: a calendar clock before this was never set."""


@dataclass(frozen=True)
class Clock:
    """Monotonic time judges lateness; the calendar only dates files and certificates."""

    unix_s: float | None = None
    """The calendar clock, None: this machine's."""
    name: str = "clock"

    def run(self) -> Result:
        """Ask both."""
        resolution_s = time.get_clock_info("monotonic").resolution
        if resolution_s > WORST_RESOLUTION_S:
            text = f"monotonic clock ticks every {resolution_s * 1e3:g} ms"
            return fail(text, "dmesg | grep clock")
        unix_s = time.time() if self.unix_s is None else self.unix_s
        date = time.strftime("%Y-%m-%d", time.gmtime(unix_s))
        if unix_s < OLDEST_UNIX_S:
            return warn(
                f"the calendar says {date}: TLS certificates will be refused",
                "sudo timedatectl set-ntp true",
            )
        return ok(f"monotonic to {resolution_s * 1e9:g} ns, {date}")
