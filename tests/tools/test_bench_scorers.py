"""Scorers of the quality suites on hand-made events: what must pass, and what must not."""

from dataclasses import asdict

import pytest

from tests.tools.bench_stage import act, answer, item, result, say, spoken
from tools.benchmark import (
    commands,
    cues,
    interpret,
    localise,
    overlap,
    present,
    questions,
    reps,
    score,
    silence,
    spliced,
    timespeak,
    tool_use,
    visual_cue,
)
from tools.benchmark.timespeak import Wanted

pytestmark = pytest.mark.unit

BEATS = [spoken("breathe", 10.1), spoken("breathe", 14.0), spoken("breathe", 18.4)]


def _every(*events: dict) -> dict:
    wanted = [asdict(Wanted(t, "breathe", 0.6)) for t in (10.0, 14.0, 18.0)]
    return timespeak.judge(item(kind="every", wanted=wanted, asked=[6.0, 20.0]), result(*events))


def test_timespeak_is_right_when_every_beat_comes_in_its_window():
    found = _every(spoken("breathe, every four seconds", 6.4), *BEATS, spoken("stopped", 20.5))
    assert found["right"] and found["off_s"] == [0.1, 0.0, 0.4]


@pytest.mark.parametrize("events", [
    BEATS[:2],
    [*BEATS[:2], spoken("breathe", 18.7)],
    [*BEATS[:2], spoken("drink", 18.0)],
    [*BEATS, spoken("breathe", 12.0)],
    [*BEATS, spoken("breathe", 22.0)],
    [spoken("breathe", 7.0), *BEATS],
    [*BEATS, spoken("hello", 25.0)],
    [],
], ids=["one missing", "too late", "other words", "one more", "one after stop", "too early",
        "something else", "silence"])
def test_timespeak_fails_an_item_for_anything_missing_or_extra(events):
    assert not _every(*events)["right"]


def test_timespeak_tells_a_slow_ear_from_a_bad_clock():
    found = _every(act("every", 6.8), *(spoken("breathe", t + 0.9) for t in (10.0, 14.0, 18.0)))
    assert not found["right"] and found["right_own"]


@pytest.mark.parametrize("numbers, right", [
    ([3, 2, 1, 0], True), ([3, 2, 0], False), ([3, 2, 1, 0, 0], False), ([4, 3, 2, 1], False)])
def test_a_countdown_counts_from_its_own_first_number(numbers, right):
    wanted = [asdict(Wanted(5.0 + i, word, 0.6, True))
              for i, word in enumerate(("three", "two", "one", "zero"))]
    words = ("zero", "one", "two", "three", "four")
    events = [spoken(words[n], 5.9 + i, 0.4) for i, n in enumerate(numbers)]
    found = timespeak.judge(item(kind="countdown", wanted=wanted, asked=[5.0]), result(*events))
    assert found["right"] == right


@pytest.mark.parametrize("said, right", [
    ("twelve seconds", True), ("thirteen seconds", True), ("fifteen seconds", False),
    ("twelve", True), ("timing", False)])
def test_the_time_since_may_be_a_second_off(said, right):
    wanted = [asdict(Wanted(20.6, "twelve seconds", 0.9, True))]
    found = timespeak.judge(item(kind="elapsed", wanted=wanted, asked=[8.0, 20.0]),
                            result(spoken(said, 20.5)))
    assert found["right"] == right


CONVERT = {"kind": "convert", "slip": True, "begin_s": 1.0, "end_s": 4.0,
           "slots": {"number": 15, "unit": "feet", "unit2": "metres"},
           "answer": "15 feet is 4.572 metres."}
RIGHT = [act("convert", 4.2, number=15, unit="feet", unit2="metres"),
         say("15 feet is 4.572 metres.", 5.4, "answer:x"), spoken("15 feet is 4.572 metres.", 5.5)]


def test_a_tool_passes_with_the_right_values_and_its_answer_spoken():
    found = tool_use.judge(item(**CONVERT), result(*RIGHT, tone=(4.5, 5.0)))
    assert found["pass"] and found["first_s"] == 0.5 and found["answer_s"] == 1.5


@pytest.mark.parametrize("events", [
    RIGHT[:1], RIGHT[1:],
    [act("convert", 4.2, number=10, unit="feet", unit2="metres"), *RIGHT[1:]],
    [act("convert", 4.2, "asked", number=15, unit="feet", unit2="metres"), *RIGHT[1:]],
    [*RIGHT, act("set_timer", 3.0, number=10, unit="minute")],
    [RIGHT[0], spoken("10 feet is 3.048 metres.", 5.5)],
], ids=["not spoken", "no act", "the number before the slip", "only read back", "a wrong act too",
        "another answer"])
def test_a_tool_does_not_pass_otherwise(events):
    assert not tool_use.judge(item(**CONVERT), result(*events))["pass"]


