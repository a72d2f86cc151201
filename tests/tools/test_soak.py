"""The soak's plan: what goes away when, and what is judged."""

from __future__ import annotations

import pytest

from tools.benchmark import soak

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def plan() -> soak.Plan:
    return soak.Plan(2.0, 3)


def test_gaps_come_by_seed_apart_and_never_in_the_first_minutes(plan: soak.Plan) -> None:
    again, other = soak.Plan(2.0, 3), soak.Plan(2.0, 4)
    assert (plan.microphone, plan.worker) == (again.microphone, again.worker)
    assert plan.microphone != other.microphone
    assert len(plan.camera) == 2 * soak.GAPS_PER_HOUR
    for gaps in (plan.microphone, plan.camera, plan.worker):
        assert all(a.to_s < b.from_s for a, b in zip(gaps, gaps[1:]))
        assert all(gap.from_s % soak.HOUR_S > plan.check.seconds for gap in gaps)
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
