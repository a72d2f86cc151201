"""The network with its ring and its attention by the CUDA kernels, the matrix products in numpy.

Slow and exact: on the CPU the very source that a GPU gets is run in a whole session. Letters as in
`models.model`, whose `InteractionNet.step` this is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daemon.engines.base import (
    HEADS,
    EngineMismatch,
    StepInputs,
    StepOutputs,
    Window,
    load_spec,
)
from kernels.backend import Backend
from kernels.build import BuildError
from kernels.dmel_ref import LEVELS, MELS
from kernels.kv_ring import KvRing
from kernels.stream_attention import StreamAttention
from models import tokens
from models.config import AUDIO_SLOTS, CONTEXT_FRAMES, SLOTS, VIDEO_SLOTS
from models.exported import read_arrays

FED_BACK = (len(tokens.HEARD), len(tokens.HEARD), len(tokens.ACTS), len(tokens.FLOORS))
"""Classes of the outputs that are fed back, in the order of `StepInputs.previous`."""
CLASSES = {"heard0": len(tokens.HEARD), "heard1": len(tokens.HEARD), "act": len(tokens.ACTS),
           "floor": len(tokens.FLOORS), **tokens.SLOT_HEADS, "reps": 4}
"""Outputs of the last product, in order, and their classes."""


class KernelEngine:
    """Runs the exported weights; `backend` says where the kernels run."""

    def __init__(self, path: Path, backend: Backend) -> None:
        """Load the weights beside the exported step and compile the kernels.

        Raises:
            EngineMismatch: weights, compiler or the package onnx are missing, or do not fit.
        """
        self.name = f"cuda-{backend.name}" if backend.name != "cuda" else "cuda"
        self.spec = load_spec(path.with_suffix(".json"))
        self.backend = backend
        try:
            self._w = read_arrays(path)
        except ImportError as error:
            raise EngineMismatch(f"engine {self.name}: {error}; next: pip install onnx, or "
                                 "--engine onnx") from error
        except Exception as error:  # onnx has a class of its own for every failure
            raise EngineMismatch(f"{path}: its weights cannot be read ({error}); "
                                 "next: get the weights again") from error
        spec, shape = self.spec, (self.spec.heads, SLOTS, self.spec.head_dim)
        if self._w["slot"].shape != (SLOTS, spec.width):
            raise EngineMismatch(f"{path}: does not fit {path.stem}.json (slot is "
                                 f"{self._w['slot'].shape}, expected {(SLOTS, spec.width)})")
        try:
            self._ring = KvRing(backend, spec.layers, spec.heads, SLOTS, spec.ring_rows,
                                spec.head_dim, np.float32)
            self._attention = StreamAttention(backend, spec.heads, SLOTS,
                                              spec.window_turns * SLOTS, spec.head_dim,
                                              dtype=np.float32)
        except BuildError as error:
            raise EngineMismatch(f"engine {self.name}: {error}") from error
        self._window = Window(spec)
        self._present = np.ones(SLOTS, np.float32)
        self._q, self._k, self._v, self._out = (backend.array(np.zeros(shape, np.float32))
                                                for _ in range(4))
        self._seen = backend.array(self._present)
        new = np.zeros((spec.layers, *shape), np.float32)
        self._new_k, self._new_v = new, new.copy()
        self._all_k, self._all_v = backend.array(new), backend.array(new)
        self._sinks = [backend.array(self._w[f"blocks.{i}.attention.sink"][:, 0])
                       for i in range(spec.layers)]
        self._offsets = np.cumsum((0, *FED_BACK))[:-1]
        self._ends = np.cumsum(list(CLASSES.values()))[:-1]

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn."""
        put = self.backend.put
        self._present[AUDIO_SLOTS:-1] = inputs.patches is not None
        put(self._seen, self._present)
        x = self._embed(inputs)
        for layer in range(self.spec.layers):
            x = self._block(layer, x)
        put(self._all_k, self._new_k)
        put(self._all_v, self._new_v)
        self._ring.append(self._all_k, self._all_v, self._seen)
        self._window.advance(self._present)
        parts = np.split(self._linear("heads", _norm(x[-1], self._w["norm"])), self._ends)
        read = dict(zip(CLASSES, parts))
        return StepOutputs({name: read[name] for name in HEADS}, read["reps"])

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        product = x @ self._w[f"{name}.weight"].T
        bias = self._w.get(f"{name}.bias")
        return product if bias is None else product + bias

    def _embed(self, inputs: StepInputs) -> np.ndarray:
        """(S, C) of a micro-turn's inputs."""
        pictures = np.zeros((VIDEO_SLOTS, self.spec.width), np.float32)
        if inputs.patches is not None:
            pictures = self._stem(inputs.patches)
        return np.concatenate([self._sound(inputs.levels), pictures,
                               self._state(inputs)[None]]) + self._w["slot"]

    def _sound(self, levels: np.ndarray) -> np.ndarray:
        """(4 + 8, 80) levels -> (4, C)."""
        now = levels[CONTEXT_FRAMES:].reshape(AUDIO_SLOTS, -1).astype(np.int64)
        rows = self._w["audio"][now + np.arange(2 * MELS) * LEVELS].sum(1)
        values = levels.astype(np.float32) / 4 - 2
        before = np.concatenate([values[k : k + 2 * AUDIO_SLOTS : 2]
                                 for k in range(CONTEXT_FRAMES)], -1)
        return rows + self._linear("context", before)

    def _stem(self, patches: np.ndarray) -> np.ndarray:
        """(12, 4800) -> (12, C)."""
        x = patches.reshape(-1, 10, 4, 10, 4, 3).transpose(0, 1, 3, 2, 4, 5)
        x = _gelu(self._linear("patches.one", x.reshape(-1, 10, 10, 48)))
        x = x.reshape(-1, 5, 2, 5, 2, 48).transpose(0, 1, 3, 2, 4, 5)
        x = _gelu(self._linear("patches.two", x.reshape(-1, 5, 5, 192)))
        return self._linear("patches.three", x.reshape(VIDEO_SLOTS, -1))

    def _state(self, inputs: StepInputs) -> np.ndarray:
        """(C,) of state, outputs fed back and self-similarity."""
        bag = self._w["state.weight"][inputs.state].sum(0)
        bag = bag + self._w["previous.weight"][inputs.previous + self._offsets].sum(0)
        if inputs.similarity is not None and inputs.similarity.max() > 0:
            rows = _gelu(self._linear("similarity.0", inputs.similarity.reshape(-1) - 1))
            bag = bag + self._linear("similarity.2", rows)
        return bag

    def _block(self, layer: int, x: np.ndarray) -> np.ndarray:
        """(S, C) through one block; its keys and values are kept for the ring."""
        w, name = self._w, f"blocks.{layer}"
        heads, dim = self.spec.heads, self.spec.head_dim
        qkv = self._linear(f"{name}.attention.qkv", _norm(x, w[f"{name}.norm_a"]))
        q, k, v = qkv.reshape(SLOTS, 3, heads, dim).transpose(1, 2, 0, 3)
        q = self._rotated(_norm(q, w[f"{name}.attention.q_scale"]))
        self._new_k[layer] = self._rotated(_norm(k, w[f"{name}.attention.k_scale"]))
        self._new_v[layer] = v
        for array, values in ((self._q, q), (self._k, self._new_k[layer]), (self._v, v)):
            self.backend.put(array, np.ascontiguousarray(values))
        seen = self._attention.attend(self._q, self._k, self._v, self._ring, layer, self._seen,
                                      self._sinks[layer], self._out)
        joined = self.backend.host(seen).transpose(1, 0, 2).reshape(SLOTS, -1)
        x = x + self._linear(f"{name}.attention.out", joined)
        up = _gelu(self._linear(f"{name}.up", _norm(x, w[f"{name}.norm_m"])))
        return x + self._linear(f"{name}.down", up)

    def _rotated(self, x: np.ndarray) -> np.ndarray:
        """Channel pairs (i, i + D/2) of (H, S, D) turned by the slots' times."""
        a, b = np.split(x, 2, -1)
        cos, sin = self._window.cos, self._window.sin
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    def reset(self) -> None:
        """Forget the stream."""
        self._ring.reset()
        self._window.reset()

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copy of the ring."""
        return self._ring.get_state()

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        self._ring.set_state(state)
        self._window.set_state({name: state[name] for name in ("positions", "turn")})


def _norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight


def _gelu(x: np.ndarray) -> np.ndarray:
    """By its tanh approximation, as in training."""
    return 0.5 * x * (1 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x**3)))
