"""Governor: the budget of unasked speech, quiet mode, and what is never held back."""

from __future__ import annotations

import pytest

from daemon.acts_effects import Say
from daemon.governor import HOUR_S, SAFETY_GAP_S, WITHHELD_S, Governor

pytestmark = pytest.mark.unit

UNASKED = Say("by the way", "note", "notice:link_lost", unasked=True)
SAFETY = Say("battery low", "note", "notice:battery_low", unasked=True)
COUNT = Say("seven", "count", "count:squats")
TIMER = Say("ten minutes are over", "reminder", "timer:t1")
CUE = Say("three", "count", "timer:c1")
REPLY = Say("ten minutes", cause="act:set_timer")


def test_at_most_n_an_hour_and_never_two_close_together() -> None:
    governor = Governor(per_hour=3, gap_s=60.0)
    allowed = [t for t in range(0, 7200, 10) if governor.allow(UNASKED, float(t), False)[0]]
    assert allowed == [0, 60, 120, 3600, 3660, 3720]
    for start in range(0, 3600, 60):
        assert sum(start <= t < start + HOUR_S for t in allowed) <= 3


def test_a_budget_of_nothing_lets_nothing_through() -> None:
    governor = Governor(per_hour=0, gap_s=0.0)
    assert governor.allow(UNASKED, 0.0, False) == (False, "budget")


def test_nothing_unasked_while_the_wearer_speaks() -> None:
    governor = Governor()
    assert governor.allow(UNASKED, 1.0, True) == (False, "speaking")
    for say in (COUNT, TIMER, CUE, REPLY, SAFETY):
        assert governor.allow(say, 1.0, True)[0], say


def test_what_was_asked_for_costs_no_budget() -> None:
    governor = Governor(per_hour=1, gap_s=0.0)
    for second in range(100):
        assert governor.allow(COUNT, float(second), False)[0]
    assert governor.allow(UNASKED, 100.0, False)[0]
    assert governor.counters() == {"unasked_allowed": 1, "unasked_held": 0}


def test_quiet_mode_silences_counts_and_notices_but_not_timers_replies_and_safety() -> None:
    governor = Governor(quiet=True)
    assert governor.allow(COUNT, 0.0, False) == (False, "quiet")
    assert not governor.withheld(0.0), "a quiet count is not something unasked"
    assert governor.allow(UNASKED, 0.0, False) == (False, "quiet")
    for say in (TIMER, CUE, REPLY, SAFETY):
        assert governor.allow(say, 0.0, False)[0], say


def test_the_same_safety_notice_is_not_repeated_at_once() -> None:
    governor = Governor(per_hour=0)
    assert governor.allow(SAFETY, 0.0, True)[0]
    assert governor.allow(SAFETY, 1.0, True) == (False, "repeated")
    assert governor.allow(SAFETY, SAFETY_GAP_S, True)[0]


def test_what_was_held_back_shows_for_a_moment_and_is_counted() -> None:
    governor = Governor(quiet=True)
    assert not governor.withheld(5.0)
    governor.allow(UNASKED, 5.0, False)
    assert governor.withheld(5.0) and governor.withheld(5.0 + WITHHELD_S)
    assert not governor.withheld(5.1 + WITHHELD_S)
    assert governor.counters() == {"unasked_allowed": 0, "unasked_held": 1}
