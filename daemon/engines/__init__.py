"""Engines that run the interaction model, and how to get one by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from daemon.engines.base import Engine, EngineMismatch

NAMES = ("auto", "onnx", "torch", "tensorrt", "cuda", "cuda-shim")
WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "weights" / "step.onnx"
"""The bundled export; its description and its data lie beside it."""


def open_engine(name: str = "auto", weights: Path | None = None, threads: int = 1,
                built: Path | None = None, precision: str = "fp16") -> Engine:
    """Load an engine, that one and no other. weights: an exported step (`.onnx`); None for the
    bundled one. built: folder with what `tagalong build-engine` made, for `tensorrt`; `auto` takes
    `tensorrt` where it is built at this precision, else `onnx`. `cuda` is torch and the CUDA
    kernels on a GPU, `cuda-shim` the kernels' source on the CPU.

    Raises:
        EngineMismatch: unknown name, missing weights or a package that is not there; the text
            names the next step.
    """
    if name not in NAMES:
        raise EngineMismatch(f"unknown engine {name!r}; choose one of {', '.join(NAMES)}")
    path = Path(weights) if weights is not None else WEIGHTS
    if not path.is_file():
        raise EngineMismatch(f"{path}: there are no weights; next: git checkout {path.name} in the "
                             "folder models/weights, or name an exported step in engine.weights")
    if name == "auto":
        name = "tensorrt" if _is_built(built, precision) else "onnx"
    if name == "torch":
        from daemon.engines.torch_engine import TorchEngine

        return TorchEngine(path, threads)
    if name in ("cuda", "cuda-shim"):
        return _with_kernels(path, name)
    if name == "tensorrt":
        from daemon.engines.tensorrt import open_tensorrt

        return open_tensorrt(path, built or Path(), precision)
    from daemon.engines.onnx import OnnxEngine

    return OnnxEngine(path, threads)


def _with_kernels(path: Path, name: str) -> Engine:
    from kernels.backend import Cpu, Gpu, GpuError

    try:
        from daemon.engines.kernel_engine import KernelEngine
        from kernels.torch_arrays import TorchArrays
    except ImportError as error:
        raise EngineMismatch(f"engine {name}: torch is not installed ({error}); "
                             "next: pip install torch, or --engine onnx") from error
    try:
        return KernelEngine(path, TorchArrays(Gpu() if name == "cuda" else Cpu()))
    except GpuError as error:
        raise EngineMismatch(f"engine {name}: {error}") from error


def open_or_next(name: str, weights: Path | None, threads: int, built: Path | None,
                 precision: str, tell: Callable[[str], None]) -> Engine:
    """As `open_engine`, but where an engine on a GPU, `tensorrt` or `cuda`, cannot be used, now or
    later, ONNX Runtime takes over and `tell` gets one sentence that says why.

    Raises: as `open_engine`.
    """
    if name == "auto" and _is_built(built, precision):
        name = "tensorrt"
    if name not in ("tensorrt", "cuda"):
        return open_engine(name, weights, threads)
    try:
        first = open_engine(name, weights, threads, built, precision)
    except EngineMismatch as error:
        fallback = open_engine("onnx", weights, threads)
        told = str(error).removeprefix(f"engine {name}: ")
        tell(f"engine {name}: {told}; going on with engine onnx")
        return fallback
    from daemon.engines.standby import Standby

    return Standby(first, lambda: open_engine("onnx", weights, threads), tell)


def _is_built(built: Path | None, precision: str) -> bool:
    if built is None:
        return False
    from daemon.engines.tensorrt_build import engine_file

    return engine_file(built, precision).is_file()
