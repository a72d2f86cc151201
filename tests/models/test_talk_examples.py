"""Open speech from WordNet: for training alone, and nothing that is held out."""

from pathlib import Path

import numpy as np
import pytest

from models import grammar, tokens
from models.scenarios import talk

pytestmark = pytest.mark.unit
LINES = """00001740 03 n 01 entity 0 000 | that which is known; "he saw the valve open slowly"
00001930 29 v 01 x 0 000 | to move; "count my squats"; "did you see the game last night"
  1 This software is licensed text without a bar
"""


@pytest.fixture
def wordnet(monkeypatch, tmp_path: Path):
    (tmp_path / "data.verb").write_text(LINES, "latin-1")
    monkeypatch.setattr(talk, "WORDNET", tmp_path)
    talk.examples.cache_clear()
    yield
    talk.examples.cache_clear()


def test_examples_count_twice_and_commands_are_none(wordnet) -> None:
    found = [" ".join(s) for s in talk.examples()]
    assert found.count("he saw the valve open slowly") == 2
    assert found.count("that which is known") == 1 and "count my squats" not in found


def test_what_is_held_out_is_not_among_them(wordnet, monkeypatch) -> None:
    monkeypatch.setattr(talk, "sentences", lambda trained: [] if trained else [
        "he saw the valve open slowly".split()])
    assert "he saw the valve open slowly" not in {" ".join(s) for s in talk.examples()}


def test_words_put_into_a_sentence_are_of_the_vocabulary() -> None:
    rng, cues = np.random.default_rng(3), 0
    for _ in range(50):
        words = talk.interspersed(rng)
        cues += any(w in grammar.CUES for w in words)
        assert len(words) >= 3 and any(w in tokens.WORDS for w in words)
    assert cues > 25
