"""The command line: what is handed on, what is refused, and what a newcomer reads."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from daemon import cli
from daemon.commands import live, shared, worker
from daemon.config import Config
from daemon.control import ControlServer, mute_handlers
from daemon.mute import MuteControl, MuteStore, Reason, Sensor
from daemon.options import RunOptions

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any file of tagalong's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET",
                 "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CONFIGURATION_DIRECTORY"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shared, "SYSTEM_SOCKET", tmp_path / "no-system-daemon")
    monkeypatch.setattr(shared, "SYSTEM_CONFIG", tmp_path / "no-system-config")
    for module in (live, worker):
        monkeypatch.setattr(module, "start_logging", lambda: None)
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Config, RunOptions]]:
    """Runs `tagalong run` up to the border of the daemon and returns what crosses it."""
    crossed: list[tuple[Config, RunOptions]] = []
    border = ModuleType("daemon.run")
    border.run = lambda config, options: crossed.append((config, options)) or 0  # type: ignore
    monkeypatch.setitem(sys.modules, "daemon.run", border)

    def run(*arguments: str) -> tuple[Config, RunOptions]:
        assert cli.main(["run", *arguments]) == 0
        return crossed.pop()

    return run


def test_run_hands_on_every_flag(ran: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("in.wav", "in.mp4", "room.wav"):
        (tmp_path / name).write_bytes(b"")
    _, options = ran(
        *f"--microphone {tmp_path}/in.wav --camera {tmp_path}/in.mp4 --speaker {tmp_path}/o.wav "
        f"--events {tmp_path}/e.jsonl --record {tmp_path}/r.mcap --engine onnx --broker embedded "
        f"--echo {tmp_path}/room.wav --tail 2.5".split()
    )
    assert options == RunOptions(
        microphone=f"{tmp_path}/in.wav",
        camera=f"{tmp_path}/in.mp4",
        speaker=f"{tmp_path}/o.wav",
        events=tmp_path / "e.jsonl",
        record=tmp_path / "r.mcap",
        engine="onnx",
        broker="embedded",
        stepped=True,
        echo=tmp_path / "room.wav",
        tail_s=2.5,
        state_dir=tmp_path / ".local/state/tagalong",
        runtime_dir=tmp_path / ".local/state/tagalong",
    )
    assert options.state_dir.is_dir()


def test_flags_win_over_the_file_and_the_file_over_defaults(
    ran: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / ".config" / "tagalong"
    folder.mkdir(parents=True)
    (folder / "tagalong.toml").write_text(
        "[microphone]\ndevice = 'usb'\n[speaker]\ndevice = 'none'\n[session]\nstate_dir = 's'\n"
    )
    config, options = ran("--microphone", "none", "--camera", "none", "--echo", "none")
    assert (options.microphone, options.speaker, options.echo) == ("none", "none", None)
    assert options.state_dir == folder / "s" and config.microphone.device == "usb"
    assert not options.stepped, "without files the devices' clock runs"


def test_systemds_folders_are_used(
    ran: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE", "RUNTIME", "CONFIGURATION"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"{name}_DIRECTORY", str(tmp_path / name))
    monkeypatch.setenv("NOTIFY_SOCKET", "@notify")
    (tmp_path / "CONFIGURATION" / "tagalong.toml").write_text("[voice]\nvolume = 0.1\n")
    config, options = ran()
    assert config.voice.volume == 0.1 and options.notify_socket == "@notify"
    assert options.control_mode == 0o660
    assert options.state_dir == tmp_path / "STATE"
    assert options.control_socket == tmp_path / "RUNTIME" / "control"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("run --engine onxx", "invalid choice: 'onxx'"),
        ("run --microphone gone.wav", "--microphone gone.wav: there is no such file"),
        ("run --microphone /tmp/", "--microphone /tmp: is a folder, a file was expected"),
        ("replay gone.mcap", "replay gone.mcap: there is no such file; next: ls"),
        ("run --broker http://x", "--broker http://x: must be none, embedded, mqtt://HOST"),
        ("run --tail -1", "--tail -1: must be a number from 0 to 600"),
        ("run --clock stepped", "--clock stepped needs files"),
        ("run --config gone.toml", "gone.toml: cannot be read: No such file"),
        ("run --events no/such/e.jsonl", "there is no folder no/such; next: mkdir -p"),
        ("run --speaker out.mp3", "only .wav files can be written"),
        ("mute camera --for 3x", "--for '3x' is not a duration such as 10m"),
        ("mute nose", "invalid choice: 'nose'"),
        ("background", "broker none cannot be reached from another process"),
        ("replay r.mcap --speed 0", "--speed 0: must be a number above 0"),
        ("dance", "invalid choice: 'dance'"),
        ("", "required: VERB"),
    ],
)
def test_misuse_is_said_with_exit_code_2(
    arguments: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(arguments.split())
    except SystemExit as exit:
        code = exit.code  # argparse leaves by itself
    assert code == 2 and expected in capsys.readouterr().err


def test_without_a_daemon_the_next_command_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["status"], ["mute", "all"], ["unmute", "camera"]):
        assert cli.main(arguments) == 1
        assert "No tagalong is running" in capsys.readouterr().err


def test_status_and_mute_talk_to_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "tagalong").mkdir()
    mute = MuteControl()
    handlers = mute_handlers(mute, lambda: 0.0, lambda: {"turns": 3})
    with ControlServer(tmp_path / "tagalong" / "control", handlers):
        assert cli.main(["mute", "microphone", "--for", "10m"]) == 0
        assert "microphone: muted (command), 600 s left\ncamera: open" in capsys.readouterr().out
        assert mute.muted(Sensor.MICROPHONE)
        assert cli.main(["status", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["turns"] == 3 and report["sensors"]["microphone"]["muted"]
        assert cli.main(["status"]) == 0 and "turns" in capsys.readouterr().out
        mute.hardware(Sensor.MICROPHONE, True, 0.0)
        assert cli.main(["unmute", "all"]) == 1
        assert "only the switch lifts it" in capsys.readouterr().err


def test_background_hands_on_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed: list[list[str]] = []
    border = ModuleType("daemon.background.worker")
    border.main = lambda argv: crossed.append(argv) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "daemon.background.worker", border)
    path = tmp_path / "server.toml"
    path.write_text("[broker]\nurl = 'mqtts://b.example'\n[background]\nmanuals = 'm'\n")
    assert cli.main(["background", "--config", str(path), "--name", "bench"]) == 0
    log = tmp_path / ".local/state/tagalong/workout.db"
    assert crossed == [
        f"--broker mqtts://b.example --manuals {tmp_path}/m --workout-log {log} --name bench "
        "--concurrency 2".split()
    ]


def test_doctor_exits_with_1_on_failure_and_opens_nothing_that_is_muted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / ".local/state/tagalong"
    state.mkdir(parents=True)
    MuteControl(MuteStore(state / "mute.json")).mute((Sensor.CAMERA,), Reason.SPOKEN, 0.0)
    broken = tmp_path / "broken.toml"
    broken.write_text("[engine]\nname = 'onxx'\n")
    arguments = ["doctor", "--json", "--microphone", "none", "--speaker", "none"]
    assert cli.main([*arguments, "--config", str(broken)]) == 1
    found = {entry["check"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert "engine.name = 'onxx': must be one of" in found["config"]["cause"]
    assert found["camera"]["cause"] == "muted, so it was not opened"
    assert found["microphone"]["result"] == "ok"


def test_devices_lists_three_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["devices"]) == 0
    text = capsys.readouterr().out
    assert all(f"--{kind}" in text for kind in ("microphone", "speaker", "camera"))
    assert cli.main(["devices", "--json"]) == 0
    assert {"sound", "cameras"} <= set(json.loads(capsys.readouterr().out))


VERBS = ("run", "doctor", "devices", "status", "mute", "unmute", "replay", "rehearse", "fdbench",
         "background")  # fmt: skip


def test_every_verb_has_its_function() -> None:
    operands = {"mute": ["all"], "unmute": ["all"], "replay": ["f"], "rehearse": ["f"],
                "fdbench": ["d"]}  # fmt: skip
    for verb in VERBS:
        arguments = cli._parser().parse_args([verb, *operands.get(verb, [])])
        module = importlib.import_module(f"daemon.commands.{arguments.module}")
        assert callable(getattr(module, verb))


def test_help_is_quick_and_has_examples() -> None:
    code = "import sys; from daemon import cli; sys.argv[1:] = ['--help']; cli.main()"
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=ROOT, capture_output=True, text=True, timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert loaded.returncode == 0 and "tagalong doctor" in loaded.stdout
    assert "nothing leaves it unless a broker is set" in loaded.stdout
    for slow in ("numpy", "onnxruntime", "pydantic"):
        assert slow not in loaded.stderr
    for verb in VERBS:
        assert f"    {verb}" in loaded.stdout
