"""Training and its data: checkpoints and stages on a tiny network, shards, augmentation, ranks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")

from models import batches, tokens, train  # noqa: E402
from models.config import TINY  # noqa: E402
from models.losses import video_losses  # noqa: E402
from models.muon import orthogonal  # noqa: E402
from models.scenarios.phones import PHONES  # noqa: E402
from models.scenarios.simulation import TURNS  # noqa: E402
from models.scenarios.stream import Stream  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]
STEPS = 6
"""Of the decay stage."""


def synthetic_stream(seed: int) -> Stream:
    """Noise and arbitrary targets, in the shapes and ranges of a rendered stream."""
    rng = np.random.default_rng(seed)
    heads = list(tokens.SLOT_HEADS.values())
    act = np.where(rng.random(TURNS) < 0.1, rng.integers(1, len(tokens.ACTS), TURNS), 0)
    return Stream(
        levels=rng.integers(0, 16, (TURNS, 8, 80)).astype(np.uint8),
        state=np.tile(np.array(tokens.encode_state(tokens.IDLE_STATE), np.uint8), (TURNS, 1)),
        heard=rng.integers(-1, len(tokens.HEARD), (TURNS, 2)).astype(np.int16),
        heard_weight=np.ones((TURNS, 2), np.float16), act=act.astype(np.int16),
        slots=np.stack([rng.integers(0, n, TURNS) for n in heads], 1).astype(np.int16),
        floor=rng.integers(0, len(tokens.FLOORS), TURNS).astype(np.int16),
        phones=rng.integers(0, len(PHONES), TURNS * 8).astype(np.uint8))


def write_shards(folder: Path, count: int = 2) -> None:
    """Shards of synthetic streams."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "stream", synthetic_stream)
        for number in range(count):
            batches.write_shard(folder, number)


