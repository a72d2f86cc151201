"""`tagalong rehearse`: exit codes, what is printed, drawn and left, with the program stood in for;
one rehearsal of a few seconds through the program itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from daemon import cli, rehearse
from daemon.drawing.picture import GREEN
from daemon.drawing.story import RED
from daemon.engines import WEIGHTS
from daemon.events import Event, to_line
from daemon.senses.audio_files import WavWriter, read_audio
from models.scenarios.script import ScenarioError
from tools.video import FilmWriter

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """
title = "Four squats"
seconds = 4.0
[[say]]
at_s = 0.5
text = "tagalong, count my squats"
[[expect]]
kind = "act"
text = "count_reps"
fields = { outcome = "done" }
from_s = 1.0
to_s = 2.0
name = "asked"
"""
HOLDS = '[[expect]]\nkind = "say"\ntext = "counting"\nafter = "asked"\nwithin_s = 1\n'
FAILS = '[[expect]]\nkind = "say"\ntext = "four"\nfrom_s = 3.0\nto_s = 4.0\n'


def event(t_s: float, kind: str, text: str | None = None, **data: Any) -> Event:
    return Event(t_s, round(t_s / 0.2) - 1, kind, text, data)


EVENTS = [event(1.4, "heard", "count"), event(1.6, "heard", "my squats"),
          event(1.6, "act", "count_reps", outcome="done", slots={"item": "squats"}),
          event(1.8, "say", "counting squats", cause="act:count_reps"),
          event(2.6, "spoken", "counting squats", start_s=1.9, end_s=2.5, utterance=0),
          event(3.6, "say", "three", cause="count:squats")]


def _sound(path: Path, level: int) -> None:
    writer = WavWriter(path)
    writer.append(np.full(64_000, level, np.int16))
    writer.close()


class Stage:
    """Stands in for the program: plays `EVENTS` whatever is said to it."""

    model_loaded = None

    def __init__(self, config: Any = None, model: Any = None) -> None:
        self.config = config

    def run_files(self, microphone: Path, camera: Path, speaker: Path, events: Path,
                  **more: Any) -> None:
        assert microphone.is_file() and camera.is_file() and more["broker"] == "embedded"
        _sound(speaker, 500)
        events.write_text("".join(to_line(e) + "\n" for e in EVENTS))


@pytest.fixture(name="stage")
def stage_instead_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(path: Path, folder: Path) -> None:
        _sound(folder / "input.wav", 1000)
        film = FilmWriter(folder / "input.mp4", 160, 120, 10)
        for _ in range(40):
            film.picture(np.full((120, 160, 3), 90, np.uint8))
        film.close()

    monkeypatch.setattr(rehearse, "_render", render)
    monkeypatch.setattr(rehearse, "Runner", Stage)


def write(folder: Path, *parts: str) -> Path:
    path = folder / "squats.toml"
    path.write_text("".join(parts))
    return path


@pytest.mark.unit
@pytest.mark.parametrize(("more", "status"), [(HOLDS, 0), (HOLDS + FAILS, 1)])
def test_exit_status_and_last_line(stage: None, tmp_path: Path, capsys: Any, more: str,
                                   status: int) -> None:
    path = write(tmp_path, SCENARIO, more)
    assert cli.main(["rehearse", str(path), "--out", str(tmp_path / "out")]) == status
    shown = capsys.readouterr().out
    assert ("PASSED  Four squats  2 of 2 expectations hold" in shown) is (status == 0)
    assert ("FAILED  Four squats  2 of 3 expectations hold" in shown) is (status == 1)


@pytest.mark.unit
def test_the_timeline_has_the_verdicts_in_their_place(stage: None, tmp_path: Path) -> None:
    played = rehearse.rehearse(write(tmp_path, SCENARIO, HOLDS, FAILS), tmp_path / "out")
    lines = [line.plain for line in rehearse.timeline(played)]
    assert "1.6 s  heard    count my squats" in lines[0]
    assert "1.6 s  ok       act 'count_reps' (outcome = done) between 1 and 2 s" in lines[2]
    assert "1.8 s  ok       say 'counting' within 1 s after 'asked'" in lines[4]
    assert "3.6 s  says     three" in lines[5]
    assert ("4.0 s  FAILED   expected say 'four' between 3 and 4 s; instead say 'three' at 3.6 s"
            in lines[6])


@pytest.mark.unit
def test_json_for_programs(stage: None, tmp_path: Path, capsys: Any) -> None:
    path = write(tmp_path, 'known_failure = "slow"\n', SCENARIO, FAILS)
    assert cli.main(["rehearse", str(path), "--out", str(tmp_path / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False and told["known_failure"] == "slow"
    assert [e["passed"] for e in told["expectations"]] == [True, False]
    assert told["expectations"][1]["instead"] == "instead say 'three' at 3.6 s"
    assert all(Path(file).is_file() for file in told["files"].values())


@pytest.mark.unit
def test_files_go_below_out_by_the_scenario_s_name(stage: None, tmp_path: Path,
                                                   monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["rehearse", str(write(tmp_path, SCENARIO))]) == 0
    left = {path.name for path in (tmp_path / "out" / "rehearse" / "squats").iterdir()}
    assert left == set(rehearse.FILES.values())
    mixed = read_audio(tmp_path / "out" / "rehearse" / "squats" / "mix.wav")
    assert mixed[100] == 1500 and len(mixed) == 64_000


@pytest.mark.unit
def test_the_picture_shows_where_which_expectation_failed(stage: None, tmp_path: Path) -> None:
    played = rehearse.rehearse(write(tmp_path, SCENARIO, FAILS), tmp_path / "out")
    image = np.asarray(Image.open(rehearse.draw(played)).convert("RGB")).astype(int)

    def columns(tint: str) -> np.ndarray:
        rgb = [int(tint[i:i + 2], 16) for i in (1, 3, 5)]
        lane = np.abs(image[-94:] - rgb).sum(axis=2) < 40  # the lane at the bottom
        return (np.flatnonzero(lane.sum(axis=0) > 1) - 156) / 82.2  # in seconds

    assert columns(GREEN).min() == pytest.approx(1.0, abs=0.1)
    assert columns(RED).min() == pytest.approx(3.0, abs=0.1)


@pytest.mark.unit
@pytest.mark.parametrize(("text", "part"), [
    ("title = 3", "squats.toml: title = 3"),
    (SCENARIO + '[[expect]]\nkind = "sya"\n', r"expect.1.kind = 'sya': expected one of .*heard"),
    (SCENARIO + '[[expect]]\nkind = "act"\nfields = { result = 1 }\n',
     "expect.1.fields has result, but act has only slots, confidence, outcome, reason"),
])
def test_a_file_that_cannot_be_used_is_2(tmp_path: Path, capsys: Any, text: str, part: str) -> None:
    path = write(tmp_path, text)
    assert cli.main(["rehearse", str(path), "--out", str(tmp_path / "out")]) == 2
    with pytest.raises(ScenarioError, match=part):
        rehearse.load(path)
    told = capsys.readouterr()
    assert told.err.startswith(f"tagalong rehearse: {path}: ") and "next: " in told.err
    assert not told.out and not (tmp_path / "out").exists()


@pytest.mark.unit
def test_the_daemon_starts_without_what_only_this_command_needs() -> None:
    code = ("import sys, daemon.cli, daemon.run; "
            "print([m for m in ('PIL', 'rich', 'daemon.drawing', 'models.scenarios') "
            "if m in sys.modules])")
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_few_seconds_through_the_program(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("cv2", reason="opencv is not installed: scenarios cannot be drawn")
    if not Path(WEIGHTS).exists():
        pytest.skip(f"no weights at {WEIGHTS}")
    quiet = '[[expect]]\nkind = "say"\nabsent = true\n'
    text = 'title = "Nothing"\nseconds = 2.0\n' + quiet
    assert cli.main(["rehearse", str(write(tmp_path, text)), "--out", str(tmp_path / "o")]) == 0
    text += '[voices]\nwearer = "espeak:nobody"\n'
    assert cli.main(["rehearse", str(write(tmp_path, text)), "--out", str(tmp_path / "o")]) == 2
    assert "espeak:nobody" in capsys.readouterr().err
