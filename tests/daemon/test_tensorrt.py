"""The TensorRT engine over a driver whose device is the processor: every copy, address and error
is the real code's; the compiled network is ONNX Runtime's. What only a GPU can show, that TensorRT
itself computes the same, remains to be shown on one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemon.engines import open_engine, open_or_next
from daemon.engines.base import HEADS, EngineLost, EngineMismatch, Feed, StepInputs, load_spec
from daemon.engines.cuda import Cuda
from daemon.engines.onnx import OnnxEngine
from daemon.engines.standby import Standby
from daemon.engines.tensorrt import TensorrtEngine, open_tensorrt
from daemon.engines.tensorrt_build import engine_file
from kernels.bfloat16 import narrow, widen
from models import tokens
from models.config import TINY
from tests.daemon.tensorrt_stage import Compiled, build_driver, count, on_replay
from tests.tiny_step import tiny_step

pytestmark = [pytest.mark.unit,
              pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc: no driver stand-in")]


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    return build_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def graph(request, tmp_path_factory) -> Path:
    """A tiny untrained step at a precision."""
    path = tiny_step(tmp_path_factory.mktemp("step"), seed=2)
    import onnx

    from models.precision import at_precision, save

    save(at_precision(onnx.load(str(path)), request.param), path)
    return path


def turns(number: int) -> list[StepInputs]:
    rng = np.random.default_rng(3)
    return [StepInputs(
        rng.integers(0, 16, Feed().levels.shape[1:]).astype(np.uint8),
        rng.standard_normal((12, 4800)).astype(np.float32) if n % 3 else None,
        rng.standard_normal((3, 400)).astype(np.float32) if n % 3 else None,
        np.array(tokens.encode_state(tokens.IDLE_STATE), np.int64),
        rng.integers(0, 4, 4).astype(np.int64)) for n in range(number)]


def same(one, other, inputs) -> None:
    for given in inputs:
        ours, reference = one.step(given), other.step(given)
        for name in HEADS:
            np.testing.assert_array_equal(ours.logits[name], reference.logits[name], name)
        np.testing.assert_array_equal(ours.reps, reference.reps)


@pytest.mark.parametrize("memory", ["its own", "shared"])
def test_a_recorded_step_on_fixed_addresses_equals_onnx_runtime(
        driver, graph, memory, monkeypatch) -> None:
    if memory == "shared":
        monkeypatch.setenv("CUDA_STUB_INTEGRATED", "1")
    before, launches = count(driver, "stub_allocated"), count(driver, "stub_launches")
    cuda = Cuda(str(driver))
    assert cuda.integrated is (memory == "shared") and cuda.capability == (8, 7)
    compiled = Compiled(graph)
    engine = TensorrtEngine(load_spec(graph.with_suffix(".json")), cuda, compiled)
    assert engine.recorded
    hook = on_replay(driver, engine._queue)  # noqa: F841 - C keeps no reference
    already = compiled.runs
    inputs = turns(2 * TINY.window_turns + 3)
    same(engine, OnnxEngine(graph), inputs)
    assert compiled.runs - already == len(inputs), "one forward a micro-turn"
    assert count(driver, "stub_launches") - launches == len(inputs), "in one launch"
    engine.close()
    assert count(driver, "stub_allocated") == before, "all memory is given back"


def test_state_goes_from_engine_to_engine(driver, graph) -> None:
    first = TensorrtEngine(load_spec(graph.with_suffix(".json")), Cuda(str(driver)),
                           Compiled(graph))
    hook = on_replay(driver, first._queue)  # noqa: F841
    inputs = turns(12)
    for given in inputs[:7]:
        first.step(given)
    cpu = OnnxEngine(graph)
    cpu.set_state(first.get_state())
    second = TensorrtEngine(first.spec, Cuda(str(driver)), Compiled(graph))
    second.set_state(cpu.get_state())
    hook = on_replay(driver, second._queue)  # noqa: F841
    same(second, cpu, inputs[7:])
    broken = cpu.get_state()
    broken["keys"] = broken["keys"][:1]
    with pytest.raises(ValueError, match="keys"):
        second.set_state(broken)
    first.close(), second.close()


def test_what_cannot_be_recorded_is_run_step_by_step(driver, graph, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_STUB_FAIL", "cuStreamBeginCapture_v2:900")
    engine = TensorrtEngine(load_spec(graph.with_suffix(".json")), Cuda(str(driver)),
                            Compiled(graph))
    assert not engine.recorded
    same(engine, OnnxEngine(graph), turns(4))
    engine.close()


def test_an_engine_of_another_export_is_refused(driver, graph) -> None:
    other = replace(TINY, window_turns=7)
    cuda = Cuda(str(driver))
    with pytest.raises(EngineMismatch, match="another shape: ring_k, ring_v, mask.*next:"):
        TensorrtEngine(other, cuda, Compiled(graph))
    compiled = Compiled(graph)
    compiled.num_io_tensors -= 1
    with pytest.raises(EngineMismatch, match="not there: new_v"):
        TensorrtEngine(TINY, cuda, compiled)
    compiled = Compiled(graph)
    compiled.create_execution_context = lambda: None
    with pytest.raises(EngineMismatch, match="no memory left for the engine"):
        TensorrtEngine(TINY, cuda, compiled)
    with pytest.raises(EngineLost, match="cannot run the engine"):
        TensorrtEngine(TINY, cuda, Compiled(graph, refuses=True))
    cuda.close()


@pytest.mark.parametrize("status, cause", [
    ("cuInit:100", "the driver finds no device"), ("cuInit:35", "driver is too old"),
    ("cuInit:803", "unlike its kernel module"), ("cuDevicePrimaryCtxRetain:46", "taken by another"),
    ("cuDevicePrimaryCtxRetain:2", "no memory left"), ("cuInit:1", "refuses cuInit (error 1)"),
])
def test_each_failure_of_the_driver_has_its_cause_and_next_step(driver, status, cause) -> None:
    """In a process of its own: the stand-in counts calls for as long as it is loaded."""
    code = ("import sys; from daemon.engines.cuda import Cuda\n"
            "from daemon.engines.base import EngineLost, EngineMismatch\n"
            "try: Cuda(sys.argv[1])\n"
            "except (EngineLost, EngineMismatch) as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code, str(driver)], capture_output=True, text=True,
                          env={"CUDA_STUB_FAIL": status, "PYTHONPATH": ":".join(sys.path)},
                          timeout=60, check=True)
    assert cause in done.stdout and "next: " in done.stdout


def test_no_driver_or_one_without_what_is_needed_is_said(tmp_path) -> None:
    with pytest.raises(EngineMismatch, match="its driver cannot be loaded .*next: tagalong doctor"):
        Cuda("libcuda-that-is-not-there.so")
    with pytest.raises(EngineMismatch, match="too old .*cuInit"):
        Cuda("libc.so.6")


def test_a_lost_context_is_told_and_the_next_engine_goes_on(driver, graph, monkeypatch) -> None:
    engine = TensorrtEngine(load_spec(graph.with_suffix(".json")), Cuda(str(driver)),
                            Compiled(graph))
    hook = on_replay(driver, engine._queue)  # noqa: F841
    told: list[str] = []
    standby = Standby(engine, lambda: OnnxEngine(graph), told.append)
    inputs = turns(6)
    for given in inputs[:3]:
        standby.step(given)
    assert standby.name == "tensorrt" and not told
    monkeypatch.setenv("CUDA_STUB_FAIL", "cuGraphLaunch:700")
    same(standby, OnnxEngine(graph), inputs[3:])
    assert standby.name == "onnx" and len(told) == 1
    assert told[0].startswith("engine tensorrt: the GPU's context is lost (cuGraphLaunch: CUDA_ERR")
    assert "next: journalctl" in told[0] and told[0].endswith("going on with engine onnx")


def test_without_a_gpu_onnx_runtime_stands_in_and_says_why(graph, tmp_path) -> None:
    told: list[str] = []
    engine = open_or_next("tensorrt", graph, 1, tmp_path, "fp16", told.append)
    assert engine.name == "onnx" and len(told) == 1
    assert told[0].startswith("engine tensorrt: ") and "next: " in told[0]
    assert open_or_next("auto", graph, 1, tmp_path, "fp16", told.append).name == "onnx"
    assert len(told) == 1, "nobody asked for it, and nothing was built"
    path = engine_file(tmp_path, "fp16")
    path.parent.mkdir()
    path.touch()
    assert open_or_next("auto", graph, 1, tmp_path, "fp16", told.append).name == "onnx"
    assert len(told) == 2
    with pytest.raises(EngineMismatch):
        open_engine("tensorrt", graph, 1, tmp_path)


def test_a_foreign_engine_is_refused_before_it_is_loaded(driver, graph, tmp_path,
                                                         monkeypatch) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    monkeypatch.setattr("daemon.engines.tensorrt.Cuda", lambda: Cuda(str(driver)))
    with pytest.raises(EngineMismatch, match="there is none yet; next: tagalong build-engine"):
        open_tensorrt(graph, tmp_path, "fp16")
    path = engine_file(tmp_path, "fp16")
    path.parent.mkdir()
    path.write_bytes(b"nothing")
    key = {"gpu": "sm_86+sm_89", "compiler": "tensorrt_rtx 1.0", "jetpack": "none",
           "model": "000000000000", "precision": "fp16"}
    path.with_suffix(".json").write_text(json.dumps(key))
    with pytest.raises(EngineMismatch) as refused:
        open_tensorrt(graph, tmp_path, "fp16")
    assert "its gpu is sm_86+sm_89, here it is sm_87" in str(refused.value)
    assert f"its compiler is tensorrt_rtx 1.0, here it is tensorrt_rtx {trt.__version__}" in str(
        refused.value)
    assert "its model is 000000000000" in str(refused.value)


def test_bfloat16_rounds_to_the_nearest() -> None:
    torch = pytest.importorskip("torch", reason="torch is the reference")
    values = np.random.default_rng(4).standard_normal(10_000).astype(np.float32)
    ours = narrow(values, np.dtype(np.uint16))
    reference = torch.from_numpy(values).to(torch.bfloat16)
    np.testing.assert_array_equal(ours, reference.view(torch.uint16).numpy())
    np.testing.assert_array_equal(widen(ours), reference.float().numpy())
