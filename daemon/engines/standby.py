"""An engine with the next one ready to be opened when it fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daemon.engines.base import Engine, EngineLost, StepInputs, StepOutputs
from models.config import ModelConfig


class Standby:
    """Runs the first engine; when it is lost, says so once and goes on with the next.

    The stream is lost with it: the next one begins anew, and has the daemon's state, which is an
    input of every micro-turn, and what is seen and heard from then on.
    """

    def __init__(self, first: Engine, open_next: Callable[[], Engine],
                 tell: Callable[[str], None]) -> None:
        self._engine = first
        self._open_next: Callable[[], Engine] | None = open_next
        self._tell = tell

    @property
    def name(self) -> str:
        """Of the engine that runs now."""
        return self._engine.name

    @property
    def spec(self) -> ModelConfig:
        """Of the weights, the same for both."""
        return self._engine.spec

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn. Raises EngineLost when there is no further engine."""
        try:
            return self._engine.step(inputs)
        except EngineLost as error:
            if self._open_next is None:
                raise
            lost, self._engine, self._open_next = self._engine, self._open_next(), None
            self._tell(f"engine {lost.name}: {error}; going on with engine {self.name}")
            close = getattr(lost, "close", None)
            if close is not None:
                close()
        return self._engine.step(inputs)

    def reset(self) -> None:
        """Forget the stream."""
        self._engine.reset()

    def get_state(self) -> dict[str, np.ndarray]:
        """That of the engine that runs now."""
        return self._engine.get_state()

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        self._engine.set_state(state)
