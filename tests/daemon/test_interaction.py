"""The interaction model on a tiny network: engines agree, state is whole, decoding is right."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from daemon.engines import open_engine
from daemon.engines.base import HEADS, EngineMismatch, Feed, Ring, StepInputs
from daemon.front_end import choose
from daemon.interaction import InteractionModel, decode_act, probability
from daemon.turn import Floor, MicroTurn, State, Task, VideoFrame
from kernels.kv_ring_ref import NOWHERE
from models import tokens
from models.config import AUDIO_SLOTS, SLOT_TIMES, SLOTS, TINY
from models.counter import PhaseCounter
from tests.tiny_step import tiny_step

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained tiny step; needs torch."""
    return tiny_step(tmp_path_factory.mktemp("weights"))


def some_inputs(rng, frames: int = 2) -> StepInputs:
    return StepInputs(
        rng.integers(0, 16, Feed().levels.shape[1:]).astype(np.uint8),
        rng.standard_normal((12, 4800)).astype(np.float32) if frames else None,
        rng.standard_normal((3, 400)).astype(np.float32) if frames else None,
        np.array(tokens.encode_state(tokens.IDLE_STATE), np.int64),
        rng.integers(0, 4, 4).astype(np.int64),
    )


def some_turn(rng, index: int, frames: int = 0, task: Task = Task.NONE) -> MicroTurn:
    pictures = tuple(VideoFrame(index * 0.2 + n * 0.1,
                                rng.integers(0, 255, (120, 160, 3)).astype(np.uint8))
                     for n in range(frames))
    sound = (rng.standard_normal(3200) * 3000).astype(np.int16)
    return MicroTurn(index, sound, pictures, State(task=task))


def model(weights, engine: str = "onnx") -> InteractionModel:
    return InteractionModel(open_engine(engine, weights), PhaseCounter())


def test_engines_agree_past_the_window(weights):
    onnx, torch = open_engine("onnx", weights), open_engine("torch", weights)
    rng = np.random.default_rng(0)
    for turn in range(2 * TINY.window_turns + 3):
        inputs = some_inputs(rng, frames=turn % 3)
        ours, reference = onnx.step(inputs), torch.step(inputs)
        for name in HEADS:
            np.testing.assert_allclose(ours.logits[name], reference.logits[name], atol=5e-5)
        np.testing.assert_allclose(ours.reps, reference.reps, atol=5e-5)


def test_what_has_left_the_window_changes_nothing():
    ring = Ring(TINY)
    rows = np.zeros((TINY.layers, 1, TINY.heads, SLOTS, TINY.head_dim), np.float32)
    present = np.ones(SLOTS, np.float32)
    present[5] = 0
    for _ in range(3 * TINY.window_turns):
        ring.append(rows, rows, present)
    visible = ring.mask == 0
    first, last = visible[0].sum(), visible[-1].sum()
    # The first slot still sees the slots behind its own of the micro-turn a window ago.
    assert first == (TINY.window_turns - 1) * (SLOTS - 1) + SLOTS - 2
    assert last == (TINY.window_turns - 1) * (SLOTS - 1)


def test_angles_stay_exact_after_a_day():
    ring = Ring(TINY)
    ring.turn = 24 * 3600 * 5
    ring._aim()
    exact = np.cos(np.float64(ring.turn * AUDIO_SLOTS + SLOT_TIMES[7]))
    assert ring.cos[7, 0] == np.float32(exact)


def test_state_restores_to_the_same_replies(weights):
    rng = np.random.default_rng(5)
    turns = [some_turn(rng, i, i % 3, Task.REPS) for i in range(12)]
    whole, parted = model(weights), model(weights)
    expected = [whole.step(t) for t in turns]
    for turn in turns[:5]:
        parted.step(turn)
    state = parted.get_state()
    resumed = model(weights)
    resumed.set_state(state)
    parted.reset()
    assert [resumed.step(t) for t in turns[5:]] == expected[5:]


def test_reset_begins_anew(weights):
    rng = np.random.default_rng(6)
    turns = [some_turn(rng, i, 2) for i in range(4)]
    subject = model(weights)
    first = [subject.step(t) for t in turns]
    subject.reset()
    assert [subject.step(t) for t in turns] == first


