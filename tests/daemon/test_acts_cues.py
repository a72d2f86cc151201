"""Cues: said at once when their word is heard, counted, ended by voice, kept over a restart."""

import pytest

from daemon import acts as fx
from daemon.acts_cues import LIKELY
from daemon.ledger import Ledger
from daemon.turn import Task
from tests.daemon.acts_stage import Stage, texts

pytestmark = pytest.mark.unit

FILLER = tuple("tagalong whenever i say um say filler".split())


def begun() -> Stage:
    """A stage on which `um` is a cue; the network tells no words, only that it is one."""
    stage = Stage()
    stage.act("cue", FILLER)
    return stage


def test_the_words_alone_tell_what_to_listen_for() -> None:
    stage = Stage()
    assert texts(stage.act("cue", FILLER)) == ["filler, at every um"]
    assert [(c.word, c.reply) for c in stage.ledger.book.cues] == [("um", "filler")]


def test_a_cue_is_said_over_the_wearer_and_counted() -> None:
    stage = begun()
    said = [e for e in stage.acts.heard(("i", "um", "think"), 13.0) if isinstance(e, fx.Say)]
    assert [(s.text, s.cause, s.unasked, s.interrupt) for s in said] == [
        ("filler", "cue:um", False, True)]
    assert texts(stage.acts.heard(("i", "think"), 13.2)) == []
    stage.acts.heard(("um", "um"), 13.4)
    assert stage.ledger.book.cues[0].times == 3


def test_a_counted_word_says_nothing_until_asked() -> None:
    stage = Stage()
    stage.say("count how often i say like")
    assert texts(stage.acts.heard(("like", "that"), 13.0)) == []
    assert texts(stage.say("how often was that")) == ["like, once"]


def test_a_word_does_not_count_itself_in_its_own_request() -> None:
    stage = Stage()
    stage.say("count how often i say like")
    # the session tells an act first and then the words of the same micro-turn
    stage.acts.heard(("like",), stage.now_s)
    stage.acts.heard((), stage.now_s + 0.2)
    assert stage.ledger.book.cues[0].times == 0
    stage.acts.heard(("like",), stage.now_s + 1.0)
    assert stage.ledger.book.cues[0].times == 1


def test_stop_ends_them_and_tells_how_often() -> None:
    stage = begun()
    stage.acts.heard(("um",), 13.0)
    assert stage.ledger.state(13.2).task is Task.EVERY, "the network is told that something runs"
    assert texts(stage.say("stop")) == ["stopped, um once"]
    assert texts(stage.acts.heard(("um",), 30.0)) == []


def test_a_cue_for_the_same_word_replaces_the_one_before() -> None:
    stage = begun()
    stage.say("whenever i say um say careful")
    assert [(c.word, c.reply) for c in stage.ledger.book.cues] == [("um", "careful")]


def test_cues_outlive_a_crash() -> None:
    stage = begun()
    stage.acts.heard(("um",), 13.0)
    back = Ledger.restore(stage.ledger.snapshot(), stage.wall, now_s=2.0)
    assert [(c.word, c.reply, c.times) for c in back.book.cues] == [("um", "filler", 1)]


def test_a_cue_that_is_nearly_as_likely_as_what_was_heard_counts_once() -> None:
    stage = begun()
    near, far = (("um", LIKELY - 0.1),), (("um", LIKELY + 0.1),)
    assert texts(stage.acts.heard(("some",), 13.0, far)) == []
    assert texts(stage.acts.heard(("some",), 14.0, near)) == ["filler"]
    assert texts(stage.acts.heard(("um",), 14.2)) == [], "the same word, surer now"
    assert texts(stage.acts.heard(("um",), 15.0)) == ["filler"]
    assert stage.ledger.book.cues[0].times == 2


def test_a_guess_just_after_the_word_is_the_same_word() -> None:
    stage = begun()
    near = (("um", 1.0),)
    assert texts(stage.acts.heard(("um",), 13.0)) == ["filler"]
    assert texts(stage.acts.heard((), 13.2, near)) == []
    assert texts(stage.acts.heard(("um",), 13.4)) == ["filler"], "said twice in a row"
    assert stage.ledger.book.cues[0].times == 2


def test_a_guess_covers_one_word_only() -> None:
    stage = begun()
    assert texts(stage.acts.heard((), 13.0, (("um", 1.0),))) == ["filler"]
    assert texts(stage.acts.heard(("um",), 13.2)) == []
    assert texts(stage.acts.heard(("um",), 13.4)) == ["filler"]
