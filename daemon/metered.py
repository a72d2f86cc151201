"""Whether the network costs by the byte, as NetworkManager knows it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

ASK = ("busctl", "--timeout=1", "get-property", "org.freedesktop.NetworkManager",
       "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager", "Metered")
"""Its answer is `u N`; NMMetered of NetworkManager's D-Bus interface: 1 yes, 3 guessed yes."""
YES = ("u 1", "u 3")
AGAIN_S = 30.0
"""An answer counts for so long."""


class Metered:
    """Asks now and then. Used by one thread, which may wait a second for the answer."""

    def __init__(self, setting: str = "auto", command: tuple[str, ...] = ASK,
                 monotonic: Callable[[], float] = time.monotonic) -> None:
        """`setting`: yes, no, or auto = what NetworkManager says, no where it is not there."""
        self._setting, self._command, self._monotonic = setting, command, monotonic
        self._known, self._asked_s = setting == "yes", -AGAIN_S

    def __call__(self) -> bool:
        """Whether it costs by the byte."""
        now_s = self._monotonic()
        if self._setting == "auto" and now_s - self._asked_s >= AGAIN_S:
            self._asked_s, self._known = now_s, self._ask()
        return self._known

    def _ask(self) -> bool:
        try:
            answer = subprocess.run(self._command, capture_output=True, text=True, timeout=2)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return answer.stdout.strip() in YES
