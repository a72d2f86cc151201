"""Parts of an order among badly heard words."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.order_match import OrderMatcher
from models import orders

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def matcher() -> OrderMatcher:
    return OrderMatcher()


def find(matcher: OrderMatcher, *places: str | tuple[str, dict[str, float]]) -> dict[str, str]:
    return matcher.find([(p, ()) if isinstance(p, str) else (p[0], tuple(p[1].items()))
                         for p in places])


def test_orders_that_were_heard_well_are_what_the_words_say(matcher) -> None:
    rng = np.random.default_rng(6)
    for _ in range(60):
        words, order = orders.sample(rng)
        assert find(matcher, *words) == {f: order[f] for f in orders.FIELDS if f in order} \
            == orders.parse(words)


def test_the_later_of_two_sizes_counts_and_a_roast_is_no_size(matcher) -> None:
    assert find(matcher, *"a small no a large latte".split()) == {"size": "large",
                                                                   "drink": "latte"}
    assert find(matcher, *"a medium roast coffee".split()) == {"roast": "medium roast",
                                                                "drink": "coffee"}


def test_a_rival_makes_a_part_whole(matcher) -> None:
    assert find(matcher, "a", ("ice", {"iced": 0.5}), "coffee")["drink"] == "iced coffee"
    assert find(matcher, "a", ("ten", {"twenty": 1.0}), "ounce", "latte") == {
        "size": "twenty ounce", "drink": "latte"}
    assert find(matcher, "double", ("", {"shot": 1.5}), "mocha")["shots"] == "double shot"


def test_a_word_that_was_told_twice_was_said_once_and_the_better_heard_part_counts(matcher) -> None:
    assert find(matcher, *"a latte with soy milk milk".split())["milk"] == "soy milk"
    assert find(matcher, "latte", "soy", "milk", ("and", {"cream": 0.3}))["milk"] == "soy milk"
    assert find(matcher, *"latte with soy milk no with cream".split())["milk"] == "cream"


def test_what_was_hardly_heard_is_not_made_up(matcher) -> None:
    assert find(matcher, *"my uncle collects bicycles".split()) == {}
    assert find(matcher, *"the roast was good".split()) == {}
    assert find(matcher) == {}
