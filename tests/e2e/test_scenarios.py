"""Bundled scenarios through the whole program with the shipped weights: sound and video in,
what was expected checked on the events."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.engines import WEIGHTS
from daemon.rehearse import rehearse, timeline
from daemon.run import Runner
from models.scenarios.script import load

pytest.importorskip("cv2", reason="opencv is not installed: scenarios cannot be drawn")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))


@pytest.fixture(scope="module")
def runner() -> Runner:
    """Network and voice, loaded once."""
    if not Path(WEIGHTS).exists():
        pytest.skip(f"no weights at {WEIGHTS}")
    return Runner()


def _cases() -> list:
    """Each file; one with a known failure must fail, so that it is noticed when it passes."""
    return [pytest.param(path, id=path.stem, marks=[pytest.mark.xfail(
        reason=reason, strict=True, raises=AssertionError)] if (reason := load(path).known_failure)
        else []) for path in SCENARIOS]


@pytest.mark.parametrize("path", _cases())
def test_scenario_goes_as_expected(path: Path, tmp_path: Path, runner: Runner) -> None:
    played = rehearse(path, tmp_path, runner)
    told = "\n".join(line.plain for line in timeline(played))
    assert played.passed, "\n".join([*played.failures, told])


def test_at_least_twelve_are_shipped() -> None:
    assert len(SCENARIOS) >= 12
    assert all(10 <= load(path).seconds <= 90 for path in SCENARIOS)