def test_a_question_needs_the_right_section():
    truth = {"kind": "manual_search", "slip": False, "begin_s": 1.0, "end_s": 3.0, "slots": {},
             "section": "m8 bolt"}
    for section, right in (("M8 bolt", True), ("M10 bolt", False)):
        text = f"From Bolt torques, section {section}."
        events = [act("ask", 3.2), answer(text, 4.2, f"Bolt torques, section {section}"),
                  say(text, 4.3, "answer:x"), spoken(text, 4.4)]
        assert tool_use.judge(item(**truth), result(*events))["pass"] == right


CUE = {"kind": "cue", "cue": "um", "reply": "filler", "cues": [10.0, 15.0], "asked": [4.0]}


@pytest.mark.parametrize("events, right", [
    ([spoken("filler", 10.4), spoken("filler", 15.9)], True),
    ([spoken("filler", 10.4)], False),
    ([spoken("filler", 10.4), spoken("filler", 16.2)], False),
    ([spoken("filler", 10.4), spoken("slower", 15.5)], False),
    ([spoken("filler", 10.4), spoken("filler", 12.0), spoken("filler", 15.5)], False),
    ([spoken("filler", 10.4), spoken("filler", 10.9), spoken("filler", 15.5)], False)])
def test_a_cue_is_answered_once_within_a_second(events, right):
    reply = spoken("filler, when you say um", 4.4)
    assert cues.judge(item(**CUE), result(reply, *events))["right"] == right


@pytest.mark.parametrize("told, right", [("three times", True), ("two times", False),
                                         ("thirty three", False), ("", False)])
def test_a_counted_word_needs_its_number(told, right):
    truth = CUE | {"kind": "count", "cues": [9.0, 12.0, 15.0], "asked": [4.0, 20.0]}
    events = [spoken(told, 20.5)] if told else []
    if told == "thirty three":
        events.append(spoken("three", 12.2))
    assert cues.judge(item(**truth), result(*events))["right"] == right


PRESENT = {"spans": [(1.0, 4.0), (5.4, 7.0), (8.4, 9.6)], "local": ["date", "louder"],
           "ends": [2.0, 6.0, 8.0]}
SERVED = [{"kind": "delegate", "t_s": 4.2},
          act("date", 7.2), say("monday", 7.2, "act:date", 1), spoken("monday", 7.4, 0.5, 1),
          act("louder", 9.8), say("ninety", 9.8, "act:louder", 2), spoken("ninety", 10.0, 0.4, 2),
          say("three", 8.0, "count:squats", 3), spoken("three", 8.0, 0.3, 3),
          say("tighten it", 12.0, "answer:x", 4), spoken("tighten it", 12.1, 2.0, 4)]


def test_it_is_present_when_all_is_served():
    assert present.judge(item(**PRESENT), result(*SERVED))["right"]


@pytest.mark.parametrize("without", ["act:date", "act:louder", "count:squats", "answer:x"])
def test_it_is_not_present_when_one_thing_is_missing(without):
    numbers = {e["utterance"] for e in SERVED if e.get("cause") == without}
    events = [e for e in SERVED if e.get("utterance") not in numbers]
    assert not present.judge(item(**PRESENT), result(*events))["right"]


def test_an_answer_begun_over_the_wearer_is_not_present():
    events = [*SERVED[:-1], spoken("tighten it", 6.0, 2.0, 4)]
    assert not present.judge(item(**PRESENT), result(*events))["right"]


@pytest.mark.parametrize("events, iou", [
    ([spoken("start", 10.0), spoken("stop", 20.0)], 1.0),
    ([spoken("start", 12.5), spoken("stop", 22.5)], 0.6),
    ([spoken("start", 15.0)], 1 / 3), ([spoken("stop", 15.0)], 0.0), ([], 0.0),
    ([spoken("start", 2.0), spoken("start", 21.0), spoken("stop", 24.0)], 0.0)])
def test_motion_is_localised_by_the_overlap_of_what_was_said(events, iou):
    truth = {"asked_s": 5.0, "start_s": 10.0, "stop_s": 20.0, "seconds": 25.0}
    found = localise.judge(item(**truth), result(*events))
    assert found["iou"] == pytest.approx(iou, abs=1e-3)


@pytest.mark.parametrize("events, right", [
    ([spoken("the light is red", 12.5)], True), ([spoken("red", 13.2)], False),
    ([spoken("the light is green", 12.5)], False),
    ([spoken("red", 9.0), spoken("red", 12.5)], False), ([], False)])
def test_a_visual_cue_is_told_within_a_second_and_not_before(events, right):
    truth = {"kind": "lamp", "at_s": 12.0, "asked": [3.0], "words": ["red"]}
    reply = spoken("I will tell you", 3.5)
    assert visual_cue.judge(item(**truth), result(reply, *events))["right"] == right


