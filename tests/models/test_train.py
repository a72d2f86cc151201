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

from models import augment, batches, tokens, train  # noqa: E402
from models.config import TINY  # noqa: E402
from models.losses import video_losses  # noqa: E402
from models.muon import orthogonal  # noqa: E402
from models.scenarios.phones import PHONES  # noqa: E402
from models.scenarios.simulation import TURNS  # noqa: E402
from models.scenarios.stream import Stream  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]
STEPS = 6
"""Of the decay stage."""
HOUR = 3600.0


class StepClock:
    """Seconds that pass with each look: the decay of an hour takes `STEPS` steps."""

    def __init__(self) -> None:
        self.looks = -1

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * HOUR / STEPS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def synthetic_stream(seed: int, wearers: tuple[str, ...] = ()) -> Stream:
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
                        "--decay-hours", "1", "--report", "1", *more])


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
    trainer.streams.next_shard = 5
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


def test_weights_of_another_size_are_refused(shards, tmp_path):
    """What there is, what was asked for and what to do are told."""
    constant = tmp_path / "constant.pt"
    trained(options_for(shards, tmp_path / "one")).save(constant)
    options = options_for(shards, tmp_path / "two", "--start", str(constant), "--size", "large")
    with pytest.raises(ValueError, match="constant.pt holds weights of another size.*--start none"):
        train.Trainer(options)


def test_decay_stage(shards, tmp_path):
    """From two steps of the constant stage; with clips, alone and with pictures, beside sound."""
    options = options_for(shards, tmp_path, "--video", str(shards / "video"), "--clips", "2",
                          "--pictures-every", "4")
    trained(options).save(tmp_path / "last.pt", torch.float32)
    before = torch.load(tmp_path / "last.pt", weights_only=True)
    (tmp_path / "decay").touch()
    train.train(options, TINY, StepClock())
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert np.allclose([row["rate_share"] for row in rows], 1 - np.arange(STEPS) / STEPS)
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


def test_the_decay_fills_the_end_of_the_time_when_it_shall(shards, tmp_path):
    """Of two hours the second: the clock gives `STEPS` looks an hour, one is spent at the start."""
    options = options_for(shards, tmp_path, "--hours", "2", "--finish")
    trainer = train.train(options, TINY, StepClock())
    assert trainer.decays and trainer.since_start == 2 * STEPS - 1
    assert torch.load(tmp_path / "constant.pt", weights_only=True)["position"]["steps"] == STEPS - 1
    assert (tmp_path / "final.pt").exists()


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
    made = batches.StreamBank(tmp_path, generator(1)).batch(4)
    assert set(made) == {f.name for f in fields(Stream)}
    assert made["levels"].shape == (4, TURNS, 8, 80) and made["levels"].dtype == torch.uint8
    acts = [synthetic_stream(seed).act for seed in range(2 * batches.SHARD)]
    for act in made["act"].numpy():
        assert any(np.array_equal(act, known) for known in acts)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000.npz", "000001.npz", "wanted"]


def test_the_newest_streams_are_kept(tmp_path):
    write_shards(tmp_path, 3)
    bank = batches.StreamBank(tmp_path, generator(1), keep=batches.SHARD)
    acts = bank.batch(40)["act"].numpy()
    newest = [synthetic_stream(2 * batches.SHARD + i).act for i in range(batches.SHARD)]
    assert all(any(np.array_equal(act, known) for known in newest) for act in acts)
    assert bank.next_shard == 3


def test_shards_rendered_elsewhere_are_a_share_of_every_batch(tmp_path):
    write_shards(tmp_path / "own", 1)
    write_shards(tmp_path / "more", 2)
    (tmp_path / "more" / "000000.npz").unlink()
    bank = batches.StreamBank(tmp_path / "own", generator(1), more=tmp_path / "more",
                              more_share=0.25)
    acts = bank.batch(8)["act"].numpy()
    theirs = [synthetic_stream(batches.SHARD + i).act for i in range(batches.SHARD)]
    found = [any(np.array_equal(act, known) for known in theirs) for act in acts]
    assert found == [False] * 6 + [True] * 2
    with pytest.raises(FileNotFoundError, match="no shards of streams in"):
        batches.StreamBank(tmp_path / "own", generator(1), more=tmp_path / "none")


