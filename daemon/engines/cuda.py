"""The CUDA driver, as much of it as an engine needs, called without any package.

The driver's library is there wherever a GPU can be used, on a Jetson too, so that nothing has to be
installed or built to fit its release. Names and numbers: NVIDIA, CUDA driver API, cuda.h.
"""

from __future__ import annotations

import ctypes
import re
from ctypes import byref, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from daemon.engines.base import EngineLost, EngineMismatch

LIBRARY = "libcuda.so.1"
_OUT_OF_MEMORY, _NO_DEVICE, _DEVICE_UNAVAILABLE = 2, 100, 46
_OLD_DRIVER = (35, 803)
_LOST = (214, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999)
"""Errors after which the context can no longer be used."""
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18
_MAPPED, _ON_DEVICE, _NON_BLOCKING, _THREAD_LOCAL = 2, 2, 1, 1
_TYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,), "cuDriverGetVersion": (c_void_p,), "cuDeviceGet": (c_void_p, c_int),
    "cuDeviceGetAttribute": (c_void_p, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (c_void_p, c_int), "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,), "cuMemAlloc_v2": (c_void_p, c_size_t),
    "cuMemFree_v2": (c_ulonglong,), "cuMemHostAlloc": (c_void_p, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,), "cuMemHostGetDevicePointer_v2": (c_void_p, c_void_p, c_uint),
    "cuMemcpyHtoDAsync_v2": (c_ulonglong, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_ulonglong, c_size_t, c_void_p),
    "cuMemcpy2DAsync_v2": (c_void_p, c_void_p), "cuStreamCreate": (c_void_p, c_uint),
    "cuStreamSynchronize": (c_void_p,), "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int), "cuStreamEndCapture": (c_void_p, c_void_p),
    "cuGraphInstantiateWithFlags": (c_void_p, c_void_p, c_ulonglong),
    "cuGraphLaunch": (c_void_p, c_void_p), "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,), "cuGetErrorName": (c_int, c_void_p),
}


class _Copy2D(ctypes.Structure):
    """CUDA_MEMCPY2D of cuda.h; x in bytes, pitches in bytes."""

    _fields_ = [(f"{side}_{name}", kind) for side in ("source", "target") for name, kind in (
        ("x", c_size_t), ("y", c_size_t), ("memory", c_uint), ("host", c_void_p),
        ("device", c_ulonglong), ("array", c_void_p), ("pitch", c_size_t))
    ] + [("width", c_size_t), ("height", c_size_t)]


