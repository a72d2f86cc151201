"""The lower precisions of the step graph: what is computed in which type, and what that changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: the export is untested")

from daemon.engines.base import HEADS, StepInputs  # noqa: E402
from daemon.engines.onnx import OnnxEngine  # noqa: E402
from daemon.engines.torch_engine import TorchEngine  # noqa: E402
from daemon.interaction import InteractionModel  # noqa: E402
from daemon.turn import MicroTurn, State, Task, VideoFrame  # noqa: E402
from models.config import TINY, WEIGHTS  # noqa: E402
from models.counter import PhaseCounter  # noqa: E402
from models.export import export  # noqa: E402
from models.model import InteractionNet  # noqa: E402
from models.precision import PRECISIONS, STORED, TYPES, at_precision, save  # noqa: E402
from tests.models.test_export import check_operators  # noqa: E402

FLOAT = onnx.TensorProto.FLOAT
EXACT = ("Softmax", "ReduceMean", "ReduceSum", "Sqrt", "Div", "Pow", "Tanh", "Add", "Sub")
"""Operators whose numbers stay float32 everywhere: norms, softmax, sums, the residual stream."""
SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> onnx.ModelProto:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("tiny")
    export(InteractionNet(TINY), folder)
    return onnx.load(str(folder / "step.onnx"))


@pytest.mark.unit
@pytest.mark.parametrize("precision", TYPES)
def test_products_are_low_and_all_that_is_summed_is_not(tiny, precision, tmp_path) -> None:
    made, low = at_precision(tiny, precision), TYPES[precision]
    save(made, tmp_path / "step.onnx")
    onnx.checker.check_model(str(tmp_path / "step.onnx"), full_check=True)
    check_operators(tmp_path / "step.onnx")
    typed = onnx.shape_inference.infer_shapes(made, strict_mode=True).graph
    kinds = {v.name: v.type.tensor_type.elem_type
             for v in (*typed.value_info, *typed.output, *typed.input)}
    floats = {FLOAT, low}
    for node in typed.node:
        if node.op_type in EXACT and kinds[node.output[0]] in floats:
            assert kinds[node.output[0]] == FLOAT, node.name
    products = [kinds[n.output[0]] for n in typed.node if n.op_type in ("MatMul", "Gemm")]
    assert products.count(FLOAT) == 1, "the heads"
    assert products.count(low) == len(products) - 1
    for value in (*typed.input, *typed.output):
        if kinds[value.name] in floats:
            assert kinds[value.name] == (low if value.name in STORED else FLOAT), value.name


@pytest.mark.unit
def test_the_given_graph_stays_as_it_is(tiny) -> None:
    before = tiny.SerializeToString(deterministic=True)
    assert at_precision(tiny, "fp32").SerializeToString(deterministic=True) == before
    at_precision(tiny, "fp16")
    assert tiny.SerializeToString(deterministic=True) == before
    with pytest.raises(ValueError, match=f"choose one of {', '.join(PRECISIONS)}"):
        at_precision(tiny, "int2")


class Forced:
    """An engine that notes what it was given and gave: the history for the others."""

    def __init__(self, engine: OnnxEngine) -> None:
        self._engine = engine
        self.name, self.spec = engine.name, engine.spec
        self.inputs: list[StepInputs] = []
        self.logits: list[dict[str, np.ndarray]] = []

    def step(self, inputs: StepInputs):
        outputs = self._engine.step(inputs)
        self.inputs.append(inputs)
        self.logits.append(copied(outputs))
        return outputs


def copied(outputs) -> dict[str, np.ndarray]:
    return {name: np.array(outputs.logits[name]) for name in HEADS}


def turns(name: str):
    """A bundled scenario as micro-turns: its sound and its pictures."""
    from models.scenarios import render, script

    scenario = script.load(SCENARIOS / f"{name}.toml")
    pcm, pictures = render.sound(scenario), render.pictures(scenario)
    for k in range(len(pcm) // 3200):
        frames = tuple(VideoFrame(0.1 * n, pictures[n]) for n in range(2 * k, 2 * k + 2))
        task = Task.REPS if k > 50 else Task.NONE
        yield MicroTurn(k, pcm[3200 * k : 3200 * (k + 1)], frames, State(task=task))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_a_forced_history_the_precisions_choose_the_same_tokens(tmp_path) -> None:
    """Budget 45 s: 540 micro-turns of two bundled scenarios, 14 heads each."""
    pytest.importorskip("cv2", reason="opencv is not installed: scenarios cannot be drawn")
    path = WEIGHTS / "step.onnx"
    history, reference = Forced(OnnxEngine(path)), TorchEngine(path)
    model = InteractionModel(history, PhaseCounter())
    for turn in (*turns("demo"), *turns("leg_day")):
        model.step(turn)
    assert len(history.inputs) >= 500
    half_path = tmp_path / "step.onnx"
    save(at_precision(onnx.load(str(path)), "fp16"), half_path)
    reference.spec.save(half_path.with_suffix(".json"))
    half_engine = OnnxEngine(half_path)
    wrong_single, wrong_half, tokens = 0, 0, 0
    for inputs, single in zip(history.inputs, history.logits):
        exact, half = copied(reference.step(inputs)), copied(half_engine.step(inputs))
        for name in HEADS:
            best, second = np.sort(exact[name])[:-3:-1]
            chosen = exact[name].argmax()
            wrong_single += single[name].argmax() != chosen and best - second > 1e-4
            wrong_half += half[name].argmax() != chosen
            tokens += 1
    assert wrong_single == 0
    assert wrong_half <= tokens / 1000, f"{wrong_half} of {tokens} tokens differ"
