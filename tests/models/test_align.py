"""Ordered things found in recordings of orders."""

import numpy as np
import pytest

from models import tokens
from models.align import find
from models.scenarios import recordings

pytestmark = pytest.mark.unit
LIGHT, ROAST = (tokens.encode_word(w)[0] for w in ("light", "roast"))


def _likely(turns: int, **at: tuple[int, float]) -> np.ndarray:
    """Words at micro-turns with their probabilities, nothing elsewhere."""
    made = np.full((turns, 1200), 1e-6)
    for word, (turn, p) in at.items():
        made[turn, tokens.encode_word(word)[0]] = p
    return made


def test_words_are_found_in_their_order() -> None:
    ends = find(_likely(20, light=(7, 0.9), roast=(9, 0.8)), [LIGHT, ROAST])
    # told at the end of micro-turns 7 and 9, 0.12 s after the word and 0.1 s for where in between
    assert ends == pytest.approx([1.38, 1.78])


def test_the_likelier_place_is_taken() -> None:
    likely = _likely(30, light=(5, 0.3), roast=(6, 0.3))
    likely[20, LIGHT], likely[21, ROAST] = 0.9, 0.9
    assert find(likely, [LIGHT, ROAST]) == pytest.approx([3.98, 4.18])


@pytest.mark.parametrize("at", [{"light": (7, 0.9)}, {"light": (7, 0.9), "roast": (5, 0.9)},
                                {"light": (2, 0.9), "roast": (12, 0.9)},
                                {"light": (7, 0.05), "roast": (8, 0.05)}],
                         ids=["one missing", "the other way round", "too far apart", "unlikely"])
def test_what_is_not_there_is_not_found(at: dict) -> None:
    assert find(_likely(20, **at), [LIGHT, ROAST]) == []


@pytest.mark.skipif(not recordings.DATA.is_dir(), reason="no recordings in ../shared/data")
def test_only_recordings_of_training_are_told() -> None:
    """Every recording in the table is one of a speaker that may be trained on."""
    kept_back = {row["path"] for row in recordings.rows("barista_commands", trained=False)}
    clips = [c for c in recordings.recordings("barista_commands") if c.words]
    assert clips and not kept_back & set(recordings._ordered())
    for clip in clips:
        ends = [end_s for _, end_s in clip.words]
        assert not clip.known and ends == sorted(ends) and ends[-1] < len(clip.pcm) / 16_000 + 0.3


@pytest.mark.skipif(not recordings.DATA.is_dir(), reason="no recordings in ../shared/data")
def test_a_name_of_two_words_ends_twice() -> None:
    clip = next(c for c in recordings.recordings("wake_words") if len(c.words) == 2)
    (_, first_s), (_, second_s) = clip.words
    assert clip.known and 0 < first_s < second_s == clip.end_s
