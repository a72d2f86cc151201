"""What torch makes of the same operations as the kernels, to be timed beside them.

`eager` is how one would write it; `library` the best ready-made call where there is one. Sizes are
those of a micro-turn. Tested against the references on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dmel_ref import (
    FFT,
    FLOOR,
    HOP,
    LEVELS,
    LOG_LOW,
    LOG_STEP,
    WINDOW,
    hann_window,
    mel_filters,
)
from kernels.patches_ref import FRAME_HEIGHT, FRAME_WIDTH, GRID, PATCH
from kernels.similarity_ref import CELLS, FLOOR as STILL, LAGS, _LUMA
from models.config import SLOTS, ModelConfig

_LUMA_YUV = ((298, 0, 409), (298, -100, -208), (298, 516, 0))
"""As `patches_ref.yuv_to_rgb`, in 256ths."""


@dataclass(frozen=True)
class Beside:
    """One operation by torch; no argument is made anew when it is called."""

    eager: Callable[[], Tensor]
    library: Callable[[], Tensor] | None = None


def dmel_levels(pcm: Tensor, window: Tensor, mel: Tensor) -> Tensor:
    """(n * 400 + 400,) int16 -> (n, 80) uint8."""
    frames = pcm.float().unfold(0, WINDOW, HOP) * window
    return _quantised(torch.fft.rfft(frames, FFT).abs() @ mel)


def dmel_by_stft(pcm: Tensor, window: Tensor, mel: Tensor) -> Tensor:
    """The same by `torch.stft`, whose frames are as long as its transform: 112 samples earlier."""
    padded = F.pad(pcm.float(), ((FFT - WINDOW) // 2,) * 2)
    spectrum = torch.stft(padded, FFT, HOP, WINDOW, window, center=False, return_complex=True)
    return _quantised(spectrum.abs().T @ mel)


def _quantised(bands: Tensor) -> Tensor:
    steps = (bands.clamp(min=FLOOR).log10() - LOG_LOW) / LOG_STEP
    return steps.clamp(0, LEVELS - 1).round().to(torch.uint8)


def nv12_patches(luma: Tensor, chroma: Tensor, dtype: torch.dtype = torch.float16) -> Tensor:
    """(H, W) and (H/2, W/2, 2) uint8, whole multiples of 120 x 160 -> (12, 4800)."""
    size = (FRAME_HEIGHT, FRAME_WIDTH)
    y = _area(luma[None], size)
    u, v = _area(chroma.permute(2, 0, 1), size)
    yuv = torch.stack([y[0] - 16, u - 128, v - 128], -1)
    rgb = (yuv @ yuv.new_tensor(_LUMA_YUV).T / 256 + 0.5).floor().clamp(0, 255)
    rows, columns = GRID
    cells = rgb.view(rows, PATCH, columns, PATCH, 3).transpose(1, 2).reshape(rows * columns, -1)
    return ((cells / 255 - 0.5) / 0.25).to(dtype)


def _area(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) uint8 -> (C, h, w) float32 of whole numbers."""
    return (F.interpolate(planes[None].float(), size, mode="area")[0] + 0.5).floor()


