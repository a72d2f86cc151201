"""Phrases found among badly heard words."""

from __future__ import annotations

import pytest

from daemon.interpreter import LIKE
from daemon.phrase_match import DEAREST, PhraseMatcher

pytestmark = pytest.mark.unit
PHRASES = ("where is the station", "where is the hospital", "good night", "can you help me")


def heard(*places: str | tuple[str, dict[str, float]]) -> tuple[str, float]:
    matcher = PhraseMatcher(PHRASES)
    for place in places:
        word, rivals = (place, {}) if isinstance(place, str) else place
        matcher.hear(word, tuple(rivals.items()))
    number, likeness = matcher.best()
    return PHRASES[number], likeness


def test_the_very_words_are_all_of_it() -> None:
    assert heard(*"where is the station".split()) == ("where is the station", 100.0)
    assert heard(*"oh well where is the hospital".split()) == ("where is the hospital", 100.0)


def test_a_rival_counts_the_more_the_closer_it_is() -> None:
    near, far = (heard("where", "is", "the", ("xx", {"hospital": cost}))
                 for cost in (0.2, DEAREST))
    assert near[0] == far[0] == "where is the hospital" and near[1] > 98 > far[1] > 60
    assert heard("where", "is", "the", "nation")[0] == "where is the station", "what sounds alike"


def test_a_word_that_was_hardly_heard_may_be_there() -> None:
    with_it = heard("good", ("", {"night": 1.0}))
    assert with_it[0] == "good night" and with_it[1] > heard("good", "")[1] + 20


def test_missing_and_further_words_cost_by_their_letters() -> None:
    whole, without = heard(*"can you help me".split())[1], heard(*"can you help".split())[1]
    between = heard(*"can you um help me".split())[1]
    assert whole == 100 and 80 < without <= 90 and 80 < between <= 90


def test_words_of_none_resemble_none_and_are_forgotten() -> None:
    assert heard(*"bicycles from belgium".split())[1] < 40
    matcher = PhraseMatcher(PHRASES)
    matcher.hear("good", ())
    matcher.reset()
    matcher.hear("night", ())
    assert matcher.best()[1] < LIKE, "half of a phrase is none"
