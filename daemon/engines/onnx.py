"""ONNX Runtime on the CPU: the engine of a machine without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from daemon.engines.base import (
    HEADS,
    EngineMismatch,
    Feed,
    Ring,
    StepInputs,
    StepOutputs,
    load_spec,
)

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""What ONNX Runtime calls them -> numpy's."""


class OnnxEngine:
    """The exported step graph. Inputs and outputs are bound once to arrays that stay."""

    name = "onnx"

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the graph; `path` with `.json` instead of `.onnx` describes it.

        Raises:
            EngineMismatch: ONNX Runtime is missing, cannot load it, or it is another graph.
        """
        self.spec = load_spec(path.with_suffix(".json"))
        self._session = _load(path, threads)
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        self._feed = Feed()
        types = {i.name: i.type for i in self._session.get_inputs()}
        self._ring = Ring(self.spec, _TYPES.get(types.get("ring_k"), np.float32))
        self._outputs = {o.name: np.zeros(o.shape, _TYPES.get(o.type, np.float32))
                         for o in self._session.get_outputs()}
        self._binding = self._bind(path, shapes)
        missing = [n for n in (*HEADS, "reps", "new_k", "new_v") if n not in self._outputs]
        if missing:
            raise EngineMismatch(f"{path}: lacks the outputs {', '.join(missing)}; "
                                 "next: export the model again")
        self._result = StepOutputs({n: self._outputs[n].reshape(-1) for n in HEADS},
                                   self._outputs["reps"].reshape(-1))

    def _bind(self, path: Path, shapes: dict[str, list]) -> Any:
        """Tell the session where its inputs and outputs lie."""
        arrays = {**self._feed.arrays(), **self._ring.arrays()}
        binding = self._session.io_binding()
        for name, shape in shapes.items():
            if name not in arrays or tuple(shape) != arrays[name].shape:
                expected = arrays[name].shape if name in arrays else "no such input"
                raise EngineMismatch(f"{path}: input {name} is {tuple(shape)}, expected "
                                     f"{expected}; weights and {path.stem}.json must be of one "
                                     "export")
            array = arrays[name]
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in self._outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return binding

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn; the outputs are overwritten by the next step."""
        self._feed.fill(inputs)
        self._session.run_with_iobinding(self._binding)
        self._ring.append(self._outputs["new_k"], self._outputs["new_v"], self._feed.present[0])
        return self._result

    def reset(self) -> None:
        """Forget the stream."""
        self._ring.reset()

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copy of the ring."""
        return self._ring.get_state()

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        self._ring.set_state(state)


def _load(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMismatch(f"engine onnx: ONNX Runtime is not installed ({error}); "
                             "next: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the second core from the audio callback.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options,
                                            providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for every failure
        raise EngineMismatch(f"{path}: ONNX Runtime cannot load it ({error}); "
                             "next: get the weights again or export the model") from error
