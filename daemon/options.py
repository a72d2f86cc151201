"""What one run was asked for on the command line, already merged with the configuration.

`daemon.run.run(config, options)` reads devices, engine and broker from here and only here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from daemon.config import BrokerUrl, Config, ConfigError

MEDIA_SUFFIXES = frozenset(
    ".wav .flac .mp3 .opus .ogg .m4a .aac .mp4 .webm .mkv .mov .avi .gif .mcap".split()
)
"""Endings that make a name without a folder a file rather than a device."""


DEVICE_PREFIXES = ("hw:", "plughw:", "gst:", "argus", "picamera2")
"""Beginnings that make a name a device, whatever signs follow."""


class Source(Enum):
    """What a `--microphone`, `--camera` or `--speaker` names."""

    NONE = "none"
    DEVICE = "device"
    FILE = "file"
    URL = "url"
    SYNTHETIC = "synthetic"
    """Made by the program itself."""


@dataclass(frozen=True)
class RunOptions:
    """One run; made by `daemon.commands` and by tests."""

    microphone: str = "default"
    """Device name, `none`, or path of a sound file."""
    camera: str = "auto"
    """Device name, `none`, path of a video file, or address."""
    speaker: str = "default"
    """Device name, `none`, or path of a WAV file to write."""
    events: Path | None = None
    """File that gets one JSON object a line."""
    record: Path | None = None
    """MCAP file that gets every micro-turn."""
    engine: str = "auto"
    """auto, onnx, torch, tensorrt, cuda or cuda-shim."""
    broker: str = "none"
    """none, embedded, or an address."""
    stepped: bool = False
    """True: stepped clock, as fast as the machine can. False: the devices' clock."""
    echo: Path | None = None
    """Impulse response through which the file microphone hears tagalong; None: no echo."""
    tail_s: float = 5.0
    """Longest time past the longest input until speech has drained, seconds."""
    state_dir: Path = Path("state")
    """Folder of ledger, outbox and mute; exists."""
    runtime_dir: Path = Path("state")
    """Folder of the control socket; exists."""
    control_mode: int = 0o600
    """Access to the control socket; below systemd the group may come, too."""
    notify_socket: str | None = None
    """Address of the service manager's socket, None when there is none."""

    @property
    def control_socket(self) -> Path:
        """Where `tagalong status` and `tagalong mute` reach this run."""
        return self.runtime_dir / "control"


@dataclass(frozen=True)
class FdbenchOptions:
    """One `tagalong fdbench`; made by `daemon.commands` and by tests."""

    tree: Path
    """Folder with Full-Duplex-Bench's samples somewhere below."""
    engine: str = "auto"
    """As in `RunOptions`."""
    broker: str = "none"
    """As in `RunOptions`."""
    addressing: Literal["name", "follow_up", "open"] = "open"
    """When words count as meant for tagalong; in this benchmark nobody says its name."""
    fresh: bool = False
    """Outputs of before are thrown away, else their samples are skipped."""
    json: bool = False
    """The summary for programs."""


def source_kind(name: str) -> Source:
    """Tell devices, files and addresses apart: by their form only, nothing is opened."""
    if name in ("none", "synthetic"):
        return Source(name)
    if name.startswith(DEVICE_PREFIXES):
        return Source.DEVICE
    if "://" in name:
        return Source.URL
    path = Path(name)
    if path.parts[:2] == ("/", "dev"):
        return Source.DEVICE
    if path.suffix.lower() in MEDIA_SUFFIXES or (os.sep in name):
        return Source.FILE
    return Source.DEVICE


def choose_clock(asked: str | None, microphone: str, camera: str) -> bool:
    """Whether the clock is stepped: with files it is, unless a sound card sets the pace.

    Raises:
        ConfigError: a stepped clock was asked for and a sound card would set the pace.
    """
    sound, picture = source_kind(microphone), source_kind(camera)
    live = Source.DEVICE in (sound, picture) or Source.URL in (sound, picture)
    if asked == "stepped" and live:
        raise ConfigError(
            f"--clock stepped needs files or none, but microphone is {microphone!r} and camera "
            f"is {camera!r}; next: name files for both, or leave out --clock"
        )
    if asked is not None:
        return asked == "stepped"
    return not live and Source.FILE in (sound, picture)


def check_broker_url(url: str) -> str:
    """An address from the command line.

    Raises:
        ConfigError: `broker.url` would not take it either.
    """
    try:
        return TypeAdapter(BrokerUrl).validate_python(url)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--broker {url}: must be {reason}") from None


def check_files(options: RunOptions) -> None:
    """Refuse before anything starts what cannot be read or written.

    Raises:
        ConfigError: names the option and the file.
    """
    for flag, name in (("--microphone", options.microphone), ("--camera", options.camera)):
        if source_kind(name) is Source.FILE:
            check_readable(flag, Path(name))
    if options.echo is not None:
        check_readable("--echo", options.echo)
    if source_kind(options.speaker) is Source.FILE:
        _writable("--speaker", Path(options.speaker))
        if not options.speaker.lower().endswith(".wav"):
            better = Path(options.speaker).with_suffix(".wav")
            raise ConfigError(
                f"--speaker {options.speaker}: only .wav files can be written; "
                f"next: --speaker {better}"
            )
    for flag, path in (("--events", options.events), ("--record", options.record)):
        if path is not None:
            _writable(flag, path)


def check_readable(flag: str, path: Path) -> None:
    """Refuse what is no file that this user may read. Raises ConfigError."""
    if path.is_dir():
        raise ConfigError(f"{flag} {path}: is a folder, a file was expected; next: ls {path}")
    if not path.is_file():
        raise ConfigError(f"{flag} {path}: there is no such file; next: ls {path.parent}")
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{flag} {path}: may not be read by this user; next: ls -l {path}")


def _writable(flag: str, path: Path) -> None:
    folder = path.parent
    if path.is_dir():
        raise ConfigError(f"{flag} {path}: is a folder, a file was expected; next: ls {path}")
    if not folder.is_dir():
        raise ConfigError(f"{flag} {path}: there is no folder {folder}; next: mkdir -p {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"{flag} {path}: may not be written by this user; next: ls -ld {path}")


def state_folder(config: Config, environment: dict[str, str]) -> Path:
    """The configured folder, else systemd's, else the user's."""
    if config.session.state_dir is not None:
        return config.session.state_dir
    if "STATE_DIRECTORY" in environment:
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    base = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '/tmp')}/.local/state"
    return Path(base) / "tagalong"


def runtime_folder(state_dir: Path, environment: dict[str, str]) -> Path:
    """systemd's runtime folder, else the user's, else the state folder."""
    if "RUNTIME_DIRECTORY" in environment:
        return Path(environment["RUNTIME_DIRECTORY"].split(":")[0])
    if environment.get("XDG_RUNTIME_DIR"):
        return Path(environment["XDG_RUNTIME_DIR"]) / "tagalong"
    return state_dir
