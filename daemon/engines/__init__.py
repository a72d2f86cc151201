"""Engines that run the interaction model, and how to get one by name."""

from __future__ import annotations

from pathlib import Path

from daemon.engines.base import Engine, EngineMismatch

NAMES = ("auto", "onnx", "torch", "tensorrt")
WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "weights" / "step.onnx"
"""The bundled export; its description and its data lie beside it."""


def open_engine(name: str = "auto", weights: Path | None = None, threads: int = 1) -> Engine:
    """Load an engine. weights: an exported step (`.onnx`); None for the bundled one.

    Raises:
        EngineMismatch: unknown name, missing weights or a package that is not there; the text
            names the next step.
    """
    if name not in NAMES:
        raise EngineMismatch(f"unknown engine {name!r}; choose one of {', '.join(NAMES)}")
    if name == "tensorrt":
        raise EngineMismatch("engine tensorrt: this version has no TensorRT engine; "
                             "next: tagalong run --engine onnx")
    path = Path(weights) if weights is not None else WEIGHTS
    if not path.is_file():
        raise EngineMismatch(f"{path}: there are no weights; next: git checkout {path.name} in the "
                             "folder models/weights, or name an exported step in engine.weights")
    if name == "torch":
        from daemon.engines.torch_engine import TorchEngine

        return TorchEngine(path, threads)
    from daemon.engines.onnx import OnnxEngine

    return OnnxEngine(path, threads)
