"""Parts of an order among badly heard words."""

from __future__ import annotations

import pytest

from daemon.order_match import OrderMatcher

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def matcher() -> OrderMatcher:
    return OrderMatcher()


def find(matcher: OrderMatcher, *places: str | tuple[str, dict[str, float]]) -> dict[str, str]:
    return matcher.find([(p, ()) if isinstance(p, str) else (p[0], tuple(p[1].items()))
                         for p in places])


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


def test_the_better_heard_part_counts_unless_it_is_taken_back(matcher) -> None:
    assert find(matcher, *"a latte with soy milk milk".split())["milk"] == "soy milk"
    assert find(matcher, "latte", "soy", "milk", ("and", {"cream": 0.3}))["milk"] == "soy milk"
    assert find(matcher, *"latte with soy milk no with cream".split())["milk"] == "cream"


def test_what_was_hardly_heard_is_not_made_up(matcher) -> None:
    assert find(matcher, *"my uncle collects bicycles".split()) == {}
    assert find(matcher, *"the roast was good".split()) == {}
    assert find(matcher) == {}
