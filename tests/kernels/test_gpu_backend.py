"""The way to a GPU through pycuda, on the stand-in driver: results, the graph, every fault.

The device code itself is compared with its references in test_kernels.py; here it is the same code,
reached as on a GPU.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.kernels import stand_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500),
              pytest.mark.skipif(shutil.which("g++") is None, reason="no g++: no stand-in driver")]

NVCC = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo "what the stand-in driver takes for a fat binary" > "$2"
"""
"""Nothing is compiled for a GPU here: test_build.py does that."""

TRY = """
import json, os
import numpy as np
from kernels.backend import Gpu, GpuError
from kernels.similarity import Similarity
told = {}
for fault in %s:
    os.environ["STANDIN_FAULT"] = fault
    try:
        gpu = Gpu()
        face = Similarity(gpu)
        row, trend = face.make_out()
        face.push(gpu.array(np.zeros((120, 160, 3), np.uint8)), row, trend)
        gpu.host(row), gpu.wait()
        told[fault] = "nothing"
    except GpuError as error:
        told[fault] = str(error)
    finally:
        gpu = None if "gpu" not in dir() or gpu is None else gpu.close()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> SimpleNamespace:
    """`run(code, **setting)` on a machine with pycuda and the stand-in. Budget of building pycuda,
    once on a machine: 5 minutes alone on two cores."""
    try:
        pycuda = stand_in.pycuda_folder()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"pycuda cannot be built: {error.stderr.strip().splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("driver")
    stand_in.built_in(folder, pycuda)
    nvcc = folder / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text(NVCC)
    nvcc.chmod(0o755)

    def run(code: str, **setting: str) -> subprocess.CompletedProcess:
        path = f"{nvcc.parent}{os.pathsep}{os.environ['PATH']}"
        return stand_in.run(code, folder, pycuda, PATH=path, XDG_CACHE_HOME=str(folder), **setting)

    return SimpleNamespace(run=run)


def last_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def test_every_kernel_through_pycuda_equals_its_reference(machine):
    """Budget: 20 s."""
    done = machine.run("""
import numpy as np
from kernels.backend import Gpu
from tests.kernels.cases import CASES
gpu = Gpu()
for name, case in CASES.items():
    for seed in range(10):
        case(gpu, np.random.default_rng([7, seed]))
print(*CASES, gpu.architecture)
""")
    assert last_line(done) == "dmel patches similarity kv_ring stream_attention sample sm_87"


FAULTS = {
    "": "nothing",
    "cuInit=100": "no NVIDIA GPU was found; next: tagalong run --engine onnx",
    "cuInit=35": "the NVIDIA driver is older than the CUDA toolkit; next: update the driver",
    "cuInit=803": "parts of two NVIDIA drivers are mixed; next: reboot",
    "cuDeviceGetCount=999": "next: nvidia-smi",
    "cuDeviceGet=101": "there is no such GPU; next: nvidia-smi -L",
    "cuDevicePrimaryCtxRetain=2": "the GPU has not enough free memory; next: nvidia-smi",
    "cuDevicePrimaryCtxRetain=46": "another program has the GPU to itself; next: nvidia-smi",
    "cuStreamCreate=2": "the GPU has not enough free memory",
    "cuModuleLoad=209": "the kernels were not built for this GPU; next: tools/build_kernels --arch",
    "cuModuleLoad=222": "the NVIDIA driver is older than the CUDA toolkit",
    "cuModuleLoad=200": "on sm_87: ",
    "cuModuleGetFunction=500": "similarity: ",
    "cuMemAlloc_v2=2": "an array of 129608 bytes: the GPU has not enough free memory",
    "cuMemcpyHtoD_v2=719": "the GPU was lost; next: systemctl restart tagalong",
    "cuLaunchKernel=719": "similarity: the GPU was lost; next: systemctl restart tagalong",
    "cuStreamSynchronize=709": "waiting for a launch: the GPU was lost",
}
LOST = {
    "after:cuLaunchKernel=719": "reading a result: the GPU was lost; next: systemctl restart",
    "after:cuLaunchKernel=700": "reading a result: a kernel touched foreign memory",
    "after:cuMemcpyHtoD_v2=709": "the GPU was lost",
}


@pytest.fixture(scope="module")
def told(machine) -> dict[str, str]:
    """What a user is told, by what goes wrong."""
    return json.loads(last_line(machine.run(TRY % list(FAULTS))))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_cause_and_next_step(told, fault):
    """Budget: 5 s for all."""
    assert FAULTS[fault] in told[fault]
    assert fault == "" or "next: " in told[fault]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_context_is_told_where_it_is_noticed(machine, fault):
    """The process ends in order all the same. Budget: 3 s."""
    told = json.loads(last_line(machine.run(TRY % [fault])))
    assert LOST[fault] in told[fault] and "next: " in told[fault]


def test_a_machine_without_any_gpu_driver_or_pycuda(machine, tmp_path):
    """Budget: 4 s."""
    code = """
