"""What outbox and desk must survive: crashes, torn writes, clocks that jump, a long queue."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from daemon.background.wire import AnswerType
from daemon.desk import WINDOW
from daemon.outbox import Heard, Outbox, Record
from daemon.promises import EventKind
from tests.daemon.desk_stage import Stage

pytestmark = pytest.mark.unit


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "outbox.db")


def _answered(stage: Stage, sentences: int = 3) -> str:
    id = stage.ask()
    for n in range(sentences):
        kind = AnswerType.FINAL if n == sentences - 1 else AnswerType.PART
        stage.answer(id, kind, n=n, text=f"Sentence {n}.")
    return id


def test_how_far_an_answer_was_spoken_outlives_the_process(stage: Stage) -> None:
    id = _answered(stage)
    assert stage.desk.begun(id) == 0
    stage.desk.mark(id, Heard(1))
    stage.desk.mark(id, Heard(1, 1))
    stage.desk.mark(id, Heard(2))
    assert stage.desk.begun(id) == 2
    final = Stage(stage.outbox.path).events.take()[-1]
    assert final.kind is EventKind.FINAL
    assert final.heard == Heard(2, 1) and final.heard.broken_off and final.heard.next == 1


def test_a_sentence_that_was_cut_off_by_the_wearer_is_not_taken_up_again(stage: Stage) -> None:
    id = _answered(stage)
    stage.desk.mark(id, Heard(1))
    stage.desk.mark(id, Heard(2))
    stage.desk.mark(id, Heard(2, 2))
    final = Stage(stage.outbox.path).events.take()[-1]
    assert not final.heard.broken_off and final.heard.next == 2


def test_a_mark_after_the_answer_was_settled_changes_nothing(stage: Stage) -> None:
    id = _answered(stage)
    stage.desk.settle(id)
    stage.desk.mark(id, Heard(3, 3))
    assert stage.outbox.heard(id) == Heard() and list(stage.outbox.records()) == []


def test_what_interrupts_goes_first_and_the_rest_in_its_turn(stage: Stage) -> None:
    stage.post.connected = False
    placements = ["silent"] * 3 + ["when_idle"] * 12 + ["interrupt"] * 2
    ids = [stage.ask(n, placement, deadline_s=600) for n, placement in enumerate(placements)]
    stage.post.connected = True
    stage.after(1)
    sent = [ask.id for ask in stage.post.asks()]
    assert sent == [*ids[15:], *ids[3 : 3 + WINDOW]]
    stage.answer(sent[2], AnswerType.FINAL, text="done")
    stage.after(0.1)
    assert [ask.id for ask in stage.post.asks()][len(sent):] == [ids[3 + WINDOW]]


def test_a_wall_clock_that_jumps_moves_no_deadline(stage: Stage) -> None:
    id = stage.ask(deadline_s=60)
    for jump_s in (86_400, -86_400):
        stage.wall_off_s = jump_s
        stage.after(10)
        assert stage.desk.open_ids() == (id,)
    stage.after(41)
    assert stage.kinds() == ["expired"]


def test_a_clock_set_back_over_a_restart_gives_no_more_time_than_there_was(stage: Stage) -> None:
    stage.ask(deadline_s=60)
    again = Stage(stage.outbox.path, wall_off_s=-86_400)
    again.after(59)
    assert again.kinds() == []
    again.after(2)
    assert again.kinds() == ["expired"]


def test_the_outbox_is_bounded_by_bytes_too(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("daemon.desk.MAX_OPEN_BYTES", 80_000)
    stage = Stage(tmp_path / "o.db")
    noise = np.random.default_rng(1).integers(-20_000, 20_000, 12_000).astype(np.int16)
    first = stage.ask(1, clip=noise)
    second = stage.ask(2, clip=noise)
    third = stage.ask(3, clip=noise)
    assert stage.desk.open_ids() == (second, third)
    assert [(e.id, e.kind.value) for e in stage.events.take()] == [(first, "expired")]


def test_a_shorter_answer_of_the_worker_that_took_over_ends_the_request(stage: Stage) -> None:
    id = stage.ask()
    stage.answer(id, AnswerType.PART, n=0, text="It is sixteen")
    stage.answer(id, AnswerType.PART, n=1, text="newton metres.")
    stage.after(5.1)
    stage.answer(id, AnswerType.ACCEPTED, worker="w2")
    stage.answer(id, AnswerType.FINAL, worker="w2", n=0, text="Sixteen newton metres.")
    events = [e for e in stage.events.take() if e.kind is not EventKind.ACCEPTED]
    assert [(e.kind.value, e.text) for e in events] == [
        ("part", "It is sixteen"), ("part", "newton metres."), ("final", "")]
    assert stage.desk.open_ids() == ()


def test_a_torn_write_costs_only_what_was_not_yet_promised(tmp_path: Path) -> None:
    """Power is lost while the log grows: it ends anywhere, or in rubbish. What is left opens, and
    is the beginning of what was written."""
    whole = tmp_path / "whole.db"
    outbox = Outbox(whole)
    ids = [f"{n:026d}" for n in range(40)]
    for n, id in enumerate(ids):
        outbox.add(Record(id, "question", "x" * 500, None, "when_idle", n, n + 60_000))
    wal = Path(f"{whole}-wal").read_bytes()
    rng = np.random.default_rng(5)
    kept = []
    for trial in range(30):
        torn = tmp_path / f"torn{trial}.db"
        shutil.copy(whole, torn)
        at = int(rng.integers(0, len(wal)))
        rubbish = rng.bytes(int(rng.integers(0, 5_000)))
        Path(f"{torn}-wal").write_bytes(wal[:at] + rubbish)
        again = Outbox(torn)
        found = [record.id for record in again.records()]
        again.close()
        assert found == ids[: len(found)]
        kept.append(len(found))
    outbox.close()
    assert min(kept) < 20 < max(kept)