def test_the_reader_tells_the_producers_how_far_it_is(tmp_path):
    write_shards(tmp_path)
    reader = batches.StreamBank(tmp_path, generator(1), reuse=2)
    for _ in range(65):
        reader.batch(1, first=7)
    # 64 streams drawn before the last call, each used twice: one shard of 32 further than the first
    assert (tmp_path / "wanted").read_text() == "8"


def test_varied_levels_keep_shape_and_range():
    levels = torch.from_numpy(np.random.default_rng(0).integers(0, 16, (40, TURNS, 8, 80),
                                                                dtype=np.uint8))
    before = levels.clone()
    made = augment.vary_levels(generator(), levels)
    assert made.shape == levels.shape and made.dtype == torch.uint8 and made.max() <= 15
    changed = (made != levels).flatten(1).any(1)
    assert changed.sum() > 30 and torch.equal(before, levels)


def test_a_steady_noise_covers_what_is_fainter_and_leaves_what_is_louder():
    noise = augment._background(generator(3), 200, 60)
    assert noise.shape == (200, 60, 80)
    loud = torch.full((200, 60, 80), 15.0)
    assert torch.equal(torch.maximum(loud, noise.clamp(max=15)), loud)
    assert 0.2 < (noise.mean((1, 2)) > 1).float().mean() < 0.8


def targets(n: int = 8) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """A batch, and the outputs (n, T, 4) that a faultless network would have fed back."""
    made = [synthetic_stream(seed) for seed in range(n)]
    batch = {name: torch.from_numpy(np.stack([getattr(s, name) for s in made])).long()
             for name in ("heard", "act", "floor")}
    known = torch.cat([batch["heard"], batch["act"][..., None], batch["floor"][..., None]], -1)
    shifted = torch.zeros_like(known)
    shifted[:, 1:] = known[:, :-1].clamp(min=0)
    return batch, shifted


def test_feed_back_gives_the_outputs_of_the_micro_turn_before():
    batch, known = targets()
    found = augment.feed_back(generator(), batch, drop=0.0, swap=0.0)
    assert torch.equal(found, known)


def test_feed_back_corrupts_a_share_of_the_words():
    batch, known = targets(32)
    found = augment.feed_back(generator(), batch)
    assert found.min() == 0 and found[..., :2].max() < len(tokens.HEARD)
    said = known[..., :2] > 0
    wrong = (found != known)[..., :2][said].float().mean()
    assert 0.2 < wrong < 0.3
    acts, given = known[..., 2:], found[..., 2:]
    assert ((given == acts) | (given == 0)).all(), "an act or floor was exchanged, not only dropped"


def test_camera_faults():
    """Shapes as of the trainer's clips, rows shortened."""
    rows = torch.rand(300, TURNS, 3, 4, generator=generator(1)) + 0.5
    clips = augment.camera_faults(generator(), {"similarity": rows.clone(),
                                                "mask": torch.ones(300, TURNS)})
    seen, found = clips["mask"] > 0, clips["similarity"]
    assert (found[~seen] == 0).all() and (found[seen] > 0).all()
    off = ~seen.any(1)
    assert 0.1 < off.float().mean() < 0.2
    assert 0.01 < (~seen[~off]).float().mean() < 0.03
    one = (found[..., 0, :] == found[..., 1, :]).all(-1) & seen
    assert 0.02 < one[~off].float().mean() < 0.04
    assert torch.equal(found[..., 1:, :][seen], rows[..., 1:, :][seen])


ONE_RANK = """
import sys, torch
from models import train
from models.config import TINY
draw, drawn = train.batches.StreamBank.batch, []
def batch(shards, *arguments):
    made = draw(shards, *arguments)
    drawn.append(int(made["levels"].sum()))
    return made
train.batches.StreamBank.batch = batch
looks = iter(range(1000))
trainer = train.train(train.parse(sys.argv[2:]), TINY, lambda: next(looks) * 600.0)
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
            "--producers", "0", "--threads", "1", "--decay-hours", "1", "--report", "1",
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
