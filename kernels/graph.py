"""A whole micro-turn as one CUDA graph: launches are recorded once, then replayed by one call.

pycuda has no graphs, so the driver is called directly, on the handle of the backend's stream.
Source: CUDA Driver API, sections "Stream Management" and "Graph Management".
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_int, c_size_t, c_ulonglong, c_void_p

from kernels.backend import Gpu, GpuError, explained

LIBRARY = "libcuda.so.1"
_THIS_THREAD = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do does not break the recording."""


class Graph:
    """Launches of a backend, recorded by running a function once; buffers keep their addresses.

    What the function takes from or hands to the host is not recorded: it must only launch.
    """

    def __init__(self, gpu: Gpu, launches: Callable[[], object]) -> None:
        """Run `launches` while recording; nothing is computed yet. Raises GpuError."""
        self._driver = ctypes.CDLL(LIBRARY)
        self._stream = c_void_p(gpu.stream.handle)
        self._graph, self._ready = c_void_p(), c_void_p()
        self._call("cuStreamBeginCapture_v2", self._stream, c_int(_THIS_THREAD))
        try:
            launches()
        finally:   # else the stream records for ever
            ended = self._driver.cuStreamEndCapture(self._stream, byref(self._graph))
        self._check(ended, "cuStreamEndCapture")
        self._call("cuGraphInstantiateWithFlags", byref(self._ready), self._graph, c_ulonglong(0))

    @property
    def nodes(self) -> int:
        """Launches that one replay stands for."""
        count = c_size_t()
        self._call("cuGraphGetNodes", self._graph, None, byref(count))
        return count.value

    def replay(self) -> None:
        """Launch all of it once; returns at once. Raises GpuError."""
        self._call("cuGraphLaunch", self._ready, self._stream)

    def close(self) -> None:
        """Give its memory back."""
        self._call("cuGraphExecDestroy", self._ready)
        self._call("cuGraphDestroy", self._graph)

    def _call(self, name: str, *arguments: object) -> None:
        self._check(getattr(self._driver, name)(*arguments), name)

    def _check(self, status: int, name: str) -> None:
        if status:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(c_int(status), byref(text))
            reason = (text.value or b"unknown error").decode()
            raise GpuError(explained(RuntimeError(f"{name} failed: {reason}"), "the graph"))
