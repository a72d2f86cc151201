"""An MQTT broker of our own on loopback: Mosquitto as a child process, without root.

Mosquitto is taken from PATH, else from a cache folder into which the Debian packages are unpacked
(`apt-get download` and `dpkg -x` need no root).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PACKAGES = ("mosquitto", "libwebsockets17", "libcjson1", "libdlt2", "libev4", "libmosquitto1")
"""Debian 12 packages that Mosquitto needs beyond a minimal system."""
START_TIMEOUT_S = 10.0
DOWNLOAD_TIMEOUT_S = 120.0


class BrokerError(RuntimeError):
    """No broker could be had or started; the message says what to do."""


@dataclass(frozen=True)
class Mosquitto:
    """A Mosquitto that can be started."""

    program: str
    library_path: str = ""
    """Folders for LD_LIBRARY_PATH when it was unpacked without root, else empty."""

    def environment(self) -> dict[str, str]:
        """Environment of the child process."""
        env = dict(os.environ)
        if self.library_path:
            env["LD_LIBRARY_PATH"] = self.library_path
        return env


def default_cache() -> Path:
    """Folder for an unpacked Mosquitto."""
    return Path.home() / ".cache" / "tagalong" / "mosquitto"


def find_mosquitto(cache: Path | None = None, search_path: str | None = None) -> Mosquitto:
    """Mosquitto from PATH, from the cache, or unpacked into the cache now.

    Args:
        cache: folder for the unpacked packages, `default_cache()` when None.
        search_path: PATH to search, that of the process (and the sbin folders) when None.

    Raises:
        BrokerError: there is none and none could be unpacked.
    """
    path = search_path
    if path is None:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which("mosquitto", path=path)
    if found:
        return Mosquitto(found)
    folder = cache or default_cache()
    unpacked = _unpacked(folder)
    if unpacked is None:
        _unpack(folder, path)
        unpacked = _unpacked(folder)
    if unpacked is None:
        raise BrokerError(
            f"no mosquitto on PATH and none in {folder} after unpacking; "
            "install it (apt-get install mosquitto) or name a broker with --broker URL"
        )
    return unpacked


def _unpacked(folder: Path) -> Mosquitto | None:
    program = folder / "usr" / "sbin" / "mosquitto"
    if not program.is_file():
        return None
    libraries = sorted({str(p.parent) for p in folder.glob("usr/lib/**/*.so*")})
    return Mosquitto(str(program), ":".join(libraries))


def _unpack(folder: Path, search_path: str) -> None:
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool, path=search_path) is None:
            raise BrokerError(
                f"no mosquitto on PATH, and without {tool} it cannot be unpacked; "
                "install Mosquitto 2 or name a broker with --broker URL"
            )
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    try:
        for package in PACKAGES:
            _run(["apt-get", "download", package], debs)
        for deb in sorted(debs.glob("*.deb")):
            _run(["dpkg", "-x", str(deb), str(folder)], debs)
    finally:
        shutil.rmtree(debs, ignore_errors=True)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise BrokerError(
            f"{' '.join(command)}: no result in {DOWNLOAD_TIMEOUT_S:.0f} s; "
            "install Mosquitto 2 or name a broker with --broker URL"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BrokerError(
            f"{' '.join(command)}: {last}; run apt-get update, install Mosquitto 2, "
            "or name a broker with --broker URL"
        )


def free_port() -> int:
    """A TCP port on loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedBroker:
    """Mosquitto as a child process on loopback, with persistence in `folder`.

    Used as a context manager or with `start()` and `stop()`; `url` is valid from the constructor on
    and stays the same over `stop()` and `start()`, so that clients find it again.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        mosquitto: Mosquitto | None = None,
        extra_config: Sequence[str] = (),
    ) -> None:
        """Args:
            folder: for the configuration and the persistent store; made when missing.
            port: on loopback, a free one when None.
            extra_config: further lines of mosquitto.conf; `allow_anonymous true` is left out when
                one of them sets it.

        Raises:
            BrokerError: no Mosquitto can be had.
        """
        self.folder = Path(folder)
        self.port = free_port() if port is None else port
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._mosquitto = mosquitto or find_mosquitto()
        self._extra = tuple(extra_config)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the child process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def log_path(self) -> Path:
        """What Mosquitto says."""
        return self.folder / "mosquitto.log"

    def start(self) -> None:
        """Start it and return once it takes connections.

        Raises:
            BrokerError: it does not start; the message has its last line.
        """
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        self._end_orphan(config)
        self._check_port()
        config.write_text("\n".join(self._config_lines()) + "\n", encoding="utf-8")
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [self._mosquitto.program, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._mosquitto.environment(),
            )
        (self.folder / "mosquitto.pid").write_text(str(self._process.pid), encoding="ascii")
        self._wait_until_open()

    def _end_orphan(self, config: Path) -> None:
        """End a broker over the same folder whose parent was killed: two would share one store."""
        try:
            pid = int((self.folder / "mosquitto.pid").read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if os.fsencode(config) in command:
            os.kill(pid, signal.SIGKILL)

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise BrokerError(
                    f"mosquitto cannot listen on 127.0.0.1:{self.port}: {error.strerror}; "
                    "choose another port, or use the broker that is there"
                ) from None

    def _config_lines(self) -> list[str]:
        lines = [
            f"listener {self.port} 127.0.0.1",
            "set_tcp_nodelay true",
            "persistence true",
            f"persistence_location {self.folder.resolve()}/",
            # Not at every change: that holds up each message by a write of the whole store, and
            # what a killed broker forgets the device asks again.
            "autosave_interval 30",
            "max_queued_messages 1000",
            "log_type error",
            "log_type warning",
        ]
        if os.geteuid() == 0:
            # Mosquitto started by root changes to its own user, which cannot write our folder.
            lines.append("user root")
        if not any(line.startswith("allow_anonymous") for line in self._extra):
            lines.append("allow_anonymous true")
        return lines + list(self._extra)

    def _wait_until_open(self) -> None:
        pause = threading.Event()
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            if not self.running:
                raise BrokerError(f"mosquitto stopped at once: {self._last_line()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                    return
            except OSError:
                pause.wait(0.02)
        self.stop()
        raise BrokerError(
            f"mosquitto did not listen on 127.0.0.1:{self.port} within {START_TIMEOUT_S:.0f} s: "
            f"{self._last_line()}"
        )

    def _last_line(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"no message; see {self.log_path}"

    def stop(self) -> None:
        """Stop it in order: the persistent store is written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)
        self._process = None
