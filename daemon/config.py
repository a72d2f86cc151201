"""One TOML file becomes one frozen tree; everything below the command line reads only this tree.

Reads no environment. Relative paths count from the file's folder.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (AfterValidator, BaseModel, ConfigDict, Field, ValidationError,
                      ValidationInfo, model_validator)

from daemon.refusal import refusal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BROKER_SCHEMES = {"mqtt": 1883, "mqtts": 8883}  # and their default ports


class ConfigError(ValueError):
    """A configuration that cannot be used; names file, key, value and what is allowed."""


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the folder of the file that names them."""
    folder = (info.context or {}).get("folder")
    return folder / path if folder is not None else path


def _port(parts: SplitResult) -> int | None:
    """urlsplit refuses a bad port only when asked for it."""
    try:
        return parts.port
    except ValueError:
        raise ValueError("an address whose port is from 1 to 65535") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _broker_url(url: str) -> str:
    if url not in ("none", "embedded"):
        parts = urlsplit(url)
        if parts.scheme not in BROKER_SCHEMES or not parts.hostname or parts.path.strip("/"):
            raise ValueError("none, embedded, mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        if parts.username or parts.password:
            raise ValueError("an address without a password in it (use broker.password_file)")
        if parts.scheme == "mqtt" and not _is_loopback(parts.hostname):
            raise ValueError("mqtts://HOST[:PORT] away from this machine: the link is encrypted")
        _port(parts)
    return url


def _file_or_url(where: str, info: ValidationInfo) -> str:
    """A URL as it is; a path as `_from_folder`. Secrets come by file."""
    if "://" not in where:
        return str(_from_folder(Path(where), info))
    if urlsplit(where).password:
        raise ValueError("a URL without a password in it (use ?passfile=FILE)")
    return where


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_from_folder)]
FileOrUrl = Annotated[str, AfterValidator(_file_or_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]


class Section(BaseModel):
    """A table of the file: frozen, unknown keys refused, no silent conversion of strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False,
                              use_attribute_docstrings=True, validate_default=True)


class MicrophoneConfig(Section):
    """Where sound comes in."""

    device: str = Field("default", min_length=1)
    """Name or part of the name of a sound device, `default`, `none`, or a sound file."""
    echo_cancel: bool = True
    """Remove tagalong's own voice from the microphone; off only for headsets that do it."""


class CameraConfig(Section):
    """Where pictures come in."""

    device: str = Field("auto", min_length=1)
    """`auto`, `none`, `/dev/videoN`, `picamera2`, `argus`, a video file or `rtsp://...`."""
    fps: int = Field(10, ge=1, le=60)
    """Frames a second asked of the camera; tagalong uses at most 10."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Clockwise turn that makes the picture upright, degrees."""
    latency_ms: int = Field(0, ge=0, le=1000)
    """Age of a frame at its timestamp, milliseconds; for cameras that stamp on arrival."""


class SpeakerConfig(Section):
    """Where the voice goes out."""

    device: str = Field("default", min_length=1)
    """Name or part of the name of a sound device, `default`, `none`, or a WAV file to write."""
    latency_ms: int = Field(40, ge=0, le=1000)
    """From the card's callback to the ear, milliseconds."""
    duck_db: float = Field(-15.0, ge=-40.0, le=0.0)
    """Level while somebody talks over it, decibels."""


class VoiceConfig(Section):
    """How it sounds."""

    name: str = Field("auto", min_length=1)
    """`auto`, `flite[:VOICE]`, `espeak[:VOICE]`, or a Piper `.onnx` file."""
    rate: float = Field(1.0, ge=0.5, le=2.0)
    """Speed, 1 is the voice's own."""
    volume: float = Field(0.8, ge=0.0, le=1.0)
    """Level at start; `louder` and `quieter` change it while it runs."""


class EngineConfig(Section):
    """What runs the interaction model."""

    name: Literal["auto", "onnx", "torch", "tensorrt", "cuda", "cuda-shim"] = "auto"
    """`auto` takes the fastest that this machine has."""
    weights: FilePath | None = None
    """Exported model; without one the bundled weights are used."""
    threads: int = Field(1, ge=1, le=16)
    """Threads of the CPU engine; more than 1 is usually slower."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp16"
    """Of the engine that TensorRT runs; build it with `tagalong build-engine`."""


class AddressingConfig(Section):
    """When words count as meant for tagalong."""

    mode: Literal["name", "follow_up", "open"] = "follow_up"
    """`name`: only after its name; `follow_up`: also shortly after an exchange; `open`: always."""
    window_s: float = Field(8.0, ge=1.0, le=60.0)
    """Length of the follow-up window after an exchange, seconds."""


class BrokerConfig(Section):
    """The MQTT 5 broker between the device and the background worker."""

    url: BrokerUrl = "none"
    """`none`, `embedded` (one on loopback), `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`."""
    device: str = Field("glasses", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    """Name of this device in the topics."""
    ca_file: FilePath | None = None
    """Certificates that the broker's is checked against; without one the system's."""
    cert_file: FilePath | None = None
    """Certificate of this device, when the broker asks for one."""
    key_file: FilePath | None = None
    """Private key of `cert_file`."""
    username: str | None = None
    """User at the broker."""
    password_file: FilePath | None = None
    """File whose first line is the password."""
    metered: Literal["auto", "yes", "no"] = "auto"
    """Whether the network costs by the byte: then sound and pictures stay on the device, and the
    words go alone. `auto` asks NetworkManager."""

    @model_validator(mode="after")
    def _pairs(self) -> BrokerConfig:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file come together")
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs username")
        return self

    @property
    def tls(self) -> bool:
        """Whether the link is encrypted."""
        return self.url.startswith("mqtts:")

    @property
    def host(self) -> str | None:
        """Host of the broker, None for `none` and `embedded`."""
        return urlsplit(self.url).hostname

    @property
    def port(self) -> int | None:
        """Port of the broker, None for `none` and `embedded`."""
        parts = urlsplit(self.url)
        return parts.port or BROKER_SCHEMES.get(parts.scheme)


class GovernorConfig(Section):
    """How often it may speak unasked."""

    quiet: bool = False
    """Start in quiet mode: only answers and what was asked for."""
    unasked_per_hour: int = Field(6, ge=0, le=60)
    """Most unasked utterances in an hour."""
    unasked_gap_s: float = Field(60.0, ge=0.0, le=3600.0)
    """Least time between two of them, seconds."""


Policy = Literal["never", "ask", "when_delegated"]


class PrivacyConfig(Section):
    """What may leave the device with a question; nothing else ever does. `ask`: each time it is
    asked "may I send ...?", and without a yes the question goes without."""

    conversation: Policy = "when_delegated"
    """What was said lately, and what runs."""
    audio: Policy = "when_delegated"
    """The sound of the question."""
    audio_s: float = Field(12.0, ge=0.0, le=12.0)
    """Longest sound, seconds."""
    pictures: Policy = "never"
    """At most two frames go with a question that points at a sight ("what is this?"). Off until
    the wearer wants it: others are in them."""


class LightConfig(Section):
    """The light that follows the open camera and microphone."""

    kind: Literal["none", "led", "gpio", "tone"] = "none"
    """`led`: a folder of /sys/class/leds; `gpio`: a line; `tone`: a tone at opening and closing."""
    led: FilePath | None = None
    """Folder of the LED, for example /sys/class/leds/capture."""
    chip: FilePath = Path("/dev/gpiochip0")
    """GPIO chip, for `gpio`."""
    line: int | None = Field(None, ge=0, le=511)
    """Line of the chip, for `gpio`."""
    active_low: bool = False
    """Whether the light is on at low level, for `gpio`."""

    @model_validator(mode="after")
    def _complete(self) -> LightConfig:
        if self.kind == "led" and self.led is None:
            raise ValueError("kind = \"led\" needs led, a folder of /sys/class/leds")
        if self.kind == "gpio" and self.line is None:
            raise ValueError("kind = \"gpio\" needs line, 0 to 511")
        return self


class ButtonConfig(Section):
    """A mute button or a hardware mute switch."""

    kind: Literal["none", "evdev", "gpio"] = "none"
    """`evdev`: a key of an input device; `gpio`: a line."""
    sensor: Literal["microphone", "camera", "all"] = "all"
    """What it mutes."""
    switch: bool = False
    """True: its position is a hardware mute, which no software lifts. False: each press toggles."""
    device: FilePath | None = None
    """Input device, for `evdev`, for example /dev/input/by-path/platform-gpio-keys-event."""
    code: int = Field(113, ge=0, le=767)
    """Key or switch code, for `evdev`; 113 is KEY_MUTE, 248 KEY_MICMUTE, 14 SW_MUTE_DEVICE."""
    chip: FilePath = Path("/dev/gpiochip0")
    """GPIO chip, for `gpio`."""
    line: int | None = Field(None, ge=0, le=511)
    """Line of the chip, for `gpio`."""
    active_low: bool = True
    """Whether pressed is low level, for `gpio`."""

    @model_validator(mode="after")
    def _complete(self) -> ButtonConfig:
        if self.kind == "evdev" and self.device is None:
            raise ValueError("kind = \"evdev\" needs device, an input device")
        if self.kind == "gpio" and self.line is None:
            raise ValueError("kind = \"gpio\" needs line, 0 to 511")
        return self


class SessionConfig(Section):
    """What outlives a process."""

    state_dir: FilePath | None = None
    """Folder of ledger, outbox and mute; without one systemd's or the user's state folder."""
    tail_s: float = Field(5.0, ge=0.0, le=600.0)
    """With files: longest time past the longest input until speech has drained, seconds."""


class RoutinesConfig(Section):
    """Workouts, procedures and recipes that it leads through."""

    folder: FilePath | None = None
    """Folder of the wearer's own routines; one of the same name takes the place of one shipped."""
    key_frames: bool = True
    """While one runs, keep what is seen at the end of each step for its report; not when muted."""


class BackgroundConfig(Section):
    """The worker on the server and the device's patience with it."""

    name: str = Field("worker", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    """Name of this worker in the topics."""
    manuals: FilePath | None = None
    """Folder of manuals (*.md, *.txt, *.pdf); without one the bundled ones."""
    workout_log: FileOrUrl | None = None
    """File of the workout log; without one it lies in the state folder. A log that workers share is
    a URL: `postgresql+psycopg://USER@HOST/DATABASE?passfile=/etc/tagalong/pgpass`."""
    agent: FilePath | None = None
    """Settings of a language model behind it (daemon/background/agent_config.py), another TOML."""
    concurrency: int = Field(2, ge=1, le=64)
    """Questions worked on at once."""
    deadline_s: float = Field(30.0, ge=2.0, le=600.0)
    """Time after which a delegation without an answer is given up aloud, seconds."""


class PageConfig(Section):
    """A page that shows captions, count, mute, open questions and cards; it changes nothing."""

    port: int = Field(0, ge=0, le=65535)
    """Port on this machine's loopback address, 0 for no page. Whoever is logged in can read it."""


class Config(Section):
    """Everything that can be set; every value has a default that works."""

    microphone: MicrophoneConfig = MicrophoneConfig()
    camera: CameraConfig = CameraConfig()
    speaker: SpeakerConfig = SpeakerConfig()
    voice: VoiceConfig = VoiceConfig()
    engine: EngineConfig = EngineConfig()
    addressing: AddressingConfig = AddressingConfig()
    broker: BrokerConfig = BrokerConfig()
    governor: GovernorConfig = GovernorConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    light: LightConfig = LightConfig()
    button: ButtonConfig = ButtonConfig()
    session: SessionConfig = SessionConfig()
    routines: RoutinesConfig = RoutinesConfig()
    background: BackgroundConfig = BackgroundConfig()
    page: PageConfig = PageConfig()


def load_config(path: Path | None = None) -> Config:
    """Read a configuration; None gives the defaults.

    Raises:
        ConfigError: the file cannot be read, is not TOML (names the line), or holds values that are
            not allowed (names every one of them).
    """
    if path is None:
        return Config()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return parse_config(tree, path)


def parse_config(tree: dict[str, Any], path: Path) -> Config:
    """Check a tree of tables that was read from `path`.

    Raises:
        ConfigError: one line for each value that is not allowed.
    """
    try:
        return Config.model_validate(tree, context={"folder": path.parent})
    except ValidationError as error:
        lines = [f"{path}: {refusal(problem, Config)}" for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from error
