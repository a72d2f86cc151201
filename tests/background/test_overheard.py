"""Words that the device heard join those of the recogniser, and do not overrule them."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.background.overheard import WEIGHT, Overheard, joined
from daemon.background.reasoner import PlainReasoner
from daemon.background.tools.manual_search import terms_of
from daemon.background.tools.manual_store import ManualStore
from daemon.background.transcribe import Heard
from daemon.background.wire import Ask, Outcome, new_ulid
from daemon.background.worker import MANUALS

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def overheard() -> Overheard:
    return Overheard(ManualStore(MANUALS).sections)


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory: pytest.TempPathFactory):
    made = PlainReasoner(MANUALS, tmp_path_factory.mktemp("log") / "log.db")
    yield made
    made.close()


def _answer(reasoner, monkeypatch, clip_terms: dict[str, float], words: str):
    monkeypatch.setattr(reasoner.transcriber, "hear", lambda clip: Heard("", clip_terms))
    ask = Ask(id=new_ulid(0), device="glasses", kind="question", words=words, deadline_s=30)
    return reasoner.answer(ask, np.zeros(1, np.int16), lambda: False)


def test_a_term_that_the_recogniser_missed_finds_the_section(reasoner, monkeypatch) -> None:
    missed = {"pump": 0.5}
    found = _answer(reasoner, monkeypatch, missed, "")
    assert found.source != "Boiler service, section Bleeding a radiator"
    result = _answer(reasoner, monkeypatch, missed, "tagalong how do i bleeding the radiator")
    assert result.source == "Boiler service, section Bleeding a radiator"


@pytest.mark.parametrize("words", ["the umbrella of a pump", "the pumpe gauge", "washer"])
def test_a_wrong_word_is_no_confident_answer(reasoner, monkeypatch, words: str) -> None:
    heard = {"umbrella": 0.8, "afternoon": 0.8}
    result = _answer(reasoner, monkeypatch, heard, words)
    assert result.outcome is Outcome.NOT_CAUGHT


def test_a_wrong_word_does_not_change_a_sure_answer(reasoner, monkeypatch) -> None:
    heard = dict.fromkeys(terms_of("bleed radiator air".split()), 0.9)
    result = _answer(reasoner, monkeypatch, heard, "tagalong do the pump")
    assert result.source == "Boiler service, section Bleeding a radiator"


def test_without_speech_in_the_clip_the_words_do_not_count(reasoner, monkeypatch) -> None:
    result = _answer(reasoner, monkeypatch, {}, "how do i bleed a radiator")
    assert result.outcome is Outcome.NOT_CAUGHT


def test_only_words_after_the_name_count(overheard) -> None:
    assert set(overheard.terms("radiator tagalong the m eight bolt")) == {"m", "eight", "bolt"}


def test_a_word_spelled_nearly_right_is_taken_for_one_that_sounds_alike(overheard) -> None:
    terms = overheard.terms("tagalong radeator")
    assert 0.8 * WEIGHT < terms["radiator"] < WEIGHT
    assert overheard.terms("tagalong qqqqqqqq") == {}


def test_agreement_is_surer_than_either_alone() -> None:
    both = joined({"valve": 0.5, "door": 0.2}, {"valve": 0.6})
    assert both == pytest.approx({"valve": 0.8, "door": 0.2})


@pytest.mark.parametrize("heading", [f"M{n} bolt" for n in (5, 6, 8, 10, 12)])
def test_a_material_that_was_not_heard_is_not_guessed(reasoner, heading: str) -> None:
    index = reasoner.index
    section = next(s for s in index.sections if s.heading == heading)
    heard = {"m": 0.9, "bolt": 0.9, "torque": 0.6}
    unsure = index.spoken(section, heard | {"steel": 0.3})
    assert "in steel" in unsure[0] and "in aluminium" in unsure[1] and len(unsure) == 2
    sure = index.spoken(section, heard | {"aluminium": 0.9})
    assert len(sure) == 1 and "in aluminium" in sure[0]
