"""Torch's way of the kernels' operations, held to the kernels' references on the CPU: what is timed
beside a kernel must be the same operation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from daemon.engines import WEIGHTS, open_engine
from kernels.dmel_ref import HOP, dmel, hann_window, mel_filters
from kernels.patches_ref import patches, resize_area
from kernels.sample_ref import sample
from kernels.similarity_ref import _LUMA, LAGS, Similarity
from tools import gpu_beside, gpu_network

pytestmark = pytest.mark.unit
CPU = torch.device("cpu")


@pytest.mark.parametrize("way", [gpu_beside.dmel_levels, gpu_beside.dmel_by_stft])
def test_levels(way) -> None:
    pcm = np.random.default_rng(1).integers(-9000, 9000, 12 * HOP).astype(np.int16)
    found = way(torch.from_numpy(pcm), torch.from_numpy(hann_window()),
                torch.from_numpy(mel_filters().T.copy()))
    wanted = dmel(pcm)[1:]
    assert found.shape == wanted.shape
    assert np.mean(found.numpy() != wanted) < 0.002, "but where rounding leads across an edge"


def test_patches() -> None:
    rng = np.random.default_rng(2)
    luma = rng.integers(0, 256, (480, 640)).astype(np.uint8)
    chroma = rng.integers(0, 256, (240, 320, 2)).astype(np.uint8)
    found = gpu_beside.nv12_patches(*map(torch.from_numpy, (luma, chroma)), torch.float32).numpy()
    wanted = patches(resize_area((luma, chroma), layout="nv12"))
    assert np.abs(found - wanted).max() <= 1.01 / 255 / 0.25, "one step of a pixel at most"
    assert np.mean(np.abs(found - wanted) > 1e-5) < 0.02


def test_a_row_of_similarity() -> None:
    rng, ours = np.random.default_rng(3), Similarity()
    frames = rng.integers(0, 256, (LAGS + 4, 120, 160, 3)).astype(np.uint8)
    for frame in frames[:-1]:
        ours.push(frame)
    state = ours.get_state()
    slot = torch.tensor([int(state["pushed"]) % LAGS])
    found = gpu_beside.similarity_row(torch.from_numpy(frames[-1]), torch.from_numpy(state["ring"]),
                                      slot, torch.from_numpy(_LUMA))
    np.testing.assert_allclose(found.numpy().ravel(), ours.push(frames[-1]), atol=1e-4)


def test_both_ways_of_attention_agree_and_the_ring_is_written() -> None:
    made = gpu_beside.micro_turn(CPU, (3, 4))
    attention = made["stream_attention"]
    torch.testing.assert_close(attention.eager(), attention.library(), atol=4e-3, rtol=4e-3)
    ring = torch.zeros(2, 1, 1, 6, 2)
    new = torch.ones(2, 1, 1, 2, 2)
    written = gpu_beside.ring_append(ring, new, torch.tensor([4, 5]))
    assert written is ring and ring[..., 4:, :].eq(1).all() and ring[..., :4, :].eq(0).all()


def test_classes() -> None:
    rng, classes = np.random.default_rng(4), (5, 1, 40)
    logits = rng.normal(0, 2, sum(classes)).astype(np.float32)
    mask = (rng.random(sum(classes)) < 0.7).astype(np.uint8)
    mask[[0, 5]] = 1
    bias = np.array([1.5, 0.0, -2.0], np.float32)
    found = gpu_beside.sample_classes(*map(torch.from_numpy, (logits, mask, bias)), classes)
    edges = np.cumsum((0, *classes))
    wanted = [sample(logits[a:b], mask[a:b], bias[i])
              for i, (a, b) in enumerate(zip(edges, edges[1:]))]
    assert found.tolist() == wanted


def test_all_kernels_have_something_beside_them() -> None:
    made = gpu_beside.micro_turn(CPU, (3, 4))
    assert set(made) == {"dmel", "patches", "similarity", "kv_ring", "stream_attention", "sample"}
    for beside in made.values():
        assert torch.isfinite(beside.eager().float()).all()


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no weights at {WEIGHTS}")
def test_the_network_is_held_to_onnx_runtime_and_timed() -> None:
    assert gpu_network.compare(4, "torch") == 0
    times = gpu_network.stepped(5, open_engine("onnx"))
    assert 0 < times["p50_ms"] <= times["p99_ms"] <= times["max_ms"] and times["turns"] == 5


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no weights at {WEIGHTS}")
def test_a_network_that_differs_is_seen(monkeypatch) -> None:
    class Other:
        def __init__(self) -> None:
            self._engine = open_engine("torch")

        def step(self, inputs):
            out = self._engine.step(inputs)
            return type(out)({**out.logits, "floor": -out.logits["floor"]}, out.reps)

    right = gpu_network.open_engine
    monkeypatch.setattr(gpu_network, "open_engine",
                        lambda name: Other() if name == "other" else right(name))
    assert gpu_network.compare(3, "other") == 3
