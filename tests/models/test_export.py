"""The export: which switches it takes over, and which operators it writes."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: the export is untested")

from models.config import SIZES, TINY, WEIGHTS, ModelConfig  # noqa: E402
from models.export import INPUTS, SWITCHES, example_inputs, export, parse  # noqa: E402
from models.model import InteractionNet  # noqa: E402

pytestmark = pytest.mark.unit

KNOWN = replace(ModelConfig(), heard_bias=0.5, act_bias=1.0, floor_bias=-0.5, counter="similarity",
                pictures=False)


def test_switches_are_inherited():
    assert parse(KNOWN, ["--weights", "final.pt"])[1] == KNOWN


@pytest.mark.parametrize("option, changed", [
    (["--pictures"], {"pictures": True}), (["--no-pictures"], {"pictures": False}),
    (["--counter", "phase"], {"counter": "phase"}), (["--act-bias", "0.25"], {"act_bias": 0.25}),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_an_option_changes_its_switch_alone(option, changed):
    assert parse(KNOWN, ["--weights", "final.pt", *option])[1] == replace(KNOWN, **changed)


def test_sizes_come_from_the_code_and_not_from_the_known_file():
    """The weights were trained with the sizes of the code that exports them."""
    other = replace(KNOWN, layers=2, window_turns=7)
    made = parse(other, ["--weights", "final.pt"])[1]
    assert made == replace(ModelConfig(), **{name: getattr(other, name) for name in SWITCHES})


def test_the_size_is_that_of_the_checkpoint():
    made = parse(KNOWN, ["--weights", "final.pt", "--size", "large"])[1]
    assert made == replace(SIZES["large"], **{name: getattr(KNOWN, name) for name in SWITCHES})


NEWEST_OPSET = 18
KNOWN_OPERATORS = frozenset("""
    Abs Add And ArgMax ArgMin Cast Ceil Clip Concat Constant ConstantOfShape Conv Cos CumSum Div
    Equal Erf Exp Expand Flatten Floor Gather GatherElements Gemm Greater GreaterOrEqual Identity
    Less LessOrEqual Log LogSoftmax MatMul Max Min Mul Neg Not OneHot Or Pad Pow Range Reciprocal
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape ScatterElements Shape Sigmoid
    Sign Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tan Tanh Tile Transpose Trilu
    Unsqueeze Where
""".split())
"""Plain operators marked Y in the parser's table: github.com/onnx/onnx-tensorrt, docs/operators.md
at commit 6d0ab7be324d02c7feb3a306b6fdbeae84f71ddc, of TensorRT 8.5 (opset 17), the newest version
of the table that was at hand. That 10.3's parser still knows them all is taken on trust: neither
its own table nor TensorRT was at hand."""
AXES_AT = {"Squeeze": 1, "Unsqueeze": 1, "Slice": 3}
"""Operators whose input of this number must be a constant, says the same table."""


def check_operators(path):
    model = onnx.load(str(path), load_external_data=False)
    assert [(o.domain, o.version <= NEWEST_OPSET) for o in model.opset_import] == [("", True)]
    nodes = list(model.graph.node)
    assert {n.domain for n in nodes} == {""} and not model.functions
    assert {n.op_type for n in nodes} - KNOWN_OPERATORS == set()
    fixed = {t.name for t in model.graph.initializer}
    fixed |= {name for n in nodes if n.op_type == "Constant" for name in n.output}
    for node in nodes:
        at = AXES_AT.get(node.op_type)
        if at is not None and len(node.input) > at:
            assert node.input[at] in fixed, f"{node.name}: its axes are computed"


def test_tensorrt_knows_the_operators_of_a_fresh_export(tmp_path):
    torch.manual_seed(1)
    export(InteractionNet(TINY), tmp_path)
    check_operators(tmp_path / "step.onnx")


def test_tensorrt_knows_the_operators_of_the_shipped_step():
    path = WEIGHTS / "step.onnx"
    graph = onnx.load(str(path), load_external_data=False).graph
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in graph.input}
    examples = example_inputs(ModelConfig.load(WEIGHTS / "step.json"))
    wanted = {name: list(tensor.shape) for name, tensor in zip(INPUTS, examples)}
    assert shapes == wanted, "export the weights again: this code has other shapes"
    check_operators(path)
