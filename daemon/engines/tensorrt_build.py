"""Builds the engine file of a step graph, with TensorRT on the device or with TensorRT for RTX.

An engine fits one GPU architecture, one release of the compiler and one model; what it was built
for lies beside it as JSON, and anything else is refused with the difference. TensorRT 10.3 to 11
build for the GPU of this machine; TensorRT for RTX also builds for others, without a GPU.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from daemon.engines.base import EngineMismatch
from daemon.engines.cuda import Cuda, jetpack

BACKENDS = ("tensorrt", "tensorrt_rtx")
HASH_DIGITS = 12
Show = Callable[[str, int, int], None]
"""Told of each phase of a build: its name, steps done, steps in all."""


@dataclass(frozen=True)
class Key:
    """What an engine was built for, and may be used with."""

    gpu: str
    """Architectures, for example `sm_87`; several are joined by `+`."""
    compiler: str
    """For example `tensorrt 10.3.0`."""
    jetpack: str
    """Release of Jetson Linux, `none` elsewhere."""
    model: str
    """First digits of the SHA-256 of graph and weights."""
    precision: str

    def differences(self, wanted: Key) -> str:
        """Why an engine of this key does not serve where another is wanted; empty if it does."""
        found = []
        for name in (field.name for field in fields(self)):
            mine, other = getattr(self, name), getattr(wanted, name)
            if mine != other and not (name == "gpu" and other in mine.split("+")):
                found.append(f"its {name} is {mine}, here it is {other}")
        return "; ".join(found)


def import_backend(name: str | None = None) -> Any:
    """The module of TensorRT, or where there is none, of TensorRT for RTX.

    Raises EngineMismatch: not installed, or it cannot be loaded.
    """
    refused = []
    for candidate in (name,) if name else BACKENDS:
        try:
            return importlib.import_module(candidate)
        except (ImportError, OSError) as error:  # OSError: a library of it is missing
            refused.append(str(error))
    raise EngineMismatch(
        f"TensorRT is not installed ({'; '.join(refused)}); next: on a Jetson sudo apt-get install "
        "python3-libnvinfer and an environment with --system-site-packages, elsewhere pip install "
        f"{'tensorrt-rtx' if name == 'tensorrt_rtx' else 'tensorrt'}")


def engine_file(folder: Path, precision: str) -> Path:
    """Where the engine of a precision is kept below the state folder."""
    return folder / "engines" / f"step-{precision}.engine"


def key_of(trt: Any, weights: Path, precision: str, gpu: str) -> Key:
    """The key of an engine that is built now. Raises EngineMismatch: no weights."""
    digest = hashlib.sha256()
    try:
        for path in (weights, weights.with_suffix(".bin")):
            digest.update(path.read_bytes())
    except OSError as error:
        raise EngineMismatch(f"{error.filename}: cannot be read ({error.strerror}); next: name an "
                             "exported step with --weights") from error
    return Key(gpu, f"{trt.__name__} {trt.__version__}", jetpack() or "none",
               digest.hexdigest()[:HASH_DIGITS], precision)


def architecture(capability: tuple[int, int]) -> str:
    """`sm_87` for (8, 7)."""
    return f"sm_{capability[0]}{capability[1]}"


def own_gpu() -> str:
    """Architecture of this machine's GPU. Raises EngineMismatch: there is none."""
    cuda = Cuda()
    try:
        return architecture(cuda.capability)
    finally:
        cuda.close()


