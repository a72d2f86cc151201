"""pycuda on a machine without a GPU: built once, and run with a stand-in for NVIDIA's driver.

The stand-in's device memory is the host's and its kernels are those of the CPU shim, so what the
faces do for a GPU runs as it is, from pycuda's arrays to the launch.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from kernels import build

FOLDER = Path(__file__).parent / "driver"
ROOT = FOLDER.parents[2]


def pycuda_folder() -> Path:
    """Where pycuda is, built now where it is not yet. Raises CalledProcessError, with its reason in
    `stderr`."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    folder = build.cache_folder().parent / f"pycuda-{python}"
    if not (folder / ".ready").exists():
        subprocess.run([FOLDER / "prepare", sys.executable, folder], check=True, text=True,
                       capture_output=True)
    return folder


def built_in(folder: Path, pycuda: Path) -> None:
    """Compile the driver and the kernels that it runs into a folder."""
    pack = FOLDER / "packed.h"
    for name in build.KERNELS:   # -O1 compiles in two thirds of the time
        _compile([*build.HOST_FLAGS, "-O1", f"-I{build.FOLDER}", "-x", "c++", "-include", pack,
                  build.FOLDER / f"{name}.cu"], folder / f"{name}.so")
    rest = folder / "rest.cpp"
    own = (FOLDER / "libcuda.cpp").read_text(encoding="utf-8")
    missing = [name for name in _wanted(pycuda) if not re.search(rf"\b{name}\b", own)]
    rest.write_text("".join(f'extern "C" int {name}() {{ return 801; }}\n' for name in missing))
    _compile(["-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Wl,-soname,libcuda.so.1",
              FOLDER / "libcuda.cpp", rest], folder / "libcuda.so.1")


def _wanted(pycuda: Path) -> list[str]:
    """Functions of the driver that pycuda needs to be loaded."""
    library = next((pycuda / "pycuda").glob("_driver*.so"))
    told = subprocess.run(["nm", "-D", "--undefined-only", library], check=True, text=True,
                          capture_output=True).stdout
    return re.findall(r"\bU (cu[A-Z]\w*)", told)


def _compile(arguments: list, target: Path) -> None:
    subprocess.run([shutil.which("g++"), *arguments, "-o", target], check=True)


def run(code: str, folder: Path, pycuda: Path, **setting: str) -> subprocess.CompletedProcess:
    """Python code in a process with pycuda and the stand-in; `setting`: STANDIN_..., see
    libcuda.cpp."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(pycuda))),
                   "LD_PRELOAD": str(folder / "libcuda.so.1"), "STANDIN_KERNELS": str(folder),
                   **setting}
    return subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, text=True,
                          capture_output=True, timeout=100)
