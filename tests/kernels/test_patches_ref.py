"""The patch and resize reference against definitions written out pixel by pixel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from kernels.patches_ref import patches, resize_area, yuv_to_rgb

pytestmark = pytest.mark.unit


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def _slow_mean(plane: np.ndarray, step, crop, size) -> np.ndarray:
    """The definition in exact fractions: mean of (H, W) under each rectangle, half up."""
    top, left, rows, columns = crop
    result = np.zeros(size, np.uint8)
    for i in range(size[0]):
        for j in range(size[1]):
            y0, y1 = (top + Fraction(rows * k, size[0]) for k in (i, i + 1))
            x0, x1 = (left + Fraction(columns * k, size[1]) for k in (j, j + 1))
            total = Fraction(0)
            for y in range(int(y0) // step[0], -(-y1.__ceil__() // step[0])):
                tall = min(y1, (y + 1) * step[0]) - max(y0, y * step[0])
                for x in range(int(x0) // step[1], -(-x1.__ceil__() // step[1])):
                    wide = min(x1, (x + 1) * step[1]) - max(x0, x * step[1])
                    total += tall * wide * int(plane[y, x])
            result[i, j] = (total / ((y1 - y0) * (x1 - x0)) + Fraction(1, 2)).__floor__()
    return result


@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [
        pytest.param((12, 16), (6, 8), None, id="whole-factor"),
        pytest.param((13, 17), (6, 8), None, id="odd"),
        pytest.param((5, 3), (7, 8), None, id="enlarge"),
        pytest.param((1, 1), (4, 4), None, id="one-pixel"),
        pytest.param((19, 23), (5, 7), (3, 1, 11, 17), id="odd-crop"),
    ],
)
def test_rgb_resize_is_the_exact_area_mean(shape, size, crop):
    frame = _noise(*shape, 3)
    found = resize_area(frame, size, crop=crop)
    whole = crop or (0, 0, *shape)
    for channel in range(3):
        expected = _slow_mean(frame[:, :, channel], (1, 1), whole, size)
        np.testing.assert_array_equal(found[:, :, channel], expected)


@pytest.mark.parametrize("crop", [None, (1, 3, 9, 8)], ids=["whole", "odd-crop"])
@pytest.mark.parametrize("shape", [(12, 16), (13, 15)], ids=["even", "odd"])
def test_nv12_averages_planes_and_then_converts(shape, crop):
    luma, chroma = _noise(*shape), _noise((shape[0] + 1) // 2, (shape[1] + 1) // 2, 2)
    window = crop or (0, 0, *shape)
    expected = yuv_to_rgb(
        _slow_mean(luma, (1, 1), window, (5, 6)),
        _slow_mean(chroma[:, :, 0], (2, 2), window, (5, 6)),
        _slow_mean(chroma[:, :, 1], (2, 2), window, (5, 6)),
    )
    found = resize_area((luma, chroma), (5, 6), layout="nv12", crop=crop)
    np.testing.assert_array_equal(found, expected)


def test_yuyv_averages_planes_and_then_converts():
    frame, crop = _noise(9, 14, 2), (1, 3, 7, 9)
    expected = yuv_to_rgb(
        _slow_mean(frame[:, :, 0], (1, 1), crop, (4, 5)),
        _slow_mean(frame[:, 0::2, 1], (1, 2), crop, (4, 5)),
        _slow_mean(frame[:, 1::2, 1], (1, 2), crop, (4, 5)),
    )
    found = resize_area(frame, (4, 5), layout="yuyv", crop=crop)
    np.testing.assert_array_equal(found, expected)


def test_rows_with_padding_and_negative_strides_give_the_same_picture():
    frame = _noise(31, 45, 3)
    padded = np.zeros((31, 64, 3), np.uint8)
    padded[:, :45] = frame
    flipped = np.ascontiguousarray(frame[::-1, ::-1])
    expected = resize_area(frame)
    np.testing.assert_array_equal(resize_area(padded[:, :45]), expected)
    np.testing.assert_array_equal(resize_area(flipped[::-1, ::-1]), expected)


def test_bgr_and_a_fourth_channel():
    frame = _noise(30, 50, 4)
    expected = resize_area(np.ascontiguousarray(frame[:, :, :3]))
    np.testing.assert_array_equal(resize_area(frame), expected)
    bgr = resize_area(frame, layout="bgr")
    np.testing.assert_array_equal(bgr, expected[:, :, ::-1])
    assert bgr.flags.c_contiguous and bgr.flags.owndata


def test_large_white_frame_does_not_overflow():
    """255 everywhere in more than 4K: 31 bits are not enough for the sums."""
    frame = np.broadcast_to(np.uint8(255), (2201, 3901, 3))
    assert np.all(resize_area(frame) == 255)


def test_frame_of_the_right_size_passes_unchanged():
    frame = _noise(120, 160, 3)
    np.testing.assert_array_equal(resize_area(frame), frame)


def test_bt601_reference_colours():
    """Colour bars of the formula's source: black, white, red, green, blue at limited range."""
    yuv = np.array([[16, 128, 128], [235, 128, 128], [82, 90, 240], [144, 54, 34], [41, 240, 110]])
    y, u, v = (yuv[:, k].astype(np.uint8)[None] for k in range(3))
    rgb = [[0, 0, 0], [255, 255, 255], [255, 1, 0], [0, 255, 1], [0, 0, 255]]
    assert np.max(np.abs(yuv_to_rgb(y, u, v)[0].astype(int) - rgb)) <= 1


def test_patches_are_row_major_and_normalised():
    rgb = _noise(120, 160, 3)
    found = patches(rgb)
    assert found.shape == (12, 4800) and found.dtype == np.float32
    for row in range(3):
        for column in range(4):
            cell = rgb[40 * row : 40 * row + 40, 40 * column : 40 * column + 40]
            expected = (cell.astype(np.float64) / 255 - 0.5) / 0.25
            got = found[row * 4 + column].reshape(40, 40, 3)
            np.testing.assert_array_equal(got, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, r"rgb is \(H, W, 3 or 4\).*\(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), {}, "float32"),
        (np.zeros((0, 4, 3), np.uint8), {}, "not empty"),
        (np.zeros((4, 5, 2), np.uint8), {"layout": "yuyv"}, "even"),
        (np.zeros((4, 4, 3), np.uint8), {"layout": "i420"}, "unknown layout 'i420'"),
        (np.zeros((4, 4, 3), np.uint8), {"crop": (0, 0, 5, 4)}, "crop .* does not fit"),
        (np.zeros((4, 4, 3), np.uint8), {"size": (0, 4)}, "must be positive"),
        (
            (np.zeros((5, 5), np.uint8), np.zeros((2, 2, 2), np.uint8)),
            {"layout": "nv12"},
            r"\(3, 3, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(frame, arguments, message):
    with pytest.raises(ValueError, match=message):
        resize_area(frame, **arguments)


def test_patches_refuse_another_size():
    with pytest.raises(ValueError, match=r"\(120, 160, 3\) uint8, not \(160, 120, 3\)"):
        patches(np.zeros((160, 120, 3), np.uint8))
