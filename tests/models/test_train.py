"""Training and its data: checkpoints and stages on a tiny network, shards, augmentation, ranks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")

from models import batches, tokens, train  # noqa: E402
from models.scenarios.phones import PHONES  # noqa: E402
from models.scenarios.simulation import TURNS  # noqa: E402
from models.scenarios.stream import Stream  # noqa: E402

pytestmark = pytest.mark.unit
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
