"""torch on the CPU: the reference that the exported graph is held to."""

from __future__ import annotations

from pathlib import Path

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


class TorchEngine:
    """The network itself, from the weights beside the exported step."""

    name = "torch"

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the network's weights from the exported step: one weight file for all engines.

        Raises:
            EngineMismatch: torch or the weights are missing, or they do not fit.
        """
        try:
            import torch

            from models.export import read_weights
            from models.model import OUTPUT_HEADS, InteractionNet
        except ImportError as error:
            raise EngineMismatch(f"engine torch: torch is not installed ({error}); "
                                 "next: pip install torch, or --engine onnx") from error
        self._torch = torch
        torch.set_num_threads(threads)
        self.spec = load_spec(path.with_suffix(".json"))
        self._net = InteractionNet(self.spec).eval()
        self._names = tuple(OUTPUT_HEADS)
        try:
            weights = read_weights(path)
        except Exception as error:  # onnx has a class of its own for every failure
            raise EngineMismatch(f"{path}: its weights cannot be read ({error}); "
                                 "next: get the weights again") from error
        unfit = self._net.load_state_dict(weights, strict=False)
        # the phone head serves training alone and is not exported
        if unfit.unexpected_keys or any(not k.startswith("phone.") for k in unfit.missing_keys):
            raise EngineMismatch(f"{path}: does not fit {path.stem}.json ({unfit})")
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
