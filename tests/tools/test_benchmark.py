"""The benchmark's scoring on made-up events and sound, and its items' split."""

import numpy as np
import pytest

from tools.benchmark import score

pytestmark = pytest.mark.unit
RATE = 16_000


def _tone(start_s: float, stop_s: float, seconds: float = 4.0, level: float = 0.1) -> np.ndarray:
    out = np.zeros(int(seconds * RATE), np.int16)
    t = np.arange(int(start_s * RATE), int(stop_s * RATE)) / RATE
    out[int(start_s * RATE) : int(stop_s * RATE)] = level * 32767 * np.sin(2 * np.pi * 440 * t)
    return out


@pytest.mark.parametrize("said, heard, errors", [
    ("count my squats", "count my squats", 0), ("count my squats", "count squats", 1),
    ("count my squats", "the count my rows", 2), ("stop", "", 1), ("", "stop", 1),
])
def test_word_errors_are_the_edit_distance(said, heard, errors):
    assert score.word_errors(said.split(), heard.split()) == errors


def test_first_sound_is_found_and_quiet_noise_is_not():
    assert score.first_sound_s(_tone(1.53, 2.0), 1.0, 3.0) == pytest.approx(1.53, abs=0.011)
    assert score.first_sound_s(_tone(1.53, 2.0), 2.1, 3.0) is None
    assert score.first_sound_s(_tone(1.5, 2.0, level=0.001), 1.0, 3.0) is None


def test_silence_must_last():
    gap = _tone(0.0, 1.0) + _tone(1.3, 2.0)
    assert score.silent_from_s(gap, 0.5, 4.0) == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("spoken, last, near", [
    ([(1.2, 1), (2.2, 2), (3.2, 3)], 3, True),
    ([(1.2, 1), (2.1, 2)], 2, True),
    ([(1.2, 1)], 0, False),
    ([], 0, False),
    ([(2.2, 5)], 5, False),
])
def test_only_the_last_number_after_the_last_but_one_repetition_counts(spoken, last, near):
    assert score.within_one(spoken, [1.0, 2.0, 3.0]) == (last, near)


def test_slots_are_equal_only_with_all_values():
    assert score.same_slots({"number": 5}, {"number": 5, "unit": None})
    assert not score.same_slots({"number": 5}, {"number": 5, "unit": "hour"})
    assert not score.same_slots({"number": 5, "unit": "hour"}, {"number": 5})


def test_tuning_items_and_reported_items_share_no_voice():
    pytest.importorskip("scipy", reason="scipy is not installed: items cannot be made")
    from models.scenarios import voices
    reported, tuning = set(voices.speakers(False)), set(voices.speakers(False, True))
    assert reported and tuning and not reported & tuning
    assert not (reported | tuning) & set(voices.speakers(True))
