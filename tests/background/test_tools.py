"""The worker's tools: right values, figures word for word, and bad input said, never raised."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from daemon.background.spoken import number_words, parse_number, stem, words_of
from daemon.background.tools.calculate import calculate, calculate_words
from daemon.background.tools.convert import convert, convert_words
from daemon.background.tools.manual_files import ManualError, parse_manual
from daemon.background.tools.manual_search import ManualIndex, terms_of
from daemon.background.tools.manual_store import ManualStore
from daemon.background.tools.workout_log import WorkoutLog
from daemon.background.wire import Outcome
from daemon.background.worker import MANUALS

pytestmark = pytest.mark.unit


def _terms(text: str) -> dict[str, float]:
    return dict.fromkeys(terms_of(words_of(text)), 1.0)


@pytest.mark.parametrize(
    ("digits", "words"),
    [("0", "zero"), ("19.5", "nineteen point five"), ("210", "two hundred ten"),
     ("2050", "two thousand fifty"), ("0.88", "zero point eight eight"), ("42", "forty two")],
)
def test_numbers_are_spoken_and_understood(digits: str, words: str) -> None:
    assert " ".join(number_words(digits)) == words
    assert parse_number(words.split()) == pytest.approx(float(digits))


def test_what_is_no_number_is_none() -> None:
    for words in ("", "apple", "two apples", "point", "five point twelve"):
        assert parse_number(words.split()) is None


def test_text_becomes_words_and_stems() -> None:
    spoken = "m eight sixteen newton metres seventy five percent"
    assert " ".join(words_of("M8: 16 Nm (75 %)")) == spoken
    assert stem("bleeding") == stem("bleed") and stem("batteries") == stem("battery")


@pytest.mark.parametrize(
    ("number", "op", "number2", "said"),
    [(12, "times", 8, "12 times 8 is 96."), (7, "divided by", 2, "7 divided by 2 is 3.5."),
     (3, "minus", 5, "3 minus 5 is -2."), (1, "plus", 2.5, "1 plus 2.5 is 3.5."),
     (10, "divided by", 3, "10 divided by 3 is 3.333.")],
)
def test_sums(number: float, op: str, number2: float, said: str) -> None:
    assert calculate({"number": number, "op": op, "number2": number2}).sentences == (said,)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"number": 1, "op": "power", "number2": 2}, {"number": "1", "op": "+", "number2": 2},
     {"number": 1, "op": "divided by", "number2": 0}, {"number": 1e15, "op": "*", "number2": 1e15},
     {"number": True, "op": "+", "number2": 1}],
    ids=str,
)
def test_sums_that_cannot_be_done_are_said(arguments: dict) -> None:
    assert calculate(arguments).outcome is Outcome.FAILED


def test_a_line_of_words_is_calculated_with_precedence() -> None:
    result = calculate_words("What is two plus three times four?")
    assert result is not None and result.sentences[0].endswith("is 14.")
    digits = calculate_words("17 * 4")
    assert digits is not None and digits.sentences == ("17 times 4 is 68.",)
    for other in ("what torque for an M8 bolt", "two", "__import__('os')", "plus plus"):
        assert calculate_words(other) is None


@pytest.mark.parametrize(
    ("number", "unit", "unit2", "said"),
    [(20, "kilos", "pounds", "44.09"), (12, "inches", "centimetres", "30.48"),
     (25, "newton metres", "foot pounds", "18.44"), (2, "bar", "psi", "29.01"),
     (20, "celsius", "fahrenheit", "68"), (98, "fahrenheit", "celsius", "36.67"),
     (3, "miles", "kilometres", "4.828")],
)
def test_units(number: float, unit: str, unit2: str, said: str) -> None:
    result = convert({"number": number, "unit": unit, "unit2": unit2})
    assert result.sentences == (f"{number} {unit} is {said} {unit2}.",)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"number": 3, "unit": "kilos", "unit2": "metres"}, {"number": 3, "unit": "meter**99999",
     "unit2": "feet"}, {"number": float("nan"), "unit": "feet", "unit2": "metres"}],
    ids=str,
)
def test_units_that_do_not_fit_are_said(arguments: dict) -> None:
    assert convert(arguments).outcome is Outcome.FAILED


def test_a_line_of_words_is_converted() -> None:
    result = convert_words("How many is twelve and a half feet in metres")
    assert result is None
    result = convert_words("what is twelve inches in centimetres?")
    assert result is not None and "30.48" in result.sentences[0]


def test_the_log_totals_a_week_and_counts_a_repeated_request_once(tmp_path: Path) -> None:
    day = [date(2026, 11, 16)]
    log = WorkoutLog(tmp_path / "log.db", today=lambda: day[0])
    log.answer("1", "a", {"number": 20, "item": "squats"})
    log.answer("1", "a", {"number": 20, "item": "squats"})
    log.answer("2", "b", {"number": 99, "item": "squats"})
    day[0] = date(2026, 11, 20)
    log.answer("3", "a", {"number": 15, "item": "squats"})
    log.answer("4", "a", {"number": 60, "item": "squats", "unit": "kilos"})

    def said(period: str) -> str:
        return log.answer("x", "a", {"item": "squats", "period": period}).sentences[0]

    assert said("week") == "35 squats in 2 sets in seven days."
    assert said("today") == "15 squats in one set today."
    day[0] = date(2026, 11, 25)
    assert said("week") == "15 squats in one set in seven days."
    assert said("fortnight") == "I can total today, a week or a month."
    log.close()
    log = WorkoutLog(tmp_path / "log.db", today=lambda: day[0])
    assert said("month").startswith("35 squats")


def test_a_log_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database at all" * 100)
    with pytest.raises(ValueError, match="broken.db"):
        WorkoutLog(broken)


def test_the_bundled_manuals_answer_with_the_figure_and_the_source() -> None:
    index = ManualIndex(ManualStore(MANUALS).sections)
    terms = _terms("what torque for an M8 bolt in aluminium")
    hit = index.search(terms)
    assert hit is not None and hit.section.heading == "M8 bolt"
    result = index.answer(hit, terms)
    assert result.sentences[0] == "An M8 bolt in aluminium takes 16 newton metres."
    assert result.source == "Bolt torques, section M8 bolt"
    assert 40 <= len(index.sections) <= 120


def test_nothing_fits_nothing_is_found() -> None:
    index = ManualIndex(ManualStore(MANUALS).sections)
    assert index.search(_terms("xylophone quartet")) is None
    assert index.search({}) is None


def test_lists_and_untitled_manuals_are_read() -> None:
    text = "## Start\n- Open valve 3.\n- Wait 2.5 minutes. Go.\n\n## Empty\n"
    sections = parse_manual(text, "my_pump")
    assert [s.heading for s in sections] == ["Start"]
    assert sections[0].manual == "my pump"
    assert sections[0].sentences == ("Open valve 3.", "Wait 2.5 minutes.", "Go.")


def test_folders_that_are_no_manuals_are_named(tmp_path: Path) -> None:
    with pytest.raises(ManualError, match="no such folder"):
        ManualStore(tmp_path / "none")
    with pytest.raises(ManualError, match="no section"):
        ManualStore(tmp_path)
    (tmp_path / "bad.md").write_bytes(b"## \xff\xff\n")
    with pytest.raises(ManualError, match="bad.md"):
        ManualStore(tmp_path)
