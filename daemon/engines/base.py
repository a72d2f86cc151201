"""What an engine is: one forward of the network per micro-turn over a ring of keys and values.

Letters: S slots of a micro-turn, R rows of the ring, L layers, H heads, Dh size of a head.
The slots are 4 of sound, 12 of video and 1 readout, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from kernels.dmel_ref import MELS
from models import tokens
from kernels.kv_ring_ref import NOWHERE
from models.config import (
    AUDIO_SLOTS,
    CONTEXT_FRAMES,
    PATCH,
    SIMILARITY,
    SIMILARITY_ROWS,
    SLOT_TIMES,
    SLOTS,
    VIDEO_SLOTS,
    ModelConfig,
)

HEADS = ("heard0", "heard1", "act", "floor", *tokens.SLOT_HEADS)
"""Outputs of the step that are one vector of logits each."""
HIDDEN = np.float32(-1e9)
"""Added to the score of a key that may not be seen."""


class EngineMismatch(ValueError):
    """Engine, weights and daemon do not fit together; the text names cause and next step."""


class EngineLost(RuntimeError):
    """A running engine cannot go on, its stream is gone; the text names cause and next step."""


def load_spec(path: Path) -> ModelConfig:
    """Read the JSON beside an exported step.

    Raises:
        EngineMismatch: it is missing or broken.
    """
    try:
        return ModelConfig.load(path)
    except OSError as error:
        raise EngineMismatch(f"{path}: cannot be read ({error.strerror}); it describes the weights "
                             "and lies beside them: get both from the same release") from error
    except (ValueError, TypeError) as error:
        raise EngineMismatch(f"{path}: does not describe a step ({error}); "
                             "next: get weights and description from the same release") from error


@dataclass(frozen=True)
class StepInputs:
    """One micro-turn as the network sees it. The arrays are read during `step` only."""

    levels: np.ndarray
    """(4 + 8, 80) uint8, dMel levels of eight audio frames and of the four before."""
    patches: np.ndarray | None
    """(12, 4800) float32, None without a video frame."""
    similarity: np.ndarray | None
    """(3, 400) float32, rows of two video frames and the trend, None without a frame."""
    state: np.ndarray
    """(15,) int64, rows of the state table."""
    previous: np.ndarray
    """(4,) int64: heard0, heard1, act and floor of the previous micro-turn."""


@dataclass(frozen=True)
class StepOutputs:
    """What one forward gives. The arrays belong to the engine: valid until its next step."""

    logits: Mapping[str, np.ndarray]
    """Name of the head -> (classes,) float32."""
    reps: np.ndarray
    """(4,) float32: logit of active, cosine and sine of the phase, log of the rate in hertz."""


class Engine(Protocol):
    """Runs the network, one micro-turn at a time, and keeps its ring."""

    name: str
    """onnx, torch or tensorrt."""
    spec: ModelConfig

    def step(self, inputs: StepInputs) -> StepOutputs:
        """Append one micro-turn to the stream."""

    def reset(self) -> None:
        """Forget the stream."""

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that `set_state` needs to go on, as owned arrays."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""


class Feed:
    """Preallocated inputs of the step graph; `fill` copies one micro-turn into them."""

    def __init__(self) -> None:
        self.levels = np.zeros((1, CONTEXT_FRAMES + 2 * AUDIO_SLOTS, MELS), np.int64)
        self.patches = np.zeros((1, VIDEO_SLOTS, PATCH), np.float32)
        self.similarity = np.zeros((1, SIMILARITY_ROWS, SIMILARITY), np.float32)
        self.state = np.zeros((1, len(tokens.STATE_FIELDS)), np.int64)
        self.previous = np.zeros((1, 4), np.int64)
        self.present = np.ones((1, SLOTS), np.float32)

    def fill(self, inputs: StepInputs) -> None:
        """Copy the micro-turn; a slot without input keeps whatever, masked by `present`."""
        self.levels[0] = inputs.levels
        self.state[0] = inputs.state
        self.previous[0] = inputs.previous
        self.present[0, AUDIO_SLOTS:-1] = inputs.patches is not None
        if inputs.patches is not None:
            self.patches[0] = inputs.patches
        self.similarity[0] = 0.0 if inputs.similarity is None else inputs.similarity

    def arrays(self) -> dict[str, np.ndarray]:
        """Name of the graph's input -> the array."""
        return dict(vars(self))