def write_clips(folder: Path, clips: int = 4) -> None:
    """A shard of video: noise that never repeats, and pictures of it."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    truth = {name: np.zeros((clips, TURNS), np.float32)
             for name in ("active", "phase_cos", "phase_sin", "rate")}
    truth["active"][0], truth["phase_cos"][0], truth["rate"][0] = 1.0, 1.0, 0.5
    np.savez(folder / "0001-00000.npz", **truth, mask=np.ones((clips, TURNS), np.float32),
             similarity=rng.uniform(0.5, 1.5, (clips, TURNS, 2, 400)).astype(np.float16),
             ends=np.zeros((clips, TURNS), np.int8), kind=np.array(["exercise"] * clips))
    np.save(folder / "0001-00000.rgb.npy",
            rng.integers(0, 256, (1, TURNS, 120, 160, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder / "speech")
    write_clips(folder / "video")
    return folder


def options_for(shards: Path, work: Path, *more: str):
    """Options of a run on the synthetic shards, without producers, from no weights."""
    (work / "speech").mkdir(parents=True, exist_ok=True)
    for file in (shards / "speech").glob("*.npz"):
        (work / "speech" / file.name).symlink_to(file)
    return train.parse(["--work", str(work), "--start", str(work / "none.pt"), "--batch", "1",
                        "--producers", "0", "--threads", "1", "--warm-up", "1",
                        "--decay-steps", str(STEPS), "--report", "1", *more])


def trained(options, steps: int = 2) -> train.Trainer:
    """A tiny network after some steps of the constant stage."""
    trainer = train.Trainer(options, TINY)
    for _ in range(steps):
        trainer.step()
    return trainer


def weights_of(trainer) -> dict:
    return trainer.net.state_dict()


def test_resume_from_last_keeps_weights_and_position(shards, tmp_path):
    options = options_for(shards, tmp_path)
    trainer = trained(options)
    trainer.streams.drawn = int(5 * batches.SHARD * options.reuse)
    trainer.save(tmp_path / "last.pt", torch.float32)
    resumed = train.Trainer(options, TINY)
    assert resumed.position == {"steps": 2, "audio_s": 40.0, "shard": 5}
    assert resumed.first == 5
    for name, weights in weights_of(trainer).items():
        assert torch.equal(weights, weights_of(resumed)[name]), name


def test_resume_from_constant_elsewhere(shards, tmp_path):
    """Another machine has the bfloat16 weights alone; its own last.pt wins once there is one."""
    trainer = trained(options_for(shards, tmp_path / "one"))
    constant = tmp_path / "constant.pt"
    trainer.save(constant)
    options = options_for(shards, tmp_path / "two", "--start", str(constant))
    resumed = train.Trainer(options, TINY)
    assert resumed.position == trainer.position
    for name, weights in weights_of(trainer).items():
        assert torch.equal(weights.bfloat16().float(), weights_of(resumed)[name]), name
    resumed.step()
    resumed.save(tmp_path / "two" / "last.pt", torch.float32)
    assert train.Trainer(options, TINY).position["steps"] == 3


def test_decay_stage(shards, tmp_path):
    """From two steps of the constant stage; with clips, alone and with pictures, beside sound."""
    options = options_for(shards, tmp_path, "--video", str(shards / "video"), "--clips", "2",
                          "--pictures-every", "4")
    trained(options).save(tmp_path / "last.pt", torch.float32)
    before = torch.load(tmp_path / "last.pt", weights_only=True)
    (tmp_path / "decay").touch()
    train.train(options, TINY)
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert np.allclose([row["rate_share"] for row in rows], 1 - np.arange(1, STEPS + 1) / STEPS)
    assert all(np.isfinite(row[name]) for row in rows for name in ("heard0", "phase", "alone"))
    final = torch.load(tmp_path / "final.pt", weights_only=True)
    assert final["position"]["steps"] == 2 + STEPS
    # a decay that is interrupted begins again from the constant stage
    for name in ("last.pt", "constant.pt"):
        kept = torch.load(tmp_path / name, weights_only=True)
        assert kept["position"] == before["position"]
        assert not torch.equal(kept["weights"]["norm"].float(), final["weights"]["norm"])


def test_the_time_ends_the_constant_stage(shards, tmp_path):
    train.train(options_for(shards, tmp_path, "--hours", "0"), TINY)
    assert [p.name for p in tmp_path.glob("*.pt")] == ["last.pt"]


def test_video_weight():
    """Twice the weight, twice every loss of counting."""
    rng = torch.Generator().manual_seed(1)
    truth = {name: torch.rand(2, 5, generator=rng)
             for name in ("active", "phase_cos", "phase_sin", "rate", "mask")}
    reps = torch.randn(2, 5, 4, generator=rng)
    one, two = video_losses(reps, truth, 1.0), video_losses(reps, truth, 2.0)
    assert all(torch.isclose(two[name], 2 * one[name]) for name in one) and len(one) == 3


@pytest.mark.parametrize("shape", [(32, 64), (64, 32), (192, 32)], ids=str)
def test_orthogonal_has_singular_values_near_1_and_keeps_the_directions(shape):
    g = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    made = orthogonal(g)
    values = torch.diagonal(u.T @ made @ v.T)
    assert values.min() > 0.6 and values.max() < 1.3
    assert torch.allclose(u.T @ made @ v.T, torch.diag(values), atol=1e-3)


def test_shards_are_read_as_written(shards, tmp_path):
    write_shards(tmp_path)
    made = batches.StreamShards(tmp_path, np.random.default_rng(1)).batch(4)
    assert set(made) == {f.name for f in fields(Stream)}
    assert made["levels"].shape == (4, TURNS, 8, 80)
    acts = [synthetic_stream(seed).act for seed in range(2 * batches.SHARD)]
    for act in made["act"]:
        assert any(np.array_equal(act, known) for known in acts)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000.npz", "000001.npz", "wanted"]


def test_the_reader_tells_the_producers_how_far_it_is(tmp_path):
    write_shards(tmp_path)
    reader = batches.StreamShards(tmp_path, np.random.default_rng(1), reuse=2)
    for _ in range(5):
        reader.batch(16, first=7)
    # 64 streams drawn before the last call, each used twice: one shard of 32 further than the first
    assert (tmp_path / "wanted").read_text() == "8"


def test_augment_keeps_shape_and_range():
    levels = np.random.default_rng(0).integers(0, 16, (TURNS, 8, 80)).astype(np.uint8)
    before, changed = levels.copy(), 0
    for seed in range(40):
        made = batches.augment(np.random.default_rng(seed), levels)
        assert made.shape == levels.shape and made.dtype == np.uint8 and made.max() <= 15
        changed += not np.array_equal(made, levels)
    assert changed > 30 and np.array_equal(before, levels)


def targets(n: int = 8) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A batch, and the outputs (n, T, 4) that a faultless network would have fed back."""
    made = [synthetic_stream(seed) for seed in range(n)]
    batch = {name: np.stack([getattr(s, name) for s in made]) for name in ("heard", "act", "floor")}
    known = np.concatenate([batch["heard"], batch["act"][..., None], batch["floor"][..., None]], -1)
    shifted = np.zeros(known.shape, np.int64)
    shifted[:, 1:] = np.maximum(known[:, :-1], 0)
    return batch, shifted


