"""Generated clips: truth agrees with the pictures, kinds, shards."""

from pathlib import Path

import numpy as np
import pytest

from kernels.similarity_ref import LAGS, REGIONS, similarity_rows
from models.scenarios import motion
from models.scenarios.stills import Stills, between, posture
from models.scenarios.video import (
    COUNTED, KINDS, VideoClips, clip, turn_arrays,
)  # fmt: skip
from models.splits import held_out

pytestmark = pytest.mark.unit
NO_STILLS = Path("nowhere")


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_renders_with_consistent_truth(kind: str) -> None:
    made = clip(np.random.default_rng(5), 6.0, kind)
    truth = made.motion
    assert made.frames.shape == (60, 120, 160, 3) and made.frames.dtype == np.uint8
    assert np.array_equal(np.isnan(truth.phase), ~truth.active)
    assert not truth.rate_hz[~truth.active].any()
    if made.kind not in COUNTED:
        assert made.count == 0 and not truth.active.any()


def test_same_seed_same_clip() -> None:
    first, second = (clip(np.random.default_rng(11), 3.0) for _ in range(2))
    assert first.kind == second.kind
    np.testing.assert_array_equal(first.frames, second.frames)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of clip 'juggling'"):
        clip(np.random.default_rng(0), 1.0, "juggling")


def test_a_third_of_the_clips_has_nothing_to_count() -> None:
    assert sum(KINDS.values()) == pytest.approx(1.0)
    assert sum(share for kind, share in KINDS.items() if kind not in COUNTED) >= 0.3


def test_ends_are_where_the_phase_passes_an_integer() -> None:
    rng = np.random.default_rng(2)
    checked = 0
    for _ in range(60):
        truth = motion.rep_set(rng, 200)
        for end_s in truth.ends:
            before = int(np.ceil(end_s * motion.FPS - 1e-6)) - 1  # last frame before the end
            if 1 <= before and truth.active[before - 1]:
                share = truth.phase[before - 1] % 1
                assert share > 0.5 or truth.rate_hz[before - 1] * 0.2 > 1 - share
                checked += 1
    assert checked > 200


def test_pictures_repeat_with_the_labelled_rate() -> None:
    rng, right, tried = np.random.default_rng(9), 0, 0
    while tried < 6:
        truth = motion.rep_set(rng, 160, 0.9, 2.0)
        if truth.active[100:].all() and np.ptp(truth.rate_hz[100:]) < 0.15:
            tried += 1
            fake = np.full((160, 120, 160, 3), 60, np.uint8)
            for k, depth in enumerate(truth.depth):
                top = int(round(30 + 40 * depth))
                fake[k, top : top + 20, 40:100] = 200
            row = similarity_rows(fake)[-70:].reshape(70, REGIONS, LAGS)[:, 0].mean(axis=0)
            period = 5 + int(np.argmin(row[4:25]))
            right += abs(period / motion.FPS * truth.rate_hz[100:].mean() - 1) < 0.2
    assert right >= 5


def test_turn_arrays_take_the_second_frame() -> None:
    made = clip(np.random.default_rng(4), 10.0, "mover")
    arrays = turn_arrays(made, rgb=True)
    assert arrays["similarity"].shape == (50, 2, 400)
    assert arrays["patches_rgb"].shape == (50, 120, 160, 3)
    assert arrays["ends"].sum() == made.count
    np.testing.assert_array_equal(arrays["patches_rgb"][7], made.frames[14])
    np.testing.assert_array_equal(arrays["active"] > 0, made.motion.active[1::2])
    radius = arrays["phase_cos"] ** 2 + arrays["phase_sin"] ** 2
    np.testing.assert_allclose(radius, arrays["active"], atol=1e-5)


def test_batches_without_photos(capsys: pytest.CaptureFixture) -> None:
    clips = VideoClips(NO_STILLS)
    assert "drawn clips only" in capsys.readouterr().out
    batch = clips.batch(np.random.default_rng(1), 2, turns=10)
    assert batch["similarity"].shape == (2, 10, 2, 400) and batch["mask"].shape == (2, 10)
    assert not any(kind.startswith("photo") for kind in batch["kind"])


def test_warps_start_and_end_at_the_photos() -> None:
    rng = np.random.default_rng(0)
    start = np.full((107, 160, 3), 90, np.uint8)
    start[::7] = rng.integers(0, 255, 3)
    end = start.copy()
    start[20:50, 60:90], end[50:80, 60:90] = 230, 230
    warped = between(start, end)
    assert np.abs(warped[0].astype(int) - start).mean() < 1
    assert np.abs(warped[-1].astype(int) - end).mean() < 1
    np.testing.assert_array_equal(posture(warped, -0.2), warped[0])


def test_held_out_photos_are_not_trained_on() -> None:
    trained, unseen = Stills(), Stills(unseen=True)
    if not trained and not unseen:
        pytest.skip("no ../shared/data/exercise_stills")
    assert len(unseen) and len(trained) > 2 * len(unseen)
    assert not {p.name for p in trained.exercises} & {p.name for p in unseen.exercises}
    assert all(held_out("exercise_stills", p.name) for p in unseen.exercises)
