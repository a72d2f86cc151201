"""The units in a container that systemd really boots: READY, watchdog kill, restart, stop.

Budget: 90 s; the first time on a machine 3 minutes more, for the container's root, which is kept in
/var/cache/tagalong. Skipped where there is no root, no systemd-nspawn or no debootstrap.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.engines import WEIGHTS
from tests.e2e.container import REPOSITORY, Container, root, until  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
UNITS = ("tagalong.service", "tagalong-background.service")
RESTART_S = 30.0

NOTIFIER = """
import sys, time
from pathlib import Path
from daemon.health import Notifier
from daemon.options import runtime_folder, state_folder
from daemon.config import Config
import os
notifier = Notifier(os.environ["NOTIFY_SOCKET"])
state = state_folder(Config(), dict(os.environ))
(state / "alive").write_text("x")
(runtime_folder(state, dict(os.environ)) / "alive").write_text("x")
notifier.ready("listening")
for index in range(10**9):
    time.sleep(0.2)
    notifier.turn_finished(index)
"""
"""The smallest program that keeps the unit's rules: a micro-turn every 200 ms."""

TAGALONG = """
import sys
from daemon.cli import main
sys.exit(main())
"""

LISTENER = """
import socket
with socket.create_server(("127.0.0.1", 1883)) as door:
    door.settimeout(75)
    print(door.accept()[0].recv(1).hex())
"""
"""Prints the first byte that a broker would be sent; 10 is MQTT's CONNECT."""

SETTINGS = """
[microphone]
device = "none"
[camera]
device = "none"
[speaker]
device = "none"
"""


def binds() -> dict[Path, str]:
    """The program and this very Python, as an installation below /opt/tagalong."""
    packages = Path(sysconfig.get_paths()["purelib"])
    folders = ("daemon", "kernels", "models", "systemd")
    found = {REPOSITORY / name: f"/opt/tagalong/{name}" for name in folders}
    found[packages] = f"/opt/tagalong/.venv/lib/{PYTHON}/site-packages"
    if not system_python():
        found[Path(sys.base_prefix)] = "/opt/python"
    return found


def system_python() -> bool:
    return Path(sys.base_prefix) == Path("/usr")


