"""The scenario language: clear refusals, expectations that can fail, and what is rendered."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from models.scenarios.script import Expect, Scenario, ScenarioError, check, judge, load

pytestmark = pytest.mark.unit
SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))
HEAD = "title = 'x'\nseconds = 5\n"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_bundled_scenarios_load(path):
    assert load(path).expect


@pytest.mark.parametrize("text, part", [
    ("title = 'x'\nseconds = -1\n", "seconds = -1: it should be greater than 0"),
    (HEAD + "colour = 'red'\n", "colour = 'red': there is no such key"),
    (HEAD + "[[say]]\nat_s = 1\n", "say.0.text is missing"),
    (HEAD + "[[say]]\nat_s = 1\ntext = 'a'\nwho = 'bob'\n", r"say.0.who = 'bob' .*\(wearer\)"),
    (HEAD + "[[say]]\nat_s = 6\ntext = 'a'\n", "say.0 begins at 6 s, after the end at 5 s"),
    (HEAD + "[[say]]\nat_s = 1\ntext = 'a b'\npause = { after = 2, s = 1 }\n", "pause.after = 2"),
    (HEAD + "[[sound]]\nat_s = 1\nkind = 'bark'\n", "sound.0.kind = 'bark'.*'cough'"),
    (HEAD + "[[background]]\nfrom_s = 1\n", "background.0: either kind or file"),
    (HEAD + "[[background]]\nkind = 'hum'\nfrom_s = 3\nto_s = 2\n", "must be before to_s = 2"),
    (HEAD + "[[see]]\nfrom_s = 3\nkind = 'walk'\n[[see]]\nfrom_s = 1\nkind = 'walk'\n", "in order"),
    (HEAD + "[[expect]]\nkind = 'say'\nfrom_s = 3\nto_s = 2\n", "from_s = 3 must be before"),
    (HEAD + "[[expect]]\nkind = 'say'\nwithin_s = 2\n", "within_s needs after"),
    (HEAD + "[[expect]]\nkind = 'say'\nafter = 'a'\n", "expect.0.after = 'a' is no name"),
    (HEAD + "[[expect]]\nkind = 'say'\nabsent = true\ntimes = 2\n", "only one of absent"),
    (HEAD + 2 * "[[expect]]\nkind = 'say'\nname = 'a'\n", "expect.1.name = 'a' is taken"),
    ("title = ", "is no TOML"),
])
def test_a_bad_scenario_names_file_key_value_and_next_step(tmp_path, text, part):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=part) as caught:
        load(path)
    assert "bad.toml" in str(caught.value) and "next: " in str(caught.value)


def test_a_scenario_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ScenarioError, match="none.toml: cannot be read .*; next:"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe4'")
    with pytest.raises(ScenarioError, match="latin.toml: is no text in UTF-8"):
        load(tmp_path / "latin.toml")


def _scenario(*expects) -> Scenario:
    return Scenario(title="x", seconds=9, expect=tuple(Expect(**e) for e in expects))


EVENTS = [{"t_s": 2.0, "kind": "act", "text": "count_reps", "outcome": "done",
           "slots": {"item": "squats", "number": None}},
          {"t_s": 4.0, "kind": "spoken", "start_s": 3.1, "end_s": 3.9, "text": "one"},
          {"t_s": 5.0, "kind": "count", "count": 1}, {"t_s": 6.0, "kind": "count", "count": 2}]


@pytest.mark.parametrize("expect, met", [
    ({"kind": "act", "text": "count", "to_s": 3}, True),
    ({"kind": "act", "text": "count", "to_s": 1}, False),
    ({"kind": "act", "absent": True}, False),
    ({"kind": "act", "absent": True, "from_s": 3}, True),
    ({"kind": "spoken", "text": ["two", "one"], "to_s": 3.5}, True),
    ({"kind": "spoken", "times": 2}, False),
    ({"kind": "duck", "times": 0}, True),
    ({"kind": "act", "fields": {"outcome": "done", "slots": {"item": "squats"}}}, True),
    ({"kind": "act", "fields": {"slots": {"item": "lunges"}}}, False),
    ({"kind": "act", "fields": {"slots": {"colour": "red"}}}, False),
    ({"kind": "count", "sequence": ["1", "2"]}, True),
    ({"kind": "count", "sequence": ["1"]}, False),
    ({"kind": "count", "sequence": ["1"], "to_s": 5.5}, True),
])
def test_expectations(expect, met):
    assert (not check(_scenario(expect), EVENTS)) is met


@pytest.mark.parametrize("expect, met", [
    ({"kind": "spoken", "after": "asked", "within_s": 1.5}, True),
    ({"kind": "spoken", "after": "asked", "within_s": 1.0}, False),
    ({"kind": "act", "after": "asked", "absent": True, "from_s": 2.1}, True),
    ({"kind": "count", "after": "asked", "from_s": 5.5, "times": 1}, True),
])
def test_an_expectation_after_another(expect, met):
    scenario = _scenario({"kind": "act", "name": "asked"}, expect)
    assert (not check(scenario, EVENTS)) is met


def test_what_comes_after_something_that_never_happened_fails():
    scenario = _scenario({"kind": "duck", "name": "ducked"}, {"kind": "act", "after": "ducked"})
    assert check(scenario, EVENTS)[1] == "expected act after 'ducked'; 'ducked' never happened"


@pytest.mark.parametrize("expect, line", [
    ({"kind": "spoken", "text": "one", "to_s": 2.0},
     "spoken 'one' between 0 and 2 s; instead spoken 'one' at 3.1 s, 1.1 s after the window"),
    ({"kind": "act", "text": "stop", "to_s": 3.0},
     "act 'stop' between 0 and 3 s; instead act 'count_reps' (item = squats, done) at 2.0 s"),
    ({"kind": "spoken", "text": "two", "to_s": 3.0},
     "spoken 'two' between 0 and 3 s; nothing in the window; nearest: spoken 'one' at 3.1 s"),
    ({"kind": "yield"}, "yield; no yield in the whole session"),
    ({"kind": "count", "absent": True, "from_s": 4.0},
     "no count after 4 s; instead count '1' at 5.0 s, count '2' at 6.0 s"),
    ({"kind": "count", "times": 3},
     "count 3 times; instead 2 times: count '1' at 5.0 s, count '2' at 6.0 s"),
    ({"kind": "count", "sequence": ["1", "2", "3"]}, "count 1, 2, 3; instead 1, 2"),
    ({"kind": "act", "fields": {"slots": {"number": 4}}},
     "act (slots.number = 4); instead act 'count_reps' (item = squats, done) at 2.0 s"),
])
def test_a_failure_says_what_happened_instead(expect, line):
    assert check(_scenario(expect), EVENTS) == [f"expected {line}"]


def test_a_verdict_knows_when_it_was_reached():
    scenario = _scenario({"kind": "act", "name": "a"}, {"kind": "spoken", "after": "a"},
                         {"kind": "duck", "absent": True})
    assert [o.at_s for o in judge(scenario.expect, EVENTS)] == [2.0, 3.1, None]


def _level_db(pcm: np.ndarray) -> float:
    return float(20 * np.log10(pcm.astype(float).std() / 32768))


def test_backgrounds_have_their_level_and_time(tmp_path):
    render = pytest.importorskip("models.scenarios.render")
    with wave.open(str(tmp_path / "hall.wav"), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(16_000)
        f.writeframes((np.sin(np.arange(8_000) / 5) * 9_000).astype(np.int16).tobytes())
    scenario = Scenario(
        title="x", seconds=6, noise_db=-70, sound=[{"at_s": 5, "kind": "clank", "level_db": -6}],
        background=[{"kind": "music", "from_s": 1, "to_s": 2, "level_db": -30},
                    {"file": "hall.wav", "from_s": 3, "to_s": 4.5, "level_db": -20}])
    pcm = render.sound(scenario, tmp_path)
    levels = [_level_db(pcm[round(a * 16_000):round((a + 0.9) * 16_000)]) for a in (0, 1, 2, 3)]
    assert levels == pytest.approx([-70, -30, -70, -20], abs=1.5)
    assert np.abs(pcm[80_000:]).max() == pytest.approx(32768 / 2, rel=0.05)


def test_a_recording_or_a_voice_that_is_not_there_is_named(tmp_path):
    render = pytest.importorskip("models.scenarios.render")
    scenario = Scenario(title="x", seconds=2, background=[{"file": "hall.wav"}])
    with pytest.raises(ScenarioError, match="background.0.file = 'hall.wav': cannot be read"):
        render.sound(scenario, tmp_path)
    path = tmp_path / "s.toml"
    path.write_text(HEAD + "[voices]\nwearer = 'espeak:nobody'\n")
    with pytest.raises(ScenarioError, match="s.toml: voices.wearer = 'espeak:nobody'.*next:"):
        render.render(path, tmp_path)


def test_two_exercises_share_room_and_light():
    pytest.importorskip("cv2")
    from models.scenarios.render import pictures

    sets = [{"from_s": 0.5, "kind": "squat", "reps": 1, "period_s": 1},
            {"from_s": 2.5, "kind": "lunge", "reps": 1, "period_s": 1}]
    frames = pictures(Scenario(title="x", seconds=4, seed=25, noise_db=-60, see=sets)).astype(int)
    empty = pictures(Scenario(title="x", seconds=4, seed=25)).astype(int)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert change.argmax() == 19  # halfway through the break
    person = np.abs(frames - empty).mean(axis=3) > 40
    assert 0.01 < person.mean() < 0.3
