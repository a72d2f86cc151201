"""dMel: streaming equals offline, level for level; fixed limits; causality."""

import numpy as np
import pytest

from kernels.dmel_ref import HOP, LEVELS, Dmel, dmel, mel_filters

pytestmark = pytest.mark.unit


def _noise(hops: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(hops * HOP) * 3000).astype(np.int16)


@pytest.mark.parametrize("chunk", [1, 3, 8, 29])
def test_streaming_equals_offline(chunk):
    pcm = _noise(29 * 3)
    stream = Dmel()
    parts = [stream.push(pcm[i : i + chunk * HOP]) for i in range(0, len(pcm), chunk * HOP)]
    assert np.array_equal(np.concatenate(parts), dmel(pcm))


def test_no_look_ahead():
    pcm = _noise(20)
    changed = pcm.copy()
    changed[10 * HOP :] = 0
    assert np.array_equal(dmel(pcm)[:10], dmel(changed)[:10])


def test_a_tone_peaks_in_its_channel_and_levels_stay_in_range():
    t = np.arange(HOP * 8) / 16_000
    levels = dmel((8000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16))
    centre = mel_filters()[levels[4].argmax()].argmax() * 16_000 / 1024
    assert abs(centre - 1000) < 40
    assert levels.max() < LEVELS and dmel(np.zeros(HOP * 2, np.int16)).max() == 0


def test_snapshot_and_restore_equal_uninterrupted():
    pcm = _noise(10)
    one, two = Dmel(), Dmel()
    one.push(pcm[: 5 * HOP])
    two.set_state(one.get_state())
    assert np.array_equal(one.push(pcm[5 * HOP :]), two.push(pcm[5 * HOP :]))


def test_partial_hop_is_refused():
    with pytest.raises(ValueError, match="400"):
        Dmel().push(np.zeros(401, np.int16))
