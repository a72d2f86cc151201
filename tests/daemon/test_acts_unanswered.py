"""A call by name from which the network made nothing: commands are read back, questions asked."""

import pytest

from daemon import acts as fx
from daemon.acts_unanswered import PATIENCE_S, WHOLE_S
from daemon.ledger import EMPTY, Book
from daemon.turn import Addressing
from tests.daemon.acts_stage import BUSY, Stage, texts

pytestmark = pytest.mark.unit


def left(stage: Stage, text: str, from_s: float = 10.0) -> list[fx.Effect]:
    """What comes of words that no act follows: one word a micro-turn, then silence."""
    out, now_s = [], from_s
    for word in text.split():
        now_s += 0.2
        out += stage.acts.heard((word,), now_s)
    for _ in range(int(PATIENCE_S / 0.2) + 2):
        now_s += 0.2
        out += stage.acts.heard((), now_s)
    return out


def test_a_command_is_read_back_and_done_on_yes() -> None:
    stage = Stage()
    assert texts(left(stage, "tagalong set a timer for ten minutes")) == ["ten minutes?"]
    assert not stage.ledger.book.timers
    assert texts(stage.say("yes")) == ["ten minutes"]


def test_a_question_goes_to_the_background() -> None:
    effects = left(Stage(), "hey tagalong why does the pump make a noise")
    asked = [e for e in effects if isinstance(e, fx.Delegate)]
    assert [a.words for a in asked] == [tuple("why does the pump make a noise".split())]


@pytest.mark.parametrize("text, silent_s", [
    ("tagalong how many was that", WHOLE_S),     # nothing can follow
    ("tagalong count down from forty", PATIENCE_S),   # "two" may
])
def test_what_cannot_go_on_is_not_waited_for(text: str, silent_s: float) -> None:
    stage, now_s = Stage(), 10.0
    stage.acts.heard(tuple(text.split()), now_s)
    while not stage.acts.heard((), now_s + 0.2):
        now_s = round(now_s + 0.2, 1)
        assert now_s < 20.0
    assert now_s + 0.2 - 10.0 == pytest.approx(silent_s)


@pytest.mark.parametrize("text", ["tagalong volume up", "tagalong louder"])
def test_a_word_or_two_are_enough_for_a_command(text: str) -> None:
    assert texts(left(Stage(), text)) == ["louder?"]


def test_what_is_never_read_back_is_done() -> None:
    assert texts(left(Stage(), "tagalong thank you")) == ["welcome"]


def test_the_rest_of_a_command_may_come_after_a_pause() -> None:
    stage = Stage()
    assert left(stage, "tagalong how much") == []
    assert texts(left(stage, "battery is left", 12.4)) == ["eighty three percent"]


def test_a_question_that_changes_nothing_is_answered_without_being_read_back() -> None:
    assert texts(left(Stage(), "tagalong how is the battery")) == ["eighty three percent"]


@pytest.mark.parametrize("text", [
    "tagalong thanks a you",                       # perhaps "thank you": never read back
    "why does the pump make a noise",              # nobody was called
    "tagalong",                                    # the network says when it was called
    "tagalong what",                               # too little
    "i told you that tagalong was funny anyway",   # about it, not to it
])
def test_anything_else_stays_silent(text) -> None:
    assert left(Stage(), text) == []


def test_an_act_of_the_network_is_enough() -> None:
    stage = Stage()
    for word in "tagalong what time is".split():
        stage.acts.heard((word,), 9.8)
    assert texts(stage.act("clock", tuple("tagalong what time is it".split())))
    stage.acts.heard(("it",), stage.now_s)  # the session tells an act before its last words
    assert left(stage, "", stage.now_s) == []


def test_a_lone_stop_ends_what_runs() -> None:
    stage = Stage(BUSY, Addressing.FOLLOW_UP)
    left(stage, "stop", from_s=40.0)
    assert stage.ledger.book.running is None


@pytest.mark.parametrize("text, book", [
    ("he did not stop", BUSY), ("stop the bus", BUSY),   # part of a sentence
    ("stop", EMPTY),                                     # nothing runs
    ("next", BUSY),                                      # no routine
])
def test_a_stop_in_a_sentence_or_with_nothing_running_is_left(text: str, book: Book) -> None:
    stage = Stage(book, Addressing.FOLLOW_UP)
    assert left(stage, text, from_s=40.0) == [] and stage.ledger.book.running is book.running


def test_a_lone_stop_that_the_network_understood_is_done_once() -> None:
    stage = Stage(BUSY, Addressing.FOLLOW_UP)
    stage.now_s = 40.0
    stage.say("stop")
    assert stage.ledger.book.running is None and stage.ledger.book.intervals
    assert left(stage, "", from_s=40.0) == [] and stage.ledger.book.intervals