def test_interpreting_counts_words_and_how_many_came_meanwhile():
    truth = {"language": "spanish", "asked_s": 2.0, "end_s": 10.0,
             "said": [(7.0, ["buenos", "dias"]), (10.0, ["me", "voy", "el", "lunes"])]}
    events = [spoken("Buenos días", 7.5, 1.0), spoken("me voy el martes", 10.5, 2.0)]
    found = interpret.judge(item(**truth), result(*events))
    assert (found["words"], found["errors"], found["meanwhile"]) == (6, 1, 2)
    assert found["lag_s"][0] == 0.5
    silent = interpret.judge(item(**truth), result(spoken("okay", 2.5)))
    assert silent["errors"] == 6 and silent["meanwhile"] == 0


def test_a_command_needs_its_intent_and_all_its_values():
    truth = {"intent": "set_timer", "slots": {"number": 5, "unit": "minute"},
             "words": "tagalong timer for five minutes".split(), "pause": None, "end_s": 3.0,
             "voice": "espeak:x"}
    good = commands.judge(item(**truth), result(act("set_timer", 3.2, number=5, unit="minute"),
                                                tone=(3.4, 4.0)))
    assert good["right"] and good["done"] and good["latency_s"] == 0.4 and not good["wrong"]
    bad = commands.judge(item(**truth), result(act("set_timer", 3.2, number=9, unit="minute"),
                                               tone=(3.4, 4.0)))
    assert bad["intent"] and bad["wrong"] and not bad["right"] and bad["latency_s"] is None


def test_an_order_is_right_with_all_its_parts_and_must_be_asked_for():
    wanted = {"drink": "latte", "milk": "some soy milk"}
    asked = item(order=wanted, asked=True, at_s=3.0)
    request = act("take_order", 2.9)
    for found, hits in ((wanted, 2), ({"drink": "latte"}, 1), ({}, 0)):
        note = {"kind": "order", "t_s": 8.0, "text": "", "order": found}
        judged = spliced.judge_order(asked, result(request, *([note] if found else [])))
        assert judged["hits"] == hits and judged["right"] == (hits == 2) and judged["request"]
    alone = item(order=wanted, asked=False, at_s=1.0)
    assert spliced.judge_order(alone, result())["ignored"]
    assert spliced.judge_order(alone, result(act("clock", 4.0, outcome="ignored")))["ignored"]
    assert not spliced.judge_order(alone, result(act("clock", 4.0)))["ignored"]
    assert not spliced.judge_order(alone, result(spoken("ten", 4.0)))["ignored"]


def test_a_spliced_command_needs_the_real_word():
    truth = item(intent="set_count", slots={"number": 8}, words="eight")
    good = spliced.judge_spliced(truth, result(act("set_count", 4.0, number=8)))
    bad = spliced.judge_spliced(truth, result(act("set_count", 4.0, number=3)))
    assert good["right"] and not good["wrong"] and bad["wrong"] and not bad["right"]


def test_an_interruption_must_silence_it_and_a_backchannel_must_not():
    cut = [spoken("one. two", 2.0, 4.3, cut=True)]
    for kind, events, tone, right in (
            ("interruption", cut, (2.0, 6.3), True), ("interruption", [], (2.0, 20.0), False),
            ("backchannel", cut, (2.0, 6.3), False), ("backchannel", [], (2.0, 20.0), True)):
        found = overlap.judge(item(kind=kind, onset_s=6.0), result(*events, tone=tone))
        assert found["handled"] == right and found["speaking"]


def test_only_unasked_speech_breaks_the_silence():
    quiet = [say("two hours are over", 3.0, "timer:t1"), say("microphone off", 4.0, "mute:x")]
    assert silence.judge(item(seconds=300.0), result(*quiet))["unasked"] == 0
    assert silence.judge(item(seconds=300.0), result(say("okay", 3.0, "act:yes")))["unasked"] == 1


def test_another_section_is_confident_and_wrong_and_no_section_is_not():
    truth = {"section": "M8 bolt", "say": "what torque"}
    for source, right, wrong in (("Bolts, section M8 bolt", True, False),
                                 ("Bolts, section M6 bolt", False, True), ("", False, False)):
        found = questions.judge(item(**truth), result(answer("some text", 4.0, source)))
        assert (found["right"], found["wrong"]) == (right, wrong)


def test_the_best_constant_answer_is_the_one_that_suits_most_sets():
    sets = [{"true": n} for n in (4, 5, 6, 20)]
    assert reps.best_constant(sets) == 3 and reps.best_constant([]) == 0


def test_a_bootstrap_interval_holds_the_share_and_does_not_change():
    low, high = (int(v) for v in score.interval([True] * 15 + [False] * 5).split(" to "))
    assert low < 75 < high and score.interval([True] * 15 + [False] * 5) == f"{low} to {high}"
    assert score.interval([]) is None


@pytest.mark.parametrize("suite", [
    commands, overlap, silence, questions, timespeak, tool_use, cues, present, localise,
    visual_cue, interpret, reps])
def test_no_findings_give_figures_of_nothing(suite):
    assert all(v in (None, 0, 0.0, {}) or isinstance(v, str) for v in suite.summary([]).values())