from kernels.backend import Gpu, GpuError
try:
    Gpu()
except GpuError as error:
    print(error)
"""
    assert "the driver sees no GPU; next: nvidia-smi" in last_line(
        machine.run(code, STANDIN_DEVICES="0"))
    without = machine.run(code, PYTHONPATH=str(stand_in.ROOT))
    if "pycuda" not in sys.modules and not _pycuda_is_installed():
        assert "pycuda is not installed" in last_line(without)
        assert "next: pip install pycuda" in last_line(without)
    if not Path("/proc/driver/nvidia").exists():
        done = machine.run(code, LD_PRELOAD="")
        assert "no NVIDIA driver" in last_line(done) and "next: install it" in last_line(done)


def _pycuda_is_installed() -> bool:
    done = subprocess.run([sys.executable, "-c", "import pycuda"], capture_output=True)
    return done.returncode == 0


GRAPH = """
import numpy as np
from kernels.backend import Cpu, Gpu, GpuError
from kernels.graph import Graph
from kernels.kv_ring import KvRing
from kernels.similarity import Similarity

def parts(backend):
    rng = np.random.default_rng(4)
    ring = KvRing(backend, 2, 3, 5, 20, 8, np.float32)
    keys, values = (backend.array(rng.normal(size=ring.shape).astype(np.float32)) for _ in "kv")
    present = backend.array(np.ones(5, np.float32))
    face, frame = Similarity(backend), backend.array(np.zeros((120, 160, 3), np.uint8))
    outs = face.make_out()

    def turn():
        ring.append(keys, values, present)
        face.push(frame, *outs)

    return turn, ring, frame, outs

rng = np.random.default_rng(5)
cpu, gpu = Cpu(), Gpu()
turn, ring, frame, (row, trend) = parts(cpu)
gpu_turn, gpu_ring, gpu_frame, (gpu_row, gpu_trend) = parts(gpu)
graph = Graph(gpu, gpu_turn)
assert gpu_ring.get_state()["turn"] == 0, "recording computes nothing"
for _ in range(6):
    picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    cpu.put(frame, picture), gpu.put(gpu_frame, picture)
    turn(), graph.replay()
    gpu.wait()
    assert (gpu.host(gpu_row) == row).all() and (gpu.host(gpu_trend) == trend).all()
states = ring.get_state(), gpu_ring.get_state()
assert all((states[0][name] == states[1][name]).all() for name in states[0])
try:
    Graph(gpu, lambda: gpu.host(gpu_row))
except GpuError as error:
    refused = str(error)
nodes = graph.nodes
graph.close()
Graph(gpu, gpu_turn).replay()   # the stream does not record any more
print(nodes, refused)
"""


def test_a_recorded_micro_turn_is_replayed_by_one_call(machine):
    """Budget: 4 s."""
    nodes, _, refused = last_line(machine.run(GRAPH)).partition(" ")
    assert nodes == "2"
    assert "not permitted when stream is capturing" in refused


def test_a_graph_that_cannot_be_made_is_told(machine):
    """Budget: 2 s."""
    done = machine.run(GRAPH, STANDIN_FAULT="cuGraphInstantiateWithFlags=2")
    assert done.returncode == 1
    assert "GpuError: the graph: the GPU has not enough free memory; next: " in done.stderr


def test_the_check_of_a_gpu_runs_through(machine, tmp_path):
    """All but the times, which say nothing here. Budget: 15 s."""
    out = tmp_path / "check.json"
    done = machine.run(f"""
import sys
from tools.gpu import main
few = ["--cases", "1", "--turns", "2", "--small", "--repeats", "1"]
sys.exit(main([*few, "--json", {str(out)!r}]))
""")
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(out.read_text())
    assert [row["kernel"] for row in report["kernels"]] == [row["kernel"]
                                                            for row in report["checks"]]
    assert report["micro_turn"]["launches_in_the_graph"] == 13
    assert report["gpu"] == "stand-in 0" and "1 of 1" in done.stdout
    # torch has no CUDA here: both are left out by name, and the rest is measured all the same
    assert [line.split(":")[0] for line in report["left_out"]] == ["torch beside the kernels",
                                                                   "the network"]


def test_the_check_says_what_is_missing(machine):
    """Budget: 1 s."""
    done = machine.run("import tools.gpu, sys; sys.exit(tools.gpu.main([]))",
                       STANDIN_FAULT="cuInit=100")
    assert done.returncode == 1
    assert done.stderr.startswith("tools/gpu_check: the driver: no NVIDIA GPU was found; next: ")
