"""`tagalong build-engine`: a genuine compiler, TensorRT for RTX, takes the shipped graph at every
precision, without a GPU; and an engine is used only for what it was built for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from daemon import cli
from daemon.config import EngineConfig
from daemon.engines import WEIGHTS
from daemon.engines import tensorrt_build as building
from daemon.engines.base import EngineMismatch
from tests.tiny_step import tiny_step

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
pytest.importorskip("onnx", reason="onnx is not installed: no graph can be lowered")

from models.precision import PRECISIONS, STORED  # noqa: E402

KEY = building.Key("sm_86+sm_89+sm_120", f"tensorrt_rtx {trt.__version__}", "none", "0" * 12,
                   "fp16")
LOW = {"fp32": trt.DataType.FLOAT, "fp16": trt.DataType.HALF, "bf16": trt.DataType.BF16}
pytestmark = pytest.mark.unit
Told = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A tiny untrained step."""
    return tiny_step(tmp_path_factory.mktemp("tiny"), seed=4)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_shipped_step_is_compiled_for_three_generations_of_cards(precision, tmp_path) -> None:
    """Budget 25 s each: one build for SM 86, 89 and 120."""
    import onnx

    path, phases = tmp_path / "step.engine", []
    key = building.key_of(trt, WEIGHTS, precision, KEY.gpu)
    building.build(trt, WEIGHTS, path, key, lambda *told: phases.append(told), ahead=True)
    assert path.stat().st_size > WEIGHTS.with_suffix(".bin").stat().st_size
    assert building.unfit(path, key) == ""
    assert any(done == steps > 1 for _, done, steps in phases), "progress was shown"
    network, _parser = building.parse(trt, trt.Builder(building.logger(trt)),
                                      building.lower(WEIGHTS, precision, tmp_path))
    graph = onnx.load(str(WEIGHTS), load_external_data=False).graph
    types = {onnx.TensorProto.FLOAT: trt.DataType.FLOAT,
             onnx.TensorProto.INT64: trt.DataType.INT64}
    for values, number, get in ((graph.input, network.num_inputs, network.get_input),
                                (graph.output, network.num_outputs, network.get_output)):
        wanted = {v.name: ([d.dim_value for d in v.type.tensor_type.shape.dim],
                           LOW[precision] if v.name in STORED
                           else types[v.type.tensor_type.elem_type]) for v in values}
        assert {t.name: (list(t.shape), t.dtype) for t in map(get, range(number))} == wanted


def test_what_differs_is_named() -> None:
    assert KEY.differences(KEY) == ""
    assert KEY.differences(replace(KEY, gpu="sm_89")) == ""
    assert KEY.differences(replace(KEY, gpu="sm_8")) == f"its gpu is {KEY.gpu}, here it is sm_8"
    newer = replace(KEY, compiler="tensorrt 11.4.0", jetpack="R38.2")
    assert KEY.differences(newer) == (f"its compiler is {KEY.compiler}, "
                                      "here it is tensorrt 11.4.0; "
                                      "its jetpack is none, here it is R38.2")


def test_the_key_changes_with_graph_and_weights(tiny, tmp_path) -> None:
    before = building.key_of(trt, tiny, "fp16", "sm_87")
    assert before == building.key_of(trt, tiny, "fp16", "sm_87")
    copy = tmp_path / "step.onnx"
    data = bytearray(tiny.with_suffix(".bin").read_bytes())
    data[100] ^= 1
    copy.write_bytes(tiny.read_bytes())
    copy.with_suffix(".bin").write_bytes(data)
    assert building.key_of(trt, copy, "fp16", "sm_87").differences(before).startswith("its model")
    with pytest.raises(EngineMismatch, match="none.onnx: cannot be read .*--weights"):
        building.key_of(trt, tmp_path / "none.onnx", "fp16", "sm_87")


def test_the_command_builds_once_and_again_with_the_reason(tiny, tmp_path, monkeypatch,
                                                           capsys: Told) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    command = ["build-engine", "--weights", str(tiny), "--backend", "tensorrt_rtx",
               "--precision", "fp16", "--compute-capability", "8.6"]
    path = building.engine_file(tmp_path / "tagalong", "fp16")
    assert cli.main(command) == 0
    assert "building, there is none yet" in capsys.readouterr().out
    built = path.read_bytes()
    assert cli.main(command) == 0
    assert "is there and fits (sm_86, tensorrt_rtx" in capsys.readouterr().out
    described = path.with_suffix(".json")
    stale = json.loads(described.read_text()) | {"compiler": "tensorrt_rtx 1.0", "jetpack": "R36.4"}
    described.write_text(json.dumps(stale))
    path.write_bytes(b"of another release")
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "building, its compiler is tensorrt_rtx 1.0, here it is tensorrt_rtx" in said
    assert "its jetpack is R36.4, here it is none" in said and "built for sm_86" in said
    assert len(path.read_bytes()) > len(built) // 2
    described.write_text("{")
    assert "what it was built for cannot be read" in building.unfit(path, KEY)


@pytest.mark.parametrize("flags, code, cause", [
    (["--compute-capability", "8.x"], 2, "expected numbers such as 8.6"),
    (["--compute-capability", "8.7"], 1, "does not build for sm_87, only for SM75"),
    (["--weights", "gone.onnx", "--compute-capability", "8.6"], 1, "gone.onnx: cannot be read"),
    (["--weights", __file__, "--compute-capability", "8.6"], 1, "cannot be read"),
    (["--to", "/dev/null/step.engine", "--compute-capability", "8.6"], 1, "cannot be written"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_what_cannot_be_built_is_told_with_the_next_step(tiny, tmp_path, monkeypatch, flags, code,
                                                         cause, capsys: Told) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    given = [] if "--weights" in flags else ["--weights", str(tiny)]
    assert cli.main(["build-engine", "--backend", "tensorrt_rtx", *given, *flags]) == code
    told = capsys.readouterr().err
    assert cause in told and ("next: " in told or code == 2)
    assert not (tmp_path / "tagalong" / "engines").exists(), "nothing half-built is left"


def test_a_missing_compiler_is_told_and_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(building, "BACKENDS", ("no_tensorrt_here", "nor_here"))
    with pytest.raises(EngineMismatch, match="not installed .*nor_here.*next: on a Jetson sudo"):
        building.import_backend()


def test_a_graph_that_the_parser_refuses_is_told(tiny, tmp_path) -> None:
    import onnx

    model = onnx.load(str(tiny))
    model.graph.node[-1].op_type = "NoSuchOperator"
    path = tmp_path / "step.onnx"
    onnx.save(model, str(path))
    with pytest.raises(EngineMismatch, match="tensorrt_rtx .* does not take the graph .*next:"):
        building.parse(trt, trt.Builder(building.logger(trt)), path)


def test_the_precisions_are_the_same_everywhere() -> None:
    offered = EngineConfig.model_json_schema()["properties"]["precision"]["enum"]
    assert tuple(offered) == cli.PRECISIONS == PRECISIONS and cli.BACKENDS == building.BACKENDS


