"""Acts: every intent does something sensible and can be taken back; sets, time and stopping."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from daemon import acts as fx
from daemon.acts import HANDLERS, Acts
from daemon.governor import Governor
from daemon.ledger import Book, Ledger
from daemon.turn import TURN_S, Floor, VoiceState
from models import grammar
from tests.daemon.acts_stage import BUSY, Stage, check_notes, outcome, texts

pytestmark = pytest.mark.unit


def content(book: Book) -> Book:
    """What of a book an undo brings back: numbers given to records are not taken back."""
    return replace(book, next_id=0)


# -- every intent ------------------------------------------------------------------------------

SILENT = {"yes"}
"""Has nothing to answer where nothing was asked."""


def test_every_intent_has_one_handler() -> None:
    assert set(HANDLERS) | {"yes", "no", "never_mind"} == set(grammar.ACTS)


@pytest.mark.parametrize("book", [Book(), BUSY], ids=["idle", "busy"])
@pytest.mark.parametrize("intent", grammar.INTENTS)
def test_every_intent_answers_and_no_takes_it_back(intent: str, book: Book) -> None:
    rng = np.random.default_rng(7)
    for _ in range(6):
        command = grammar.sample(rng, intent)
        if 0 in (command.slots.get("number"), command.slots.get("number2")):
            continue
        stage = Stage(book)
        before = stage.ledger.book
        effects = stage.act(intent, command.words, **command.slots)
        assert outcome(effects) == ("ignored" if intent in SILENT else "done") or (
            intent == "stop" and book == Book())
        if intent not in SILENT | {"stop"}:
            assert len(effects) >= 2, "at least one effect beside the event"
        for text in texts(effects):
            assert not any(c.isdigit() for c in text) and text == text.strip() and text
        changed = content(stage.ledger.book) != content(before)
        undone = stage.act("no", ("tagalong", "no"))
        assert content(stage.ledger.book) == content(before)
        if changed:
            assert outcome(undone) == "undone" and texts(undone)[:1] == ["undone"]


def test_the_first_effect_heard_is_information() -> None:
    assert texts(Stage().say("set a timer for ten minutes")) == ["ten minutes"]
    assert texts(Stage().say("count my squats")) == ["counting squats"]
    assert texts(Stage().say("do ten push ups")) == ["ten push ups"]
    assert texts(Stage().say("what time is it")) == ["ten forty two in the morning"]
    assert texts(Stage().say("what day is it")) == ["Saturday, the twenty second of November"]
    assert texts(Stage().say("how is the battery")) == ["eighty three percent"]
    (status,) = texts(Stage(BUSY).say("status"))
    assert status.split(". ") == ["counting squats, at seven",
                                  "two timers, fifty five seconds left",
                                  "breathe, every thirty seconds", "timing, eight seconds"]


def test_undo_brings_devices_back_too() -> None:
    stage = Stage(BUSY)
    assert fx.Volume(95) in stage.say("louder") and fx.Volume(80) in stage.say("undo that")
    assert fx.Rate(1) in stage.say("talk faster") and fx.Rate(-1) in stage.say("no")
    assert fx.Mute("camera", 600.0) in stage.say("mute the camera for ten minutes")
    assert fx.Unmute("camera") in stage.say("no")
    assert texts(stage.say("no")) == ["nothing to undo"]


def test_undo_keeps_what_happened_since() -> None:
    stage = Stage(BUSY)
    stage.say("set the count to twenty")
    stage.acts.counted(2, stage.now_s)
    stage.say("no that is wrong")
    assert stage.ledger.book.running.count == 9
    stage.say("cancel the timer")
    stage.turns(300)
    stage.say("timer for five minutes")
    stage.say("no")
    assert [t.text for t in stage.ledger.book.timers] == [], "the drink was spoken and stays so"


def test_an_old_act_is_not_taken_back() -> None:
    stage = Stage()
    stage.say("timer for ten minutes")
    stage.turns(200)
    assert texts(stage.say("undo")) == ["nothing to undo"]


# -- sets --------------------------------------------------------------------------------------

def test_counts_are_said_the_newest_wins_and_the_target_ends_the_set() -> None:
    stage = Stage()
    stage.say("do three squats")
    says = [e for n in (1, 2) for e in stage.acts.counted(n, stage.now_s)]
    check_notes(says)
    assert texts(says) == ["one", "three, done"]
    assert all(s.latest_wins == "count" for s in says if isinstance(s, fx.Say))
    assert stage.acts.counted(1, stage.now_s) == []
    assert texts(stage.say("how many was that")) == ["three squats"]


def test_quiet_sets_are_counted_silently() -> None:
    stage = Stage(BUSY)
    effects = stage.say("be quiet")
    assert effects[1:] == [fx.Stop(), fx.Earcon("accepted")]
    assert texts(stage.acts.counted(1, stage.now_s)) == []
    assert texts(stage.say("how many")) == ["eight"]
    stage.say("you can talk again")
    assert texts(stage.acts.counted(1, stage.now_s)) == ["nine"]


def test_pause_resume_and_correct() -> None:
    stage = Stage(BUSY)
    assert texts(stage.say("pause")) == ["paused at seven"]
    assert stage.acts.counted(1, stage.now_s) == []
    assert texts(stage.say("continue")) == ["from seven"]
    assert texts(stage.say("make that twelve")) == ["twelve"]
    assert texts(stage.say("that was sixty kilos")) == ["sixty kilos"]
    assert texts(stage.say("stop counting")) == ["twelve squats"]
    assert texts(stage.say("resume the count")) == ["from twelve"]


def test_finished_sets_are_logged_once_they_cannot_be_taken_back() -> None:
    stage = Stage()
    stage.say("log ten squats")
    stage.say("that was sixty kilos")
    sent = [(t, e) for t, e in stage.turns(400) if isinstance(e, fx.Delegate)]
    assert [e.payload for _, e in sent] == [
        {"item": "squats", "number": 10}, {"item": "squats", "number": 60, "unit": "kilos"}]
    assert all(e.silent and e.kind == "workout_log" for _, e in sent)
    assert sent[0][0] == pytest.approx(40.0, abs=0.21)


def test_history_waits_for_what_was_just_logged() -> None:
    stage = Stage()
    stage.say("i did ten squats")
    logs = [e for e in stage.say("how many squats today") if isinstance(e, fx.Delegate)]
    assert [e.payload for e in logs] == [{"item": "squats", "number": 10}]
    assert stage.acts.delegated(logs[0], "L", stage.now_s) == []
    assert stage.turns(3) == []
    assert stage.acts.answer_ready("L", ("Logged ten squats.",), "when_idle", stage.now_s)
    asked = [e for _, e in stage.turns(1) if isinstance(e, fx.Delegate)]
    assert [e.payload for e in asked] == [{"item": "squats", "period": "today"}]
    assert not stage.ledger.answers, "nobody wants to hear that it was logged"


# -- time --------------------------------------------------------------------------------------

def test_a_due_timer_waits_for_the_network_but_not_for_long() -> None:
    for speak_after, expected in ((0.6, 15.8), (None, 18.0)):
        stage = Stage()
        stage.say("timer for five seconds")
        spoken = []
        while stage.now_s < 25.0:
            asked = speak_after is not None and stage.now_s >= 15.0 + speak_after - 0.01
            spoken += stage.turns(1, Floor.SPEAK if asked else Floor.KEEP)
        assert [(round(t, 1), e.text) for t, e in spoken if isinstance(e, fx.Say)] == [
            (expected, "five seconds are over")]
        assert [e.data["change"] for _, e in spoken if isinstance(e, fx.Note)] == ["due", "spoken"]


def test_reminders_turn_the_wearers_words_round() -> None:
    stage = Stage()
    assert texts(stage.say("remind me to take my pills in one minute")) == [
        "take your pills, in one minute"]
    assert texts(stage.turns(320)) == ["take your pills"]


@pytest.mark.parametrize("period", [1, 3, 7, 10])
def test_intervals_keep_their_time_and_do_not_drift(period: int) -> None:
    stage = Stage()
    stage.say(f"every {' '.join(grammar.number_words(period))} seconds say breathe")
    beats = [t for t, e in stage.turns(1500) if isinstance(e, fx.Say)]
    due = [10.0 + period * (k + 1) for k in range(len(beats))]
    assert len(beats) == 300 // period
    assert max(abs(t - d) for t, d in zip(beats, due)) <= 0.1 + 1e-6
    assert texts(stage.say("stop saying that")) == ["stopped"] and stage.turns(100) == []


def test_missed_beats_are_left_out() -> None:
    stage = Stage()
    stage.say("every five seconds say breathe")
    stage.now_s += 23.0
    assert len(texts(stage.turns(1))) == 1
    assert [round(t - 10.0, 1) for t, _ in stage.turns(20)] == [25.0]


def test_countdown_says_a_number_each_second() -> None:
    stage = Stage()
    said = stage.say("count down from five") + [e for _, e in stage.turns(40)]
    assert texts(said) == ["five", "four", "three", "two", "one", "zero"]


def test_stopwatch_and_laps() -> None:
    stage = Stage()
    stage.say("start a stopwatch")
    stage.turns(150)
    assert texts(stage.say("lap")) == ["lap one, thirty seconds"]
    stage.turns(25)
    assert texts(stage.say("lap time")) == ["lap two, five seconds"]
    stage.turns(150)
    assert texts(stage.say("stop timing")) == ["one minute five"]
    stage.turns(50)
    assert texts(stage.say("how long was that")) == ["one minute five"]


def test_a_restart_keeps_count_and_timers() -> None:
    stage = Stage(BUSY)
    stage.turns(5)
    snapshot = stage.ledger.snapshot()
    ledger = Ledger.restore(snapshot, lambda: stage.wall() + timedelta(seconds=50), now_s=0.0)
    acts = Acts(ledger, Governor())
    assert texts(acts.counted(1, 0.2)) == ["eight"]
    assert [texts(acts.tick(k * TURN_S, Floor.KEEP)) for k in range(1, 40)].index(["drink"]) == 34


# -- stop --------------------------------------------------------------------------------------

def test_stop_ends_what_runs_most_plainly_first() -> None:
    stage = Stage(BUSY)
    assert texts(stage.say("stop")) == ["seven squats"]
    assert texts(stage.say("stop")) == ["stopped"] and not stage.ledger.book.intervals
    assert texts(stage.say("stop")) == ["eight seconds"]
    assert outcome(stage.say("stop")) == "ignored"
    assert len(stage.ledger.book.timers) == 2, "timers that only run are not meant"


def test_stop_while_it_talks_ends_the_talk_and_not_the_set() -> None:
    stage = Stage(BUSY)
    stage.say("help")
    stage.ledger.state(stage.now_s, VoiceState.SPEAKING)
    assert stage.say("stop")[1:] == [fx.Stop()]
    stage.turns(1, Floor.YIELD)
    stage.ledger.state(stage.now_s, VoiceState.SILENT)
    assert stage.say("stop")[1:] == [fx.Stop()], "cut off a moment before the word was understood"
    assert stage.ledger.book.running is not None


def test_stop_while_it_counts_ends_the_set() -> None:
    stage = Stage(BUSY)
    stage.acts.counted(1, stage.now_s)
    stage.ledger.state(stage.now_s, VoiceState.SPEAKING)
    effects = stage.say("stop")
    assert fx.Stop() in effects and texts(effects) == ["eight squats"]


def test_wait_pauses_a_set() -> None:
    assert texts(Stage(BUSY).say("hold on")) == ["paused at seven"]


def test_stop_silences_what_rings() -> None:
    stage = Stage()
    stage.say("timer for one second")
    stage.turns(5)
    assert stage.say("stop")[1] == fx.Earcon("accepted")
    assert texts(stage.turns(50)) == []
