"""The network with its ring and its attention by the CUDA kernels, the rest of it by torch.

On a GPU a micro-turn is recorded once as one CUDA graph and then replayed. On the CPU, through the
shim, the very source that a GPU gets runs in a whole session: slow and exact.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from daemon.engines.base import (
    HEADS,
    EngineLost,
    EngineMismatch,
    Feed,
    StepInputs,
    StepOutputs,
    Window,
    load_spec,
)
from daemon.engines.torch_engine import load_net
from kernels.backend import GpuError
from kernels.build import BuildError
from kernels.kv_ring import KvRing
from kernels.stream_attention import StreamAttention
from kernels.torch_arrays import TorchArrays
from models.config import SLOTS
from models.model import OUTPUT_HEADS, norm

WARM_UP = 3
"""Runs before the recording: libraries choose their algorithms and take their memory meanwhile."""


class KernelEngine:
    """Runs the exported weights; `backend` says where."""

    def __init__(self, path: Path, backend: TorchArrays) -> None:
        """Load the weights beside the exported step and compile the kernels.

        Raises:
            EngineMismatch: weights, compiler or the package onnx are missing, or do not fit.
        """
        self.name = "cuda" if backend.on_gpu else f"cuda-{backend.name}"
        self.spec = load_spec(path.with_suffix(".json"))
        self.backend = backend
        with backend.stream():
            self._net = load_net(path, self.spec).to(backend.device)
        spec, shape = self.spec, (self.spec.heads, SLOTS, self.spec.head_dim)
        try:
            self._ring = KvRing(backend, spec.layers, spec.heads, SLOTS, spec.ring_rows,
                                spec.head_dim, np.float32)
            self._attention = StreamAttention(backend, spec.heads, SLOTS,
                                              spec.window_turns * SLOTS, spec.head_dim,
                                              dtype=np.float32)
            self._q, self._out = (backend.array(np.zeros(shape, np.float32)) for _ in range(2))
            new = np.zeros((spec.layers, *shape), np.float32)
            self._keys, self._values = backend.array(new), backend.array(new)
            self._sinks = [backend.array(b.attention.sink.detach().cpu().numpy()[:, 0])
                           for b in self._net.blocks]
        except (BuildError, GpuError) as error:
            raise EngineMismatch(f"engine {self.name}: {error}") from error
        self._window, self._feed = Window(spec), Feed()
        self._inputs = {name: backend.array(array) for name, array in self._arrays().items()}
        self._seen = self._inputs["present"][0]
        self._logits = backend.array(np.zeros(sum(OUTPUT_HEADS.values()), np.float32))
        self._ends = np.cumsum(list(OUTPUT_HEADS.values()))[:-1]
        self._graph: torch.cuda.CUDAGraph | None = None

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn. Raises EngineLost: the GPU failed, the stream is gone."""
        self._feed.fill(inputs)
        try:
            logits = self._run()
        except (GpuError, RuntimeError) as error:  # torch has no class of its own for CUDA's
            cause = str(error).splitlines()[0]
            raise EngineLost(f"{cause}; next: tagalong doctor") from error
        self._window.advance(self._feed.present[0])
        read = dict(zip(OUTPUT_HEADS, np.split(logits, self._ends)))
        return StepOutputs({name: read[name] for name in HEADS}, read["reps"])

    def _run(self) -> np.ndarray:
        """All logits of the micro-turn in the feed, owned by the caller."""
        for name, array in self._arrays().items():
            self.backend.put(self._inputs[name], array)
        with self.backend.stream(), torch.inference_mode():
            if self.backend.on_gpu:
                self._replay()
            else:
                self._append()
        return self.backend.host(self._logits).copy()

    def _arrays(self) -> dict[str, np.ndarray]:
        """What goes up in every micro-turn."""
        angles = self._window.arrays()
        return {**self._feed.arrays(), "cos": angles["cos"], "sin": angles["sin"]}

    def _replay(self) -> None:
        """The recorded micro-turn; recorded now when it is the first."""
        if self._graph is None:
            for _ in range(WARM_UP):
                self._read()
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=torch.cuda.current_stream()):
                self._append()
        self._graph.replay()

    def _append(self) -> None:
        self._read()
        self._ring.append(self._keys, self._values, self._seen)

    def _read(self) -> None:
        """From inputs and ring to logits, new keys and new values, all in their places. The ring
        stays as it is."""
        net, given = self._net, {name: array.tensor for name, array in self._inputs.items()}
        x = torch.cat([
            net.embed_audio(given["levels"]).squeeze(1), net.patches(given["patches"]),
            net.embed_state(given["state"], given["previous"], given["similarity"]),
        ], 1) + net.slot
        for layer, block in enumerate(net.blocks):
            q, k, v = block.attention.project(norm(x, block.norm_a), given["cos"], given["sin"])
            own = self._keys[layer], self._values[layer]
            for array, values in zip((self._q, *own), (q, k, v)):
                array.tensor.copy_(values[0])
            seen = self._attention.attend(self._q, *own, self._ring, layer, self._seen,
                                          self._sinks[layer], self._out).tensor
            joined = seen.transpose(0, 1).reshape(1, SLOTS, -1)
            x = block.feed_forward(x + block.attention.out(joined))
        self._logits.tensor.copy_(torch.cat([*net.read(x[:, -1]).values()], -1)[0])

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
