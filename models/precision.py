"""The step graph in a lower precision, for compilers that take types as they are written.

TensorRT 11 and TensorRT for RTX know only strongly typed networks: what is computed in half
precision must say so in the graph. Matrix products take half operands, and so do the ring and all
that merely moves towards a product; sums over slots, norms, rotation, the mask, softmax and the
heads' logits stay float32. The ring's rows, `ring_k`, `ring_v`, `new_k` and `new_v`, are stored in
the lower precision, so that it need not be converted anew in every micro-turn.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper

TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
PRECISIONS = ("fp32", *TYPES)
STORED = ("ring_k", "ring_v", "new_k", "new_v")
"""Inputs and outputs that have the type of the precision."""
_PRODUCTS = ("MatMul", "Gemm")
_KEPT = "net.heads."
"""Weights of the products that stay float32."""
_MOVES = {"Concat": None, "Expand": 1, "Gather": 1, "Identity": 1, "Reshape": 1, "Slice": 1,
          "Split": 1, "Squeeze": 1, "Transpose": 1, "Unsqueeze": 1}
"""Operators that compute nothing -> how many of their inputs are moved, None for all."""


def at_precision(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """A copy of the step graph computed in fp32, fp16 or bf16.

    Raises ValueError: unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    made = onnx.ModelProto()
    made.CopyFrom(model)
    if precision in TYPES:
        _Lowering(made.graph, TYPES[precision]).run()
    return made


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph and, beside it, its weights."""
    path.with_suffix(".bin").unlink(missing_ok=True)
    onnx.save(model, str(path), save_as_external_data=True, all_tensors_to_one_file=True,
              location=path.with_suffix(".bin").name, size_threshold=512)


class _Lowering:
    """One walk over the nodes in their order; each tensor has one home type, and a cast to the
    other is made where somebody needs it, once."""

    def __init__(self, graph: onnx.GraphProto, low: int) -> None:
        self._graph = graph
        self._low = low
        self._stored = {t.name: t.data_type for t in graph.initializer}
        self._is_low = {name for name, kind in self._stored.items() if kind == low}
        self._constants = {n.output[0] for n in graph.node if n.op_type == "Constant"}
        self._kept = {t.name.removesuffix("_half") for t in graph.initializer
                      if t.name.startswith(_KEPT)}
        self._casts: dict[tuple[str, int], str] = {}
        self._nodes: list[NodeProto] = []

    def run(self) -> None:
        """Rewrite the graph in place."""
        for value in (*self._graph.input, *self._graph.output):
            if value.name in STORED:
                value.type.tensor_type.elem_type = self._low
        self._is_low |= {v.name for v in self._graph.input if v.name in STORED}
        for node in list(self._graph.node):
            self._lower(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]

    def _lower(self, node: NodeProto) -> None:
        if node.op_type == "Cast" and node.input[0] in self._is_low:
            self._widened_weight(node)
        elif node.op_type in _PRODUCTS and not self._kept & set(node.input):
            self._take(node, len(node.input), low=True)
            self._give_product(node)
        elif self._only_moves(node):
            self._take(node, _MOVES.get(node.op_type), low=True)
            self._is_low |= set(node.output)
            self._nodes.append(node)
        else:
            self._take(node, None, low=False)
            self._nodes.append(node)

    def _widened_weight(self, node: NodeProto) -> None:
        """A weight that is stored low anyway: whoever wants it low takes it as it is."""
        self._nodes.append(node)
        self._casts[node.output[0], self._low] = node.input[0]

    def _only_moves(self, node: NodeProto) -> bool:
        """It moves something low, scales it by a constant, or makes the new rows of the ring."""
        moved = [self._home(name) for name in node.input]
        if set(node.output) & set(STORED):
            return True
        if node.op_type == "Mul":
            return (any(name in self._is_low for name in moved)
                    and any(name in self._constants for name in node.input))
        if node.op_type not in _MOVES:
            return False
        return any(name in self._is_low for name in moved[:_MOVES[node.op_type]])

    def _home(self, name: str) -> str:
        """The low tensor of the same value, if one is there without a further cast."""
        found = self._casts.get((name, self._low), name)
        return found if found in self._stored else name

    def _take(self, node: NodeProto, count: int | None, low: bool) -> None:
        """Let the first `count` inputs, None for all, be of the wanted type."""
        for i, name in enumerate(node.input[:count]):
            if low and name not in self._is_low:
                node.input[i] = self._cast(name, self._low)
            elif not low and name in self._is_low:
                node.input[i] = self._cast(name, TensorProto.FLOAT)

    def _give_product(self, node: NodeProto) -> None:
        """A product's low output, and the float32 that everybody else takes it for."""
        name = node.output[0]
        node.output[0] = f"{name}_low"
        self._is_low.add(node.output[0])
        self._nodes.append(node)
        self._nodes.append(helper.make_node("Cast", [node.output[0]], [name],
                                            to=TensorProto.FLOAT))
        self._casts[name, self._low] = node.output[0]

    def _cast(self, name: str, kind: int) -> str:
        key = name, kind
        if key not in self._casts:
            made = f"{name}_as_{TensorProto.DataType.Name(kind).lower()}"
            self._nodes.append(helper.make_node("Cast", [name], [made], to=kind))
            self._casts[key] = made
            if kind == self._low:
                self._is_low.add(made)
        return self._casts[key]