def install(container: Container, program: str) -> None:
    """What systemd/README.md says, plus a virtual environment around the bound Python."""
    home = "/usr/bin" if system_python() else "/opt/python/bin"
    container.write("/opt/tagalong/.venv/pyvenv.cfg", f"home = {home}\n")
    container.call("mkdir", "-p", "/opt/tagalong/.venv/bin")
    container.call("ln", "-sf", f"{home}/{PYTHON}", "/opt/tagalong/.venv/bin/python")
    path = "import sys; sys.path.insert(0, '/opt/tagalong')\n"
    container.write(
        "/opt/tagalong/.venv/bin/tagalong",
        "#!/opt/tagalong/.venv/bin/python\n" + path + textwrap.dedent(program),
        "755",
    )
    script = """
        set -e
        cd /opt/tagalong/systemd
        cp tagalong.sysusers /usr/lib/sysusers.d/tagalong.conf; systemd-sysusers
        cp tagalong.tmpfiles /usr/lib/tmpfiles.d/tagalong.conf; systemd-tmpfiles --create
        cp tagalong.service tagalong-background.service /etc/systemd/system/
    """
    done = container.run("sh", "-c", script)
    assert done.returncode == 0, done.stderr
    container.write("/etc/tagalong/tagalong.toml", SETTINGS)
    if not system_python():  # its libpython is searched for where it was built
        for unit in UNITS:
            container.write(
                f"/etc/systemd/system/{unit}.d/python.conf",
                "[Service]\nEnvironment=LD_LIBRARY_PATH=/opt/python/lib\n",
            )
    container.call("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def booted(root: Path,  # noqa: F811
           tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    container = Container(root, binds(), tmp_path_factory.mktemp("container") / "console.log")
    try:
        yield container
    finally:
        container.close()


@pytest.fixture(params=["notifier", "tagalong run"])
def service(request: pytest.FixtureRequest, booted: Container) -> Iterator[Container]:
    """The unit, installed and stopped, with the smallest program and with the real one."""
    if request.param == "tagalong run" and not WEIGHTS.is_file():
        pytest.skip(f"{WEIGHTS} is missing: without weights tagalong run refuses to start")
    install(booted, NOTIFIER if request.param == "notifier" else TAGALONG)
    yield booted
    booted.call("systemctl", "stop", "tagalong")
    booted.call("systemctl", "reset-failed", "tagalong")


def journal(container: Container, unit: str = "tagalong") -> str:
    return container.call("journalctl", f"--unit={unit}", "--no-pager", "--lines=40")


def test_ready_watchdog_kill_restart_and_stop(service: Container) -> None:
    started = service.run("systemctl", "start", "tagalong")
    assert started.returncode == 0, started.stderr + journal(service)
    first = service.show("tagalong")
    assert (first["ActiveState"], first["SubState"]) == ("active", "running")
    assert first["StatusText"], "READY came with a status"
    owner = service.call("stat", "-c", "%U", f"/proc/{first['MainPID']}")
    assert owner == "tagalong"

    frozen = service.run("sh", "-c", f"kill -STOP {first['MainPID']}")
    assert frozen.returncode == 0, frozen.stderr
    restarts = int(first["NRestarts"])
    until(lambda: int(service.show("tagalong")["NRestarts"]) > restarts, RESTART_S,
          lambda: journal(service))  # fmt: skip
    until(lambda: service.show("tagalong")["ActiveState"] == "active", RESTART_S,
          lambda: journal(service))  # fmt: skip
    second = service.show("tagalong")
    assert second["MainPID"] not in ("0", first["MainPID"])
    assert "Watchdog timeout" in journal(service)

    assert service.run("systemctl", "stop", "tagalong").returncode == 0
    stopped = service.show("tagalong")
    assert (stopped["ActiveState"], stopped["Result"]) == ("inactive", "success"), journal(service)


def test_a_wrong_configuration_is_not_tried_again(booted: Container) -> None:
    install(booted, TAGALONG)
    booted.write("/etc/tagalong/tagalong.toml", "[engine]\nname = 'onxx'\n")
    assert booted.run("systemctl", "start", "tagalong").returncode != 0
    until(lambda: booted.show("tagalong")["ActiveState"] == "failed", 10.0,
          lambda: journal(booted))  # fmt: skip
    assert booted.show("tagalong")["NRestarts"] == "0"
    assert "engine.name = 'onxx': must be one of auto, onnx" in journal(booted)
    booted.call("systemctl", "reset-failed", "tagalong")


def test_the_background_worker_runs_and_stops_below_its_fences(booted: Container) -> None:
    install(booted, TAGALONG)
    settings = "[broker]\nurl = 'mqtt://127.0.0.1'\n"
    booted.write("/etc/tagalong-background/tagalong.toml", settings)
    unit = "tagalong-background"
    assert booted.run("systemctl", "start", unit).returncode == 0, journal(booted, unit)
    first_byte = booted.run("/usr/bin/python3", "-c", LISTENER)
    assert first_byte.stdout.strip() == "10", journal(booted, unit)
    assert booted.show(unit)["NRestarts"] == "0"
    assert booted.run("systemctl", "stop", unit).returncode == 0
    assert booted.show(unit)["Result"] == "success", journal(booted, unit)


def test_the_installed_units_are_complete(booted: Container) -> None:
    """Verified where they belong, with the program, the users and the devices' names in place."""
    install(booted, NOTIFIER)
    for unit in UNITS:
        said = booted.run("systemd-analyze", "verify", "--man=no", unit)
        assert said.stderr == "" and said.stdout == ""
