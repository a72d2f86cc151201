"""Interpreting: phrases come out while the wearer goes on; what is no phrase stays silence."""

from __future__ import annotations

import pytest

from daemon import acts as fx
from daemon.acts_interpret import NOT_INTERPRETING
from daemon.ledger_book import from_json, to_json
from daemon.turn import Addressing
from daemon.voice import open_voice
from models.phrasebook import VOICE, phrasebook
from tests.daemon.acts_stage import Stage, outcome, texts

pytestmark = pytest.mark.unit


def interpreting(language: str = "spanish", **stage) -> Stage:
    found = Stage(**stage)
    assert texts(found.say(f"interpret into {language}")) == [f"into {language}"]
    found.turns(4)
    return found


def said(stage: Stage, words: str) -> list[str]:
    """Each word in a micro-turn of its own, then a pause; what was said."""
    out: list[fx.Effect] = []
    for word in words.split():
        out += stage.hears(word)
    return texts(out) + texts(stage.turns(3))


@pytest.mark.parametrize("language, heard, spoken", [
    ("spanish", "where is the station", "dónde está la estación"),
    ("german", "can you bring us the soup", "können sie uns die suppe bringen"),
    ("german", "where is the farmasy", "wo ist die apotheke"),
    ("spanish", "and do not forget the hamer", "no olvides el martillo"),
])
def test_a_phrase_is_said_in_the_other_language(language: str, heard: str, spoken: str) -> None:
    assert said(interpreting(language), heard) == [spoken]


def test_a_whole_phrase_does_not_wait_for_a_pause_and_is_said_over_the_wearer() -> None:
    stage = interpreting()
    out = [e for word in "good night how are you".split() for e in stage.hears(word)]
    says = [e for e in out if isinstance(e, fx.Say)]
    assert [s.text for s in says] == ["buenas noches", "cómo estás"]
    assert all(s.over and s.language == "es" for s in says)


def test_what_resembles_no_phrase_is_left() -> None:
    stage = interpreting()
    assert said(stage, "my uncle collects old bicycles from belgium") == []
    stage.turns(10)
    assert said(stage, "good night") == ["buenas noches"]


def test_commands_need_the_name_meanwhile() -> None:
    stage = Stage(addressing=Addressing.FOLLOW_UP)
    stage.act("interpret", ("tagalong", "interpret", "into", "spanish"), item="spanish")
    assert outcome(stage.say("timer for ten minutes")) == "ignored"
    assert texts(stage.act("stop_interpret", ("stop", "interpreting"))) == ["no more interpreting"]
    assert said(stage, "good night") == []


def test_nothing_to_stop() -> None:
    assert texts(Stage().say("stop interpreting")) == [NOT_INTERPRETING]


def test_stop_ends_it_and_the_ledger_keeps_it() -> None:
    stage = interpreting("german")
    book = stage.ledger.book
    assert from_json(to_json(book)) == book and book.interpreting.language == "german"
    assert texts(stage.say("stop")) == ["no more interpreting"]


def test_every_phrase_has_all_languages_and_every_language_a_voice() -> None:
    assert len(phrasebook()) >= 150
    assert all(p.english and p.spanish and p.german and "{" not in p.english + p.spanish + p.german
               for p in phrasebook())
    for voice in VOICE.values():
        assert len(open_voice(f"espeak:{voice}").speak("eins zwei tres")) > 4000