def similarity_row(rgb: Tensor, ring: Tensor, slot: Tensor, luma: Tensor) -> Tensor:
    """(120, 160, 3) uint8 against a full ring (80, 4, 100), whose oldest row is at `slot` (1,) and
    is overwritten -> (5, 80) divided by their means, lag 1 first."""
    gray = rgb.float() @ luma
    cells = gray.view(CELLS, FRAME_HEIGHT // CELLS, CELLS, FRAME_WIDTH // CELLS).mean((1, 3))
    cells = cells - cells.mean()
    half = CELLS // 2
    cells = cells.view(2, half, 2, half).transpose(1, 2).reshape(4, -1)
    lags = (slot - 1 - torch.arange(LAGS, device=ring.device)) % LAGS
    quadrants = (ring - cells).abs().mean(2)[lags].T
    ring.index_copy_(0, slot, cells[None])
    distances = torch.cat([quadrants.mean(0, keepdim=True), quadrants])
    return distances / (distances.mean(1, keepdim=True) + STILL)


def ring_append(ring: Tensor, new: Tensor, rows: Tensor) -> Tensor:
    """(2, L, H, S, D) keys and values into (2, L, H, R, D) at `rows` (S,), in place."""
    return ring.index_copy_(3, rows, new)


def attention_eager(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """(H, S, D) against (H, K, D), additive mask (S, K)."""
    scores = q @ keys.transpose(1, 2) / math.sqrt(q.shape[-1]) + mask
    return scores.float().softmax(-1).to(q.dtype) @ values


def sample_classes(logits: Tensor, mask: Tensor, bias: Tensor, classes: tuple[int, ...]) -> Tensor:
    """(all classes,) -> (heads,): arg-max of each head's open classes, bias on class 0."""
    open_ = logits.masked_fill(mask == 0, -torch.inf)
    found = []
    for head, part in enumerate(open_.split(list(classes))):
        first = part[:1] + bias[head]
        found.append(torch.cat([first, part[1:]]).argmax())
    return torch.stack(found)


def micro_turn(device: torch.device, classes: tuple[int, ...], config: ModelConfig | None = None,
               ) -> dict[str, Beside]:
    """Name of a kernel -> torch's way, on made-up data of the shipped sizes."""
    config, rng = config or ModelConfig(), np.random.default_rng(0)

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    def half(*shape: int) -> Tensor:
        return put(rng.standard_normal(shape, np.float32)).half()

    pcm = put(rng.integers(-9000, 9000, 9 * HOP).astype(np.int16))
    window, mel = put(hann_window()), put(mel_filters().T)
    luma = put(rng.integers(0, 256, (480, 640)).astype(np.uint8))
    chroma = put(rng.integers(0, 256, (240, 320, 2)).astype(np.uint8))
    rgb = put(rng.integers(0, 256, (FRAME_HEIGHT, FRAME_WIDTH, 3)).astype(np.uint8))
    cells, slot = put(rng.normal(0, 9, (LAGS, 4, 100)).astype(np.float32)), put(np.array([3]))
    weights = put(_LUMA)
    ring = half(2, config.layers, config.heads, config.ring_rows, config.head_dim)
    new = half(2, config.layers, config.heads, SLOTS, config.head_dim)
    rows = put(np.arange(SLOTS))
    q = new[0, 0]
    keys, values = (torch.cat([ring[i, 0], new[i, 0]], 1) for i in range(2))
    seen = put(rng.random((SLOTS, keys.shape[1])) < 0.9)
    mask = torch.zeros(seen.shape, device=device, dtype=q.dtype).masked_fill(~seen, -1e4)
    logits = put(rng.normal(0, 3, sum(classes)).astype(np.float32))
    open_, bias = torch.ones_like(logits), torch.zeros(len(classes), device=device)
    return {
        "dmel": Beside(lambda: dmel_levels(pcm, window, mel),
                       lambda: dmel_by_stft(pcm, window, mel)),
        "patches": Beside(lambda: nv12_patches(luma, chroma)),
        "similarity": Beside(lambda: similarity_row(rgb, cells, slot, weights)),
        "kv_ring": Beside(lambda: ring_append(ring, new, rows)),
        "stream_attention": Beside(
            lambda: attention_eager(q, keys, values, mask),
            lambda: F.scaled_dot_product_attention(q[None], keys[None], values[None], mask)[0]),
        "sample": Beside(lambda: sample_classes(logits, open_, bias, classes)),
    }


def replayed_us(run: Callable[[], Tensor], repeats: int, launches: int) -> float:
    """Microseconds of one run as one of `launches` in a recorded graph, on a GPU."""
    with torch.inference_mode():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(launches):
                run()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    graph.replay()
    begin.record()
    for _ in range(repeats):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) * 1e3 / repeats / launches


def compared(classes: tuple[int, ...], repeats: int, launches: int) -> dict[str, dict[str, float]]:
    """Kernel -> microseconds by torch eager, torch.compile and the library call, on the GPU, all as
    replays of a graph. Raises RuntimeError: torch has no GPU."""
    if not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} sees no GPU")
    found: dict[str, dict[str, float]] = {}
    for name, beside in micro_turn(torch.device("cuda"), classes).items():
        ways = {"eager": beside.eager, "compiled": torch.compile(beside.eager, dynamic=False)}
        if beside.library is not None:
            ways["library"] = beside.library
        found[name] = {way: replayed_us(run, repeats, launches) for way, run in ways.items()}
    return found
