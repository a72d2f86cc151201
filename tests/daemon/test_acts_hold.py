"""Acts that come before their command is complete, and words of which one was misheard."""

from __future__ import annotations

import numpy as np
import pytest

from daemon import acts as fx
from daemon.acts_hold import near, unfinished
from models import grammar
from tests.daemon.acts_stage import BUSY, Stage, outcome, texts
from tests.daemon.test_session import World

pytestmark = pytest.mark.unit


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def act_notes(effects) -> list[tuple[str, str]]:
    """Name and outcome of every act."""
    return [(e.text, e.data["outcome"]) for e in effects
            if isinstance(e, fx.Note) and e.kind == "act"]


# -- words -------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, slack, expected", [
    ("timer for", 0, True),
    ("timer for a hundred and", 0, True),
    ("timer for ten minutes", 0, False),
    ("timer ten", 0, False),
    ("set a time for", 0, False),
    ("set a time for", 1, True),
    ("let do forty six", 0, False),
    ("let do forty six", 1, True),
    ("let forty", 1, False),
    ("remind me to take my", 0, True),
    ("how many", 0, True),
    ("count to twenty", 0, False),
    ("what is the torque for an m eight bolt", 1, False),
    ("", 1, False),
])
def test_words_that_a_command_begins_with(text, slack, expected) -> None:
    assert unfinished(words(text), slack) is expected


