"""Whom words are meant for: by name, in the follow-up window, or by the situation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon import acts as fx
from daemon.acts_addressed import COMMAND_S, addressed
from daemon.ledger import EMPTY, Book, Ledger, RepSet
from daemon.turn import Act, Addressing, VoiceState
from models.tokens import FOLLOW_UP_S
from tests.daemon.acts_stage import BUSY, Stage, outcome, texts
from tests.daemon.test_session import NOON, World

pytestmark = pytest.mark.unit

NAME, FOLLOW_UP, OPEN = Addressing.NAME, Addressing.FOLLOW_UP, Addressing.OPEN
LAST_S = FOLLOW_UP_S + COMMAND_S
"""A command that began at the end of the window may end so long after the exchange."""
TIMER = "timer for ten minutes"


def meant(addressing: Addressing, words: str, *, name: str = "set_timer", book: Book = EMPTY,
          since_s: float | None = None, voice: VoiceState = VoiceState.SILENT,
          pending: bool = False) -> bool:
    """What `addressed` says at 100 s; `since_s`: seconds since the last exchange."""
    ledger = Ledger(lambda: NOON, addressing=addressing, book=book)
    ledger.voice, ledger.pending = voice, pending
    ledger.exchange_at_s = None if since_s is None else 100.0 - since_s
    return addressed(Act(name), tuple(words.split()), ledger, 100.0)


@pytest.mark.parametrize("addressing", Addressing)
@pytest.mark.parametrize("since_s", [None, 1.0, 60.0])
def test_the_name_always_serves(addressing, since_s) -> None:
    assert meant(addressing, "tagalong " + TIMER, since_s=since_s)


@pytest.mark.parametrize("since_s, wanted", [
    (None, {OPEN}), (0.0, {FOLLOW_UP, OPEN}), (FOLLOW_UP_S, {FOLLOW_UP, OPEN}),
    (LAST_S, {FOLLOW_UP, OPEN}), (LAST_S + 0.2, {OPEN}), (60.0, {OPEN}),
])
def test_without_the_name_the_window_decides(since_s, wanted) -> None:
    assert {mode for mode in Addressing if meant(mode, TIMER, since_s=since_s)} == wanted


def test_the_window_is_the_configured_one() -> None:
    ledger = Ledger(lambda: NOON)
    ledger.exchange_at_s, ledger.follow_up_s = 0.0, 2.0
    words = tuple(TIMER.split())
    assert [addressed(Act("set_timer"), words, ledger, t) for t in (6.9, 7.1)] == [True, False]


@pytest.mark.parametrize("words, wanted", [
    ("next step", True), ("tagalong here ready", True), ("here ready", False), ("go on", True),
    ("did she go on", False)])
def test_without_a_routine_only_its_very_words_are_about_one(words: str, wanted: bool) -> None:
    assert meant(FOLLOW_UP, words, name="next_step", since_s=3.0) is wanted


COUNTING = Book(running=RepSet(1, "squats", 4.0, 7))


@pytest.mark.parametrize("addressing", [NAME, FOLLOW_UP])
@pytest.mark.parametrize("name, words, situation, wanted", [
    ("stop", "stop", {}, False),
    ("stop", "stop", {"book": COUNTING}, True),
    ("how_many", "how many", {"book": COUNTING}, True),
    ("how_many", "how many", {}, False),
    ("lap", "lap", {"book": COUNTING}, False),
    ("lap", "lap", {"book": BUSY}, True),
    ("be_quiet", "be quiet", {"voice": VoiceState.SPEAKING}, True),
    ("be_quiet", "be quiet", {"voice": VoiceState.DUCKED}, True),
    ("be_quiet", "be quiet", {}, False),
    ("yes", "yes", {"pending": True}, True),
    ("yes", "yes", {"book": BUSY}, False),
    ("set_timer", TIMER, {"book": BUSY, "voice": VoiceState.SPEAKING, "pending": True}, False),
    ("ask", "what is the weather", {"book": BUSY, "voice": VoiceState.SPEAKING}, False),
    ("attention", "stop", {"book": BUSY}, False),
])
def test_a_task_makes_its_own_words_plainly_meant(addressing, name, words, situation,
                                                  wanted) -> None:
    assert meant(addressing, words, name=name, **situation) is wanted


def test_quiet_is_meant_for_a_voice_that_was_just_cut_off() -> None:
    ledger = Ledger(lambda: NOON, addressing=NAME)
    ledger.yielded_at_s = 10.0
    quiet = ("be", "quiet")
    assert [addressed(Act("be_quiet"), quiet, ledger, t) for t in (12.0, 12.2)] == [True, False]


# -- through the acts ---------------------------------------------------------------------------

def stranger(effects: list[fx.Effect]) -> bool:
    """Only one note, that the act was not meant for tagalong."""
    (note,) = effects
    return note.data["outcome"] == "ignored" and note.data["reason"] == "not meant for tagalong"


def stage(addressing: Addressing, book: Book = EMPTY) -> Stage:
    """Somewhere in the session, long after the last exchange."""
    made = Stage(book, addressing=addressing)
    made.ledger.exchange_at_s = 10.0
    made.now_s = 40.0
    return made


@pytest.mark.parametrize("name, text, confidence", [
    ("set_timer", TIMER, 0.99),
    ("count_reps", "count my squats", 0.99),
    ("ask", TIMER, 0.99),
    ("ask", "what is", 0.9),
    ("set_timer", "set a timer", 0.9),
    ("log_set", "log log seventy eight reps", 0.3),
    ("status", "what are doing", 0.4),
    ("ask", "what are doing", 0.9),
    ("recall_reading", "what did the pomp read", 0.9),
])
def test_somebody_elses_talk_is_left_whatever_its_words(name, text, confidence) -> None:
    world = stage(FOLLOW_UP, replace(BUSY, intervals=()))
    before, exchange_s = world.ledger.book, world.ledger.exchange_at_s
    assert stranger(world.act(name, tuple(text.split()), confidence))
    assert not world.acts.holding
    assert (world.ledger.book, world.ledger.exchange_at_s) == (before, exchange_s)
    assert texts(world.turns(10)) == []


@pytest.mark.parametrize("addressing", [NAME, FOLLOW_UP])
@pytest.mark.parametrize("name", ["stop", "how_many", "lap", "be_quiet"])
@pytest.mark.parametrize("confidence", [0.4, 0.8, 0.99])
@pytest.mark.parametrize("text", [TIMER, "set a time for ten minutes"])
def test_an_act_of_the_running_set_does_not_let_other_commands_in(addressing, name, confidence,
                                                                  text) -> None:
    """The network takes somebody's `timer for ten minutes` for `stop`, which needs no name."""
    world = stage(addressing, BUSY)
    effects = world.act(name, tuple(text.split()), confidence)
    said = texts(effects + [e for _, e in world.turns(10)])
    assert len(world.ledger.book.timers) == len(BUSY.timers)
    assert "ten minutes" not in said and "ten minutes?" not in said


