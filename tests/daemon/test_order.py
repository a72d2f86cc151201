"""An order is taken from the guest's own words, and only after it was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from daemon import acts as fx
from daemon.acts_order import LIMIT_S, NO_ORDER, PAUSE_S, WAIT_S
from daemon.ledger_book import from_json, to_json
from daemon.order_match import OrderMatcher
from daemon.turn import TURN_S, Addressing
from models import orders, tokens
from tests.daemon.acts_stage import Stage, outcome, texts

pytestmark = pytest.mark.unit
PAUSE = round(PAUSE_S / TURN_S) + 1


def taking() -> Stage:
    stage = Stage(addressing=Addressing.FOLLOW_UP)
    effects = stage.act("take_order", ("tagalong", "take", "an", "order"))
    assert outcome(effects) == "done" and texts(effects) == []
    assert any(isinstance(e, fx.Earcon) for e in effects)
    stage.turns(4)
    return stage


def hears(stage: Stage, words: str) -> list:
    return [e for word in words.split() for e in stage.hears(word)]


def test_an_order_is_said_again_once_the_guest_has_paused():
    stage = taking()
    assert hears(stage, "can i have a small dark roast latte with some soy milk") == []
    assert hears(stage, "and brown sugar please") == []
    found = [e for _, e in stage.turns(PAUSE)]
    assert texts(found) == ["small dark roast latte with some soy milk and brown sugar"]
    notes = [e for e in found if isinstance(e, fx.Note) and e.kind == "order"]
    assert notes[0].data["order"] == {"size": "small", "roast": "dark roast", "drink": "latte",
                                      "milk": "some soy milk", "sugar": "brown sugar"}
    assert stage.ledger.book.ordering is None
    hears(stage, "a large mocha")
    assert texts(stage.turns(PAUSE)) == []


def test_a_word_that_is_told_twice_at_once_was_said_once():
    stage = taking()
    hears(stage, "latte latte with soy milk milk")
    assert texts(stage.turns(PAUSE)) == ["latte with soy milk"]


def test_nothing_is_taken_without_being_asked_for():
    stage = Stage(addressing=Addressing.FOLLOW_UP)
    hears(stage, "a large mocha with cream")
    assert texts(stage.turns(PAUSE)) == []


def test_meanwhile_only_the_name_calls_tagalong():
    stage = taking()
    assert outcome(stage.act("set_timer", ("timer", "for", "ten", "minutes"), number=10,
                             unit="minutes")) == "ignored"
    assert texts(stage.act("stop", ("tagalong", "stop"))) == ["no order"]
    assert stage.ledger.book.ordering is None


def test_without_a_drink_it_says_so_in_the_end():
    stage = taking()
    hears(stage, "my uncle collects bicycles")
    assert texts(stage.turns(round(WAIT_S / TURN_S))) == [NO_ORDER]
    assert stage.ledger.book.ordering is None


def test_whoever_talks_on_and_on_does_not_keep_it_open():
    stage = taking()
    said = []
    for _ in range(round(LIMIT_S / TURN_S)):
        said += texts(stage.hears("bicycle"))
    assert said == [NO_ORDER] and stage.ledger.book.ordering is None


def test_the_ledger_keeps_it_and_status_tells():
    stage = taking()
    assert from_json(to_json(stage.ledger.book)) == stage.ledger.book
    stage = Stage()
    stage.say("take an order")
    assert texts(stage.act("status", ("tagalong", "status"))) == ["taking an order"]


def parse(words):
    return OrderMatcher().find([(word, ()) for word in words])


def test_every_sampled_order_is_parsed_as_it_was_meant():
    matcher = OrderMatcher()
    rng = np.random.default_rng(3)
    for _ in range(500):
        words, order = orders.sample(rng)
        assert matcher.find([(word, ()) for word in words]) == order
        assert all(tokens.is_word(tokens.encode_word(w)[0]) for w in words)


@pytest.mark.parametrize("words, found", [
    ("a mocha no an iced mocha", {"drink": "iced mocha"}),
    ("medium roast coffee", {"roast": "medium roast", "drink": "coffee"}),
    ("medium medium roast coffee", {"size": "medium", "roast": "medium roast", "drink": "coffee"}),
    ("the weather is nice", {}),
])
def test_an_order_among_other_words(words, found):
    assert parse(words.split()) == found