def unfit(path: Path, wanted: Key) -> str:
    """Why the engine at `path` does not serve, empty when it does."""
    if not path.is_file():
        return "there is none yet"
    try:
        stored = Key(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        return f"what it was built for cannot be read ({error})"
    return stored.differences(wanted)


def build(trt: Any, weights: Path, path: Path, key: Key, show: Show = lambda *_: None,
          ahead: bool = False) -> None:
    """Compile the step graph for `key` and write engine, key and timing cache.

    ahead: with TensorRT for RTX, for the architectures of the key instead of this machine's GPU.

    Raises:
        EngineMismatch: the graph cannot be read or compiled, or nothing can be written.
    """
    log = logger(trt)
    builder = trt.Builder(log)
    with tempfile.TemporaryDirectory() as folder:
        network, parser = parse(trt, builder, lower(weights, key.precision, Path(folder)))
        config = builder.create_builder_config()
        if key.precision == "fp32":
            config.clear_flag(trt.BuilderFlag.TF32)
        if ahead:
            _aim(trt, config, key.gpu.split("+"))
        # TensorRT for RTX measures nothing while it builds
        cache = None if ahead else _timing_cache(config, path.with_suffix(".timing"))
        monitor = _monitor(trt, show)  # the configuration keeps no reference of its own
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        del parser
    if plan is None:
        raise EngineMismatch(f"{weights}: {key.compiler} cannot build an engine for {key.gpu} "
                             f"({log.last}); next: another --precision, or --engine onnx")
    _write(path, bytes(plan), key, bytes(cache.serialize()) if cache else b"")


def lower(weights: Path, precision: str, folder: Path) -> Path:
    """The graph at a precision, written into `folder`. Raises EngineMismatch."""
    try:
        import onnx

        from models.precision import at_precision, save
    except ImportError as error:
        raise EngineMismatch(f"building an engine needs onnx ({error}); "
                             "next: pip install onnx") from error
    try:
        graph = onnx.load(str(weights))
    except Exception as error:  # onnx has a class of its own for every failure
        raise EngineMismatch(f"{weights}: cannot be read ({error}); "
                             "next: get the weights again") from error
    path = folder / "step.onnx"
    save(at_precision(graph, precision), path)
    return path


def parse(trt: Any, builder: Any, graph: Path) -> tuple[Any, Any]:
    """The network of a graph, and its parser, which owns the weights until it is built.

    Raises EngineMismatch: the parser refuses it.
    """
    network = builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger(trt))
    if not parser.parse_from_file(str(graph)):
        told = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise EngineMismatch(f"{trt.__name__} {trt.__version__} does not take the graph ({told}); "
                             "next: tagalong run --engine onnx")
    return network, parser


_loggers: dict[str, Any] = {}


def logger(trt: Any) -> Any:
    """The one logger of a compiler, which keeps the last error in `last`: a second would be
    ignored."""
    if trt.__name__ not in _loggers:
        class Log(trt.ILogger):
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.last = "no reason given"

            def log(self, severity: Any, text: str) -> None:
                if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                    self.last = " ".join(text.split())

        _loggers[trt.__name__] = Log()
    return _loggers[trt.__name__]


def _aim(trt: Any, config: Any, gpus: Sequence[str]) -> None:
    """Let TensorRT for RTX build for these architectures."""
    known = trt.ComputeCapability.__members__
    config.num_compute_capabilities = len(gpus)
    for index, gpu in enumerate(gpus):
        name = gpu.replace("sm_", "SM")
        if name not in known:
            raise EngineMismatch(
                f"{trt.__name__} {trt.__version__} does not build for {gpu}, only for "
                f"{', '.join(n for n in known if n.startswith('SM'))}; next: build it on the "
                "device itself with --backend tensorrt")
        config.set_compute_capability(known[name], index)


def _monitor(trt: Any, show: Show) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Passes phases on; a build runs them nested and on several threads."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            show(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            show(phase_name, step + 1, self._steps.get(phase_name, step + 1))
            return True

        def phase_finish(self, phase_name: str) -> None:
            steps = self._steps.pop(phase_name, 1)
            show(phase_name, steps, steps)

    return Monitor()


def _timing_cache(config: Any, path: Path) -> Any:
    """The compiler's measurements of an earlier build, so that the next takes less long."""
    try:
        stored = path.read_bytes()
    except OSError:
        stored = b""
    cache = config.create_timing_cache(stored)
    if stored and not (cache and config.set_timing_cache(cache, False)):
        stored, cache = b"", config.create_timing_cache(b"")  # of another release or GPU
    if not stored and not (cache and config.set_timing_cache(cache, False)):
        return None
    return cache


def _write(path: Path, plan: bytes, key: Key, cache: bytes) -> None:
    """Key first away, last back: a file without a key is never taken for a whole one."""
    described = path.with_suffix(".json")
    files = [(path, plan), (path.with_suffix(".timing"), cache),
             (described, json.dumps(asdict(key), indent=1).encode())]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        described.unlink(missing_ok=True)
        for target, data in ((target, data) for target, data in files if data):
            part = target.with_name(target.name + ".part")
            part.write_bytes(data)
            os.replace(part, target)
    except OSError as error:
        raise EngineMismatch(f"{path}: cannot be written ({error.strerror}); "
                             "next: set session.state_dir, or free some disk") from error
