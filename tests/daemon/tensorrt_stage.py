"""Stand-ins for what a machine without a GPU lacks: the driver, and a compiled engine."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": ("FLOAT", np.float32), "tensor(float16)": ("HALF", np.float16),
         "tensor(int64)": ("INT64", np.int64)}


def build_driver(folder: Path) -> Path:
    """cuda_stub.c as a library."""
    library = folder / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library),
                    str(Path(__file__).with_name("cuda_stub.c"))], check=True, timeout=60)
    return library


class Compiled:
    """An engine and its context as TensorRT has them, run by ONNX Runtime on the addresses that
    it was given."""

    def __init__(self, graph: Path, refuses: bool = False) -> None:
        self._session = onnxruntime.InferenceSession(str(graph))
        self._io = {i.name: i for i in (*self._session.get_inputs(),
                                        *self._session.get_outputs())}
        self._names = list(self._io)
        self._at: dict[str, int] = {}
        self.num_io_tensors = len(self._names)
        self.refuses = refuses
        self.runs = 0

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_shape(self, name: str) -> list[int]:
        return self._io[name].shape

    def get_tensor_dtype(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=TYPES[self._io[name].type][0])

    def create_execution_context(self) -> Compiled | None:
        return self

    def set_tensor_address(self, name: str, address: int) -> None:
        assert name in self._io and address
        self._at[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        if self.refuses:
            return False
        assert stream and set(self._at) == set(self._io)
        binding = self._session.io_binding()
        for value in self._session.get_inputs():
            binding.bind_input(value.name, "cpu", 0, TYPES[value.type][1], value.shape,
                               self._at[value.name])
        for value in self._session.get_outputs():
            binding.bind_output(value.name, "cpu", 0, TYPES[value.type][1], value.shape,
                                self._at[value.name])
        self._session.run_with_iobinding(binding)
        self.runs += 1
        return True


def on_replay(library: Path, work) -> object:
    """Let a replayed graph do `work`; the result must be kept while graphs are replayed."""
    hook = ctypes.CFUNCTYPE(None)(work)
    ctypes.CDLL(str(library)).stub_on_replay(hook)
    return hook


def count(library: Path, name: str) -> int:
    """`stub_allocated` or `stub_launches` of the driver."""
    function = getattr(ctypes.CDLL(str(library)), name)
    function.restype = ctypes.c_long
    return function()
