"""Where kernels run: on the CPU through the shim, or on a GPU through pycuda.

A face asks its backend for arrays and for kernels and knows nothing else of either. pycuda is never
imported before a `Gpu` is made.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import numpy as np

from kernels import build

Kernel = Any
"""`kernel(grid, block, arguments, shared=0)`: arguments are arrays of the backend and numpy scalars
of the very type of the parameter; shared is dynamic shared memory in bytes."""


class Backend(Protocol):
    """Arrays and kernels of one device."""

    name: str

    def kernel(self, file: str, entry: str) -> Kernel:
        """An entry point of `file.cu`, compiled where it is not yet."""

    def array(self, values: np.ndarray) -> Any:
        """A copy on the device."""

    def host(self, array: Any) -> np.ndarray:
        """A copy, or the array itself where that is on the host."""

    def put(self, array: Any, values: np.ndarray) -> None:
        """Overwrite an array of the device; shape and type are its own."""


class GpuError(RuntimeError):
    """The GPU cannot be used; the message says why and what to do."""


class Cpu:
    """The kernels on the CPU: exact, slow, the same source."""

    name = "shim"

    def __init__(self, sanitize: bool = False) -> None:
        """sanitize: with AddressSanitizer and UBSan, whose library must be loaded already."""
        self._sanitize = sanitize

    def kernel(self, file: str, entry: str) -> Kernel:
        """See `Backend`. Raises BuildError."""
        function = getattr(_library(file, self._sanitize), f"launch_{entry}")
        return lambda grid, block, arguments, shared=0: _launch(function, grid, block, arguments,
                                                                shared)

    def array(self, values: np.ndarray) -> np.ndarray:
        """See `Backend`."""
        return np.array(values, order="C")

    def host(self, array: np.ndarray) -> np.ndarray:
        """See `Backend`."""
        return array

    def put(self, array: np.ndarray, values: np.ndarray) -> None:
        """See `Backend`."""
        array[...] = values


@cache
def _library(file: str, sanitize: bool) -> ctypes.CDLL:
    return ctypes.CDLL(str(build.host_library(file, sanitize)))


def _launch(function, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any],
            shared: int) -> None:
    dims = (ctypes.c_uint * 6)(*_three(grid), *_three(block))
    held = [_parameter(a) for a in arguments]
    pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(h) for h in held])
    function(dims, ctypes.c_size_t(shared), pointers)


def _parameter(value: Any) -> ctypes._SimpleCData:
    """A C value that holds a pointer to an array, or a scalar."""
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())


def _three(size: Sequence[int]) -> tuple[int, int, int]:
    return (*size, 1, 1)[:3]


class Gpu:
    """The kernels on an NVIDIA GPU."""

    name = "cuda"

    def __init__(self, ordinal: int = 0) -> None:
        """Take the GPU's primary context. Raises GpuError: which part is missing."""
        self._driver = _driver()
        with self._told(f"GPU {ordinal}"):
            device = self._driver.Device(ordinal)
            major, minor = device.compute_capability()
            self.name_of_device = device.name()
            self._context = device.retain_primary_context()
            self._context.push()
            atexit.register(self.close)   # pycuda aborts a process that leaves a context behind
            self.stream = self._driver.Stream()
            """Where kernels are launched, so that `graph.Graph` can record them."""
        self.architecture = f"sm_{major}{minor}"
        self._modules: dict[str, Any] = {}

    def kernel(self, file: str, entry: str) -> Kernel:
        """See `Backend`. Raises BuildError, GpuError."""
        if file not in self._modules:
            binary = build.fat_binary(file)
            with self._told(f"{binary.name} on {self.architecture}"):
                self._modules[file] = self._driver.module_from_file(str(binary))
        with self._told(entry):
            function = self._modules[file].get_function(entry)

        def launch(grid, block, arguments, shared=0):
            with self._told(entry):
                function(*arguments, grid=_three(grid), block=_three(block), shared=shared,
                         stream=self.stream)

        return launch

    def array(self, values: np.ndarray) -> Any:
        """See `Backend`."""
        from pycuda import gpuarray

        with self._told(f"an array of {values.nbytes} bytes"):
            return gpuarray.to_gpu(np.ascontiguousarray(values))

    def host(self, array: Any) -> np.ndarray:
        """See `Backend`. Waits for what was launched, so a launch's error may come out here."""
        with self._told("reading a result"):
            return array.get()

    def put(self, array: Any, values: np.ndarray) -> None:
        """See `Backend`."""
        with self._told("writing an array"):
            array.set(np.ascontiguousarray(values, array.dtype))

    def copy(self, to: Any, values: Any) -> None:
        """From an array of the device to another as large."""
        with self._told("copying an array"):
            self._driver.memcpy_dtod_async(to.gpudata, values.gpudata, to.nbytes, self.stream)

    def wait(self) -> None:
        """For all that was launched. Raises GpuError where some of it failed."""
        with self._told("waiting for a launch"):
            self.stream.synchronize()

    def close(self) -> None:
        """Give the context back; a second time does nothing."""
        atexit.unregister(self.close)
        context, self._context = self._context, None
        if context is not None:
            context.pop()
            context.detach()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turns pycuda's errors into ours."""
        try:
            yield
        except self._driver.Error as error:
            raise GpuError(explained(error, what)) from error


def _driver() -> Any:
    """pycuda's driver module, initialised. Raises GpuError."""
    try:
        import pycuda.driver as driver
    except ImportError as error:
        missing = "libcuda" in str(error) or "undefined symbol: cu" in str(error)
        raise GpuError(
            f"no NVIDIA driver ({error}); next: install it, on a Jetson with JetPack" if missing
            else f"pycuda is not installed ({error}); next: pip install pycuda") from error
    try:
        driver.init()
        count = driver.Device.count()
    except Exception as error:  # pycuda's errors have no common class before initialisation
        raise GpuError(explained(error, "the driver")) from error
    if not count:
        raise GpuError("the driver sees no GPU; next: nvidia-smi, which says why")
    return driver


CAUSES = {
    "no CUDA-capable device": "no NVIDIA GPU was found; next: tagalong run --engine onnx",
    "driver version is insufficient": "the NVIDIA driver is older than the CUDA toolkit; next: "
    "update the driver, on a Jetson JetPack",
    "unsupported toolchain": "the NVIDIA driver is older than the CUDA toolkit; next: "
    "update the driver, on a Jetson JetPack",
    "driver combination": "parts of two NVIDIA drivers are mixed; next: reboot, or install the "
    "driver anew",
    "busy or unavailable": "another program has the GPU to itself; next: nvidia-smi, which says "
    "who",
    "invalid device ordinal": "there is no such GPU; next: nvidia-smi -L, which counts them from 0",
    "no kernel image": "the kernels were not built for this GPU; next: tools/build_kernels --arch "
    "with its architecture",
    "out of memory": "the GPU has not enough free memory; next: nvidia-smi, which says who has it",
    "context is destroyed": "the GPU was lost; next: systemctl restart tagalong",
    "unspecified launch failure": "the GPU was lost; next: systemctl restart tagalong",
    "illegal memory access": "a kernel touched foreign memory, which is a bug; next: "
    "compute-sanitizer tagalong run, and report what it says",
}
"""What the driver's text means to a user."""


def explained(error: Exception, what: str) -> str:
    """What failed, why, and what to do, in one sentence."""
    text = str(error)
    told = next((cause for key, cause in CAUSES.items() if key in text), None)
    return f"{what}: {told} ({text})" if told else f"{what}: {text}; next: nvidia-smi"
