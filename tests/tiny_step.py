"""An untrained tiny step graph: what engines are tested with."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from models.config import TINY


def tiny_step(folder: Path, seed: int = 1) -> Path:
    """Its `step.onnx` in `folder`; skips where there is no torch."""
    torch = pytest.importorskip("torch", reason="exporting a tiny network needs torch")
    from models.export import export
    from models.model import InteractionNet

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net = InteractionNet(TINY)
    with torch.no_grad():  # equal initial values would be merged into one by the exporter
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(net, folder)
    return folder / "step.onnx"
