"""What `tools/gpu_check` lets a GPU do: the kernels of a micro-turn at the shipped sizes, and at
sizes that fill a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.backend import Backend
from kernels.dmel import Dmel
from kernels.dmel_ref import HOP
from kernels.kv_ring import KvRing
from kernels.patches import Buffer, Patches
from kernels.sample import Sample
from kernels.similarity import Similarity
from kernels.stream_attention import StreamAttention
from models.config import SLOTS, ModelConfig

Load = tuple[Callable[[], object], int]
"""A launch, and the bytes that it must at least move."""
FRAMES = 2
"""Video frames of a micro-turn, 10 a second."""
HOPS = 8
HEADS = (150,) * 15
"""Classes of the readout heads, about those of the shipped network."""
CAMERA = Buffer("nv12", 480, 640, 640, chroma_at=480 * 640, chroma_row_bytes=640)


class MicroTurn:
    """All six kernels at the shipped sizes, on made-up keys, values and logits."""

    def __init__(self, backend: Backend, config: ModelConfig | None = None) -> None:
        """config: sizes of the network, the shipped ones without."""
        config = config or ModelConfig()
        self._backend, rng = backend, np.random.default_rng(0)
        self._pcm = rng.integers(-9000, 9000, (16, HOPS * HOP), dtype=np.int16)
        self._pictures = rng.integers(0, 256, (4, CAMERA.chroma_at * 3 // 2), dtype=np.uint8)
        self._camera = [backend.array(self._pictures[0]) for _ in range(FRAMES)]
        self._dmel, self._patches = Dmel(backend, HOPS), Patches(backend)
        self._similarity, self._sample = Similarity(backend), Sample(backend, HEADS)
        self._levels, self._chosen = self._dmel.make_out(), self._sample.make_out()
        self._seen = [self._patches.make_out() for _ in range(FRAMES)]
        self._rows = [self._similarity.make_out() for _ in range(FRAMES)]
        self._logits = backend.array(rng.normal(0, 3, self._sample.size).astype(np.float32))
        self._attention = _Attention(backend, config.layers, config.heads, config.head_dim,
                                     config.ring_rows)

    @property
    def loads(self) -> dict[str, Load]:
        """Name of a kernel -> one launch of it."""
        frame, patch = self._seen[0]
        in_frame = self._camera[0].nbytes
        return {
            "dmel": (lambda: self._dmel.launch(self._levels), HOPS * (HOP * 2 + 80) + 24_000),
            "patches": (lambda: self._push(0), in_frame + frame.nbytes + patch.nbytes),
            "similarity": (lambda: self._similarity.push(frame, *self._rows[0]), frame.nbytes
                           + 131_000),
            **self._attention.loads,
            "sample": (lambda: self._sample.choose(self._logits, self._chosen),
                       5 * self._sample.size),
        }

    def _push(self, frame: int) -> None:
        self._patches.push(self._camera[frame], CAMERA, *self._seen[frame])

    def put(self, number: int) -> None:
        """Sound and frames of a micro-turn to the device."""
        self._dmel.put(self._pcm[number % len(self._pcm)])
        for frame, camera in enumerate(self._camera):
            self._backend.put(camera, self._pictures[(number + frame) % len(self._pictures)])

    def launch(self) -> None:
        """All kernels, in the order in which a micro-turn needs them."""
        self._dmel.launch(self._levels)
        for frame, (seen, row) in enumerate(zip(self._seen, self._rows)):
            self._push(frame)
            self._similarity.push(seen[0], *row)
        self._attention.launch()
        self._sample.choose(self._logits, self._chosen)

    def get(self) -> np.ndarray:
        """(heads,) int32, what was chosen, on the host."""
        return self._backend.host(self._chosen)


class _Attention:
    """Attention of all layers to a full ring in half precision, and the new rows into it."""

    def __init__(self, backend: Backend, layers: int, heads: int, dim: int, rows: int,
                 slots: int = SLOTS) -> None:
        rng = np.random.default_rng(1)

        def draw(*shape: int) -> Any:
            return backend.array(rng.standard_normal(shape, np.float32).astype(np.float16))

        self._ring = KvRing(backend, layers, heads, slots, rows, dim)
        self._face = StreamAttention(backend, heads, slots, rows - slots, dim)
        turns = rows // slots
        positions = np.full(rows, -(1 << 40), np.int64)
        positions[: turns * slots] = np.arange(turns * slots)
        self._ring.set_state({
            "keys": rng.standard_normal((layers, heads, rows, dim), np.float32).astype(
                np.float16),
            "values": rng.standard_normal((layers, heads, rows, dim), np.float32).astype(
                np.float16),
            "positions": positions, "turn": np.array(turns)})
        self._keys, self._values = draw(layers, heads, slots, dim), draw(layers, heads, slots, dim)
        self._query, self._sink = draw(heads, slots, dim), draw(heads, dim)
        self._present = backend.array(np.ones(slots, np.float32))
        self._out, self._layers = draw(heads, slots, dim), layers
        self._read_bytes = 2 * heads * (rows - slots) * dim * 2

    @property
    def loads(self) -> dict[str, Load]:
        return {"kv_ring": (self._append, 4 * self._keys.nbytes),
                "stream_attention": (lambda: self._attend(0), self._read_bytes)}

    def launch(self) -> None:
        for layer in range(self._layers):
            self._attend(layer)
        self._append()

    def _append(self) -> None:
        self._ring.append(self._keys, self._values, self._present)

    def _attend(self, layer: int) -> None:
        self._face.attend(self._query, self._keys[layer], self._values[layer], self._ring, layer,
                          self._present, self._sink, self._out)


def large(backend: Backend) -> dict[str, Load]:
    """Kernels at sizes that fill a card: 134 MB of new rows, 72 MB of keys, a frame of 8K."""
    rows = _Attention(backend, 64, 64, 128, 128, slots=64)
    keys = _Attention(backend, 1, 256, 64, 1105)
    camera = Buffer("nv12", 4320, 7680, 7680, chroma_at=4320 * 7680, chroma_row_bytes=7680)
    data = backend.array(np.zeros(camera.chroma_at * 3 // 2, np.uint8))
    patches = Patches(backend)
    seen = patches.make_out()
    return {"kv_ring, large": rows.loads["kv_ring"],
            "stream_attention, large": keys.loads["stream_attention"],
            "patches, large": (lambda: patches.push(data, camera, *seen), data.nbytes)}
