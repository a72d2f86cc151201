"""Fitting pictures, thinning to 10 fps, and the slot between a camera and the loop."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.senses.frames import NS, FrameSlot, Thinner, fit, to_ns
from daemon.turn import TURN_S, VideoFrame

pytestmark = pytest.mark.unit

PIXELS = np.zeros((120, 160, 3), np.uint8)


def _quarters(height: int, width: int) -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right white."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    return picture


@pytest.mark.parametrize(
    ("height", "width"), [(480, 640), (720, 1280), (1280, 720), (33, 33), (2, 900)]
)
def test_the_whole_picture_fills_the_frame(height, width):
    frame = fit(np.full((height, width, 3), 200, np.uint8))
    assert frame.shape == (120, 160, 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous
    assert np.all(frame == 200)


@pytest.mark.parametrize(
    ("rotate", "corner"),
    [(0, (255, 0, 0)), (90, (0, 0, 255)), (180, (255, 255, 255)), (270, (0, 255, 0))],
)
def test_rotation_is_clockwise(rotate, corner):
    frame = fit(_quarters(80, 100), rotate=rotate)
    np.testing.assert_array_equal(frame[5, 5], corner)


def test_other_angles_are_refused():
    with pytest.raises(ValueError, match="not 45"):
        fit(PIXELS, rotate=45)


def test_nv12_with_padded_rows():
    """As a driver hands it over: rows of 704 bytes for a picture 640 wide."""
    luma, chroma = np.full((480, 704), 235, np.uint8), np.full((240, 704), 128, np.uint8)
    frame = fit((luma[:, :640], chroma[:, :640].reshape(240, 320, 2)), "nv12")
    assert np.all(frame == 255)


def _admitted(times_s: np.ndarray) -> np.ndarray:
    thinner = Thinner()
    kept = [t for t in times_s if thinner.admits(to_ns(t))]
    assert thinner.thinned == len(times_s) - len(kept)
    return np.array(kept)


@pytest.mark.parametrize("fps", [12, 15, 24, 25, 29.97, 30, 50, 60, 120])
def test_faster_cameras_are_thinned_to_an_even_10_fps(fps):
    kept = _admitted(np.arange(0, 20, 1 / fps))
    assert len(kept) == pytest.approx(200, abs=2)
    assert np.diff(kept).max() <= 0.1 + 1 / fps + 1e-9
    per_turn = np.bincount((kept / TURN_S + 1e-9).astype(int))
    assert per_turn.max() == 2


@pytest.mark.parametrize("fps", [0.5, 3, 5, 10])
def test_slower_cameras_lose_nothing(fps):
    times = np.arange(0, 20, 1 / fps)
    assert len(_admitted(times)) == len(times)


@pytest.mark.parametrize("phase", [0.0, 0.02, 0.05, 0.08])
def test_10_fps_with_jitter_of_40_ms_loses_next_to_nothing(phase):
    random = np.random.default_rng(5)
    times = np.arange(1, 1_001) * 0.1 + phase + random.uniform(-0.04, 0.04, 1_000)
    assert len(_admitted(times)) >= 998


def test_10_fps_gives_two_frames_to_every_turn_whatever_the_rounding():
    """Half-open spans in nanoseconds: 0.6 and 3 * 0.2 are the same instant."""
    slot, taken = FrameSlot(), []
    for turn in range(1_000):
        slot.put(VideoFrame(turn * 2 / 10, PIXELS))
        slot.put(VideoFrame((turn * 2 + 1) / 10, PIXELS))
        taken.append([round(frame.t_s * 10) for frame in slot.take((turn + 1) * TURN_S)])
    assert taken == [[2 * turn, 2 * turn + 1] for turn in range(1_000)]
    assert slot.dropped == 0


def test_slot_keeps_the_newest_and_counts_the_rest():
    slot = FrameSlot()
    for k in range(10):
        slot.put(VideoFrame(k / 10, PIXELS))
    assert slot.dropped == 6
    assert [frame.t_s for frame in slot.take(0.85)] == [0.7, 0.8]
    assert slot.dropped == 7
    assert [frame.t_s for frame in slot.take(2.0)] == [0.9]
    assert slot.take(3.0) == [] and slot.dropped == 7


def test_slot_hands_out_in_order_of_capture():
    slot = FrameSlot()
    for t_s in (0.3, 0.2, 0.25):
        slot.put(VideoFrame(t_s, PIXELS))
    assert [frame.t_s for frame in slot.take(0.28)] == [0.2, 0.25]
    assert [frame.t_s for frame in slot.take(0.4)] == [0.3]


def test_nanoseconds_are_whole():
    assert to_ns(3 * 0.2) == to_ns(0.6) == 600_000_000
    assert to_ns(8 * 3_600.1) == 8 * 36_001 * NS // 10
