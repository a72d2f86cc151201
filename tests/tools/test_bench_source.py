"""Items of training, of tuning and of the reported figures share nothing that could be learned."""

import hashlib
from itertools import combinations

import pytest

pytest.importorskip("scipy", reason="scipy is not installed: items cannot be made")

from models.splits import tuning_quarter  # noqa: E402
from tools.benchmark import commands, interpret, localise, questions, words  # noqa: E402
from tools.benchmark.source import COLUMNS, REAL, SEEN, TUNING_SEEDS, UNSEEN, Source  # noqa: E402

pytestmark = pytest.mark.unit
TRAINED, REPORTED, TUNED = Source(SEEN), Source(UNSEEN), Source(UNSEEN, TUNING_SEEDS)
REAL_SETS = ("speech_commands", "fsdd_digits", "barista_commands", "wake_words", "conversation",
             "noise", "read_speech", "reps_exercise", "reps_quva", "gauges")


def test_voices_of_training_tuning_and_reports_are_disjoint():
    voices = [set(source.voices()) for source in (TRAINED, REPORTED, TUNED)]
    assert all(voices)
    assert not any(a & b for a, b in combinations(voices, 2))


def test_reported_sentences_are_in_neither_training_nor_tuning():
    trained, reported, tuned = ({" ".join(s) for s in source.sentences()}
                                for source in (TRAINED, REPORTED, TUNED))
    assert reported and not reported & (trained | tuned)


def test_reported_questions_are_not_those_that_settings_were_tried_on():
    reported, tuned = ({say for say, _ in questions.asked(t)} for t in (False, True))
    assert len(reported) >= 50 and not reported & tuned


def test_reported_phrases_are_in_neither_training_nor_tuning():
    trained, reported, tuned = ({p.english for p in interpret.phrases(s)}
                                for s in (TRAINED, REPORTED, TUNED))
    assert len(interpret.phrasebook()) >= 300
    assert reported and not reported & (trained | tuned)


@pytest.mark.parametrize("name", REAL_SETS)
def test_reported_recordings_are_not_those_of_tuning(name, real_data):
    reported, tuned = ({row["path"] for row in Source(REAL, seed).recorded(name)}
                       for seed in (1, TUNING_SEEDS))
    assert reported and not reported & tuned


@pytest.mark.parametrize("name, column", [
    ("speech_commands", "speaker"), ("wake_words", "pseudo_speaker"),
    ("reps_exercise", "source_group"), ("reps_quva", "source_group"), ("gauges", "device")])
def test_all_recordings_of_one_speaker_or_device_are_on_one_side(name, column, real_data):
    reported, tuned = ({row[column] for row in Source(REAL, seed).recorded(name)}
                       for seed in (1, TUNING_SEEDS))
    assert not reported & tuned


def test_photos_of_tuning_are_those_of_training(real_data):
    trained, reported, tuned = ({p.name for p in s.stills().exercises}
                                for s in (TRAINED, REPORTED, TUNED))
    assert reported and not reported & (trained | tuned)


def test_seeds_of_tuning_and_reports_never_meet():
    seeds = [{Source(UNSEEN, seed).item_seed(n) for n in range(500)}
             for seed in (1, 2, TUNING_SEEDS, TUNING_SEEDS + 1)]
    assert not any(a & b for a, b in combinations(seeds, 2))


def test_backgrounds_of_two_seeds_differ_although_the_command_may_be_the_same():
    sounds = {hashlib.sha256(commands.make(Source(UNSEEN, seed), 0).pcm.tobytes()).digest()
              for seed in (1, 2, TUNING_SEEDS)}
    assert len(sounds) == 3


def test_an_item_says_the_same_at_the_same_time_whenever_it_is_made():
    """Not the same samples: espeak-ng's voices flutter from one utterance to the next."""
    first, second = (commands.make(REPORTED, 5) for _ in range(2))
    assert first.name == second.name and first.truth["words"] == second.truth["words"]
    assert first.truth["end_s"] == pytest.approx(second.truth["end_s"], abs=0.02)


def test_real_suites_are_empty_without_the_recordings(monkeypatch, tmp_path):
    from models.scenarios import recordings
    from tools.benchmark import source
    monkeypatch.setattr(recordings, "DATA", tmp_path)
    source._recorded.cache_clear()
    absent = Source(REAL, 77)  # a seed of which `words` keeps nothing
    assert words.SUITE.size(absent) == localise.SUITE.size(absent) == 0
    source._recorded.cache_clear()


def test_the_tuning_quarter_is_a_quarter_rounded_down_and_the_same_in_any_order():
    names = [f"n{i}" for i in range(11)]
    assert len(tuning_quarter("kind", names)) == 2
    assert tuning_quarter("kind", names) == tuning_quarter("kind", reversed(names))
    assert not tuning_quarter("kind", ["alone"])


def test_every_column_has_a_name():
    assert COLUMNS == ("seen", "unseen", "real")