def test_a_third_frame_is_left_out(weights):
    rng = np.random.default_rng(7)
    turn = some_turn(rng, 0, 3)
    two = MicroTurn(0, turn.audio, turn.frames[:2], turn.state)
    assert model(weights).step(turn) == model(weights).step(two)


def test_state_of_other_weights_is_refused():
    ring = Ring(TINY)
    state = ring.get_state()
    state["keys"] = state["keys"][:, :, :, :-SLOTS]
    with pytest.raises(ValueError, match="keys"):
        ring.set_state(state)
    assert (ring.get_state()["positions"] == NOWHERE).all()


def test_empty_class_wins_ties_and_takes_the_bias():
    logits = np.array([1.0, 1.0, 0.5], np.float32)
    assert choose(logits) == 0
    assert choose(logits, -0.1) == 1
    assert choose(np.array([1.0, 1.8]), 1.0) == 0


def sure_of(**chosen: int) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Classes of all heads, and logits that make each of them nearly certain."""
    sizes = {"act": len(tokens.ACTS), **tokens.SLOT_HEADS}
    heads = {name: chosen.get(name, 0) for name in sizes}
    logits = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    for name, array in logits.items():
        array[heads[name]] = 20.0
    return heads, logits


def test_act_keeps_only_the_slots_of_its_intent():
    slots = tokens.encode_slots({"number": 15, "unit": "minute", "item": "squats",
                                 "colour": "red"})
    heads, logits = sure_of(act=tokens.ACTS.index("set_timer"), **slots)
    act = decode_act(heads["act"], heads, logits)
    assert (act.name, act.slots.number, act.slots.unit) == ("set_timer", 15, "minute")
    assert act.slots.item is None and act.slots.colour is None
    assert act.confidence > 0.99


def test_confidence_is_that_of_the_weakest_slot_used():
    heads, logits = sure_of(act=tokens.ACTS.index("set_timer"),
                            **tokens.encode_slots({"number": 15, "unit": "minute"}))
    logits["units"][:] = 0.0
    logits["units"][heads["units"]] = 1.0
    logits["colour"][:] = 0.0
    act = decode_act(heads["act"], heads, logits)
    assert act.confidence == pytest.approx(probability(logits["units"], heads["units"]))
    assert decode_act(0, heads, logits) is None


def test_unknown_engine_and_missing_weights_are_refused(tmp_path):
    with pytest.raises(EngineMismatch, match="unknown engine 'gpu'; choose one of auto, onnx"):
        open_engine("gpu")
    with pytest.raises(EngineMismatch, match="there are no weights; next:"):
        open_engine("onnx", tmp_path / "none.onnx")


def test_broken_weights_and_description_are_refused(tmp_path):
    path = tmp_path / "step.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(EngineMismatch, match="step.json: cannot be read"):
        open_engine("onnx", path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(EngineMismatch, match="does not describe a step"):
        open_engine("onnx", path)
    TINY.save(path.with_suffix(".json"))
    with pytest.raises(EngineMismatch, match="ONNX Runtime cannot load it"):
        open_engine("onnx", path)


def test_description_of_another_export_is_refused(weights, tmp_path):
    copy = tmp_path / "step.onnx"
    copy.write_bytes(weights.read_bytes())
    shutil.copy(weights.with_suffix(".bin"), tmp_path)
    other = json.loads(weights.with_suffix(".json").read_text())
    other["window_turns"] += 1
    copy.with_suffix(".json").write_text(json.dumps(other))
    with pytest.raises(EngineMismatch, match="expected .*one export"):
        open_engine("onnx", copy)


def test_weights_without_their_data_are_refused(weights, tmp_path):
    for suffix in (".onnx", ".json"):
        shutil.copy(weights.with_suffix(suffix), tmp_path)
    for engine in ("onnx", "torch"):
        with pytest.raises(EngineMismatch, match="next:"):
            open_engine(engine, tmp_path / "step.onnx")


def test_wrong_sound_is_refused_by_name(weights):
    with pytest.raises(ValueError, match="int16"):
        model(weights).step(MicroTurn(0, np.zeros(3200, np.float32)))
    assert model(weights).step(MicroTurn(0, np.zeros(3200, np.int16))).floor in Floor
