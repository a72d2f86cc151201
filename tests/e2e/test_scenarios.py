"""Bundled scenarios through the whole program with the shipped weights: sound and video in,
what was expected checked on the events."""

import json
from pathlib import Path

import pytest

from daemon.events import to_line
from daemon.run import run_files
from models.scenarios import script

pytest.importorskip("cv2", reason="opencv is not installed: scenarios cannot be drawn")
from models.scenarios.render import render  # noqa: E402

pytestmark = pytest.mark.e2e
SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_scenario_goes_as_expected(path, tmp_path):
    sound, film = render(path, tmp_path / "in")
    events: list[dict] = []
    run_files(sound, film, tmp_path / "own.wav", broker="embedded", state_dir=tmp_path,
              listeners=[lambda e: events.append(json.loads(to_line(e)))])
    failures = script.check(script.load(path), events)
    story = [f"{e['t_s']:.1f} {e['kind']} {e.get('text')}" for e in events
             if e["kind"] not in ("stats", "spoken")]
    assert not failures, "\n".join(failures + story)
