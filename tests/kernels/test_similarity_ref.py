"""Self-similarity rows: streaming equals offline, conventions, restore."""

import numpy as np
import pytest

from kernels.similarity_ref import (
    LAGS, REGIONS, ROW, Similarity, gray_cells, gray_levels, similarity_rows, trends,
)  # fmt: skip

pytestmark = pytest.mark.unit


def moving_frames(n: int, period: int = 10) -> np.ndarray:
    """A bright bar that comes back every `period` frames over a fixed noisy background."""
    background = np.random.default_rng(3).integers(0, 120, (120, 160, 3), dtype=np.uint8)
    frames = np.repeat(background[None], n, axis=0)
    for k in range(n):
        top = round(40 + 35 * np.sin(2 * np.pi * k / period))
        frames[k, top : top + 20, 30:110] = 250
    return frames


@pytest.mark.parametrize("n", [1, 2, 79, 80, 81, 190])
def test_streaming_equals_offline(n: int) -> None:
    frames = moving_frames(n, period=13)
    similarity = Similarity()
    streamed = np.stack([similarity.push(frame) for frame in frames])
    assert streamed.shape == (n, ROW) and streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, similarity_rows(frames), rtol=1e-6, atol=1e-6)


def test_rows_never_look_ahead() -> None:
    frames = moving_frames(120)
    whole = similarity_rows(frames)
    np.testing.assert_array_equal(whole[:60], similarity_rows(frames[:60]))


def test_dip_at_the_period() -> None:
    row = similarity_rows(moving_frames(100, period=10))[-1].reshape(REGIONS, LAGS)[0]
    assert row[9] < 0.05 and row[19] < 0.05 and row[4] > 1.0


def test_the_trend_dips_at_the_period_wherever_in_the_cycle_it_is() -> None:
    similarity = Similarity()
    frames = moving_frames(100, period=16)
    for frame in frames[:84]:
        similarity.push(frame)
    for frame in frames[84:]:
        similarity.push(frame)
        trend = similarity.trend.reshape(REGIONS, LAGS)[0]
        assert trend[15] < 0.05 and trend[31] < 0.05 and trend[7] > 0.8


@pytest.mark.parametrize("n", [1, 2, 80, 150])
def test_streamed_trend_equals_offline(n: int) -> None:
    frames = moving_frames(n, period=13)
    similarity = Similarity()
    streamed = []
    for frame in frames:
        similarity.push(frame)
        streamed.append(similarity.trend)
    existing = np.minimum(np.arange(n), LAGS)
    offline = trends(gray_levels(similarity_rows(frames), existing))
    np.testing.assert_allclose(np.stack(streamed), offline, rtol=1e-3, atol=1e-4)


def test_missing_history_is_zero() -> None:
    rows = similarity_rows(moving_frames(12)).reshape(12, REGIONS, LAGS)
    assert not rows[0].any()
    assert rows[5, :, :5].any() and not rows[5, :, 5:].any()


def test_still_picture_with_noise_stays_small() -> None:
    rng = np.random.default_rng(0)
    frames = (120 + rng.normal(0, 2, (100, 120, 160, 3))).astype(np.uint8)
    assert similarity_rows(frames)[-1].max() < 0.6


def test_brightness_costs_nothing() -> None:
    frames = np.clip(moving_frames(30), 0, 200)
    frames[10:] += 40
    changed = gray_cells(frames)
    np.testing.assert_allclose(changed[10], changed[0], atol=1e-3)


def test_area_average_is_exact() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[:6, :8] = 240  # the top-left cell
    cells = gray_cells(frame)
    assert cells[0, 0] == pytest.approx(240 * 399 / 400, rel=1e-5)
    assert cells[3, -1] == pytest.approx(-240 / 400, rel=1e-4)


def test_restore_continues_as_if_uninterrupted() -> None:
    frames = moving_frames(150, period=17)
    first = Similarity()
    for frame in frames[:95]:
        first.push(frame)
    second = Similarity()
    second.set_state(first.get_state())
    for frame in frames[95:]:
        np.testing.assert_array_equal(first.push(frame), second.push(frame))
        np.testing.assert_array_equal(first.trend, second.trend)
    second.reset()
    assert not second.push(frames[0]).any()


def test_bad_input_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"\(120, 160, 3\) uint8"):
        Similarity().push(np.zeros((100, 160, 3), np.uint8))
    with pytest.raises(ValueError, match="ring"):
        Similarity().set_state({"ring": np.zeros((2, 4, 100)), "pushed": np.array(1)})
