"""What heard words lead to without an act of the network: cues, interpreting, an order."""

from __future__ import annotations

from daemon.acts_cues import CueListener
from daemon.acts_effects import Effect
from daemon.acts_order import OrderTaker
from daemon.interpreter import Interpreter
from daemon.ledger import Ledger


class Listening:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._interpreter, self._orders = Interpreter(ledger), OrderTaker(ledger)
        self._cues = CueListener(ledger)

    def hear(self, words: tuple[str, ...], now_s: float,
             rivals: tuple[tuple[str, float], ...] = ()) -> list[Effect]:
        """The words of a micro-turn, none too, and what these may have been instead."""
        cued = self._cues.hear(words, now_s, rivals)
        interpreted = self._interpreter.hear(words, now_s, rivals)
        return cued + interpreted + self._orders.hear(words, now_s, rivals)
