"""The network: a streamed micro-turn equals the whole sequence, and nothing looks ahead."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")

from daemon.engines.base import StepInputs  # noqa: E402
from daemon.engines.onnx import OnnxEngine  # noqa: E402
from daemon.engines.torch_engine import TorchEngine  # noqa: E402
from models import tokens  # noqa: E402
from models.config import (  # noqa: E402
    CONTEXT_FRAMES, PATCH, SIMILARITY, SIMILARITY_ROWS, TINY, VIDEO_SLOTS, WEIGHTS,
)
from models.export import export  # noqa: E402
from models.model import FED_BACK, OUTPUT_HEADS, InteractionNet  # noqa: E402

pytestmark = pytest.mark.unit

TURNS = 17
"""More than twice the tiny window, so that the ring wraps."""


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    made = InteractionNet(replace(TINY, act_bias=0.25)).eval()
    with torch.no_grad():  # unlike each other and not small, so that a wrong weight shows
        for name, parameter in made.named_parameters():
            if "norm" in name or "scale" in name:
                parameter.add_(torch.rand_like(parameter) * 0.3)
            elif "sink" in name or "out.weight" in name:
                parameter.normal_(std=0.3)
    # weights as the export stores them
    made.load_state_dict({k: v.half().float() for k, v in made.state_dict().items()})
    return made


def sequence(turns: int = TURNS, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = list(tokens.STATE_FIELDS.values())
    first = np.cumsum([0] + sizes)[:-1]
    state = np.stack([at + rng.integers(0, size, turns) for at, size in zip(first, sizes)], 1)
    previous = np.stack([rng.integers(0, OUTPUT_HEADS[h], turns) for h in FED_BACK], 1)
    return {
        "levels": rng.integers(0, 16, (turns, 8, 80)), "state": state, "previous": previous,
        "similarity": rng.standard_normal((turns, SIMILARITY_ROWS, SIMILARITY)).astype(np.float32),
        "patches": rng.standard_normal((turns, VIDEO_SLOTS, PATCH)).astype(np.float32),
    }


def whole(net, s, **optional) -> dict[str, np.ndarray]:
    batch = {k: torch.from_numpy(v)[None] for k, v in s.items() if k not in optional}
    with torch.no_grad():
        out, _ = net(batch["levels"], batch["state"], batch["previous"],
                     batch.get("similarity"), batch.get("patches"))
    return {k: v[0].numpy() for k, v in out.items()}


def streamed(engine, s, video: bool = True,
             before=np.zeros((CONTEXT_FRAMES, 80), np.uint8)) -> dict[str, np.ndarray]:
    rows = {name: [] for name in OUTPUT_HEADS}
    frames = np.concatenate([before, s["levels"].reshape(-1, 80).astype(np.uint8)])
    for k in range(len(s["levels"])):
        out = engine.step(StepInputs(
            frames[8 * k : 8 * k + CONTEXT_FRAMES + 8], s["patches"][k] if video else None,
            s["similarity"][k] if video else None,
            s["state"][k].astype(np.int64), s["previous"][k].astype(np.int64)))
        for name in OUTPUT_HEADS:
            rows[name].append(np.array(out.reps if name == "reps" else out.logits[name]))
    return {name: np.stack(r) for name, r in rows.items()}


@pytest.fixture(scope="module")
def onnx_path(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    export(net, folder)
    return folder / "step.onnx"


@pytest.mark.parametrize("video", [True, False], ids=["all streams", "sound alone"])
def test_onnx_streaming_equals_the_whole_sequence(net, onnx_path, video):
    s = sequence()
    left_out = {} if video else {"similarity": None, "patches": None}
    expected, found = whole(net, s, **left_out), streamed(OnnxEngine(onnx_path), s, video)
    for name in OUTPUT_HEADS:
        worst = np.abs(expected[name] - found[name]).max()
        assert worst < 2e-4, f"{name}: {worst}"


def same_tokens(one, other, s):
    """Both engines choose the same on this history, except where two tokens are tied."""
    a, b = streamed(one, s), streamed(other, s)
    for name in OUTPUT_HEADS:
        if name == "reps":
            continue
        differ = a[name].argmax(-1) != b[name].argmax(-1)
        top = np.sort(b[name], -1)
        assert not (differ & (top[:, -1] - top[:, -2] > 1e-4)).any(), name


def test_with_forced_history_torch_and_onnx_choose_the_same_tokens(onnx_path):
    same_tokens(OnnxEngine(onnx_path), TorchEngine(onnx_path), sequence(40, seed=5))


def test_torch_and_onnx_choose_the_same_tokens_with_the_shipped_weights():
    path = WEIGHTS / "step.onnx"
    same_tokens(OnnxEngine(path), TorchEngine(path), sequence(40, seed=6))


def test_nothing_looks_ahead(net):
    s = sequence()
    changed = {k: v.copy() for k, v in s.items()}
    for name in ("levels", "similarity", "patches"):
        changed[name][10:] = sequence(seed=9)[name][10:]
    before, after = whole(net, s), whole(net, changed)
    for name in OUTPUT_HEADS:
        assert np.allclose(before[name][:10], after[name][:10], atol=1e-6)
        if name != "reps":
            assert not np.allclose(before[name][10:], after[name][10:], atol=1e-3)


def test_the_window_forgets_what_is_older(net):
    """Two layers see twice the window back, and no further."""
    s = sequence(30)
    changed = {k: v.copy() for k, v in s.items()}
    changed["levels"][:4] = 7
    before, after = whole(net, s), whole(net, changed)
    far = 4 + 2 * TINY.window_turns
    assert np.allclose(before["act"][far:], after["act"][far:], atol=1e-5)
    assert not np.allclose(before["act"][4:8], after["act"][4:8], atol=1e-5)


def test_snapshot_and_restore_equal_uninterrupted(onnx_path):
    s = sequence()
    first = {k: v[:9] for k, v in s.items()}
    rest = {k: v[9:] for k, v in s.items()}
    one, two = OnnxEngine(onnx_path), OnnxEngine(onnx_path)
    streamed(one, first)
    two.set_state(one.get_state())
    a, b = streamed(one, rest), streamed(two, rest)
    assert all(np.array_equal(a[name], b[name]) for name in OUTPUT_HEADS)
