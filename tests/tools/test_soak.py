"""The soak's plan: what goes away when, and what is judged."""

from __future__ import annotations

import pytest

from tools.benchmark import soak

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def plan() -> soak.Plan:
    return soak.Plan(2.0, 3)


def test_gaps_come_by_seed_apart_and_never_in_the_first_minutes() -> None:
    found, other = soak.gaps(2.0, 3, 240.0), soak.gaps(2.0, 4, 240.0)
    assert found == soak.gaps(2.0, 3, 240.0) and found != other
    assert [len(gaps) for gaps in found] == [2 * an_hour for an_hour, *_ in soak.AWAY]
    for gaps in found:
        assert all(a.to_s < b.from_s for a, b in zip(gaps, gaps[1:]))
        assert all(gap.from_s % soak.HOUR_S > 240.0 for gap in gaps)
        middle = (gaps[0].from_s + gaps[0].to_s) / 2
        assert soak.inside(gaps, middle) and not soak.inside(gaps, gaps[0].to_s)


def test_every_hour_begins_alike_and_goes_on_differently(plan: soak.Plan) -> None:
    hour = soak.TURNS_PER_HOUR
    assert (plan.heard(30) == plan.heard(hour + 30)).all()
    assert (plan.heard(2_000) != plan.heard(hour + 2_000)).any()
    assert (plan.seen(20.0) == plan.seen(soak.HOUR_S + 20.0)).all()


def test_an_hour_that_went_wrong_is_told(plan: soak.Plan) -> None:
    right = [{"t_s": 17.0, "kind": "act", "text": "count_reps"}]
    first, second = soak._verdicts(plan, right)
    assert not any("count_reps" in line for line in first)
    assert any("count_reps" in line for line in second)
