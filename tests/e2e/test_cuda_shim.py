"""--engine cuda-shim: front end, ring, attention and choices are the CUDA kernels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from daemon.engines import WEIGHTS, open_engine, open_or_next
from daemon.engines.base import HEADS, EngineLost, EngineMismatch, StepInputs
from daemon.events import to_line
from daemon.interaction import InteractionModel
from daemon.run import Runner
from daemon.turn import MicroTurn, State, Task, VideoFrame
from models.scenarios import render, script
from tests.e2e.scripted import write_sound
from tools.benchmark.program import write_lossless

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400),
              pytest.mark.skipif(shutil.which("g++") is None, reason="no g++: kernels untested"),
              pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no weights at {WEIGHTS}")]

SECONDS = 24.0
"""Of the demo's scenario: "count my squats", eight squats, "stop counting"."""
TIE = 1e-4


def turns(count: int) -> list[MicroTurn]:
    """Noise and moving pictures, now and then none."""
    rng = np.random.default_rng(4)
    found = []
    for k in range(count):
        audio = rng.integers(-2000, 2000, 3200).astype(np.int16)
        frames = tuple(VideoFrame(k * 0.2 + j * 0.1, rng.integers(0, 255, (120, 160, 3), np.uint8))
                       for j in range(2 if k % 7 else 0))
        found.append(MicroTurn(k, audio, frames, State(task=Task(k % 3))))
    return found


def inputs_of(model: InteractionModel, turn: MicroTurn) -> StepInputs:
    return model._inputs(turn, [model._front.rows(frame.rgb) for frame in turn.frames])


def test_forced_history_gives_the_logits_of_onnx_runtime() -> None:
    """Budget: 40 s. More micro-turns than the ring holds would take minutes; the kernel's own tests
    go round it."""
    onnx, shim = (InteractionModel(open_engine(name), None) for name in ("onnx", "cuda-shim"))
    assert {shim.stages[s] for s in ("levels", "similarity", "ring", "attention", "classes")} == {
        "kernels (shim)"}
    for turn in turns(40):
        inputs = [inputs_of(model, turn) for model in (onnx, shim)]
        ours, theirs = shim.engine.step(inputs[0]), onnx.engine.step(inputs[0])
        assert np.abs(inputs[0].levels.astype(int) - inputs[1].levels).max() <= 1
        for name in HEADS:
            a, b = theirs.logits[name], ours.logits[name]
            first, second = np.sort(a)[-1:-3:-1]
            assert a.argmax() == b.argmax() or first - second < TIE, name
        np.testing.assert_allclose(ours.reps, theirs.reps, atol=1e-3)
        onnx._previous = shim._previous = tuple(
            int(theirs.logits[n].argmax()) for n in ("heard0", "heard1", "act", "floor"))


def test_a_state_goes_on_in_another_engine() -> None:
    """Budget: 20 s."""
    first, second = (open_engine("cuda-shim") for _ in range(2))
    model = InteractionModel(first, None)
    inputs = [inputs_of(model, turn) for turn in turns(6)]
    for one in inputs[:5]:
        first.step(one)
    second.set_state(first.get_state())
    for name in HEADS:
        np.testing.assert_array_equal(first.step(inputs[5]).logits[name],
                                      second.step(inputs[5]).logits[name])


def test_without_a_gpu_the_engine_on_one_says_what_is_missing_and_onnx_goes_on() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineMismatch, match="^engine cuda: .*; next: "):
        open_engine("cuda")
    told: list[str] = []
    engine = open_or_next("cuda", None, 1, None, "fp16", told.append)
    assert engine.name == "onnx" and len(told) == 1
    assert told[0].startswith("engine cuda: ") and told[0].endswith("going on with engine onnx")


def test_a_gpu_that_fails_is_told_apart_from_an_engine_that_does_not_fit(monkeypatch) -> None:
    engine = open_engine("cuda-shim")
    def fails(*arguments: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure\nmore of it")
    monkeypatch.setattr(engine, "_append", fails)
    with pytest.raises(EngineLost, match="^CUDA error: unspecified launch failure; next: "):
        engine.step(inputs_of(InteractionModel(engine, None), turns(1)[0]))


def test_the_demo_gives_the_events_of_onnx_runtime(tmp_path: Path) -> None:
    """Budget: 100 s; alone it takes a quarter of a second for a micro-turn."""
    scenario = script.load(Path(__file__).parents[2] / "scenarios" / "demo.toml")
    write_sound(tmp_path / "in.wav", render.sound(scenario)[: int(SECONDS * 16_000)])
    write_lossless(tmp_path / "in.mkv", render.pictures(scenario)[: int(SECONDS * 10)])
    told = {}
    for engine in ("onnx", "cuda-shim"):
        events: list[dict] = []
        Runner(engine=engine).run_files(
            tmp_path / "in.wav", tmp_path / "in.mkv",
            listeners=[lambda e, to=events: to.append(json.loads(to_line(e)))])
        told[engine] = [(e["t_s"], e["kind"], e.get("text")) for e in events
                        if e["kind"] in ("heard", "say", "count")]
    assert told["cuda-shim"] == told["onnx"]
    assert {kind for _, kind, _ in told["onnx"]} == {"heard", "say", "count"}
