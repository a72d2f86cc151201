"""The shipped network on a GPU by `--engine cuda`: the same as ONNX Runtime on the CPU, and how fast."""

from __future__ import annotations

import time

import numpy as np

from daemon.engines import open_engine
from daemon.engines.base import HEADS, Engine, StepInputs
from kernels.dmel_ref import LEVELS, MELS
from models import tokens
from models.config import (
    AUDIO_SLOTS,
    CONTEXT_FRAMES,
    PATCH,
    SIMILARITY,
    SIMILARITY_ROWS,
    VIDEO_SLOTS,
)

TIE = 1e-3
"""Two best logits that are closer than this may change places."""


def made_up(turns: int) -> list[StepInputs]:
    """Inputs of micro-turns, now and then without pictures."""
    rng, found = np.random.default_rng(5), []
    state = np.asarray(tokens.encode_state(tokens.IDLE_STATE))
    for k in range(turns):
        seen = bool(k % 7)
        found.append(StepInputs(
            levels=rng.integers(0, LEVELS, (CONTEXT_FRAMES + 2 * AUDIO_SLOTS, MELS)).astype(np.uint8),
            patches=rng.normal(0, 1, (VIDEO_SLOTS, PATCH)).astype(np.float32) if seen else None,
            similarity=rng.random((SIMILARITY_ROWS, SIMILARITY), np.float32) + 0.5 if seen else None,
            state=state, previous=np.zeros(4, np.int64)))
    return found


def compare(turns: int, name: str = "cuda") -> int:
    """Classes in which an engine differs from ONNX Runtime on the same inputs, but for ties."""
    engine, onnx, wrong = open_engine(name), open_engine("onnx"), 0
    for inputs in made_up(turns):
        ours, theirs = engine.step(inputs), onnx.step(inputs)
        for head in HEADS:
            a, b = theirs.logits[head], ours.logits[head]
            first, second = np.sort(a)[-1:-3:-1]
            wrong += a.argmax() != b.argmax() and first - second >= TIE
    return int(wrong)


def stepped(turns: int, engine: Engine | None = None) -> dict:
    """Milliseconds from inputs on the host to logits on the host."""
    engine, took_ms = engine or open_engine("cuda"), []
    inputs = made_up(64)
    for k in range(turns):
        began = time.perf_counter()
        engine.step(inputs[k % len(inputs)])
        took_ms.append((time.perf_counter() - began) * 1e3)
    p50, p99 = np.percentile(took_ms, (50, 99))
    return {"turns": turns, "p50_ms": float(p50), "p99_ms": float(p99), "max_ms": max(took_ms)}
