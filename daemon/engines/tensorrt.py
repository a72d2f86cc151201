"""TensorRT on a GPU: the ring stays on the device, a micro-turn is one launch of a recorded graph.

Inputs and outputs lie at fixed addresses in page-locked memory. Where processor and GPU share one
memory, as on a Jetson, the engine works on it directly; elsewhere the recorded graph also copies it
to the device and back. The new rows of the ring are copied within the device.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from daemon.engines.base import (
    HEADS,
    EngineLost,
    EngineMismatch,
    Feed,
    StepInputs,
    StepOutputs,
    Window,
    check_shape,
    load_spec,
)
from daemon.engines.cuda import Cuda
from daemon.engines.tensorrt_build import (
    BACKENDS,
    architecture,
    engine_file,
    import_backend,
    key_of,
    logger,
    unfit,
)
from kernels.bfloat16 import narrow, widen
from models.config import SLOTS, ModelConfig

_TYPES = {"FLOAT": np.float32, "HALF": np.float16, "BF16": np.uint16, "INT64": np.int64}
"""TensorRT's types -> numpy's, which has no bfloat16."""
_RINGS = {"ring_k": "new_k", "ring_v": "new_v"}
"""The ring's tensors, and where a micro-turn's rows for them come from."""
_STATE = {"ring_k": "keys", "ring_v": "values"}


def open_tensorrt(weights: Path, folder: Path, precision: str) -> TensorrtEngine:
    """The engine that `tagalong build-engine` keeps below the state folder.

    Raises:
        EngineMismatch: no GPU, no TensorRT, no engine or one of something else, no memory.
    """
    spec = load_spec(weights.with_suffix(".json"))
    path = engine_file(folder, precision)
    trt = import_backend(_built_by(path))
    again = f"next: tagalong build-engine --precision {precision}"
    cuda = Cuda()
    try:
        wanted = key_of(trt, weights, precision, architecture(cuda.capability))
        reason = unfit(path, wanted)
        if reason:
            raise EngineMismatch(f"{path}: cannot be used, {reason}; {again}")
        runtime = trt.Runtime(logger(trt))
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise EngineMismatch(f"{path}: {wanted.compiler} cannot load it "
                                 f"({logger(trt).last}); {again} --force")
        return TensorrtEngine(spec, cuda, engine, runtime)
    except EngineLost as error:
        cuda.close()
        raise EngineMismatch(str(error)) from error
    except BaseException:
        cuda.close()
        raise


def _built_by(path: Path) -> str | None:
    """The module that built the engine, None where that is not known."""
    try:
        name = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["compiler"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return next((backend for backend in BACKENDS if name.split()[0] == backend), None)


class TensorrtEngine:
    """A loaded engine with its buffers, its ring and its recorded graph."""

    name = "tensorrt"

    def __init__(self, spec: ModelConfig, cuda: Cuda, engine: Any, runtime: Any = None) -> None:
        """Takes over `cuda`, which `close` gives back. `runtime`: what must outlive the engine.

        Raises:
            EngineMismatch: the engine is of another export, or the GPU has no memory left.
            EngineLost: its first run fails.
        """
        self.spec = spec
        self._cuda, self._engine, self._runtime = cuda, engine, runtime
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineMismatch("the GPU has no memory left for the engine; next: end another "
                                 "program that uses the GPU (nvidia-smi, on a Jetson: free -h)")
        self._feed, self._window = Feed(), Window(spec)
        self._hosts: dict[str, np.ndarray] = {}
        self._addresses: dict[str, int] = {}
        self._uploads: list[str] = []
        self._downloads: list[str] = []
        self._place()
        self._result = StepOutputs({n: self._hosts[n].reshape(-1) for n in HEADS},
                                   self._hosts["reps"].reshape(-1))
        self._queue()  # the first run loads kernels, which cannot be recorded
        cuda.wait()
        self._graph = self._record()

    @property
    def recorded(self) -> bool:
        """Whether a micro-turn is one launch; else TensorRT launches its kernels one by one."""
        return self._graph is not None

    def _place(self) -> None:
        """Give every tensor of the engine its address for good."""
        known = {**self._ring_shapes(), **self._feed.arrays(), **self._window.arrays()}
        found = {name: (tuple(self._engine.get_tensor_shape(name)), self._type(name))
                 for name in map(self._engine.get_tensor_name, range(self._engine.num_io_tensors))}
        self._check(known, found)
        for name, (shape, dtype) in found.items():
            if name in _RINGS or name in _RINGS.values():
                self._addresses[name] = self._cuda.allocate(int(np.prod(shape)) * dtype.itemsize)
            else:
                self._share(name, shape, dtype)
            self._context.set_tensor_address(name, self._addresses[name])
        self._ring_type = found["ring_k"][1]
        self._ring_shape = found["ring_k"][0]
        for name in _RINGS:  # what was in that memory could be no number, and no mask hides that
            self._cuda.upload(self._addresses[name], np.zeros(self._ring_shape, self._ring_type))
            self._cuda.wait()

    def _type(self, name: str) -> np.dtype:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _TYPES:
            raise EngineMismatch(f"the engine's {name} is of type {kind}; "
                                 "next: tagalong build-engine --force")
        return np.dtype(_TYPES[kind])

    def _ring_shapes(self) -> dict[str, np.ndarray]:
        spec = self.spec
        shape = (spec.layers, 1, spec.heads, spec.ring_rows, spec.head_dim)
        return {name: np.broadcast_to(np.float32(0), shape) for name in _RINGS}

    def _check(self, known: dict[str, np.ndarray], found: dict[str, tuple]) -> None:
        """Inputs as this program fills them, and all outputs that it reads."""
        missing = {*known, *HEADS, "reps", *_RINGS.values()} - set(found)
        wrong = [name for name, array in known.items()
                 if name in found and found[name][0] != array.shape]
        if missing or wrong:
            raise EngineMismatch(f"the engine is of another export (not there: "
                                 f"{', '.join(sorted(missing)) or 'none'}; of another shape: "
                                 f"{', '.join(wrong) or 'none'}); next: tagalong build-engine "
                                 "--force")

    def _share(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        """Page-locked memory for a tensor, and memory on the device where that is another."""
        host, address = self._cuda.pinned(shape, dtype)
        self._hosts[name] = host
        for owner in (self._feed, self._window):
            if name in owner.arrays():
                host[:] = owner.arrays()[name]
                setattr(owner, name, host)
        if not self._cuda.integrated:
            address = self._cuda.allocate(host.nbytes)
            is_input = name in self._feed.arrays() or name in self._window.arrays()
            (self._uploads if is_input else self._downloads).append(name)
        self._addresses[name] = address

    def _queue(self) -> None:
        """Queue one forward."""
        for name in self._uploads:
            self._cuda.upload(self._addresses[name], self._hosts[name])
        if not self._context.execute_async_v3(self._cuda.stream.value):
            raise EngineLost("TensorRT cannot run the engine; next: tagalong build-engine --force")
        for name in self._downloads:
            self._cuda.download(self._hosts[name], self._addresses[name])

    def _record(self) -> int | None:
        """One forward as a graph; None where TensorRT needs something that cannot be recorded."""
        try:
            self._cuda.begin_capture()
            try:
                self._queue()
            finally:
                graph = self._cuda.end_capture()
            return graph
        except EngineLost:
            return None

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn; the outputs are overwritten by the next step.

        Raises EngineLost: the GPU failed, the stream is gone.
        """
        self._cuda.use()
        self._feed.fill(inputs)
        if self._graph is None:
            self._queue()
        else:
            self._cuda.launch(self._graph)
        self._keep_rows()
        self._cuda.wait()
        self._window.advance(self._feed.present[0])
        return self._result

    def _keep_rows(self) -> None:
        """Queue the copies of the new keys and values into their rows of the ring."""
        row = self.spec.head_dim * self._ring_type.itemsize
        for ring, new in _RINGS.items():
            self._cuda.copy_rows(self._addresses[ring] + self._window.first_row * row,
                                 self.spec.ring_rows * row, self._addresses[new], SLOTS * row,
                                 SLOTS * row, self.spec.layers * self.spec.heads)

    def reset(self) -> None:
        """Forget the stream."""
        self._window.reset()

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copy of the ring, as float32: any engine can go on from it."""
        state = self._window.get_state()
        self._cuda.use()
        for name, key in _STATE.items():
            stored = np.empty(self._ring_shape, self._ring_type)
            self._cuda.download(stored, self._addresses[name])
            self._cuda.wait()
            state[key] = widen(stored)
        return state

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        for key in _STATE.values():
            check_shape(state, key, self._ring_shape)
        self._window.set_state(state)
        self._cuda.use()
        for name, key in _STATE.items():
            self._cuda.upload(self._addresses[name], narrow(state[key], self._ring_type))
            self._cuda.wait()

    def close(self) -> None:
        """Give the GPU's memory back."""
        self._context = self._engine = self._runtime = None  # in this order
        self._cuda.close()