class Window:
    """Which rows of the ring may be seen, and where they are.

    Angles are made in float64 so that hour-long positions stay exact.
    """

    def __init__(self, spec: ModelConfig) -> None:
        rows = spec.ring_rows
        self.mask = np.empty((SLOTS, rows), np.float32)
        self.cos = np.empty((SLOTS, spec.head_dim // 2), np.float32)
        self.sin = np.empty_like(self.cos)
        self._reach = spec.window_turns * SLOTS
        self._frequencies = spec.rope_theta ** (-np.arange(0, spec.head_dim, 2) / spec.head_dim)
        self._positions = np.empty(rows, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self.turn = 0
        """Micro-turns appended so far."""
        self._positions[:] = NOWHERE
        self._aim()

    @property
    def first_row(self) -> int:
        """First of the S rows that this micro-turn is written to."""
        return self.turn * SLOTS % len(self._positions)

    def advance(self, present: np.ndarray) -> None:
        """The rows of this micro-turn are written; present: (S,), 0 for an empty slot."""
        rows = slice(self.first_row, self.first_row + SLOTS)
        self._positions[rows] = np.where(present > 0, self._slots(), NOWHERE)
        self.turn += 1
        self._aim()

    def _slots(self) -> np.ndarray:
        """(S,) absolute positions of this micro-turn."""
        return self.turn * SLOTS + np.arange(SLOTS, dtype=np.int64)

    def _aim(self) -> None:
        """Mask and rotation for the micro-turn that comes next."""
        positions = self._slots()
        back = positions[:, None] - self._positions[None]
        self.mask[:] = np.where(back < self._reach, np.float32(0), HIDDEN)
        times = self.turn * float(AUDIO_SLOTS) + np.asarray(SLOT_TIMES)
        angles = times[:, None] * self._frequencies
        self.cos[:] = np.cos(angles)
        self.sin[:] = np.sin(angles)

    def arrays(self) -> dict[str, np.ndarray]:
        """Name of the graph's input -> the array, all updated in place."""
        return {"mask": self.mask, "cos": self.cos, "sin": self.sin}

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copies."""
        return {"positions": self._positions.copy(), "turn": np.array(self.turn, np.int64)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        check_shape(state, "positions", self._positions.shape)
        self._positions[:] = state["positions"]
        self.turn = int(state["turn"])
        self._aim()


def check_shape(state: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> None:
    """Raises ValueError when an array of an engine's state has another shape."""
    if state[name].shape != shape:
        raise ValueError(f"engine state has {name} {state[name].shape}, "
                         f"these weights need {shape}")


class Ring(Window):
    """Keys and values of the last micro-turns in the processor's memory.

    Keys stay rotated at their absolute position. `dtype` is that of the graph's ring: float16 where
    it computes in half.
    """

    def __init__(self, spec: ModelConfig, dtype: type[np.generic] = np.float32) -> None:
        super().__init__(spec)
        shape = (spec.layers, 1, spec.heads, spec.ring_rows, spec.head_dim)
        self.keys = np.zeros(shape, dtype)
        self.values = np.zeros(shape, dtype)

    def append(self, keys: np.ndarray, values: np.ndarray, present: np.ndarray) -> None:
        """Write the (L, 1, H, S, Dh) rows of this micro-turn and move on; present: (S,)."""
        rows = slice(self.first_row, self.first_row + SLOTS)
        self.keys[:, :, :, rows] = keys
        self.values[:, :, :, rows] = values
        self.advance(present)

    def arrays(self) -> dict[str, np.ndarray]:
        """Name of the graph's input -> the array, all updated in place."""
        return {"ring_k": self.keys, "ring_v": self.values, **super().arrays()}

    def get_state(self) -> dict[str, np.ndarray]:
        """Owned copies."""
        return {"keys": self.keys.copy(), "values": self.values.copy(), **super().get_state()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `get_state`. Raises ValueError when the shapes do not fit."""
        for name, array in (("keys", self.keys), ("values", self.values)):
            check_shape(state, name, array.shape)
        super().set_state(state)
        self.keys[:] = state["keys"]
        self.values[:] = state["values"]
