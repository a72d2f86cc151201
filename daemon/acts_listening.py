"""What heard words lead to without an act of the network: cues, interpreting, an order."""

from __future__ import annotations

from daemon import acts_cues
from daemon.acts_effects import Effect
from daemon.acts_order import OrderTaker
from daemon.interpreter import Interpreter
from daemon.ledger import Ledger


class Listening:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._interpreter, self._orders = Interpreter(ledger), OrderTaker(ledger)

    def hear(self, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """The words of a micro-turn, none too."""
        cued = acts_cues.heard(self._ledger, words, now_s) if words else []
        return cued + self._interpreter.hear(words, now_s) + self._orders.hear(words, now_s)
