"""The scenario language: clear refusals, and expectations that can fail."""

from pathlib import Path

import pytest

from models.scenarios.script import Expect, Scenario, ScenarioError, check, load

pytestmark = pytest.mark.unit
SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_bundled_scenarios_load(path):
    assert load(path).expect


@pytest.mark.parametrize("text, part", [
    ("title = 'x'\nseconds = -1\n", "seconds"),
    ("title = 'x'\nseconds = 5\ncolour = 'red'\n", "colour"),
    ("title = 'x'\nseconds = 5\n[[say]]\nat_s = 1\n", "say.0.text"),
    ("title = ", "is no TOML"),
])
def test_a_bad_scenario_names_file_and_key(tmp_path, text, part):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=part) as caught:
        load(path)
    assert "bad.toml" in str(caught.value)


def _scenario(**expect) -> Scenario:
    return Scenario(title="x", seconds=9, expect=(Expect(**expect),))


EVENTS = [{"t_s": 2.0, "kind": "act", "text": "count_reps"},
          {"t_s": 4.0, "kind": "spoken", "start_s": 3.1, "end_s": 3.9, "text": "one"}]


@pytest.mark.parametrize("expect, met", [
    ({"kind": "act", "text": "count", "to_s": 3}, True),
    ({"kind": "act", "text": "count", "to_s": 1}, False),
    ({"kind": "act", "absent": True}, False),
    ({"kind": "act", "absent": True, "from_s": 3}, True),
    ({"kind": "spoken", "text": ["two", "one"], "to_s": 3.5}, True),
    ({"kind": "spoken", "times": 2}, False),
    ({"kind": "duck", "times": 0}, True),
])
def test_expectations(expect, met):
    assert (not check(_scenario(**expect), EVENTS)) is met
