"""Remembered views: named or not, watched for, left first, and nothing while muted."""

from __future__ import annotations

import numpy as np
import pytest

from daemon import acts as fx
from daemon.ledger_routine import VIEWS_KEPT
from daemon.turn import TURN_S, Floor, VideoFrame
from tests.daemon.acts_stage import Stage, check_notes, texts

pytestmark = pytest.mark.unit


def picture(seed: int) -> np.ndarray:
    """(120, 160, 3) uint8: boxes on a wall."""
    rng = np.random.default_rng(seed)
    rgb = np.full((120, 160, 3), 110, np.uint8)
    for _ in range(25):
        y, x = rng.integers(0, 110), rng.integers(0, 150)
        rgb[y : y + rng.integers(8, 50), x : x + rng.integers(8, 50)] = rng.integers(0, 255, 3)
    return rgb


HERE, THERE = picture(1), picture(2)


def watch(stage: Stage, rgb: np.ndarray, turns: int, *, muted: bool = False,
          speaking: bool = False) -> list[tuple[float, fx.Effect]]:
    """Micro-turns in which this is seen."""
    out: list[tuple[float, fx.Effect]] = []
    for _ in range(turns):
        stage.now_s += TURN_S
        stage.acts.see([VideoFrame(stage.now_s - 0.05, rgb)], muted)
        effects = stage.acts.tick(stage.now_s, Floor.KEEP, speaking)
        check_notes(effects)
        out += [(stage.now_s, e) for e in effects]
    return out


def looking(rgb: np.ndarray = HERE) -> Stage:
    stage = Stage()
    watch(stage, rgb, 1)
    return stage


def test_a_view_is_remembered_with_or_without_a_name() -> None:
    stage = looking()
    assert texts(stage.say("remember this view")) == ["remembered"]
    watch(stage, THERE, 1)
    assert texts(stage.act("remember_view", tuple("remember this view as open cover".split()))
                 ) == ["remembered, open cover"]
    assert [v.name for v in stage.ledger.book.views] == ["view", "open cover"]
    stage.say("remember the view")
    assert [v.name for v in stage.ledger.book.views] == ["open cover", "view"], "in its place"
    stage.say("no")
    assert [v.name for v in stage.ledger.book.views] == ["view", "open cover"]


def test_only_so_many_are_kept() -> None:
    stage = looking()
    for n in range(VIEWS_KEPT + 3):
        stage.act("remember_view", ("remember", "this", "view", "as", "a" * (n + 1)))
    assert len(stage.ledger.book.views) == VIEWS_KEPT


def test_it_tells_when_the_view_is_back_after_it_was_left() -> None:
    stage = looking()
    stage.say("remember this view")
    assert texts(stage.say("tell me when it looks like that again")) == ["I will tell you"]
    assert texts(watch(stage, HERE, 20)) == [], "it has not been left yet"
    assert texts(watch(stage, THERE, 5)) == [], "not long enough"
    assert texts(watch(stage, HERE, 20)) == []
    assert [e.data["change"] for _, e in watch(stage, THERE, 15)] == ["left"]
    back_s = stage.now_s
    told = watch(stage, HERE, 10)
    assert texts(told) == ["it looks like that again"]
    assert told[0][0] - back_s == pytest.approx(2 * TURN_S), "two frames that agree"
    assert stage.ledger.book.watch is None and texts(watch(stage, HERE, 10)) == []
    assert texts(stage.say("why did you say that")) == [
        "you asked me to tell you when it looks like that again"]


def test_it_waits_for_a_pause_and_tells_even_if_the_view_is_gone_by_then() -> None:
    stage = looking()
    stage.say("remember this view")
    stage.say("tell me when you see it again")
    watch(stage, THERE, 15)
    assert texts(watch(stage, HERE, 5, speaking=True)) == []
    assert texts(watch(stage, THERE, 1)) == ["it looks like that again"]


def test_one_frame_alone_tells_nothing() -> None:
    stage = looking()
    stage.say("remember this view")
    stage.say("tell me when you see that again")
    watch(stage, THERE, 15)
    assert texts(watch(stage, HERE, 1) + watch(stage, THERE, 1) + watch(stage, HERE, 1)) == []


def test_nothing_is_seen_without_a_camera_or_muted_or_long_ago() -> None:
    assert texts(Stage().say("remember this view")) == ["I see nothing now"]
    stage = looking()
    watch(stage, HERE, 1, muted=True)
    assert texts(stage.say("remember this view")) == ["I see nothing now"]
    stage = looking()
    stage.now_s += 2.0
    assert texts(stage.say("remember this view")) == ["I see nothing now"]
    assert texts(stage.say("tell me when it looks like that again")) == ["no view is remembered"]


def test_a_watch_is_stopped_and_taken_back() -> None:
    stage = looking()
    stage.say("remember this view")
    stage.say("tell me when it looks like that again")
    assert texts(stage.say("status")) == ["watching for a view"]
    assert texts(stage.say("stop")) == ["I watch no more"]
    stage.say("no")
    assert stage.ledger.book.watch is not None
    stage.say("never mind")
    assert stage.ledger.book.watch is None or texts(stage.say("stop")) == ["I watch no more"]


# -- in a routine --------------------------------------------------------------------------------

def test_a_step_remembers_a_view_and_a_later_one_waits_for_it() -> None:
    stage = looking()
    stage.act("start_routine", item="boiler check")
    assert texts(stage.act("next_step"))[0].startswith("step two")
    assert [v.name for v in stage.ledger.book.views] == ["boiler closed"]
    watch(stage, THERE, 1)
    for _ in range(7):
        last = stage.act("skip_step")
    assert texts(last) == ["last step: put the cover back; I watch until it looks as it did"]
    assert texts(watch(stage, THERE, 10)) == []
    done = watch(stage, HERE, 3)
    assert texts(done)[0].startswith("it looks right. boiler check done")
    frames = next(e for _, e in done if isinstance(e, fx.Report)).frames
    assert set(frames) == set(range(9)) and frames[0] is HERE and frames[1] is THERE


def test_a_view_that_was_never_seen_is_told() -> None:
    stage = Stage()
    stage.act("start_routine", item="boiler check")
    for _ in range(8):
        last = stage.act("next_step")
    assert texts(last) == ["last step: put the cover back; I watch until it looks as it did. I "
                           "have not seen how it must look, say next when it is done"]
