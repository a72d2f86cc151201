"""Glasses with a sound card that exists only in software: a private PulseAudio for one test.

Two wires: what is played into `mic_wire` is heard by the source `glasses_mic`; what tagalong plays
to `glasses_ear` can be captured from its monitor, and leaked back into `mic_wire` as an echo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

LATENCY_MS = 80
"""Buffers of the sound server. 20 ms work on an idle machine; a busy one needs more."""
MODULES = (  # without norewinds a sink renders 2 s ahead while nobody plays to it
    "module-null-sink sink_name=mic_wire rate=16000 channels=1 norewinds=1",
    "module-remap-source master=mic_wire.monitor source_name=glasses_mic",
    "module-null-sink sink_name=glasses_ear rate=24000 channels=1 norewinds=1",
)
ALSA_CONFIG = """\
ctl.default { type pulse }
pcm.default { type pulse hint.description "default" }
pcm.glasses_mic { type pulse device "glasses_mic" hint.description "glasses mic" }
pcm.glasses_ear { type pulse device "glasses_ear" hint.description "glasses ear" }
"""
"""Complete: no real cards, so that PortAudio lists exactly these names."""


class VirtualGlasses:
    """The running sound server and the wearer's side of both wires."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen] = []
        self._server: subprocess.Popen | None = None

    # -- the server ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start the sound server and wait until it answers."""
        socket = self._folder / "native"
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
                   "--use-pid-file=no", "--realtime=no", "--high-priority=no",
                   "-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"]
        for module in MODULES:
            command += ["-L", module]
        own = {**os.environ, "PULSE_RUNTIME_PATH": str(self._folder), "HOME": str(self._folder)}
        with (self._folder / "pulse.log").open("ab") as log:
            self._server = subprocess.Popen(command, env=own, stdout=log, stderr=log)
        self._until(lambda: "glasses_ear" in self.pactl("list", "short", "sinks", check=False),
                    "pulseaudio does not start")

    def _until(self, happened: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + 10
        while not happened():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{problem}: {(self._folder / 'pulse.log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server, as if the card were pulled out."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def close(self) -> None:
        """End all that runs."""
        for process in self._processes:
            process.kill()
            process.wait()
        self.stop()

    def pactl(self, *words: str, check: bool = True) -> str:
        """Answer of one pactl command."""
        result = subprocess.run(["pactl", *words], capture_output=True, text=True, timeout=10)
        if check and result.returncode:
            raise RuntimeError(f"pactl {' '.join(words)}: {result.stderr}")
        return result.stdout

    @property
    def listeners(self) -> int:
        """Programs that capture from the glasses' microphone."""
        sources = {line.split()[1]: line.split()[0]
                   for line in self.pactl("list", "short", "sources").splitlines()}
        mic = sources["glasses_mic"]
        return sum(line.split()[1] == mic
                   for line in self.pactl("list", "short", "source-outputs").splitlines())

    # -- the wearer's side --------------------------------------------------------------------

    def speak(self, sound: np.ndarray) -> subprocess.Popen:
        """Play (n,) int16 at 16 kHz into the microphone; returns at once."""
        return self._stream("pacat", "mic_wire", sound)

    def leak(self, percent: int) -> None:
        """From now on the microphone also hears what the loudspeaker plays, at `percent` volume."""
        self.pactl("load-module", "module-loopback", "source=glasses_ear.monitor",
                   "sink=mic_wire", f"latency_msec={LATENCY_MS}")
        inputs = self.pactl("list", "short", "sink-inputs").splitlines()
        self.pactl("set-sink-input-volume", inputs[-1].split()[0], f"{percent}%")

    def quiet(self) -> None:
        """Take the leak away again."""
        self.pactl("unload-module", "module-loopback", check=False)

    @contextmanager
    def capture(self, device: str = "glasses_ear.monitor") -> Iterator[Path]:
        """Record a source into the file that is yielded, raw int16 at 16 kHz."""
        path = self._folder / f"capture-{len(self._processes)}.raw"
        with path.open("wb") as file:
            recorder = subprocess.Popen(
                ["parec", f"--device={device}", "--rate=16000", "--channels=1", "--format=s16le",
                 "--raw", f"--latency-msec={LATENCY_MS}"], stdout=file)
            self._processes.append(recorder)
            self._until(lambda: path.stat().st_size > 0, "parec gives no sound")
            yield path
            recorder.terminate()
            recorder.wait()

    def _stream(self, program: str, device: str, sound: np.ndarray) -> subprocess.Popen:
        path = self._folder / f"sound-{len(self._processes)}.raw"
        path.write_bytes(sound.tobytes())
        with path.open("rb") as file:
            process = subprocess.Popen(
                [program, f"--device={device}", "--rate=16000", "--channels=1",
                 "--format=s16le", "--raw", f"--latency-msec={LATENCY_MS}"], stdin=file)
        self._processes.append(process)
        return process


def missing() -> str | None:
    """Why there can be no virtual glasses here; None when they can be had."""
    programs = [name for name in ("pulseaudio", "pactl", "pacat", "parec")
                if not shutil.which(name)]
    if programs:
        return f"{', '.join(programs)} not installed (apt install pulseaudio pulseaudio-utils)"
    try:
        import pyaudio  # noqa: F401
    except ImportError as error:
        return f"PyAudio is not installed ({error})"
    return None


@pytest.fixture
def virtual_glasses(tmp_path_factory, monkeypatch) -> Iterator[VirtualGlasses]:
    """A running virtual sound card that PyAudio in this process sees as the only one."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("glasses")
    folder.chmod(0o700)
    (folder / "alsa.conf").write_text(ALSA_CONFIG)
    monkeypatch.setenv("PULSE_SERVER", f"unix:{folder}/native")
    monkeypatch.setenv("PULSE_LATENCY_MSEC", str(LATENCY_MS))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(folder / "alsa.conf"))
    glasses = VirtualGlasses(folder)
    glasses.start()
    yield glasses
    glasses.close()
