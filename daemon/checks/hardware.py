"""What this machine has to hear, speak and see with; for `tagalong devices` and the checks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VIDIOC_QUERYCAP = 0x80685600
"""Source: linux/videodev2.h, _IOR('V', 0, struct v4l2_capability), 104 bytes."""
V4L2_CAP_VIDEO_CAPTURE = 0x00000001
V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x00001000


class AudioMissing(Exception):
    """No sound system can be asked; the message says why and what to do."""


@dataclass(frozen=True)
class AudioDevice:
    """A sound device as PortAudio lists it."""

    index: int
    name: str
    inputs: int
    """Channels that can be recorded."""
    outputs: int
    """Channels that can be played."""
    rate_hz: float


@dataclass(frozen=True)
class VideoDevice:
    """A camera as the kernel lists it."""

    path: Path
    name: str
    captures: bool
    """False for nodes that carry metadata only."""


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep the lines away that ALSA and JACK print about cards which nobody asked for."""
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextlib.contextmanager
def port_audio() -> Iterator[Any]:
    """PyAudio, ended afterwards.

    Raises:
        AudioMissing: PyAudio or PortAudio is not there.
    """
    try:
        import pyaudio
    except ImportError as error:
        raise AudioMissing(f"PyAudio cannot be imported: {error}") from error
    try:
        with quiet_stderr():
            audio = pyaudio.PyAudio()
    except OSError as error:
        raise AudioMissing(f"PortAudio does not start: {error}") from error
    try:
        yield audio
    finally:
        with quiet_stderr():
            audio.terminate()


def audio_devices(audio: Any) -> list[AudioDevice]:
    """All sound devices."""
    infos = [audio.get_device_info_by_index(i) for i in range(audio.get_device_count())]
    return [
        AudioDevice(
            int(info["index"]),
            str(info["name"]),
            int(info["maxInputChannels"]),
            int(info["maxOutputChannels"]),
            float(info["defaultSampleRate"]),
        )
        for info in infos
    ]


def find_audio(devices: list[AudioDevice], wanted: str, recording: bool) -> AudioDevice | None:
    """The device that a configured name means: `default`, a number, a name, or part of one."""
    usable = [d for d in devices if (d.inputs if recording else d.outputs) > 0]
    if wanted == "default":
        named = [d for d in usable if d.name == "default"]
        return (named or usable or [None])[0]
    if wanted.isdigit():
        return next((d for d in usable if d.index == int(wanted)), None)
    exact = [d for d in usable if d.name == wanted]
    part = [d for d in usable if wanted.lower() in d.name.lower()]
    return (exact or part or [None])[0]


def video_devices(folder: Path = Path("/dev")) -> list[VideoDevice]:
    """All video nodes, in the order of their numbers."""
    nodes = [path for path in folder.glob("video*") if path.name[5:].isdigit()]
    found = [_query(path) for path in sorted(nodes, key=lambda path: int(path.name[5:]))]
    return [device for device in found if device is not None]


def _query(path: Path) -> VideoDevice | None:
    """Ask a node what it is; None where it is no video device or may not be opened."""
    buffer = bytearray(104)
    try:
        with open(path, "rb", buffering=0) as node:
            fcntl.ioctl(node, VIDIOC_QUERYCAP, buffer, True)
    except OSError:
        return None
    _, card, _, _, capabilities, device = struct.unpack_from("16s32s32sIII", buffer)
    captures = (device or capabilities) & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)
    return VideoDevice(path, card.split(b"\0")[0].decode(errors="replace"), bool(captures))


def libcamera_names() -> list[str]:
    """Cameras that Picamera2 sees; empty where Picamera2 or libcamera is not installed."""
    try:
        from picamera2 import Picamera2

        return [str(info.get("Model", info.get("Id"))) for info in Picamera2.global_camera_info()]
    except (ImportError, RuntimeError, OSError):
        return []


def is_jetson(release: Path = Path("/etc/nv_tegra_release")) -> bool:
    """Whether this is an NVIDIA Jetson."""
    return release.exists()


def jetpack(release: Path = Path("/etc/nv_tegra_release")) -> str | None:
    """Release of Jetson Linux, for example `R36.4.3`; None elsewhere."""
    try:
        match = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", release.read_text())
    except OSError:
        return None
    return f"R{match.group(1)}.{match.group(2)}" if match else None
