"""Spoken questions through the real recogniser: found, or honestly not caught."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from daemon.background.language import Trigrams, dictionary_text, pronounce, question_model
from daemon.background.reasoner import PlainReasoner
from daemon.background.tools.manual_files import parse_manual
from daemon.background.transcribe import Transcriber, last_utterance, lattice_words
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
    shown = reasoner.answer(_ask("what is this"), None, lambda: False, [b"jpeg"])
    assert shown.outcome is Outcome.FAILED and "cannot look" in shown.sentences[0]
    unknown = answer("who won the football game")
    assert unknown.outcome is Outcome.FAILED and "not in the manuals" in unknown.sentences[0]


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


def _model() -> Trigrams:
    model = Trigrams()
    model.add(["<s>", "open", "the", "valve", "</s>"], 2)
    model.add(["<s>", "open", "the", "door", "</s>"], 1)
    return model


def _grams(arpa: str) -> dict[tuple[str, ...], tuple[float, float]]:
    """n-gram -> (probability, back-off factor) of an ARPA text."""
    found, order = {}, 0
    for line in arpa.splitlines():
        if line.endswith("-grams:"):
            order = int(line[1])
        elif order and line.startswith("-"):
            figure, *rest = line.split()
            back = float(rest[order]) if len(rest) > order else 0.0
            found[tuple(rest[:order])] = (10 ** float(figure), 10**back)
    return found


def _probability(grams: dict[tuple[str, ...], tuple[float, float]], gram: tuple[str, ...]) -> float:
    if gram in grams:
        return grams[gram][0]
    return grams.get(gram[:-1], (0.0, 1.0))[1] * _probability(grams, gram[1:])


@pytest.mark.unit
def test_the_model_is_a_whole_arpa() -> None:
    model = _model()
    model.drop(["door"])
    lines = model.arpa().splitlines()
    assert "ngram 1=5" in lines and lines[-1] == "\\end\\"
    assert not any("door" in line for line in lines)
    assert len(_grams(model.arpa())) == 5 + 4 + 3


@pytest.mark.unit
@pytest.mark.parametrize("context", [(), ("the",), ("open", "the"), ("valve",), ("door", "valve")])
def test_the_probabilities_after_a_context_add_up_to_one(context: tuple[str, ...]) -> None:
    grams = _grams(_model().arpa())
    words = ("open", "the", "valve", "door", "</s>")
    total = sum(_probability(grams, (*context, word)) for word in words)
    assert total == pytest.approx(1.0, abs=2e-3)


@pytest.mark.unit
def test_other_forms_of_the_manuals_words_can_be_recognised() -> None:
    sections = parse_manual("# X\n## Leak\nThe tap drips.", "x")
    words = question_model(sections, ["dripping", "dripped", "zebra"]).words
    assert "dripping" in words and "dripped" in words and "zebra" not in words


_LATTICE = """N=4\tL=4
I=0\tt=0.90\tW=!SENT_END\tv=1
I=1\tt=0.50\tW=valve\tv=1
I=2\tt=0.40\tW=value\tv=1
I=3\tt=0.00\tW=!SENT_START\tv=1
I=4\tt=0.52\tW=valve\tv=2
J=0\tS=1\tE=0\ta=-1.0\tp=0.5
J=1\tS=4\tE=0\ta=-1.0\tp=0.25
J=2\tS=2\tE=0\ta=-2.0\tp=0.25
J=3\tS=3\tE=1\ta=-1.0\tp=1
"""


@pytest.mark.unit
def test_posteriors_of_a_words_nodes_are_added() -> None:
    assert lattice_words(_LATTICE) == {"valve": 0.75, "value": 0.25}
