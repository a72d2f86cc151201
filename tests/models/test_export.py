"""The export: which switches it takes over, and which operators it writes."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="torch is not installed: training parts untested")

from models.config import ModelConfig  # noqa: E402
from models.export import SWITCHES, parse  # noqa: E402

pytestmark = pytest.mark.unit

KNOWN = replace(ModelConfig(), heard_bias=0.5, act_bias=1.0, floor_bias=-0.5, counter="similarity",
                pictures=False)


def test_switches_are_inherited():
    assert parse(KNOWN, ["--weights", "final.pt"])[1] == KNOWN


@pytest.mark.parametrize("option, changed", [
    (["--pictures"], {"pictures": True}), (["--no-pictures"], {"pictures": False}),
    (["--counter", "phase"], {"counter": "phase"}), (["--act-bias", "0.25"], {"act_bias": 0.25}),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_an_option_changes_its_switch_alone(option, changed):
    assert parse(KNOWN, ["--weights", "final.pt", *option])[1] == replace(KNOWN, **changed)


def test_sizes_come_from_the_code_and_not_from_the_known_file():
    """The weights were trained with the sizes of the code that exports them."""
    other = replace(KNOWN, layers=2, window_turns=7)
    made = parse(other, ["--weights", "final.pt"])[1]
    assert made == replace(ModelConfig(), **{name: getattr(other, name) for name in SWITCHES})
