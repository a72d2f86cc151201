"""What goes wrong is said clearly, by name and with a next step, and the rest goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from daemon.background.broker import free_port
from daemon.cli import main
from daemon.config import Config, EngineConfig, VoiceConfig
from daemon.options import RunOptions
from daemon.run import Runner, run
from daemon.senses.camera import NoCamera
from tests.e2e.scripted import (
    SQUATS,
    Script,
    command,
    noise,
    of,
    read_lines,
    write_sound,
    write_video,
)

pytestmark = pytest.mark.e2e
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def sound(tmp_path) -> Path:
    return write_sound(tmp_path / "in.wav", noise(4.0))


def refusal(capsys, tmp_path: Path, config: Config = Config(), model=None, **options) -> str:
    """What `tagalong run` says when it does not even begin."""
    files = {"microphone": "none", "camera": "none", "speaker": "none", **options}
    status = run(config, RunOptions(stepped=True, state_dir=tmp_path, runtime_dir=tmp_path,
                                    **{k: str(v) if k in files else v
                                       for k, v in files.items()}),
                 Runner(config, model=model))
    assert status == 1
    return capsys.readouterr().err


def unusable(folder: Path) -> dict[str, Path]:
    """Files that cannot be used, by what is wrong with them."""
    files = {"empty": b"", "text": b"this is no sound and no picture\n" * 9,
             "random": np.random.default_rng(0).bytes(5000)}
    for name, content in files.items():
        (folder / f"{name}.wav").write_bytes(content)
        (folder / f"{name}.mp4").write_bytes(content)
    return {name: folder / name for name in files}


@pytest.mark.parametrize("kind", ["empty", "text", "random"])
@pytest.mark.parametrize(("flag", "suffix"), [("microphone", ".wav"), ("camera", ".mp4")])
def test_an_unreadable_file_is_refused_by_name(capsys, tmp_path, kind, flag, suffix):
    path = unusable(tmp_path)[kind].with_suffix(suffix)
    said = refusal(capsys, tmp_path, model=Script(), **{flag: path})
    assert said.startswith("tagalong: ") and path.name in said
    assert len(said.strip().splitlines()) == 1


def test_sound_without_a_picture_and_the_other_way_round(capsys, tmp_path, sound):
    video = write_video(tmp_path / "v.mp4", 5)
    assert "no sound track" in refusal(capsys, tmp_path, model=Script(), microphone=video)
    assert "no video" in refusal(capsys, tmp_path, model=Script(), camera=sound)


def test_missing_weights_are_refused_with_the_next_step(capsys, tmp_path):
    config = Config(engine=EngineConfig(weights=tmp_path / "none.onnx"))
    said = refusal(capsys, tmp_path, config)
    assert "none.onnx: there are no weights; next:" in said


def test_an_unknown_voice_is_refused_before_anything_starts(capsys, tmp_path, sound):
    config = Config(voice=VoiceConfig(name="nobody"))
    out = tmp_path / "out.wav"
    assert "'nobody'" in refusal(capsys, tmp_path, config, Script(), microphone=sound, speaker=out)
    assert not out.exists()


def test_a_broker_that_cannot_be_used_is_refused(capsys, tmp_path):
    said = refusal(capsys, tmp_path, model=Script(), broker="mqtt://example.org")
    assert "TLS is required" in said


def command_line(*arguments: str) -> subprocess.CompletedProcess:
    """The real program, in a process of its own."""
    return subprocess.run([sys.executable, "-m", "daemon.cli", *arguments], cwd=REPOSITORY,
                          env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, timeout=60,
                          capture_output=True, text=True)


def test_unknown_engine_and_bad_toml_and_missing_files_end_the_command_with_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "--engine", "vulkan"])
    assert ended.value.code == 2 and "'vulkan'" in capsys.readouterr().err
    config = tmp_path / "tagalong.toml"
    config.write_text("[voice]\nrate = 9\n")
    assert main(["run", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert str(config) in said and "voice.rate = 9" in said and "0.5 to 2" in said
    config.write_text("[voice\n")
    assert main(["run", "--config", str(config)]) == 2
    assert main(["run", "--microphone", str(tmp_path / "absent.wav")]) == 2
    assert "absent.wav: there is no such file" in capsys.readouterr().err


def test_the_program_itself_says_one_line_and_no_traceback(tmp_path):
    (tmp_path / "bad.toml").write_text('[engine]\nname = "gpu"\n')
    ended = command_line("run", "--config", str(tmp_path / "bad.toml"))
    assert ended.returncode == 2
    assert "engine.name = 'gpu'" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize(("name", "codec", "rest"), [
    ("in.mp3", "libmp3lame", np.random.default_rng(0).bytes(9_000)),
    ("in.flac", "flac", b""),
], ids=["noise from the middle on", "cut off within a frame"])
def test_a_damaged_sound_file_is_told_aloud_and_the_rest_goes_on(tmp_path, name, codec, rest):
    path = write_sound(tmp_path / name, noise(8.0, 3000.0), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + rest)
    video = write_video(tmp_path / "v.mp4", 90)
    events = tmp_path / "e.jsonl"
    script = Script({40: SQUATS, 44: {"counted": 1}})
    Runner(model=script).run_files(path, video, events=events)
    lines = read_lines(events)
    (told,) = of(lines, "error")
    assert told["where"] == "microphone" and name in told["text"]
    assert [e["text"] for e in of(lines, "spoken")] == [
        "I cannot hear you any more. The microphone is gone.", "counting squats", "one"]
    assert [bool(turn.audio.any()) for turn in script.turns[:30]] == [True] * 20 + [False] * 10


def test_a_truncated_video_ends_and_the_sound_goes_on(tmp_path, sound):
    path = write_video(tmp_path / "v.mkv", 100, codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    events = tmp_path / "e.jsonl"
    Runner(model=Script({15: SQUATS})).run_files(sound, path, events=events)
    assert [e["text"] for e in of(read_lines(events), "spoken")] == ["counting squats"]


def test_a_broker_that_is_away_costs_only_the_answer(tmp_path, sound):
    events = tmp_path / "e.jsonl"
    plan = {3: command("ask", "what", "torque"), 15: SQUATS}
    Runner(model=Script(plan)).run_files(
        sound, events=events, broker=f"mqtt://127.0.0.1:{free_port()}", tail_s=15.0)
    lines = read_lines(events)
    spoken = [e["text"] for e in of(lines, "spoken")]
    assert "counting squats" in spoken
    assert any("no answer" in text for text in spoken), spoken
    assert of(lines, "answer")[-1]["status"] == "expired"


class BrokenScript(Script):
    """A network that fails outright in its sixth micro-turn."""

    def step(self, turn):
        if turn.index == 5:
            raise RuntimeError("the graph is broken")
        return super().step(turn)


def test_a_network_that_fails_ends_the_run_and_nothing_written_is_lost(tmp_path, sound):
    events, out = tmp_path / "e.jsonl", tmp_path / "out.wav"
    with pytest.raises(RuntimeError, match="the graph is broken"):
        Runner(model=BrokenScript({1: SQUATS})).run_files(sound, speaker=out, events=events)
    lines = read_lines(events)
    assert lines[-1]["kind"] == "end" and lines[-1]["text"] == "failed"
    assert of(lines, "say")[0]["text"] == "counting squats"
    assert out.stat().st_size > 44


def test_sigterm_ends_a_live_run_in_order(tmp_path):
    """No devices at all: the session runs on the monotonic clock until it is told to stop."""
    child = subprocess.Popen(
        [sys.executable, "-c", IDLE, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True)
    events = tmp_path / "e.jsonl"
    deadline = time.monotonic() + 60
    while not (events.exists() and of(read_lines(events), "heard")):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate(timeout=20)
    assert child.returncode == 0 and "stopped after" in said
    assert of(read_lines(events), "end")[0]["text"] == "stopped"
    assert not (tmp_path / "control").exists()


IDLE = """
import sys
from pathlib import Path
from daemon.config import Config
from daemon.options import RunOptions
from daemon.run import Runner, run
from tests.e2e.scripted import Script

folder = Path(sys.argv[1])
options = RunOptions("none", "none", "none", folder / "e.jsonl", state_dir=folder,
                     runtime_dir=folder)
sys.exit(run(Config(), options, Runner(model=Script({2: {"heard": ("hello",)}}))))
"""


def test_without_a_camera_the_loop_finds_all_that_it_reads_of_one():
    """What the source reads of `parts.camera`, read from the source."""
    used = {name for path in (REPOSITORY / "daemon").glob("*.py")
            for name in re.findall(r"parts\.camera\.(\w+)", path.read_text(encoding="utf-8"))}
    assert {"frames", "problem", "dropped"} <= used
    camera = NoCamera()
    assert {name for name in used if not hasattr(camera, name)} == set()
    assert camera.frames(1.0) == [] and camera.problem is None and camera.dropped == 0
