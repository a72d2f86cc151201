"""Which pictures may go with a question."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.background.picture import check_jpeg
from daemon.keyframes import KeyFrames, encode_jpeg, points_at_a_sight
from daemon.turn import VideoFrame

pytestmark = pytest.mark.unit


def _frame(t_s: float, seed: int) -> VideoFrame:
    blocks = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return VideoFrame(t_s, blocks.repeat(10, 0).repeat(10, 1))


def test_the_newest_and_the_one_before_the_change_are_kept() -> None:
    kept = KeyFrames()
    for t_s, seed in ((0.0, 1), (0.2, 1), (0.4, 2), (0.6, 2)):
        kept.see([_frame(t_s, seed)], muted=False)
    pictures = kept.pictures(0.7)
    assert pictures == (encode_jpeg(_frame(0, 2).rgb), encode_jpeg(_frame(0, 1).rgb))
    assert all(check_jpeg(picture) == picture for picture in pictures)
    kept.see([_frame(0.8, 2)], muted=True)
    assert kept.pictures(0.9) == (), "what was seen before the mute is kept"


def test_nothing_changed_is_one_picture_and_an_old_one_is_none() -> None:
    kept = KeyFrames()
    kept.see([_frame(0.0, 1)], muted=False)
    kept.see([_frame(0.2, 1)], muted=False)
    assert len(kept.pictures(0.3)) == 1 and kept.pictures(2.0) == ()


@pytest.mark.parametrize("words, points", [
    ("what is this", True), ("tagalong what's that", True), ("what changed", True),
    ("what has changed here", True), ("look at the valve", True), ("what are those", True),
    ("what is the torque of the lug nuts", False), ("how often do I drain the tank", False),
    ("what is this called", False), ("", False)])
def test_only_words_that_point_at_a_sight_want_pictures(words: str, points: bool) -> None:
    assert points_at_a_sight(words) is points
