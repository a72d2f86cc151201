"""Acts that are not sure, questions and answers, manners."""

from __future__ import annotations

import pytest

from daemon import acts as fx
from daemon.acts import Acts
from daemon.governor import Governor
from daemon.ledger import Book, Ledger
from daemon.turn import TURN_S, Floor
from tests.daemon.acts_stage import BUSY, Stage, check_notes, outcome, texts

pytestmark = pytest.mark.unit


# -- what is not sure --------------------------------------------------------------------------

def test_words_that_disagree_are_read_back_and_yes_does_it() -> None:
    stage = Stage()
    effects = stage.act("set_timer", ("timer", "for", "fifty", "minutes"), number=15,
                        unit="minute")
    assert outcome(effects) == "asked" and texts(effects) == ["fifty minutes?"]
    assert stage.ledger.state(10.2).pending and not stage.ledger.book.timers
    assert texts(stage.say("yes")) == ["fifty minutes"]
    assert stage.ledger.book.timers[0].length_s == 3000.0 and not stage.ledger.pending


def test_no_drops_what_was_read_back_and_silence_does_too() -> None:
    stage = Stage()
    stage.say("timer for ten minutes", confidence=0.05)
    assert texts(stage.say("no")) == ["okay, not done"]
    stage.say("timer for ten minutes", confidence=0.05)
    notes = [e for _, e in stage.turns(45) if isinstance(e, fx.Note)]
    assert [n.data["outcome"] for n in notes] == ["ignored"] and not stage.ledger.pending
    assert outcome(stage.say("yes")) == "ignored" and not stage.ledger.book.timers


def test_said_again_is_as_good_as_yes() -> None:
    stage = Stage()
    stage.say("timer for ten minutes", confidence=0.05)
    assert outcome(stage.say("timer for ten minutes", confidence=0.05)) == "done"


def test_words_fill_in_what_the_network_missed() -> None:
    stage = Stage()
    words = ("so", "i", "said", "tagalong", "set", "a", "timer", "for", "ten", "minutes")
    assert texts(stage.act("set_timer", words, unit="minute")) == ["ten minutes"]


def test_a_missing_value_is_asked_for_and_taken() -> None:
    stage = Stage()
    assert stage.act("set_timer", ("timer", "for"), unit="minute") == []
    effects = [e for _, e in stage.turns(6)]
    assert texts(effects) == ["for how long?"] and outcome(effects) == "asked"
    got = []
    for words in (("uh",), ("twenty",), ("five",), ("minutes",), (), ()):
        stage.now_s += TURN_S
        got += stage.acts.heard(words, stage.now_s)
    assert texts(got) == ["twenty five minutes"]
    assert stage.ledger.book.timers[0].length_s == 1500.0
    assert texts(stage.act("target", (), item="squats")) == ["how many?"]
    stage.now_s += TURN_S
    assert [stage.acts.heard(w, stage.now_s) for w in (("twelve",), ())] == [[], []]
    assert texts(stage.acts.heard((), stage.now_s)) == ["twelve squats"]


@pytest.mark.parametrize("name, slots, words, confidence, wanted", [
    ("stop", {}, ("stop",), 0.05, "ignored"),
    ("stop", {}, ("stop",), 0.3, "done"),
    ("why", {}, ("not", "so", "loud"), 0.48, "done"),
    ("ask", {}, ("what", "torque"), 0.3, "ignored"),
    ("clock", {}, ("what", "time"), 0.9, "done"),
    ("clock", {}, ("what", "thyme", "is", "it"), 0.6, "asked"),
    ("status", {}, ("what", "are", "doing"), 0.4, "done"),
    ("clock", {}, ("what", "day", "is", "it"), 0.9, "asked"),
    ("set_timer", {"number": 60, "unit": "second"}, ("one", "minute", "timer"), 0.9, "done"),
    ("target", {"number": 500, "item": "squats"}, ("do", "five", "hundred", "squats"), 0.9,
     "asked"),
    ("ask", {}, ("what", "time", "is", "it"), 0.9, "done"),
    ("cancel_timer", {}, ("stop", "the"), 0.9, "done"),
    ("log_weight", {"number": 60, "unit": "minute"}, ("that", "was"), 0.9, "asked"),
])
def test_what_is_done_asked_and_left(name, slots, words, confidence, wanted) -> None:
    stage = Stage(BUSY)
    effects = stage.act(name, words, confidence, **slots)
    assert outcome(effects + [e for _, e in stage.turns(7)]) == wanted


def test_an_act_of_another_grammar_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="fly_away"):
        Stage().act("fly_away")


# -- questions and answers ---------------------------------------------------------------------

QUESTION = ("hey", "tagalong", "what", "torque", "for", "an", "m", "eight", "bolt")