def test_feed_back_gives_the_outputs_of_the_micro_turn_before():
    batch, known = targets()
    found = batches.feed_back(np.random.default_rng(0), batch, drop=0.0, swap=0.0)
    assert np.array_equal(found, known)


def test_feed_back_corrupts_a_share_of_the_words():
    batch, known = targets(32)
    found = batches.feed_back(np.random.default_rng(0), batch)
    assert found.min() == 0 and found[..., :2].max() < len(tokens.HEARD)
    said = known[..., :2] > 0
    wrong = (found != known)[..., :2][said].mean()
    assert 0.2 < wrong < 0.3
    acts, given = known[..., 2:], found[..., 2:]
    assert np.all((given == acts) | (given == 0)), "an act or floor was exchanged, not only dropped"


def test_camera_faults():
    """Shapes as of the trainer's clips, rows shortened."""
    rng = np.random.default_rng(0)
    rows = rng.uniform(0.5, 1.5, (300, TURNS, 3, 4)).astype(np.float32)
    clips = {"similarity": rows.copy(), "mask": np.ones((300, TURNS), np.float32)}
    batches.camera_faults(rng, clips)
    seen = clips["mask"] > 0
    assert np.all(clips["similarity"][~seen] == 0) and np.all(clips["similarity"][seen] > 0)
    off = ~seen.any(1)
    assert 0.1 < off.mean() < 0.2
    assert 0.01 < (~seen[~off]).mean() < 0.03
    one = (clips["similarity"][..., 0, :] == clips["similarity"][..., 1, :]).all(-1) & seen
    assert 0.02 < one[~off].mean() < 0.04
    assert np.array_equal(clips["similarity"][..., 1:, :][seen], rows[..., 1:, :][seen])


ONE_RANK = """
import sys, torch
from models import train
from models.config import TINY
draw, drawn = train.batches.StreamShards.batch, []
def batch(shards, *arguments):
    made = draw(shards, *arguments)
    drawn.append(int(made["levels"].sum()))
    return made
train.batches.StreamShards.batch = batch
trainer = train.train(train.parse(sys.argv[2:]), TINY)
torch.save({"weights": trainer.net.state_dict(), "drawn": drawn}, sys.argv[1])
"""


def start_rank(rank: int, port: int, work: Path, repository: Path, arguments: list[str]):
    """A process as torchrun starts it, on the CPU."""
    environment = os.environ | {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", ONE_RANK, str(work / "rank.pt"), *arguments], cwd=repository,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_ranks(works: list[Path], repository: Path, arguments: list[list[str]]) -> list[dict]:
    """What each rank left behind. Both are ended before this returns."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [start_rank(i, port, work, repository, more)
             for i, (work, more) in enumerate(zip(works, arguments))]
    try:
        texts = [rank.communicate(timeout=500)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(texts)
    return [torch.load(work / "rank.pt", weights_only=True) for work in works]


@pytest.mark.slow
@pytest.mark.timeout(560)
def test_two_ranks_end_with_equal_weights_and_rank_0_decides(shards, tmp_path, repository):
    """Budget 30 s on two free cores: two processes that import torch and make six tiny steps.

    Rank 1 has a clock that is up at once and a folder without the file `decay`: it decays and
    stops with rank 0 all the same, and writes nothing.
    """
    works = [tmp_path / "rank0", tmp_path / "rank1"]
    arguments = []
    for work, hours in zip(works, ("1", "0")):
        options_for(shards, work)
        arguments.append([
            "--work", str(work), "--start", str(work / "none.pt"), "--hours", hours, "--batch", "1",
            "--producers", "0", "--threads", "1", "--decay-steps", str(STEPS), "--report", "1",
            "--video", str(shards / "video"), "--clips", "2", "--pictures-every", "3"])
    (works[0] / "decay").touch()
    first, second = run_ranks(works, repository, arguments)
    assert len(first["drawn"]) == len(second["drawn"]) == STEPS
    assert not set(first["drawn"]) & set(second["drawn"]), "both ranks drew the same streams"
    for name, weights in first["weights"].items():
        assert torch.equal(weights, second["weights"][name]), name
    assert {p.name for p in works[0].glob("*.pt")} >= {"constant.pt", "final.pt"}
    assert [p.name for p in works[1].glob("*.pt")] == ["rank.pt"]
    stored = torch.load(works[0] / "final.pt", weights_only=True)["position"]
    assert stored["steps"] == STEPS and stored["audio_s"] == STEPS * 2 * 20
