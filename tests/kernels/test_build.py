"""The kernels for every GPU: they compile, and need no more than they should."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from kernels import build
from kernels.backend import CAUSES, Gpu, GpuError, explained

NVCC = pytest.mark.skipif(shutil.which("nvcc") is None,
                          reason="no nvcc: no kernel is compiled for a GPU")
SPILLS = {"stream_attention": 64}
"""Bytes that a kernel may keep in memory instead of registers; the others none."""
REGISTERS = 128
SHARED = 48 * 1024


@NVCC
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("architecture", build.ARCHITECTURES)
def test_every_kernel_compiles_and_keeps_to_registers(architecture):
    """Budget: 15 s each."""
    for name in build.KERNELS:
        found = build.resources(name, architecture)
        assert 0 < found["registers"] <= REGISTERS, (name, found)
        assert found["shared"] <= SHARED, (name, found)
        assert max(found["spills"], found["stack"]) <= SPILLS.get(name, 0), (name, found)


@NVCC
@pytest.mark.unit
def test_the_tool_builds_a_fat_binary_once(tmp_path, repository, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-m", "tools.kernels_build", "--arch", "sm_87",
               "--kernel", "kv_ring"]
    first = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    built = list(build.cache_folder().glob("kv_ring-*.fatbin"))
    assert len(built) == 1 and built[0].stat().st_size > 1000
    before = built[0].stat().st_mtime_ns
    assert subprocess.run(command, cwd=repository).returncode == 0
    assert built[0].stat().st_mtime_ns == before


@NVCC
@pytest.mark.unit
def test_an_unknown_architecture_is_refused(repository):
    done = subprocess.run([sys.executable, "-m", "tools.kernels_build", "--arch", "sm_101"],
                          cwd=repository, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sm_101" in done.stderr and "sm_87" in done.stderr


@pytest.mark.unit
def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(build.BuildError, match="g.. was not found.*next: apt-get install g"):
        build.host_library("dmel")


@pytest.mark.unit
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_what_a_compiler_refuses_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "shim").mkdir()
    for name in ("common.cuh", "shim/cuda_shim.h"):
        (tmp_path / name).write_text("")
    (tmp_path / "broken.cu").write_text("int f() { return x; }\n")
    with pytest.raises(build.BuildError, match="refused broken.cu(.|\n)*'x' was not declared"):
        build.host_library("broken")
    assert not list((tmp_path / "cache").rglob("*.so"))


@pytest.mark.unit
def test_a_machine_without_a_gpu_is_told_so():
    """Whichever part is missing here: pycuda, the driver or the card."""
    with pytest.raises(GpuError, match="next: "):
        Gpu()


@pytest.mark.unit
@pytest.mark.parametrize("text", CAUSES)
def test_every_fault_of_a_gpu_has_a_cause_and_a_next_step(text):
    told = explained(RuntimeError(f"cuInit failed: {text}"), "the driver")
    assert CAUSES[text] in told and "next: " in told
    assert "next: nvidia-smi" in explained(RuntimeError("something else"), "the driver")
