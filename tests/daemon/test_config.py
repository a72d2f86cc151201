"""The configuration: defaults, refusals that name file, key, value and range, and its example."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.config import Config, ConfigError, load_config
from daemon.ears import KEEP_S
from daemon.options import RunOptions, Source, check_files, choose_clock, source_kind

pytestmark = pytest.mark.unit

EXAMPLE = Path(__file__).resolve().parents[2] / "systemd" / "tagalong.toml"


def refusal(folder: Path, text: str) -> str:
    path = folder / "tagalong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert all(line.startswith(f"{path}: ") for line in str(caught.value).splitlines())
    return str(caught.value)


def test_defaults_need_no_file() -> None:
    config = load_config(None)
    assert config.addressing.mode == "follow_up"
    assert config.broker.url == "none" and config.broker.port is None
    assert config == Config()


def test_values_are_read_and_the_tree_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "tagalong.toml"
    broker = '[broker]\nurl = "mqtts://b.example"\nca_file = "ca.pem"\n'
    path.write_text(broker + "[voice]\nvolume = 1\n")
    config = load_config(path)
    assert (config.broker.tls, config.broker.host, config.broker.port) == (True, "b.example", 8883)
    assert config.broker.ca_file == tmp_path / "ca.pem"
    assert config.voice.volume == 1.0
    with pytest.raises(ValueError):
        config.voice.volume = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[camera]\nlatency_ms = -3", "camera.latency_ms = -3: must be a whole number from 0 to"),
        ("[camera]\nfps = '20'", "camera.fps = '20': must be a whole number from 1 to 60"),
        ("[privacy]\naudio_s = 30.0", "audio_s = 30.0: must be a number from 0 to"),
        ("[microphone]\necho_cancel = 'no'", "echo_cancel = 'no': must be true or false"),
        ("[camera]\nrotate = 45", "camera.rotate = 45: must be one of 0, 90, 180, 270"),
        ("[camera]\ndevice = 3", "camera.device = 3: must be text (`auto`, `none`"),
        ("[voice]\nvolume = nan", "voice.volume = nan: must be a number from 0 to 1"),
        ("[engine]\nname = 'onxx'", "engine.name = 'onxx': must be one of auto, onnx, torch, tens"),
        ("[engine]\nweights = 3", "engine.weights = 3: must be text (Exported model"),
        ("[addressing]\nmode = 'x'", "addressing.mode = 'x': must be one of name, follow_up, open"),
        ("[broker]\nurl = 'http://h'", "broker.url = 'http://h': must be none, embedded, mqtt://"),
        ("[broker]\nurl = 'mqtt://[::1]:99999'", "must be an address whose port is from 1 to"),
        ("[broker]\nurl = 'mqtt://h.example'", "must be mqtts://HOST[:PORT] away from this mach"),
        ("[broker]\nurl = 'mqtt://u:p@h'", "without a password in it"),
        ("[broker]\ndevice = 'a/#'", "broker.device = 'a/#': must be text of small letters"),
        ("[broker]\nkey_file = 'k'", "[broker]: cert_file and key_file come together"),
        ("[broker]\npassword_file = 'k'", "[broker]: password_file needs username"),
        ("[light]\nkind = 'led'", '[light]: kind = "led" needs led, a folder'),
        ("[light]\nkind = 'gpio'", '[light]: kind = "gpio" needs line, 0 to 511'),
        ("[button]\nkind = 'evdev'", '[button]: kind = "evdev" needs device'),
        ("microphone = 3", "microphone = 3: must be a table, [microphone]"),
        ("[camera]\nfsp = 3", "camera.fsp: unknown key; did you mean camera.fps?"),
        ("[camera]\nzzz = 3", "camera.zzz: unknown key; known here: device, fps"),
        ("[brokr]\nurl = 'none'", "brokr: unknown key; did you mean broker?"),
        ("a = \nb", "not valid TOML: Invalid value (at line 1, column 5)"),
    ],
)
def test_refusals_name_key_value_and_range(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    text = refusal(tmp_path, "[camera]\nfps = 0\n[voice]\nrate = 9\n")
    assert [line.split(": ")[1].split(" ")[0] for line in text.splitlines()] == [
        "camera.fps",
        "voice.rate",
    ]


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 2\)"):
        load_config(binary)


def test_every_key_is_documented() -> None:
    for name, section in Config.model_fields.items():
        for key, field in section.annotation.model_fields.items():  # type: ignore[union-attr]
            assert field.description, f"{name}.{key} has no description"


def _dotted(node: ast.expr) -> list[str]:
    """`self._config.camera` as its names; unknown expressions have none."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


