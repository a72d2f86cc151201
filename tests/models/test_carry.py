"""Weights carried over to a vocabulary that has grown: rows follow their meaning."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training untested")

from models import tokens  # noqa: E402
from models.carry import carry_over  # noqa: E402
from models.config import TINY  # noqa: E402
from models.model import OUTPUT_HEADS, InteractionNet  # noqa: E402

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return InteractionNet(TINY).state_dict()


def shuffled() -> dict[str, list[str]]:
    """Names as a version with another order of the words and intents wrote them."""
    names = tokens.names()
    names["heard"] = names["heard"][:1] + names["heard"][:0:-1]
    names["act"] = names["act"][:1] + names["act"][:0:-1]
    return names


def row(weights, head: str, index: int):
    first = sum(n for h, n in list(OUTPUT_HEADS.items())[: list(OUTPUT_HEADS).index(head)])
    return weights["heads.weight"][first + index], weights["heads.bias"][first + index]


def test_nothing_changes_for_the_same_names(weights):
    assert carry_over(weights, tokens.names()) is weights


def test_rows_follow_their_meaning(weights):
    names = shuffled()
    carried = carry_over(weights, names)
    for head, name, value in (("heard0", "heard", "squats"), ("act", "act", "set_timer")):
        now = row(carried, head, tokens.names()[name].index(value))
        before = row(weights, head, names[name].index(value))
        assert torch.equal(now[0], before[0]) and torch.equal(now[1], before[1])
    assert torch.equal(carried["blocks.0.up.weight"], weights["blocks.0.up.weight"])


def test_a_new_class_has_no_say_and_an_old_one_keeps_its_own(weights):
    grown = tokens.names()
    grown["act"] = [*grown["act"][:5], "a_new_intent", *grown["act"][5:]]
    carried = carry_over(weights, tokens.names(), grown)
    first = sum(n for h, n in list(OUTPUT_HEADS.items())[: list(OUTPUT_HEADS).index("act")])
    bias = carried["heads.bias"][first : first + len(grown["act"])]
    assert carried["heads.weight"].shape[0] == weights["heads.weight"].shape[0] + 1
    assert bias.argmin() == 5 and not carried["heads.weight"][first + 5].any()
    assert torch.equal(carried["heads.weight"][first + 6],
                       weights["heads.weight"][first + 5])


def test_names_that_do_not_fit_are_refused(weights):
    names = tokens.names()
    names["state"] = names["state"][:-1]
    with pytest.raises(ValueError, match="another version"):
        carry_over(weights, names)
