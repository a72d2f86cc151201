"""The rivals of the words heard, and the command found among them."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.acts_check import CHEAP, Decision, check, hypothesis
from daemon.confusion import DEAREST, KEPT_TURNS, TWICE_COST, ConfusionNetwork
from daemon.turn import Act, Hypothesis, Slots
from models import grammar, tokens

pytestmark = pytest.mark.unit

SURE = 20.0


def scores(**costs: float) -> np.ndarray:
    """Logits of a heard head: words with their costs, `none` for no word; all else is far off."""
    out = np.full(len(tokens.HEARD), -50.0, np.float32)
    for word, cost in costs.items():
        out[0 if word == "none" else tokens.HEARD.index(word)] = SURE - cost
    return out


def heads(intent: str, slots: dict) -> dict[str, np.ndarray]:
    """Logits of the act and slot heads that are sure of a command."""
    sizes = {"act": len(tokens.ACTS), **tokens.SLOT_HEADS}
    classes = {"act": tokens.ACTS.index(intent), **tokens.encode_slots(slots)}
    out = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    for name, one in classes.items():
        out[name][one] = SURE
    return out


def hear(*turns: dict[str, float]) -> ConfusionNetwork:
    """A network that heard one place a micro-turn, the second head empty."""
    network, assembler = ConfusionNetwork(), tokens.WordAssembler()
    for turn, costs in enumerate(turns):
        first = scores(**costs)
        chosen = (int(first.argmax()), 0)
        network.push(turn, assembler.push(chosen), chosen, (first, scores(none=0.0)), 0.0)
    return network


NAME = {"tagalong": 0.0}


def test_a_rival_that_makes_a_command_is_read():
    network = hear(NAME, {"thank": 0.0, "tank": 1.5}, {"is": 0.0}, {"at": 0.0}, {"seventeen": 0.0})
    found = network.judge(heads("reading", {"number": 17, "item": "tank"}))[0]
    assert found.heard == ("thank", "is", "at", "seventeen")
    assert found.words == ("tank", "is", "at", "seventeen")
    assert found.cost == pytest.approx(1.5, abs=1e-4)


def test_a_word_that_was_missed_is_read_and_one_too_many_left_out():
    missed = hear(NAME, {"how": 0.0}, {"much": 0.0}, {"is": 0.0}, {"one": 0.0},
                  {"none": 0.0, "plus": 0.7}, {"six": 0.0})
    slots = {"number": 1, "item": "plus", "number2": 6}
    assert missed.judge(heads("calculate", slots))[0].words == (
        "how", "much", "is", "one", "plus", "six")
    more = hear(NAME, {"how": 0.0, "none": 1.0}, {"hello": 0.0})
    assert more.judge(heads("hello", {}))[0].words == ("hello",)


def test_a_word_heard_twice_was_perhaps_said_once():
    network = hear(NAME, {"timer": 0.0}, {"for": 0.0}, {"for": 0.0, "none": 3.0}, {"ten": 0.0},
                   {"seconds": 0.0})
    found = network.judge(heads("set_timer", {"number": 10, "unit": "second"}))[0]
    assert found.words == ("timer", "for", "ten", "seconds")
    assert found.cost == TWICE_COST


def test_the_slot_heads_choose_between_rivals():
    turns = (NAME, {"count": 0.0}, {"thirty": 0.0},
             {"thank": 0.0, "deadlifts": 0.4, "squats": 0.3})
    for item in ("deadlifts", "squats"):
        found = hear(*turns).judge(heads("count_reps", {"number": 30, "item": item}))[0]
        assert found.words == ("count", "thirty", item)


def test_words_that_are_a_command_are_left_as_they_are():
    network = hear(NAME, {"log": 0.0}, {"ten": 0.0}, {"dips": 0.0, "squats": 0.1})
    assert network.judge(heads("log_set", {"number": 10, "item": "squats"}))[0] is None


def test_words_before_the_name_are_no_part_of_it():
    network = hear({"good": 0.0}, {"day": 0.0}, NAME, {"skip": 0.0},
                   {"much": 0.0, "this": 1.0})
    assert network.judge(heads("skip_step", {}))[0].heard == ("skip", "much")


def test_nothing_close_is_nothing_read():
    dear = DEAREST + 0.1
    network = hear(NAME, {"thank": 0.0, "tank": dear}, {"is": 0.0}, {"at": 0.0}, {"one": 0.0})
    assert network.judge(heads("reading", {"number": 1, "item": "tank"}))[0] is None
    assert ConfusionNetwork().judge(heads("stop", {}))[0] is None


def test_words_of_a_command_serve_one_act():
    network = hear({"skip": 0.0}, {"this": 0.0})
    assert network.judge(heads("skip_step", {}))[0] is None
    assert network.get_state() == []


def test_old_places_are_forgotten_and_the_state_goes_on():
    network = hear(NAME, {"thank": 0.0, "tank": 1.0})
    again = ConfusionNetwork()
    again.set_state(network.get_state())
    assert again.get_state() == network.get_state() != []
    silence = (scores(none=0.0),) * 2
    again.push(KEPT_TURNS + 2, [], (0, 0), silence, 0.0)
    assert again.get_state() == []


def test_a_spelled_word_may_have_been_none():
    network, assembler = ConfusionNetwork(), tokens.WordAssembler()
    pieces = [t for t in tokens.encode_word("zyx")]
    assert not any(tokens.is_word(t) for t in pieces)
    for turn, token in enumerate([*pieces, 0, 0, tokens.HEARD.index("hello")]):
        first = np.full(len(tokens.HEARD), -50.0, np.float32)
        first[token] = SURE
        network.push(turn, assembler.push((token, 0)), (token, 0), (first, scores(none=0.0)), 0.0)
    found = network.judge(heads("hello", {}))[0]
    assert (found.heard, found.words) == (("zyx", "hello"), ("hello",))


def test_whatever_is_heard_a_hypothesis_is_a_command_and_no_cheaper_than_what_was_heard():
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(300):
        command = grammar.sample(rng, list(grammar.INTENTS)[rng.integers(len(grammar.INTENTS))])
        turns = []
        for word in command.words:
            other = tokens.WORDS[rng.integers(len(tokens.WORDS))]
            costs = {word: float(rng.exponential(1.0)), other: float(rng.exponential(2.0))}
            turns.append({**costs, "none": float(rng.exponential(4.0))})
        intent, slots = grammar.parse(command.words) or (None, {})
        if intent is None:
            continue
        guess = hear(NAME, *turns).judge(heads(intent, slots))[0]
        if guess is not None:
            found += 1
            assert grammar.parse(guess.words) is not None
            assert guess.cost >= 0.0 and guess.words != guess.heard
    assert found > 50


# -- what becomes of it ------------------------------------------------------------------------

def judged(heard: str, command: str, intent: str, confidence: float, cost: float = 1.5, **slots):
    act = Act(intent, Slots(**slots), confidence,
              Hypothesis(tuple(heard.split()), tuple(command.split()), cost))
    return check(act, tuple(heard.split()), 0.5, 0.7)


def test_a_hypothesis_that_the_act_agrees_with_is_done():
    found = judged("thank is at one", "tank is at one", "reading", 0.75, number=1, item="tank")
    assert (found.decision, found.act.slots.item) == (Decision.DO, "tank")
    assert found.words == ("tank", "is", "at", "one")


def test_one_that_is_nearly_as_likely_is_done_where_the_network_is_less_sure():
    slots = {"number": 1, "item": "tank"}
    for cost, decision in ((CHEAP, Decision.DO), (CHEAP + 0.1, Decision.READ_BACK)):
        found = judged("thank is at one", "tank is at one", "reading", 0.4, cost, **slots)
        assert found.decision is decision


@pytest.mark.parametrize("heard, command, intent, confidence, slots", [
    ("thank it at one", "tank is at one", "reading", 0.65, {"number": 1, "item": "tank"}),
    ("count the word", "count the word um", "count_word", 0.9, {}),
    ("thank is at one", "tank is at one", "reading", 0.8, {"number": 2, "item": "tank"}),
    ("longer", "louder", "slower", 0.8, {}),
], ids=("not sure", "the words alone tell", "another value", "another act"))
def test_a_hypothesis_is_read_back_where(heard, command, intent, confidence, slots):
    found = judged(heard, command, intent, confidence, **slots)
    assert found.decision is Decision.READ_BACK
    assert found.words == tuple(command.split())


def test_a_hypothesis_about_other_words_is_left():
    act = Act("reading", Slots(number=1, item="tank"), 0.6,
              Hypothesis(("thank", "is"), ("tank", "is", "at", "one"), 1.0))
    plain = Act("reading", Slots(number=1, item="tank"), 0.6)
    words = ("thank", "is", "at", "one")
    assert check(act, words, 0.5, 0.7).decision is check(plain, words, 0.5, 0.7).decision
    assert hypothesis(act, words) is None


def test_an_open_question_stays_one():
    found = judged("how is the weather", "how is the battery", "ask", 0.8)
    assert (found.decision, found.act.name) == (Decision.DO, "ask")


def test_the_margin_is_what_the_likeliest_other_command_costs():
    network = hear(NAME, {"timer": 0.0}, {"for": 0.0}, {"ten": 0.0, "two": 2.0, "the": 0.1},
                   {"seconds": 0.0})
    assert network.judge(heads("set_timer", {}))[1] == pytest.approx(2.0, abs=1e-4)
    assert hear(NAME, {"volume": 0.0}, {"up": 0.0}).judge(heads("louder", {}))[1] == DEAREST
    assert hear(NAME, {"volume": 0.0}).judge(heads("louder", {}))[1] == 0.0


@pytest.mark.parametrize("margin, decision", [(3.2, Decision.DO), (2.0, Decision.READ_BACK)])
def test_words_without_a_rival_count_more_than_the_slots(margin, decision):
    act = Act("set_volume", Slots(number=14), 0.63, words_margin=margin)
    found = check(act, ("volume", "forty"), 0.5, 0.7)
    assert (found.decision, found.act.slots.number) == (decision, 40)
