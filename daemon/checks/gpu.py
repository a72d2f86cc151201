"""Which NVIDIA GPU there is, and whether it can be used."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from daemon.checks.base import Result, fail, ok
from daemon.engines.cuda import jetpack

NO_DEVICE = 100
"""Source: cuda.h, CUDA_ERROR_NO_DEVICE."""


@dataclass(frozen=True)
class Gpu:
    """Asks the driver itself, without any package."""

    engine: str = "auto"
    library: str = "libcuda.so.1"
    name: str = "gpu"

    def run(self) -> Result:
        """Name the GPU, or say clearly that there is none."""
        found, problem = _ask_driver(self.library)
        if found:
            release = jetpack()
            return ok(found + (f", Jetson Linux {release}" if release else ""))
        if self.engine == "tensorrt":
            return fail(f"{problem}, and engine tensorrt needs one", "tagalong run --engine onnx")
        return ok(f"{problem}; the network runs on the processor")


def _ask_driver(library: str) -> tuple[str, str]:
    """Name of the first GPU, or why there is none. Source: CUDA driver API, cuInit and on."""
    try:
        cuda = ctypes.CDLL(library)
        status = cuda.cuInit(0)
    except (OSError, AttributeError) as error:
        return "", f"no NVIDIA GPU: the driver's library cannot be loaded ({error})"
    if status == NO_DEVICE:
        return "", "no NVIDIA GPU: the driver finds no device"
    if status != 0:
        return "", f"no usable NVIDIA GPU: cuInit gives error {status}"
    name = ctypes.create_string_buffer(96)
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if cuda.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return "", "no NVIDIA GPU: the driver is there and lists none"
    cuda.cuDeviceGetName(name, len(name), device)
    # Source: cuda.h, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75, _MINOR = 76.
    cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
    return f"{name.value.decode()} (compute capability {major.value}.{minor.value})", ""
