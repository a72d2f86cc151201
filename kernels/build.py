"""Compiles the kernels, for GPUs with nvcc, for the CPU with g++ and the shim; kept by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent
KERNELS = ("dmel", "patches", "similarity", "kv_ring", "stream_attention", "sample")
ARCHITECTURES = {
    "sm_86": "GeForce 30, A10", "sm_87": "Jetson Orin", "sm_89": "GeForce 40, L4",
    "sm_90a": "H100, H200", "sm_110a": "Jetson Thor", "sm_120": "GeForce 50",
}
"""What fat binaries hold, and where that is found."""
PTX = "compute_86"
"""Also in them, for a GPU that is none of these but newer."""
NVCC_FLAGS = ("-std=c++17", "-O3", "--fmad=false")
"""Without fused multiply-add a GPU rounds as the CPU and the references do."""
HOST_FLAGS = ("-std=c++17", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared",
              "-Wall", "-Wno-unknown-pragmas")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g")


class BuildError(RuntimeError):
    """A compiler is missing or refused; the message says which and what to do."""


def cache_folder() -> Path:
    """Where compiled kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tagalong" / "kernels"


def host_library(name: str, sanitize: bool = False) -> Path:
    """The kernel for the CPU as a shared library.

    Raises:
        BuildError: there is no g++, or it refused.
    """
    flags = (*HOST_FLAGS, *(SANITIZERS if sanitize else ()))
    command = [_compiler("g++", "apt-get install g++"), *flags, "-x", "c++"]
    return _cached(name, ".so", command)


def cubin(name: str, architecture: str) -> Path:
    """The kernel for one GPU architecture, `sm_87` say. Raises BuildError as `host_library`."""
    return _cached(name, ".cubin", [*_nvcc(), f"-arch={architecture}", "-cubin"])


def fat_binary(name: str, architectures: tuple[str, ...] = tuple(ARCHITECTURES)) -> Path:
    """The kernel for several architectures in one file. Raises BuildError as `host_library`."""
    codes = [f"-gencode=arch={a.replace('sm', 'compute')},code={a}" for a in architectures]
    codes.append(f"-gencode=arch={PTX},code={PTX}")
    return _cached(name, ".fatbin", [*_nvcc(), *codes, "-fatbin"])


def resources(name: str, architecture: str) -> dict[str, int]:
    """Registers, stack, spills and shared memory of a kernel, bytes but for the registers, the
    largest of its entry points, as the assembler tells them."""
    command = [*_nvcc(), f"-arch={architecture}", "-cubin", "-Xptxas", "-v", "-o", os.devnull]
    told = _run([*command, str(FOLDER / f"{name}.cu")])
    found = {"registers": 0, "stack": 0, "spills": 0, "shared": 0}
    for line in told.splitlines():
        numbers = {"registers": _before(line, " registers"), "shared": _before(line, " bytes smem"),
                   "stack": _before(line, " bytes stack frame"),
                   "spills": max(_before(line, " bytes spill stores"),
                                 _before(line, " bytes spill loads"))}
        found = {key: max(value, numbers[key]) for key, value in found.items()}
    return found


def _before(line: str, unit: str) -> int:
    """The number in front of a unit, 0 without it."""
    words = line.partition(unit)[0].split() if unit in line else []
    return int(words[-1]) if words and words[-1].isdigit() else 0


def _nvcc() -> list[str]:
    return [_compiler("nvcc", "install the CUDA toolkit, on a Jetson with JetPack"), *NVCC_FLAGS]


def _compiler(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BuildError(f"{name} was not found, and the kernels are not compiled yet; "
                         f"next: {remedy}")
    return found


def _cached(name: str, suffix: str, command: list[str]) -> Path:
    """What the command makes of `name.cu`, from the cache where nothing has changed."""
    source = FOLDER / f"{name}.cu"
    digest = hashlib.sha256("\0".join(command[1:]).encode())
    for path in (source, FOLDER / "common.cuh", FOLDER / "shim" / "cuda_shim.h"):
        digest.update(path.read_bytes())
    target = cache_folder() / f"{name}-{digest.hexdigest()[:16]}{suffix}"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{os.getpid()}-{target.name}")
        _run([*command, "-o", str(unfinished), str(source)])
        unfinished.replace(target)
    return target


def _run(command: list[str]) -> str:
    """What a compiler says. Raises BuildError."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} refused {Path(command[-1]).name}:\n"
                         f"{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout + done.stderr
