"""A network that costs by the byte: sound and pictures stay on the device, the words go alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from daemon.background import wire
from daemon.background.wire import AnswerType
from daemon.metered import AGAIN_S, ASK, Metered
from tests.daemon.desk_stage import Stage

pytestmark = pytest.mark.unit
CLIP = np.zeros(16_000, np.int16)


def says(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


@pytest.mark.parametrize("setting, answer, metered", [
    ("auto", "u 1", True), ("auto", "u 3", True), ("auto", "u 0", False), ("auto", "u 4", False),
    ("auto", "", False), ("yes", "u 2", True), ("no", "u 1", False)])
def test_what_network_manager_says_counts_where_nothing_is_set(setting, answer, metered) -> None:
    assert Metered(setting, says(answer))() is metered


def test_without_network_manager_nothing_is_metered() -> None:
    assert Metered(command=("/nonexistent/busctl",))() is False
    assert isinstance(Metered(command=ASK)(), bool)


def test_an_answer_counts_for_half_a_minute() -> None:
    now = [100.0]
    metered = Metered(command=says("u 1"), monotonic=lambda: now[0])
    assert metered() is True
    metered._command = says("u 4")
    assert metered() is True
    now[0] += AGAIN_S
    assert metered() is False


def test_attachments_wait_while_it_costs_and_go_with_what_is_asked_later(tmp_path) -> None:
    costs = [True]
    stage = Stage(tmp_path / "outbox.sqlite", metered=lambda: costs[0])
    id = stage.ask(clip=CLIP)
    assert stage.post.asks()[-1].attachments == ()
    assert stage.post.asks()[-1].words == "what torque"
    assert stage.counts["held_back"] == 1
    costs[0] = False
    stage.after(wire.SILENCE_S + 0.1)  # nobody took it, so it is asked again
    assert [a.name for a in stage.post.asks()[-1].attachments] == ["audio"]
    stage.answer(id, AnswerType.ACCEPTED, wants=("audio",))
    assert stage.post.sent[-1][0] == wire.attachment_topic("glasses", "w1", id, "audio")


def test_what_a_worker_wants_stays_here_once_it_costs(tmp_path) -> None:
    costs = [False]
    stage = Stage(tmp_path / "outbox.sqlite", metered=lambda: costs[0])
    id = stage.ask(clip=CLIP)
    costs[0] = True
    stage.answer(id, AnswerType.ACCEPTED, wants=("audio",))
    assert [t for t, _ in stage.post.sent if "/worker/" in t] == []
