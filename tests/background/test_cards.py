"""Cards: what an answer may show, and what it may not."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.background import wire
from daemon.background.cards import Card, ChartPart
from daemon.background.tools.workout_log import WorkoutLog
from daemon.background.wire import Answer, AnswerType, BadPayload

pytestmark = pytest.mark.unit
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
ID = "01M8Q5E8TE4JRHY79K7EK9KJCP"
GOOD = [
    {"type": "text", "text": "<b>as it is</b>"},
    {"type": "list", "items": ["a", "b"]},
    {"type": "table", "columns": ["size", "torque"], "rows": [["M8", "20"], ["M10", "40"]]},
    {"type": "image", "media": "image/png", "data": PNG, "alt": "a dot"},
    {"type": "progress", "label": "done", "done": 3, "total": 10},
    {"type": "chart", "labels": ["Mon", "Tue"], "values": [12, 0], "unit": "squats"},
]


def test_a_card_of_all_parts_goes_over_the_wire() -> None:
    card = Card.model_validate({"title": "all", "parts": GOOD})
    sent = wire.encode(Answer(id=ID, worker="w1", type=AnswerType.FINAL, text="There.", card=card))
    assert wire.parse(Answer, sent).card == card
    assert [part.type for part in card.parts] == [part["type"] for part in GOOD]


@pytest.mark.parametrize("part", [
    {"type": "script", "text": "alert(1)"},
    {"type": "text", "text": "x", "onclick": "alert(1)"},
    {"type": "list", "items": []},
    {"type": "table", "columns": ["a"], "rows": [["1", "2"]]},
    {"type": "image", "media": "image/svg+xml", "data": PNG},
    {"type": "image", "media": "image/jpeg", "data": PNG},
    {"type": "image", "media": "image/png", "data": "not base64!"},
    {"type": "progress", "done": 1, "total": 0},
    {"type": "chart", "labels": ["a"], "values": [1, 2]},
    {"type": "chart", "labels": ["a"], "values": [float("nan")]},
    {"type": "text", "text": "x" * 2_001},
])
def test_what_is_no_part_of_a_card_is_refused(part: dict) -> None:
    with pytest.raises(ValidationError):
        Card.model_validate({"title": "bad", "parts": [part]})


def test_a_card_that_is_too_large_is_refused_and_the_answer_with_it() -> None:
    parts = [{"type": "text", "text": "x" * 2_000}] * 7
    with pytest.raises(ValidationError, match="at most 12288"):
        Card.model_validate({"title": "large", "parts": parts})
    body = Answer(id=ID, worker="w1", type=AnswerType.FINAL).model_dump_json(exclude_none=True)
    odd = body[:-1] + ', "card": {"title": "x", "parts": [{"type": "iframe"}]}}'
    with pytest.raises(BadPayload, match="schema"):
        wire.parse(Answer, odd.encode())


def test_a_week_of_the_workout_log_is_shown_day_by_day(tmp_path: Path) -> None:
    day = [date(2026, 11, 26)]
    log = WorkoutLog(tmp_path / "log.db", today=lambda: day[0])
    log.answer("a", "glasses", {"item": "squats", "number": 12})
    log.answer("b", "glasses", {"item": "squats", "number": 8})
    day[0] = date(2026, 11, 29)
    log.answer("c", "glasses", {"item": "squats", "number": 30})
    log.answer("d", "glasses", {"item": "lunges", "number": 5})
    card = log.answer("e", "glasses", {"item": "squats", "period": "week"}).card
    log.close()
    assert card is not None and card.title == "squats, 7 days"
    (chart,) = card.parts
    assert isinstance(chart, ChartPart)
    assert chart.labels == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    assert chart.values == (0, 0, 0, 20, 0, 0, 30) and chart.unit == "squats"


def test_a_day_needs_no_chart(tmp_path: Path) -> None:
    log = WorkoutLog(tmp_path / "log.db")
    log.answer("a", "glasses", {"item": "squats", "number": 12})
    assert log.answer("e", "glasses", {"item": "squats", "period": "today"}).card is None
    log.close()
