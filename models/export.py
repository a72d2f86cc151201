"""Exports the step graph to ONNX with one weight file beside it.

    python -m models.export --weights DIR/final.pt --to models/weights

Biases, counter and pictures stay as in models/weights/step.json unless an option says otherwise.
Opset 17, plain operators that TensorRT 10.3's parser knows. Weights are stored as float16 and cast
once when the session is made; the arithmetic is float32.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from models.config import (CONTEXT_FRAMES, PATCH, SIMILARITY, SIMILARITY_ROWS, SIZES, SLOTS,
                           VIDEO_SLOTS, WEIGHTS, ModelConfig)
from models.carry import carry_over
from models.exported import read_arrays
from models.model import OUTPUT_HEADS, InteractionNet
from models.tokens import STATE_FIELDS

OPSET = 17
INPUTS = ("levels", "patches", "similarity", "state", "previous", "present", "ring_k", "ring_v",
          "mask", "cos", "sin")
OUTPUTS = (*OUTPUT_HEADS, "new_k", "new_v")
BIASES = ("heard_bias", "act_bias", "floor_bias", "ducked_bias")
SWITCHES = (*BIASES, "counter", "pictures")
"""Fields of step.json that are chosen after training; the others are the network's sizes."""


class _Step(torch.nn.Module):
    """`InteractionNet.step` as a forward, which the exporter wants."""

    def __init__(self, net: InteractionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs):
        return self.net.step(*inputs)


def example_inputs(config: ModelConfig) -> tuple[torch.Tensor, ...]:
    """Zero inputs of the step graph's shapes, in the order of `INPUTS`."""
    ring = (config.layers, 1, config.heads, config.ring_rows, config.head_dim)
    angles = (SLOTS, config.head_dim // 2)
    return (
        torch.zeros(1, CONTEXT_FRAMES + 8, 80, dtype=torch.int64),
        torch.zeros(1, VIDEO_SLOTS, PATCH),
        torch.zeros(1, SIMILARITY_ROWS, SIMILARITY),
        torch.zeros(1, len(STATE_FIELDS), dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int64),
        torch.ones(1, SLOTS), torch.zeros(ring), torch.zeros(ring),
        torch.zeros(SLOTS, config.ring_rows), torch.ones(angles), torch.zeros(angles),
    )


def _halve(model: onnx.ModelProto) -> None:
    """Store large float32 initialisers as float16 and cast them in the graph."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < 512:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(array.astype(np.float16), tensor.name + "_half")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _fold_axes(model: onnx.ModelProto) -> None:
    """Make constants of unsqueezed constants, which the exporter writes as a slice's axes:
    TensorRT's parser wants axes to be constants."""
    values, kept = {}, []
    for node in model.graph.node:
        if node.op_type == "Unsqueeze" and all(name in values for name in node.input):
            array, axes = (values[name] for name in node.input)
            folded = numpy_helper.from_array(np.expand_dims(array, tuple(axes.tolist())))
            node = helper.make_node("Constant", [], list(node.output), node.name, value=folded)
        if node.op_type == "Constant":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def export(net: InteractionNet, folder: Path) -> None:
    """Write step.onnx, step.bin (its weights) and step.json into folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "step.onnx"
    with torch.no_grad():
        torch.onnx.export(_Step(net).eval(), example_inputs(net.config), str(target),
                          input_names=list(INPUTS), output_names=list(OUTPUTS),
                          opset_version=OPSET, dynamo=False, do_constant_folding=False)
    model = onnx.load(str(target))
    _halve(model)
    _fold_axes(model)
    (folder / "step.bin").unlink(missing_ok=True)
    onnx.save(model, str(target), save_as_external_data=True, all_tensors_to_one_file=True,
              location="step.bin", size_threshold=512)
    (folder / "step.bin").chmod(0o644)  # onnx writes it for its owner alone
    net.config.save(folder / "step.json")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights of an exported step by the names of `InteractionNet`: one file serves every engine.

    Raises FileNotFoundError when step.onnx or the file beside it is missing.
    """
    return {name: torch.from_numpy(array.copy()) for name, array in read_arrays(path).items()}


def load(path: Path, config: ModelConfig | None = None) -> InteractionNet:
    """Network with the weights of a checkpoint of `models.train`.

    Raises FileNotFoundError when there is none and RuntimeError when the sizes differ.
    """
    stored = torch.load(path, map_location="cpu", weights_only=True)
    net = InteractionNet(config or ModelConfig())
    weights = carry_over(stored["weights"], stored["names"])
    net.load_state_dict({k: v.float() for k, v in weights.items()})
    return net.eval()


def parse(known: ModelConfig, arguments=None) -> tuple[argparse.Namespace, ModelConfig]:
    """Command line, and the description to export: what is not given stays as in `known`."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint of models.train")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the checkpoint")
    parser.add_argument("--to", type=Path, default=WEIGHTS)
    for name in BIASES:
        parser.add_argument("--" + name.replace("_", "-"), type=float,
                            default=getattr(known, name))
    parser.add_argument("--counter", choices=("phase", "gated"), default=known.counter)
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction,
                        default=known.pictures, help="feed the patches of video frames")
    options = parser.parse_args(arguments)
    switches = {name: getattr(options, name) for name in SWITCHES}
    return options, replace(SIZES[options.size], **switches)


def main() -> None:
    """Export; the switches are those of the weights in the repository unless options say else."""
    path = WEIGHTS / "step.json"
    options, config = parse(ModelConfig.load(path) if path.exists() else ModelConfig())
    export(load(options.weights, config), options.to)


if __name__ == "__main__":
    main()
