"""The demo on a scenario of a few seconds: render, run, pictures; and again from what is there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from daemon.engines import WEIGHTS
from daemon.events import read_events
from daemon.senses.audio_files import read_audio
from tools.demo_run import Places, demo, main

pytestmark = pytest.mark.e2e

SCENARIO = """
title = "Four seconds"
seconds = 4.0
seed = 1
noise_db = -58.0

[voices]
wearer = "espeak:m7"

[[say]]
at_s = 0.5
text = "tagalong, count my squats"
"""


def test_demo_leaves_what_it_promises_and_renders_once(tmp_path: Path) -> None:
    if not Path(WEIGHTS).exists():
        pytest.skip(f"no weights at {WEIGHTS}")
    scenario = tmp_path / "four.toml"
    scenario.write_text(SCENARIO)
    places = Places(tmp_path / "out")
    for expected in ("rendering the scenario", "rendered already"):
        shown = io.StringIO()
        demo(scenario, places.out, Console(file=shown, width=200))
        assert expected in shown.getvalue()
        assert "4 s of sound and video" in shown.getvalue()
    for path in (places.film, places.picture, places.mix, places.own, places.events):
        assert path.stat().st_size > 500 and path.name in shown.getvalue()
    heard, mixed = len(read_audio(places.microphone)), len(read_audio(places.mix))
    assert heard == 64_000 and mixed >= heard
    assert [event.kind for event in read_events(places.events)][-1] == "end"


def test_demo_of_a_scenario_that_is_not_there(tmp_path: Path, capsys) -> None:
    assert main(["--scenario", str(tmp_path / "none.toml"), "--out", str(tmp_path)]) == 1
    assert "none.toml" in capsys.readouterr().err
