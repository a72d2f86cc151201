"""Weights of an exported step as arrays: one file serves every engine, with torch or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """float32 weights of `step.onnx` by the names of `models.model.InteractionNet`.

    Raises FileNotFoundError when step.onnx or the file beside it is missing, ImportError without
    the package onnx.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    stored = {t.name.removesuffix("_half"): numpy_helper.to_array(t).astype(np.float32)
              for t in model.graph.initializer}
    return {name.removeprefix("net."): array for name, array in stored.items()
            if name.startswith("net.")}
