"""Whether the configured engine loads the weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok


@dataclass(frozen=True)
class EngineLoads:
    """Loads the engine as a run does."""

    engine: str = "auto"
    weights: Path | None = None
    threads: int = 1
    built: Path | None = None
    """Folder with TensorRT's engine."""
    precision: str = "fp16"
    name: str = "engine"

    def run(self) -> Result:
        """Load it and say how long that took."""
        from daemon.engines import open_engine
        from daemon.engines.base import EngineMismatch

        started = time.monotonic()
        try:
            engine = open_engine(self.engine, self.weights, self.threads, self.built,
                                 self.precision)
        except EngineMismatch as error:
            return fail(str(error), "tagalong doctor --engine onnx")
        except ImportError as error:
            return fail(f"engine {self.engine}: {error}", "tagalong doctor --engine onnx")
        loaded_s = time.monotonic() - started
        return ok(f"{self.engine} is {type(engine).__name__}, loads in {loaded_s:.1f} s")