def test_a_held_act_of_the_running_set_does_not_either() -> None:
    world = stage(FOLLOW_UP, BUSY)
    assert world.act("time_left", ("how", "much")) == []
    assert world.acts.holding
    assert stranger(world.hears("battery is left"))


def test_a_held_act_keeps_the_moment_at_which_it_was_meant() -> None:
    world = stage(FOLLOW_UP)
    world.ledger.exchange_at_s = world.now_s - LAST_S
    assert world.act("status", ("what", "is")) == []
    assert texts(world.hears("the time")) != []


def test_the_name_of_one_command_does_not_serve_the_next() -> None:
    world = stage(NAME)
    assert outcome(world.act("set_timer", ("tagalong", *TIMER.split()))) == "done"
    world.now_s += 2.0
    assert stranger(world.act("date", ("what", "day", "is", "it")))
    world.now_s += 2.0
    assert outcome(world.act("date", ("tagalong", "what", "day", "is", "it"))) == "done"


# -- through the whole session ------------------------------------------------------------------

def said_of(addressing: Addressing) -> list[str | None]:
    """A day at the gym: by name, in the window, after it, and `stop` in the set."""
    def hears(name: str, *words: str) -> dict:
        return {"heard": words, "act": Act(name, confidence=0.8)}

    plan = {
        3: hears("date", "what", "day", "is", "it"),
        20: hears("status", "tagalong", "what", "is", "running"),
        40: hears("clock", "what", "time", "is", "it"),
        200: hears("clock", "what", "time", "is", "it"),
        220: hears("count_reps", "tagalong", "count", "my", "squats"),
        240: {"counted": 1},
        400: hears("clock", "what", "time", "is", "it"),
        410: hears("stop", "timer", "for", "ten", "minutes"),
        460: hears("stop", "stop"),
    }
    world = World(plan, 490, ledger=Ledger(lambda: NOON, addressing=addressing)).run()
    assert {turn.state.addressing for turn in world.script.turns} == {addressing}
    return [e.text for e in world.of("act") if e.data["outcome"] == "done"]


def test_the_whole_session_keeps_to_its_mode() -> None:
    assert said_of(NAME) == ["status", "count_reps", "stop"]
    assert said_of(FOLLOW_UP) == ["status", "clock", "count_reps", "stop"]
    assert said_of(OPEN) == ["date", "status", "clock", "clock", "count_reps", "clock",
                             "set_timer", "stop"]


@pytest.mark.parametrize("heard, came", [
    ("some sixteen pumps of the valve", []),
    ("tagalong some sixteen pumps of the valve", ["valve, sixteen?"]),
])
def test_without_the_name_nothing_is_asked_back_of_words_that_form_no_command(heard, came) -> None:
    stage = Stage(addressing=Addressing.FOLLOW_UP)
    stage.act("hello", ("tagalong", "hello"))
    stage.now_s += 2.0
    effects = stage.act("reading", tuple(heard.split()), 0.4, item="valve", number=16)
    assert texts(effects + [e for _, e in stage.turns(6)]) == came
