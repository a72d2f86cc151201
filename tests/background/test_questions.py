"""Spoken questions through the real recogniser: found, or honestly not caught."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from daemon.background.language import Trigrams, dictionary_text, pronounce
from daemon.background.reasoner import PlainReasoner
from daemon.background.tools.manual_search import parse_manual
from daemon.background.transcribe import Transcriber, last_utterance
from daemon.background.wire import Ask, Outcome, new_ulid
from daemon.background.worker import MANUALS

RATE = 16_000


def _ask(words: str = "") -> Ask:
    return Ask(id=new_ulid(0), device="glasses", kind="question", words=words, deadline_s=30)


def _say(text: str, folder: Path) -> np.ndarray:
    """(T,) int16 at 16 kHz of flite's kal16, which speaks at that rate."""
    if which("flite") is None:
        pytest.skip("no flite on this machine: apt-get install flite")
    path = folder / "say.wav"
    subprocess.run(["flite", "-voice", "kal16", "-t", text, "-o", str(path)], check=True)
    return np.frombuffer(path.read_bytes()[44:], np.int16)


def _silence(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 12, int(seconds * RATE)).astype(np.int16)


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory: pytest.TempPathFactory):
    made = PlainReasoner(MANUALS, tmp_path_factory.mktemp("log") / "log.db")
    yield made
    made.close()


@pytest.mark.e2e
def test_a_spoken_question_is_answered_from_the_right_section(reasoner, tmp_path) -> None:
    speech = _say("tagalong, how do i bleed a radiator?", tmp_path)
    clip = np.concatenate([_silence(2), speech, _silence(0.6)])
    result = reasoner.answer(_ask(), clip, lambda: False)
    assert result.source == "Boiler service, section Bleeding a radiator"


@pytest.mark.e2e
def test_only_the_last_utterance_counts(reasoner, tmp_path) -> None:
    earlier = _say("what do i do with a sprained ankle?", tmp_path)
    speech = _say("how much grease goes into a bearing?", tmp_path)
    clip = np.concatenate([earlier, _silence(1.5), speech, _silence(0.6)])
    result = reasoner.answer(_ask(), clip, lambda: False)
    assert result.source == "Workshop practice, section Bearing grease"


@pytest.mark.e2e
@pytest.mark.parametrize("sound", ["silence", "noise", "click", "nothing"])
def test_no_speech_is_not_caught(reasoner, sound: str) -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, 4 * RATE).astype(np.int16)
    click = _silence(3)
    click[RATE : RATE + 200] = 20_000
    clip = {"silence": _silence(12), "noise": noise, "click": click, "nothing": noise[:0]}[sound]
    assert reasoner.answer(_ask(), clip, lambda: False).outcome is Outcome.NOT_CAUGHT


@pytest.mark.e2e
def test_written_questions_choose_their_tool(reasoner) -> None:
    def answer(words: str):
        return reasoner.answer(_ask(words), None, lambda: False)

    assert answer("what is seventeen times four").sentences == ("17 times 4 is 68.",)
    assert "30.48" in answer("what is twelve inches in centimetres").sentences[0]
    assert answer("how often do I drain the compressor tank").source.endswith("Compressor tank")
    assert answer("who won the football game").outcome is Outcome.NOT_CAUGHT


@pytest.mark.e2e
def test_a_cancelled_question_has_no_answer(reasoner) -> None:
    assert reasoner.answer(_ask(), _silence(1), lambda: True) is None


@pytest.mark.e2e
def test_words_that_nobody_can_pronounce_do_not_stop_the_recogniser() -> None:
    sections = parse_manual("# X\n## Zqxxv pump\nThe zqxxv takes 3 bar. Fill the padlock.", "x")
    transcriber = Transcriber(sections)
    assert transcriber.unknown_words == ("zqxxv",)
    assert transcriber.hear(_silence(2)).terms == {}


@pytest.mark.unit
def test_the_last_utterance_is_cut_at_a_long_pause_only() -> None:
    tone = (8_000 * np.sin(np.arange(RATE) * 0.2)).astype(np.int16)
    short = np.concatenate([tone, _silence(0.7), tone])
    assert last_utterance(short).size > 2.6 * RATE
    long = np.concatenate([tone, _silence(1.4), tone])
    assert 1.0 * RATE <= last_utterance(long).size <= 1.5 * RATE


@pytest.mark.unit
def test_compounds_are_pronounced_and_the_rest_is_reported() -> None:
    known = {"pad": ["P AE D"], "lock": ["L AA K"], "the": ["DH AH", "DH IY"]}
    assert pronounce("padlock", known) == ["P AE D L AA K"]
    text, unknown = dictionary_text(["the", "zqxxv"], known)
    assert text == "the DH AH\nthe(2) DH IY\n" and unknown == ["zqxxv"]


@pytest.mark.unit
def test_the_model_is_a_whole_arpa_with_probabilities_below_one() -> None:
    model = Trigrams()
    model.add(["<s>", "open", "the", "valve", "</s>"], 2)
    model.add(["<s>", "open", "the", "door", "</s>"], 1)
    model.drop(["door"])
    lines = model.arpa().splitlines()
    assert "ngram 1=5" in lines and lines[-1] == "\\end\\"
    assert not any("door" in line for line in lines)
    figures = [float(line.split()[0]) for line in lines if line.startswith("-")]
    assert max(figures) < 0 and len(figures) == 5 + 4 + 3
