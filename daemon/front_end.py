"""What lies around the matrix products of the network: sound and pictures in, classes out.

In numpy, or by the CUDA kernels where an engine brings a backend for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from daemon.engines.base import Engine
from kernels import dmel as dmel_kernel
from kernels import patches as patches_kernel
from kernels import similarity as similarity_kernel
from kernels.backend import Backend
from kernels.dmel_ref import Dmel
from kernels.patches_ref import FRAME_HEIGHT, FRAME_WIDTH, patches
from kernels.sample import Sample
from kernels.similarity_ref import Similarity

STAGES = ("levels", "patches", "similarity", "classes")


class FrontEnd(Protocol):
    """One stream of sound and pictures."""

    served_by: str
    """What computes it, for `tagalong status`."""

    def levels(self, audio: np.ndarray) -> np.ndarray:
        """(3200,) int16 of a micro-turn -> (8, 80) uint8 dMel levels, owned by the caller."""

    def rows(self, rgb: np.ndarray) -> np.ndarray:
        """The next frame, (120, 160, 3) uint8 at 10 fps -> its (400,) float32 of self-similarity,
        owned by the caller."""

    def trend(self) -> np.ndarray:
        """(400,) float32 up to the newest frame."""

    def patches(self, rgb: np.ndarray) -> np.ndarray:
        """(120, 160, 3) uint8 -> (12, 4800) float32."""

    def choose(self, logits: Mapping[str, np.ndarray],
               bias: Mapping[str, float]) -> dict[str, int]:
        """Best class of each head's (n,) logits with the head's bias added to class 0, which also
        wins a tie."""

    def reset(self) -> None:
        """Begin a new stream."""

    def get_state(self) -> dict[str, Any]:
        """Everything that `set_state` needs to go on, as owned values."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from `get_state`. Raises ValueError when a shape does not fit."""


class NumpyFrontEnd:
    """The references themselves; see `FrontEnd`."""

    served_by = "numpy"

    def __init__(self) -> None:
        self._dmel, self._similarity = Dmel(), Similarity()

    def levels(self, audio: np.ndarray) -> np.ndarray:
        return self._dmel.push(audio)

    def rows(self, rgb: np.ndarray) -> np.ndarray:
        return self._similarity.push(rgb)

    def trend(self) -> np.ndarray:
        return self._similarity.trend

    def patches(self, rgb: np.ndarray) -> np.ndarray:
        return patches(rgb)

    def choose(self, logits: Mapping[str, np.ndarray],
               bias: Mapping[str, float]) -> dict[str, int]:
        return {name: choose(values, bias.get(name, 0.0)) for name, values in logits.items()}

    def reset(self) -> None:
        self._dmel.reset()
        self._similarity.reset()

    def get_state(self) -> dict[str, Any]:
        return {"dmel": self._dmel.get_state(), "similarity": self._similarity.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self._dmel.set_state(state["dmel"])
        self._similarity.set_state(state["similarity"])


def choose(logits: np.ndarray, empty_bias: float = 0.0) -> int:
    """Best class of (n,) logits with `empty_bias` added to class 0, which wins a tie."""
    best = int(logits[1:].argmax()) + 1
    return best if logits[best] > logits[0] + np.float32(empty_bias) else 0


def front_end(engine: Engine) -> FrontEnd:
    """The one that goes with an engine: kernels where it runs kernels itself."""
    backend = getattr(engine, "backend", None)
    return NumpyFrontEnd() if backend is None else KernelFrontEnd(backend)


class KernelFrontEnd:
    """The kernels; see `FrontEnd`. Buffers are made once."""

    def __init__(self, backend: Backend) -> None:
        """Raises BuildError: a kernel cannot be compiled."""
        self.served_by = f"kernels ({backend.name})"
        self._backend = backend
        self._dmel = dmel_kernel.Dmel(backend)
        self._patches = patches_kernel.Patches(backend, np.float32)
        self._similarity = similarity_kernel.Similarity(backend)
        self._levels = self._dmel.make_out()
        self._frame, self._patch = self._patches.make_out()
        self._row, self._trend = self._similarity.make_out()
        self._pixels = backend.array(np.zeros(FRAME_HEIGHT * FRAME_WIDTH * 3, np.uint8))
        self._buffer = patches_kernel.Buffer("rgb", FRAME_HEIGHT, FRAME_WIDTH, FRAME_WIDTH * 3)
        self._heads: tuple[str, ...] = ()
        self._sample: Sample | None = None

    def levels(self, audio: np.ndarray) -> np.ndarray:
        return self._backend.host(self._dmel.push(audio, self._levels)).copy()

    def rows(self, rgb: np.ndarray) -> np.ndarray:
        self._take(rgb)
        row, _ = self._similarity.push(self._frame, self._row, self._trend)
        return self._backend.host(row).copy()

    def trend(self) -> np.ndarray:
        return self._backend.host(self._trend).copy()

    def patches(self, rgb: np.ndarray) -> np.ndarray:
        self._take(rgb)
        return self._backend.host(self._patch)

    def _take(self, rgb: np.ndarray) -> None:
        """A camera's frame becomes the network's, and its patches; the same size here."""
        self._backend.put(self._pixels, np.ascontiguousarray(rgb).reshape(-1))
        self._patches.push(self._pixels, self._buffer, self._frame, self._patch)

    def choose(self, logits: Mapping[str, np.ndarray],
               bias: Mapping[str, float]) -> dict[str, int]:
        if self._sample is None or self._heads != tuple(logits):
            self._heads = tuple(logits)
            self._sample = Sample(self._backend, tuple(len(v) for v in logits.values()))
            self._joined = self._backend.array(np.zeros(self._sample.size, np.float32))
            self._classes = self._sample.make_out()
        self._backend.put(self._sample.bias,
                          np.array([bias.get(name, 0.0) for name in self._heads], np.float32))
        self._backend.put(self._joined, np.concatenate(list(logits.values())))
        chosen = self._backend.host(self._sample.choose(self._joined, self._classes))
        return dict(zip(self._heads, chosen.tolist()))

    def reset(self) -> None:
        self._dmel.reset()
        self._similarity.reset()

    def get_state(self) -> dict[str, Any]:
        return {"dmel": self._dmel.get_state(), "similarity": self._similarity.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self._dmel.set_state(state["dmel"])
        self._similarity.set_state(state["similarity"])
