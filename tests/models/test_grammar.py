"""The grammar: what is sampled is parsed back, numbers and slots survive both ways."""

import numpy as np
import pytest

from models import grammar, tokens

pytestmark = pytest.mark.unit


def test_at_least_forty_intents():
    assert len(grammar.INTENTS) >= 40


@pytest.mark.parametrize("intent", list(grammar.INTENTS))
def test_sampled_commands_parse_to_their_intent_and_slots(intent):
    rng = np.random.default_rng(1)
    for _ in range(25):
        command = grammar.sample(rng, intent)
        assert grammar.parse(command.words) == (intent, command.slots), command.words


@pytest.mark.parametrize("intent", list(grammar.INTENTS))
def test_a_pause_is_only_offered_where_the_words_so_far_are_no_command(intent):
    rng = np.random.default_rng(2)
    for _ in range(10):
        command = grammar.sample(rng, intent)
        assert all(grammar.parse(command.words[:n]) is None for n in command.prefix_safe)


def test_every_number_survives_its_words():
    for n in range(1000):
        assert grammar.parse_number(grammar.number_words(n)) == n
    assert grammar.parse_number("a hundred and five".split()) == 105
    assert grammar.parse_number("hundred".split()) is None
    with pytest.raises(ValueError, match="0 to 999"):
        grammar.number_words(1000)


def test_slots_survive_their_classes():
    rng = np.random.default_rng(3)
    for intent in grammar.INTENTS:
        slots = {field: value for field, value in grammar.sample(rng, intent).slots.items()
                 if field not in ("word", "word2")}  # told by the heard words alone
        assert tokens.decode_slots(tokens.encode_slots(slots)) == slots
        assert set(slots) <= tokens.slot_fields(intent)


@pytest.mark.parametrize("text, extendable", [
    ("stop", True), ("count my squats", False), ("how many", True), ("volume up", False),
])
def test_commands_that_could_go_on_are_known(text, extendable):
    seq = next(s for s in grammar.sequences() if grammar.parse(text.split()) and
               " ".join(s).replace("{exercise}", "squats") == text)
    assert grammar.extendable(seq) is extendable


def test_words_outside_the_vocabulary_are_spelled_and_joined_again():
    assembler = tokens.WordAssembler()
    said = "set aluminium kangaroo timer quixotic".split()
    ids = [i for word in said for i in tokens.encode_word(word)]
    found = [w for at in range(0, len(ids), 2) for w in assembler.push(ids[at : at + 2])]
    found += assembler.push([]) + assembler.push([])
    assert found == said
    with pytest.raises(ValueError, match="a to z"):
        tokens.encode_word("m8")


def test_state_rows_are_in_their_fields():
    rows = tokens.encode_state({**tokens.IDLE_STATE, "count": 7, "since_exchange_s": 7.9})
    first = np.cumsum([0] + list(tokens.STATE_FIELDS.values()))
    assert all(first[i] <= row < first[i + 1] for i, row in enumerate(rows))
    later = tokens.encode_state({**tokens.IDLE_STATE, "count": 7, "since_exchange_s": 8.0})
    assert rows != later, "the end of the follow-up window must show"


def test_one_hour_is_singular():
    assert grammar.parse("timer for an hour".split()) == ("set_timer", {"number": 1,
                                                                         "unit": "hour"})
    assert grammar.parse("timer for a hours".split()) is None  # "eight hours", misheard


def test_a_number_is_taken_back():
    for said, meant in (("timer for ten no fifteen minutes", {"number": 15, "unit": "minute"}),
                        ("log two hundred and six no seven squats",
                         {"number": 7, "item": "squats"})):
        assert grammar.parse(said.split())[1] == meant
    assert grammar.settle("timer for ten no".split()) == ("timer", "for")
    assert grammar.settle("no that is wrong".split()) == ("no", "that", "is", "wrong")
    assert grammar.parse("timer for no fifteen minutes".split()) is None


def test_durations_of_two_parts():
    for said, parts in (
            ("timer for two minutes and thirty seconds", (2, "minute", 30, "second")),
            ("timer for one hour fifteen minutes", (1, "hour", 15, "minute")),
            ("timer for an hour and a half", (1, "hour", 30, "minute")),
            ("timer for two and a half minutes", (2, "minute", 30, "second"))):
        assert tuple(grammar.parse(said.split())[1].values()) == parts, said
    assert grammar.parse("timer for two minutes and thirty minutes".split()) is None


def test_a_colour_is_known_by_its_sound() -> None:
    assert grammar.parse("tell me when the light turns read".split()) == (
        "watch_light", {"colour": "red"})
    assert grammar.parse("read them back".split()) == ("read_back", {})
