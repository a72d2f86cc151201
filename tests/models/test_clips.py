"""Clips on the training device: read as written, varied as their pictures would vary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training parts untested")

from kernels.similarity_ref import LAGS, Similarity, gray_levels, similarity_rows  # noqa: E402
from models import augment  # noqa: E402
from models.clips import ClipBank  # noqa: E402
from models.scenarios.video import clip, prerender, turn_arrays  # noqa: E402

pytestmark = pytest.mark.unit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def counted():
    """A clip of a set, and its arrays as a batch of one."""
    made = clip(np.random.default_rng(5), 20.0, "exercise")
    part = turn_arrays(made, rgb=False)
    return made, {k: torch.from_numpy(v)[None] for k, v in part.items() if k != "ends"}


def test_shards_come_back_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.scenarios.video.SHARD_CLIPS", 3)
    with pytest.raises(FileNotFoundError, match="no video shards"):
        ClipBank(tmp_path, generator()).batch(1)
    prerender(tmp_path, clips=4, seed=8, turns=10, rgb_share=0.34)
    assert not list(tmp_path.glob("writing-*"))
    bank = ClipBank(tmp_path, generator())
    assert bank.refresh() == 6 and bank.refresh() == 6
    clips, patches = bank.pictured(5)
    assert clips["similarity"].shape == (5, 10, 3, 400)
    assert patches.shape == (5, 10, 12, 4800)
    pictures = [p for file in tmp_path.glob("*.rgb.npy") for p in np.load(file)]
    corners = {round(float(p[0, 0, 0, 0]) / 255 * 4 - 2, 3) for p in pictures}
    assert corners >= {round(float(p[0, 0, 0]), 3) for p in patches}
    varied = bank.batch(5)
    assert varied["similarity"].shape == (5, 10, 3, 400)
    assert all(v.dtype == torch.float32 for v in varied.values())


def test_distances_rows_and_trend_are_those_of_the_stream(counted) -> None:
    """Rows are kept in half precision: what they lose shows in gray levels."""
    made, part = counted
    flat = part["similarity"].flatten(1, 2)
    found = augment.distances(flat)
    rows = flat[0].float().numpy()
    wanted = gray_levels(rows, np.minimum(np.arange(len(rows)), LAGS))
    np.testing.assert_allclose(found[0].numpy(), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(augment.rows_of(found).numpy(), flat.float().numpy(), atol=1e-4)
    stream, trend = Similarity(), augment.with_trend(found)[0, :, 2].numpy()
    for k, frame in enumerate(made.frames):
        stream.push(frame)
        if k % 20 == 19:
            np.testing.assert_allclose(trend[k // 2], stream.trend, atol=5e-3)


@pytest.mark.parametrize("speed, back", [(1.0, False), (1.0, True), (0.8, False), (0.7, True)])
def test_a_clip_played_otherwise_has_the_rows_of_its_pictures_played_otherwise(
        counted, speed, back) -> None:
    made, part = counted
    at = speed * np.arange(200)
    at = 199 - at if back else at
    x = augment.distances(part["similarity"].flatten(1, 2))
    played = augment.rows_of(augment.played(
        x, torch.tensor(at, dtype=torch.float32)[None], torch.tensor([[speed]])))[0].numpy()
    truth = similarity_rows(made.frames[np.rint(at).astype(int)])
    near = np.corrcoef(played[20:].ravel(), truth[20:].ravel())[0, 1]
    assert near > (0.99999 if speed == 1.0 else 0.98)


def test_the_truth_of_a_clip_played_backward_is_its_mirror_image(counted) -> None:
    _, part = counted
    at = torch.tensor((199.0 - np.arange(200))[1::2], dtype=torch.float32)[None]
    truth = {k: v[0].numpy() for k, v in augment.played_truth(
        part, at, torch.tensor([[1.0]]), torch.tensor([[True]])).items()}
    # frame 2k + 1 of the mirrored clip is frame 198 - 2k of the old one, one before a turn's end
    k = np.flatnonzero(truth["active"] > 0)
    old = 99 - k
    known = {name: v[0].numpy() for name, v in part.items()}
    angle = (np.arctan2(known["phase_sin"], known["phase_cos"])[old]
             - 0.2 * np.pi * known["rate"][old])
    found = truth["phase_cos"][k] + 1j * truth["phase_sin"][k]
    assert np.median(np.abs(np.angle(found / np.exp(-1j * angle)))) < 0.05


def test_varied_clips_are_finite_and_as_large(counted) -> None:
    part = {k: v.expand(20, *v.shape[1:]) for k, v in counted[1].items()}
    made = augment.vary_clips(generator(3), part)
    assert made["similarity"].shape == (20, 100, 3, 400)
    assert torch.isfinite(made["similarity"]).all() and made["similarity"].max() < 20
    assert set(made["active"].unique().tolist()) <= {0.0, 1.0}
