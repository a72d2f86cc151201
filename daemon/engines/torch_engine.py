"""torch on the CPU: the reference that the exported graph is held to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daemon.engines.base import (
    HEADS,
    EngineMismatch,
    Feed,
    Ring,
    StepInputs,
    StepOutputs,
    load_spec,
)
from models.config import ModelConfig

if TYPE_CHECKING:
    from models.model import InteractionNet


def load_net(path: Path, spec: ModelConfig) -> InteractionNet:
    """The network with the weights beside an exported step.

    Raises:
        EngineMismatch: torch or the weights are missing, or they do not fit.
    """
    try:
        from models.export import read_weights
        from models.model import InteractionNet
    except ImportError as error:
        raise EngineMismatch(f"engine torch: torch is not installed ({error}); "
                             "next: pip install torch, or --engine onnx") from error
    net = InteractionNet(spec).eval()
    try:
        weights = read_weights(path)
    except Exception as error:  # onnx has a class of its own for every failure
        raise EngineMismatch(f"{path}: its weights cannot be read ({error}); "
                             "next: get the weights again") from error
    try:
        unfit = net.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise EngineMismatch(f"{path}: does not fit {path.stem}.json ({error})") from error
    # the phone head serves training alone and is not exported
    if unfit.unexpected_keys or any(not k.startswith("phone.") for k in unfit.missing_keys):
        raise EngineMismatch(f"{path}: does not fit {path.stem}.json ({unfit})")
    return net


class TorchEngine:
    """The network itself, from the weights beside the exported step."""

    name = "torch"

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the network's weights from the exported step: one weight file for all engines.

        Raises:
            EngineMismatch: torch or the weights are missing, or they do not fit.
        """
        self.spec = load_spec(path.with_suffix(".json"))
        self._net = load_net(path, self.spec)
        import torch

        from models.model import OUTPUT_HEADS

        self._torch, self._names = torch, tuple(OUTPUT_HEADS)
        torch.set_num_threads(threads)
        self._feed = Feed()
        self._ring = Ring(self.spec)
        # Tensors share the arrays' memory: what feed and ring write, the network reads.
        self._inputs = {name: torch.from_numpy(array) for name, array
                        in {**self._feed.arrays(), **self._ring.arrays()}.items()}

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn."""
        self._feed.fill(inputs)
        with self._torch.inference_mode():
            *outputs, keys, values = self._net.step(**self._inputs)
        self._ring.append(keys.numpy(), values.numpy(), self._feed.present[0])
        read = {name: out[0].float().numpy() for name, out in zip(self._names, outputs)}
        return StepOutputs({name: read[name] for name in HEADS}, read["reps"])

    def reset(self) -> None:
        """Forget the stream."""
        self._ring.reset()

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copy of the ring."""
        return self._ring.get_state()

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        self._ring.set_state(state)