@pytest.mark.parametrize("intent", grammar.INTENTS)
def test_every_part_of_a_command_is_a_beginning(intent: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        command = grammar.sample(rng, intent)
        for n in range(1, len(command.words)):
            part = command.words[:n]
            assert unfinished(part) or grammar.parse(part), part


@pytest.mark.parametrize("text, expected", [
    ("what are doing", [("status", {})]),
    ("log log seventy eight reps", [("log_set", {"number": 78, "item": "reps"})]),
    ("set the time for ten minutes", []),
    ("set a time for ten minutes", [("set_timer", {"number": 10, "unit": "minute"})]),
    ("set the count to fifteen nine", []),
    ("take the hours break", []),
    ("timer for minutes", []),
    ("take a an rest", []),
    ("set timer", []),
])
def test_commands_one_word_away(text, expected) -> None:
    assert [c[:2] for c in near(words(text))] == expected


def test_a_word_of_a_value_may_be_missing() -> None:
    assert {c[1]["item"] for c in near(words("count the ups"))} > {"push ups", "sit ups"}


# -- holding -----------------------------------------------------------------------------------

def test_an_act_in_a_pause_waits_for_its_command() -> None:
    stage = Stage()
    assert stage.act("set_timer", words("tagalong set a timer"), number=90, unit="second") == []
    assert stage.turns(4) == [] and stage.hears("for ten") == []
    effects = stage.hears("minutes")
    assert outcome(effects) == "done" and texts(effects) == ["ten minutes"]


def test_the_words_decide_what_a_held_act_becomes() -> None:
    stage = Stage(BUSY)
    assert stage.act("reset_count", words("tagalong set the count")) == []
    assert act_notes(stage.hears("to twelve")) == [("set_count", "done")]
    assert stage.ledger.book.running.count == 12


def test_a_number_said_in_two_breaths_is_one_number() -> None:
    stage = Stage(BUSY)
    assert stage.act("set_count", words("tagalong set the count")) == []
    assert stage.hears("to two") == [] and stage.turns(2) == []
    assert stage.hears("hundred") == [] and stage.turns(2) == []
    assert texts(stage.turns(1)) == ["two hundred"]


def test_a_command_that_does_not_come_is_asked_for() -> None:
    stage = Stage()
    assert stage.act("set_timer", words("tagalong timer for")) == []
    assert stage.turns(5) == []
    assert texts(stage.turns(1)) == ["for how long?"]


def test_a_session_over_files_does_not_end_while_an_act_is_held() -> None:
    heard = {"heard": words("tagalong timer for"), "act": "set_timer"}
    assert [e.text for e in World({7: heard}, turns=4).run().of("say")] == ["for how long?"]


def test_a_question_waits_where_the_words_begin_a_command() -> None:
    stage = Stage()
    assert stage.act("ask", words("tagalong what is")) == []
    effects = stage.hears("the date")
    assert act_notes(effects) == [("date", "done")]
    assert stage.act("ask", words("tagalong let do forty six")) == []
    after = [e for _, e in stage.turns(6)]
    assert texts(after) == ["sorry?"], "a command that was misheard is no question"
    assert not [e for e in after if isinstance(e, fx.Delegate)]


def test_a_question_that_is_none_of_the_commands_goes_at_once() -> None:
    effects = Stage().act("ask", words("tagalong what torque for an m eight bolt"))
    assert isinstance(effects[1], fx.Delegate)
    stage = Stage()
    assert stage.act("ask", words("tagalong what is")) == []
    assert stage.hears("torque for") == [] and stage.hears("bolts") == [] and stage.turns(2) == []
    (ask,) = [e for _, e in stage.turns(1) if isinstance(e, fx.Delegate)]
    assert ask.words == words("what is torque for bolts")


def test_another_act_takes_the_place_of_a_held_one() -> None:
    stage = Stage(BUSY)
    assert stage.act("set_timer", words("tagalong set a timer")) == []
    assert texts(stage.act("stop", words("stop"))) == ["seven squats"]
    assert texts(stage.turns(10)) == []


def test_an_act_is_done_once_when_the_network_repeats_it() -> None:
    stage = Stage()
    stage.act("set_timer", words("tagalong set a timer"))
    assert outcome(stage.hears("for ten minutes")) == "done"
    assert stage.act("set_timer", number=10, unit="minute") == []
    assert len(stage.ledger.book.timers) == 1
    assert outcome(stage.say("timer for ten minutes")) == "done", "said again is meant again"


def test_words_serve_one_act_only() -> None:
    stage = Stage()
    stage.say("count my squats")
    assert outcome(stage.act("stop_count", (), 0.3)) == "asked", "nothing more was heard"
    assert stage.act("set_timer", words("set a timer")) == [], "said without the name"
    assert texts(stage.hears("for ten minutes")) == ["ten minutes"]
    assert outcome(stage.act("stop_count", words("stop counting"), 0.3)) == "done"


def test_stopping_never_waits() -> None:
    assert outcome(Stage(BUSY).act("stop", words("tagalong hold"))) == "done"


# -- near misses -------------------------------------------------------------------------------

@pytest.mark.parametrize("name, slots, text, confidence, wanted", [
    ("log_set", {"number": 7, "item": "reps"}, "log log seventy eight reps", 0.28,
     ("log_set", "done")),
    ("log_set", {"number": 7, "item": "reps"}, "log log seventy eight reps", 0.6,
     ("log_set", "asked")),
    ("count_reps", {"item": "sit ups"}, "count the ups", 0.52, ("count_reps", "done")),
    ("recall_reading", {"item": "pump"}, "what did the pomp read", 0.6,
     ("recall_reading", "done")),
    ("recall_reading", {"item": "pump"}, "what did the pomp read", 0.4,
     ("recall_reading", "asked")),
    ("recall_reading", {"item": "wire", "colour": "white"}, "what did the wire read", 0.2,
     ("recall_reading", "done")),
    ("recall_reading", {"item": "wire", "colour": "white"}, "what did the wire read", 0.6,
     ("recall_reading", "done")),
    ("rest", {"number": 1, "unit": "minute"}, "timer a minute", 0.54, ("rest", "asked")),
    ("calculate", {"number": 77}, "take one hundred seven seconds break", 0.3, ("rest", "asked")),
    ("ask", {}, "what are doing", 0.9, ("status", "done")),
    ("ask", {}, "how is the weather", 0.9, ("ask", "done")),
    ("history", {"item": "burpees"}, "how many curls today", 0.25, ("history", "done")),
    ("history", {"item": "burpees"}, "how many curls today", 0.6, ("history", "done")),
    ("unmute_camera", {}, "mute the camera", 0.92, ("mute_camera", "asked")),
    ("unmute_camera", {}, "mute the camera", 0.6, ("mute_camera", "done")),
    ("convert", {}, "convert nine miles to miles", 0.9, ("convert", "asked")),
    ("convert", {}, "convert nine miles to psi", 0.9, ("convert", "asked")),
])
def test_what_becomes_of_words_and_act(name, slots, text, confidence, wanted) -> None:
    stage = Stage(BUSY)
    effects = stage.act(name, words("tagalong " + text), confidence, **slots)
    assert act_notes(effects + [e for _, e in stage.turns(6)])[0] == wanted