class Cuda:
    """One device, its primary context, one stream; memory is freed by `close`.

    The primary context is the one that CUDA's runtime, and with it TensorRT and torch, uses.
    """

    def __init__(self, library: str = LIBRARY, ordinal: int = 0) -> None:
        """Raises EngineMismatch: no driver, no device, a driver too old, no memory."""
        self._library = _load(library)
        self._context, self.stream = c_void_p(), c_void_p()
        self._memory: list[tuple[str, Any]] = []
        device = c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", byref(device), ordinal)
        self._device = device.value
        self.capability = (self._attribute(_MAJOR), self._attribute(_MINOR))
        """Compute capability, for example (8, 7)."""
        self.integrated = bool(self._attribute(_INTEGRATED))
        """Processor and GPU share one memory, as on a Jetson: nothing needs to be copied."""
        self._call("cuDevicePrimaryCtxRetain", byref(self._context), self._device)
        self.use()
        self._call("cuStreamCreate", byref(self.stream), _NON_BLOCKING)

    def use(self) -> None:
        """Make this thread work in this context; each thread needs it once."""
        self._call("cuCtxSetCurrent", self._context)

    @property
    def driver_version(self) -> int:
        """Newest CUDA that the driver knows: 12060 is 12.6."""
        version = c_int()
        self._call("cuDriverGetVersion", byref(version))
        return version.value

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the device, undefined at first."""
        address = c_ulonglong()
        self._call("cuMemAlloc_v2", byref(address), size)
        self._memory.append(("cuMemFree_v2", address.value))
        return address.value

    def pinned(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, int]:
        """A zeroed array in page-locked memory and the address by which the device sees it."""
        size = max(int(np.prod(shape)) * dtype.itemsize, 1)
        host, address = c_void_p(), c_ulonglong()
        self._call("cuMemHostAlloc", byref(host), size, _MAPPED)
        self._memory.append(("cuMemFreeHost", host.value))
        self._call("cuMemHostGetDevicePointer_v2", byref(address), host, 0)
        raw = (ctypes.c_uint8 * size).from_address(host.value)
        array = np.frombuffer(raw, np.uint8)[:int(np.prod(shape)) * dtype.itemsize]
        array[:] = 0
        return array.view(dtype).reshape(shape), address.value

    def upload(self, address: int, array: np.ndarray) -> None:
        """Queue a copy of a contiguous array to the device; it must stay until `wait`."""
        self._call("cuMemcpyHtoDAsync_v2", address, array.ctypes.data, array.nbytes, self.stream)

    def download(self, array: np.ndarray, address: int) -> None:
        """Queue a copy from the device into a contiguous array, there after `wait`."""
        self._call("cuMemcpyDtoHAsync_v2", array.ctypes.data, address, array.nbytes, self.stream)

    def copy_rows(self, target: int, target_pitch: int, source: int, source_pitch: int,
                  width: int, height: int) -> None:
        """Queue a copy of `height` rows of `width` bytes within the device."""
        copy = _Copy2D(source_memory=_ON_DEVICE, source_device=source, source_pitch=source_pitch,
                       target_memory=_ON_DEVICE, target_device=target, target_pitch=target_pitch,
                       width=width, height=height)
        self._call("cuMemcpy2DAsync_v2", byref(copy), self.stream)

    def wait(self) -> None:
        """Until all that was queued is done. Raises EngineLost when some of it failed."""
        self._call("cuStreamSynchronize", self.stream)

    def begin_capture(self) -> None:
        """What this thread queues from now on is recorded instead of done."""
        self._call("cuStreamBeginCapture_v2", self.stream, _THREAD_LOCAL)

    def end_capture(self) -> int:
        """The recorded work as one graph for `launch`."""
        graph, ready = c_void_p(), c_void_p()
        self._call("cuStreamEndCapture", self.stream, byref(graph))
        try:
            self._call("cuGraphInstantiateWithFlags", byref(ready), graph, 0)
        finally:
            self._library.cuGraphDestroy(graph)
        self._memory.append(("cuGraphExecDestroy", ready.value))
        return ready.value

    def launch(self, graph: int) -> None:
        """Queue a recorded graph."""
        self._call("cuGraphLaunch", graph, self.stream)

    def close(self) -> None:
        """Give everything back; also after an error, then whatever the driver still takes."""
        for free, what in reversed(self._memory):
            getattr(self._library, free)(what)
        self._memory.clear()
        if self.stream:
            self._library.cuStreamDestroy_v2(self.stream)
            self.stream = c_void_p()
        if self._context:
            self._library.cuDevicePrimaryCtxRelease_v2(self._device)
            self._context = c_void_p()

    def _attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), number, self._device)
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise _error(name, status, self._error_name(status))

    def _error_name(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorName(status, byref(text))
        return text.value.decode() if text.value else f"error {status}"


def _load(name: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(name)
        for function, types in _TYPES.items():
            getattr(library, function).argtypes = types
            getattr(library, function).restype = c_int
    except OSError as error:
        raise EngineMismatch(f"no NVIDIA GPU can be used here: its driver cannot be loaded "
                             f"({error}); next: tagalong doctor") from error
    except AttributeError as error:
        raise EngineMismatch(f"the NVIDIA driver is too old ({error}); "
                             "next: install the driver of CUDA 12 or newer") from error
    return library


def _error(call: str, status: int, name: str) -> EngineMismatch | EngineLost:
    """The exception for a status, with cause and next step."""
    if status == _NO_DEVICE:
        return EngineMismatch("no NVIDIA GPU: the driver finds no device; next: tagalong doctor")
    if status in _OLD_DRIVER:
        return EngineMismatch(f"the NVIDIA driver is too old or unlike its kernel module ({name}); "
                              "next: restart the machine, else update the driver")
    if status == _DEVICE_UNAVAILABLE:
        return EngineMismatch(f"the GPU is taken by another process ({name}); next: nvidia-smi")
    if status == _OUT_OF_MEMORY:
        return EngineMismatch(f"the GPU has no memory left ({call}); next: end another program "
                              "that uses the GPU (nvidia-smi, on a Jetson: free -h)")
    if status in _LOST:
        return EngineLost(f"the GPU's context is lost ({call}: {name}); "
                          "next: journalctl -k | grep -i -e nvrm -e nvgpu")
    return EngineLost(f"the GPU refuses {call} ({name}); next: tagalong doctor")


def jetpack(release: Path = Path("/etc/nv_tegra_release")) -> str | None:
    """Release of Jetson Linux, for example `R36.4.3`; None elsewhere."""
    try:
        match = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", release.read_text())
    except OSError:
        return None
    return f"R{match.group(1)}.{match.group(2)}" if match else None
