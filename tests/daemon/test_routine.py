"""A routine by voice: start, move, rests and holds that end by themselves, where, stop, undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon import acts as fx
from daemon.acts import Acts
from daemon.governor import Governor
from daemon.ledger import SET_FORGOTTEN_S, Ledger
from daemon.routines import words
from daemon.routines.language import Routine
from daemon.routines.library import Library
from daemon.turn import TURN_S, Addressing, Floor
from tests.daemon.acts_stage import Stage, check_notes, outcome, texts

pytestmark = pytest.mark.unit

SHORT = Routine(title="Test day", names=("test day",), kind="workout", rest_s=5.0, step=(
    {"say": "warm up", "rest_s": 0.0}, {"exercise": "squats", "reps": 3},
    {"say": "hold the plank", "seconds": 10.0, "rest_s": 0.0},
    {"say": "read the pressure", "reading": "gauge", "rest_s": 0.0}, {"say": "stretch"}))
LIBRARY = Library({"test day": SHORT})
START = "start my test day"


def stage() -> Stage:
    """A stage on which the routine has been started."""
    one = Stage(library=LIBRARY)
    one.act("start_routine", tuple(START.split()))
    return one


def at(one: Stage) -> tuple[int, bool]:
    run = one.ledger.book.routine
    return run.at, run.resting



def test_it_is_started_by_the_words_that_name_it() -> None:
    one = Stage(library=LIBRARY)
    assert texts(one.act("start_routine", tuple(START.split()))) == [
        "test day, five steps. step one: warm up"]
    assert one.ledger.state(one.now_s).routine
    assert texts(Stage().say("begin the leg day"))[0].startswith("leg day, seven steps. step one:")
    assert texts(Stage().act("start_routine", item="pancakes"))[0].startswith("pancakes, ")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    one = Stage()
    said = "there are boiler check, brake check, core circuit, leg day, pancakes and push day"
    assert one.act("start_routine", ("start", "my", "yoga")) == [], "a longer name may follow"
    assert texts(one.turns(10)) == [f"there is no yoga. {said}"]
    assert one.ledger.book.routine is None
    assert texts(one.say("which routines are there")) == [said.removeprefix("there are ")]


def test_the_whole_way_with_every_kind_of_step() -> None:
    one = stage()
    assert texts(one.act("next_step")) == ["step two: three squats"]
    assert texts(one.acts.counted(3, one.now_s)) == ["three, done"]
    assert texts(one.turns(1)) == ["rest, five seconds"] and at(one) == (2, True)
    came = [(round(t, 1), e.text) for t, e in one.turns(200) if isinstance(e, fx.Say)]
    assert came == [(15.2, "rest is over. step three: hold the plank, ten seconds"),
                    (25.2, "time is up. step four: read the pressure")]
    assert texts(one.say("the gauge reads two")) == ["gauge, two"]
    assert texts(one.turns(1)) == ["last step: stretch"]
    done = one.say("we are done")
    assert texts(done) == ["test day done, forty seconds, three squats"]
    assert not one.ledger.state(one.now_s).routine
    report = next(e for e in done if isinstance(e, fx.Report))
    assert report.completed and [d.outcome for d in report.run.done] == ["done"] * 5
    assert report.run.done[1].count == 3 and report.run.done[3].reading_id is not None


def test_where_says_title_number_and_text() -> None:
    one = stage()
    assert texts(one.say("where was i")) == ["test day, step one of five: warm up"]
    one.act("next_step")
    assert texts(one.say("repeat the step")) == ["step two of five: three squats"]
    one.act("next_step")
    one.turns(5)
    assert texts(one.say("where am i")) == [
        "test day, resting, four seconds left, then step three of five: hold the plank, "
        "ten seconds"]
    assert texts(one.say("status")) == ["test day, step three of five"]
    assert texts(one.say("repeat that"))[0].startswith("test day, step three")


def test_the_report_of_the_daemon_and_questions_name_the_step() -> None:
    assert words.status(None) is None
    one = stage()
    one.act("next_step")
    assert words.status(one.ledger.book.routine) == "test day, step 2 of 5: three squats"
    one.act("next_step")
    assert words.status(one.ledger.book.routine) == (
        "test day, step 3 of 5 after the rest: hold the plank, ten seconds")
    assert "routine test day: at step 3 of 5, hold the plank" in one.ledger.lines()


def test_back_skip_and_the_end_of_a_rest_by_word() -> None:
    one = stage()
    assert texts(one.say("go back")) == ["this is the first step: warm up"]
    assert texts(one.say("skip it")) == ["step two: three squats"]
    assert one.ledger.book.running.target == 3
    assert texts(one.say("skip it")) == ["step three: hold the plank, ten seconds"]
    assert one.ledger.book.running is None
    assert texts(one.say("go back")) == ["step two: three squats"]
    one.acts.counted(2, one.now_s)
    assert texts(one.say("stop counting")) == ["two squats"]
    assert texts(one.turns(1)) == ["rest, five seconds"]
    assert texts(one.say("we are ready")) == ["step three: hold the plank, ten seconds"]


def test_it_waits_for_a_pause_of_the_wearer() -> None:
    one = stage()
    one.act("skip_step")
    one.act("skip_step")
    until = one.now_s + 12.0
    while one.now_s < until:
        one.now_s += TURN_S
        assert texts(one.acts.tick(one.now_s, Floor.KEEP, wearer_speaking=True)) == []
    assert texts(one.turns(1)) == ["time is up. step four: read the pressure"]
    done = one.ledger.book.routine.done[-1]
    assert done.ended_at_s - done.began_at_s == pytest.approx(10.0)


def test_everything_else_goes_on_working() -> None:
    one = stage()
    assert texts(one.say("timer for ten minutes")) == ["ten minutes"]
    one.act("next_step")
    assert texts(one.say("count my curls")) == ["counting curls"]
    assert texts(one.turns(10)) == [], "a set of the wearer's own comes between"
    assert texts(one.say("stop counting")) == ["zero curls"]
    assert texts(one.turns(1)) == ["rest, five seconds"]
    (why,) = texts(one.say("why did you say that"))
    assert why == "you started test day, and I say its steps"


def test_no_takes_the_last_move_back() -> None:
    one = stage()
    one.act("next_step")
    one.acts.counted(2, one.now_s)
    one.act("next_step")
    assert at(one) == (2, True)
    assert texts(one.say("no")) == ["undone", "step two of five: three squats"]
    assert at(one) == (1, False) and one.ledger.book.running.count == 2
    one.say("stop the routine")
    assert one.ledger.book.routine is None
    one.say("no")
    assert at(one) == (1, False)


def test_a_reading_taken_back_brings_its_step_back() -> None:
    one = stage()
    for _ in range(3):
        one.act("skip_step")
    one.say("the gauge reads two")
    assert texts(one.turns(2)) == ["last step: stretch"]
    assert texts(one.say("no that is wrong")) == [
        "undone", "step four of five: read the pressure"]
    one.say("the gauge reads three")
    assert texts(one.turns(2)) == ["last step: stretch"]


def test_a_set_stopped_by_mistake_goes_on_in_its_step() -> None:
    one = stage()
    one.act("next_step")
    one.acts.counted(2, one.now_s)
    one.say("stop counting")
    assert texts(one.turns(3)) == ["rest, five seconds"]
    assert texts(one.say("no")) == ["undone", "step two of five: three squats"]
    assert texts(one.acts.counted(1, one.now_s)) == ["three, done"]
    assert texts(one.turns(1)) == ["rest, five seconds"]


def test_stop_alone_ends_the_set_first_and_the_routine_last() -> None:
    one = stage()
    one.act("next_step")
    assert texts(one.say("stop")) == ["zero squats"]
    one.turns(1)
    assert texts(one.say("stop"))[0].startswith("test day stopped, at step three of five")
    assert outcome(one.say("stop")) == "ignored"


def test_every_move_is_one_event() -> None:
    one = stage()
    one.act("next_step")
    one.acts.counted(2, one.now_s)
    effects = one.say("stop the routine")
    notes = [e.data for e in effects if isinstance(e, fx.Note) and e.kind == "step"]
    assert notes == [{"routine": "test day", "step": 2, "steps": 5, "change": "stopped",
                      "count": 2}]


def test_no_second_routine_before_the_first_has_ended() -> None:
    one = stage()
    said = texts(one.act("start_routine", tuple(START.split())))
    assert said == ["test day, step one of five: warm up. stop it first"]


def test_words_of_a_routine_need_no_name_and_other_words_do() -> None:
    one = Stage(library=LIBRARY, addressing=Addressing.FOLLOW_UP)
    one.act("start_routine", ("tagalong", *START.split()))
    one.now_s += 60.0
    assert texts(one.say("that is it")) == ["step two: three squats"]
    one.now_s += 60.0
    one.act("skip_step")
    one.turns(1)
    one.now_s += 60.0
    assert outcome(one.say("where was i")) == "ignored"
    one.now_s += 60.0
    assert outcome(Stage(addressing=Addressing.FOLLOW_UP).say("next step")) == "ignored"


def test_time_left_is_that_of_the_hold() -> None:
    one = stage()
    one.act("skip_step")
    one.act("skip_step")
    one.now_s += 4.0
    assert texts(one.say("how much time is left")) == ["six seconds"]


def test_a_doubtful_start_is_read_back_by_name() -> None:
    one = Stage()
    assert texts(one.act("start_routine", (), 0.4, item="leg day")) == ["start leg day?"]
    assert texts(one.say("yes"))[0].startswith("leg day, seven steps")


@pytest.mark.parametrize("act", ["next_step", "previous_step", "skip_step", "where_was_i",
                                 "stop_routine"])
def test_without_a_routine_it_says_so(act: str) -> None:
    assert texts(Stage().act(act)) == ["no routine is running"]


# -- after a crash -------------------------------------------------------------------------------

def resumed(one: Stage, away_s: float = 30.0) -> tuple[Acts, Ledger, list[str]]:
    one.ledger.now_s = one.now_s
    ledger = Ledger.restore(one.ledger.snapshot(),
                            lambda: one.wall() + timedelta(seconds=away_s), now_s=0.0)
    acts = Acts(ledger, Governor(), library=LIBRARY)
    effects = acts.resumed()
    check_notes(effects)
    return acts, ledger, texts(effects)


def test_it_is_back_at_the_same_step_with_its_count() -> None:
    one = stage()
    one.act("next_step")
    one.acts.counted(2, one.now_s)
    acts, ledger, said = resumed(one)
    assert said == ["back at step two: three squats"]
    assert texts(acts.tick(0.2, Floor.KEEP)) == []
    assert texts(acts.counted(1, 0.4)) == ["three, done"]
    assert texts(acts.tick(0.4, Floor.KEEP)) == ["rest, five seconds"]


def test_a_set_that_a_long_outage_has_ended_goes_on() -> None:
    one = stage()
    one.act("next_step")
    one.acts.counted(2, one.now_s)
    acts, ledger, _ = resumed(one, SET_FORGOTTEN_S + 100)
    assert ledger.book.running.count == 2 and texts(acts.tick(0.2, Floor.KEEP)) == []


def test_a_hold_begins_anew_and_a_rest_that_ran_out_is_over() -> None:
    one = stage()
    one.act("skip_step")
    one.act("next_step")
    assert at(one) == (2, True)
    _, ledger, said = resumed(one)
    assert said == ["back at step three: hold the plank, ten seconds"]
    assert ledger.book.routine.due_at_s == pytest.approx(10.0)
    _, ledger, said = resumed(one, 2.0)
    assert said == ["back in the rest before step three"]
    one.turns(30)
    assert at(one) == (2, False)
    _, ledger, _ = resumed(one)
    assert ledger.book.routine.due_at_s == pytest.approx(10.0)


def test_one_left_for_hours_is_given_up() -> None:
    assert resumed(stage(), 13 * 3600.0)[2] == []


def test_records_are_unchanged_on_the_way_through_the_snapshot() -> None:
    one = stage()
    one.act("next_step")
    one.act("next_step")
    restored = Ledger.restore(one.ledger.snapshot(), one.wall, now_s=one.ledger.now_s)
    assert restored.book.routine == one.ledger.book.routine
    assert replace(restored.book, intervals=()) == replace(one.ledger.book, intervals=())