def _aliases(function: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Local names of a function and what they stand for, as in `light = self._config.light`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            tuples = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            for name, meant in zip(target.elts, value.elts) if tuples else [(target, value)]:
                yield ".".join(_dotted(name)), _dotted(meant)


def _read_keys(source: str) -> Iterator[str]:
    """`section.key` of every attribute that is read of a section of the configuration."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            aliases = dict(_aliases(function))
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute):
                    *owner, key = _dotted(node) or [""]
                    if len(owner) == 1:
                        owner = aliases.get(owner[0], [])
                    if len(owner) > 1 and owner[-2].lstrip("_") == "config":
                        yield f"{owner[-1]}.{key}"


def test_every_key_is_read_by_what_runs() -> None:
    """A key that only the doctor or a benchmark looks at does nothing."""
    modules = [path for path in (EXAMPLE.parents[1] / "daemon").rglob("*.py")
               if "checks" not in path.parts and not path.name.startswith("fdbench")]
    read = {key for path in modules for key in _read_keys(path.read_text())}
    keys = {f"{name}.{key}" for name, section in Config.model_fields.items()
            for key in section.annotation.model_fields}  # type: ignore[union-attr]
    assert keys - read == set()


def test_no_more_sound_can_be_attached_than_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tagalong.toml"
    path.write_text(f"[privacy]\naudio_s = {KEEP_S}\n")
    assert load_config(path).privacy.audio_s == KEEP_S
    assert "from 0 to 12" in refusal(tmp_path, f"[privacy]\naudio_s = {KEEP_S + 0.1}\n")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", Source.NONE),
        ("default", Source.DEVICE),
        ("hw:0,0", Source.DEVICE),
        ("hw:CARD=x/y", Source.DEVICE),
        ("/dev/video0", Source.DEVICE),
        ("USB Audio 2.0", Source.DEVICE),
        ("gst:v4l2src device=/dev/video0", Source.DEVICE),
        ("picamera2:1", Source.DEVICE),
        ("synthetic", Source.SYNTHETIC),
        ("squats.wav", Source.FILE),
        ("in/squats", Source.FILE),
        ("rtsp://glasses/1", Source.URL),
    ],
)
def test_sources_are_told_apart(name: str, kind: Source) -> None:
    assert source_kind(name) is kind


def test_files_step_the_clock_and_sound_cards_do_not() -> None:
    assert choose_clock(None, "a.wav", "none")
    assert choose_clock(None, "none", "a.mp4")
    assert not choose_clock(None, "none", "none")
    assert not choose_clock(None, "default", "a.mp4")
    assert not choose_clock("device", "a.wav", "none")
    assert choose_clock("stepped", "none", "none")
    with pytest.raises(ConfigError, match="--clock stepped needs files"):
        choose_clock("stepped", "default", "none")


def test_missing_files_are_refused_before_anything_starts(tmp_path: Path) -> None:
    missing = str(tmp_path / "a.wav")
    with pytest.raises(ConfigError, match="--microphone .*a.wav: there is no such file"):
        check_files(RunOptions(microphone=missing))
    with pytest.raises(ConfigError, match="--events .*: there is no folder .*mkdir -p"):
        check_files(RunOptions(events=tmp_path / "no" / "e.jsonl"))
    with pytest.raises(ConfigError, match="--record .*: is a folder"):
        check_files(RunOptions(record=tmp_path))
    with pytest.raises(ConfigError, match="only .wav files can be written"):
        check_files(RunOptions(speaker=str(tmp_path / "a.mp3")))
    check_files(RunOptions(speaker=missing, events=tmp_path / "e.jsonl"))


def test_example_file_is_valid_and_names_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text()
    load_config(EXAMPLE)
    for name, section in Config.model_fields.items():
        assert f"[{name}]" in text
        part = text.split(f"[{name}]")[1].split("\n[")[0]
        for key in section.annotation.model_fields:  # type: ignore[union-attr]
            assert f"{key} = " in part, f"{name}.{key} is missing in {EXAMPLE.name}"