def asked(stage: Stage) -> None:
    """A question that is on its way as `A`."""
    ask = next(e for e in stage.act("ask", QUESTION) if isinstance(e, fx.Delegate))
    assert (ask.kind, ask.words) == ("question", QUESTION[2:])
    filler = stage.acts.delegated(ask, "A", stage.now_s)
    assert filler == [fx.Say("I'll check.", cause="delegation:A", after="A")]


def test_an_answer_is_spoken_when_the_network_releases_it() -> None:
    stage = Stage()
    asked(stage)
    assert stage.ledger.state(10.0).delegations == 1
    notes = stage.acts.answer_ready("A", ("Ten newton metres.", "Dry."), "when_idle", stage.now_s)
    check_notes(notes)
    state = stage.ledger.state(10.2)
    assert (state.delegations, state.answers) == (0, 1)
    assert stage.turns(3) == []
    assert [e for _, e in stage.turns(1, Floor.SPEAK)] == [
        fx.Say("Ten newton metres.", "answer", "answer:A", sentence=("A", 0)),
        fx.Say("Dry.", "answer", "answer:A", sentence=("A", 1))]
    assert stage.ledger.state(11.0).answers == 0
    assert texts(stage.say("say that again")) == ["Ten newton metres. Dry."]
    assert texts(stage.say("why did you say that")) == [
        "you asked, what torque for an m eight bolt"]


def test_an_answer_is_never_lost() -> None:
    stage = Stage()
    stage.acts.answer_ready("unknown", ("Ten.",), "when_idle", stage.now_s)
    assert [(round(t, 1), e.text) for t, e in stage.turns(20)] == [(13.0, "Ten.")]
    stage.acts.answer_ready("B", ("Stop the pump.",), "interrupt", stage.now_s)
    assert [e.interrupt for _, e in stage.turns(1)] == [True]


def test_a_silent_answer_is_only_noted() -> None:
    stage = Stage()
    asked(stage)
    (note,) = stage.acts.answer_ready("A", ("Noted.",), "silent", stage.now_s)
    assert note.text == "Noted." and texts(stage.turns(200, Floor.SPEAK)) == []


def test_reminders_go_before_answers_and_one_answer_at_a_time() -> None:
    stage = Stage()
    stage.say("timer for one second")
    for id in "AB":
        stage.acts.answer_ready(id, (f"Answer {id}.",), "when_idle", stage.now_s)
    stage.turns(4)
    released = [texts(stage.turns(1, Floor.SPEAK)) for _ in range(4)]
    assert released == [["one second is over"], ["Answer A."], ["Answer B."], []]


def test_never_mind_withdraws_the_question() -> None:
    stage = Stage()
    asked(stage)
    assert fx.CancelDelegations(("A",)) in stage.say("never mind")
    assert stage.ledger.state(10.2).delegations == 0


def test_structured_requests() -> None:
    convert = Stage().say("convert sixty kilos to pounds")[1]
    assert convert == fx.Delegate("convert", {"number": 60, "unit": "kilos", "unit2": "pounds"},
                                  ("convert", "sixty", "kilos", "to", "pounds"))
    sum_ = Stage().say("what is twelve times nine")[1]
    assert sum_.payload == {"number": 12, "op": "times", "number2": 9}


# -- manners -----------------------------------------------------------------------------------

def test_why_names_the_cause() -> None:
    stage = Stage()
    stage.say("timer for five seconds")
    assert texts(stage.say("why did you say that")) == ["you said, timer for five seconds"]
    assert texts(stage.turns(45)) == ["five seconds are over"]
    assert texts(stage.say("why did you say that")) == [
        "you asked me to remind you, and the time had come"]


def test_notices_pass_the_governor() -> None:
    stage = Stage(quiet=True)
    assert stage.ledger.book.quiet
    (held,) = stage.acts.notice("the link is lost", "link_lost", 10.0)
    assert held == fx.Note("withheld", "the link is lost",
                           {"cause": "notice:link_lost", "reason": "quiet"})
    (said,) = stage.acts.notice("battery low", "battery_low", 10.0)
    assert said.unasked and said.text == "battery low"


def test_readings_are_found_by_object_and_colour() -> None:
    stage = Stage()
    stage.say("the red valve reads forty two")
    stage.turns(400)
    stage.say("log the blue valve seven")
    assert texts(stage.say("what did the red valve read")) == ["forty two, one minute ago"]
    assert texts(stage.act("recall_reading", (), item="valve")) == ["seven, just now"]
    assert texts(stage.say("read them back")) == ["red valve, forty two. blue valve, seven"]
    assert texts(stage.say("what was the green pump")) == ["no reading of the green pump"]


def test_after_a_restart_the_voice_is_as_it_was() -> None:
    acts = Acts(Ledger(book=Book(volume=35, rate=-1, quiet=True)), governor := Governor())
    assert acts.resumed() == [fx.Volume(35), fx.Rate(-1)] and governor.quiet
