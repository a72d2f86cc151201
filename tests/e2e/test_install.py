"""tools/install in a booted container: from wheels, without an index, and away again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import copied
from tests.e2e.container import REPOSITORY, Container, root, until  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

SETTINGS = """
[microphone]
device = "none"
[camera]
device = "none"
[speaker]
device = "none"
"""
UNREACHABLE = ("Connection", "Temporary failure", "timed out", "ProxyError", "No route")
INSTALL = "/src/tools/install"


def pip(*arguments: str) -> None:
    """pip of this environment; skips where the index cannot be reached."""
    done = subprocess.run([sys.executable, "-m", "pip", *arguments, "-q",
                           "--disable-pip-version-check"], capture_output=True, text=True)
    if any(sign in done.stderr for sign in UNREACHABLE):
        pytest.skip("no package index to fetch wheels from")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheels(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """What the program needs, for the container's own Python."""
    python = next((root / "usr/lib").glob("python3.*")).name.removeprefix("python")
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder),
        str(copied(tmp_path_factory.mktemp("copy") / "src")))
    ours = next(folder.glob("tagalong-*.whl"))
    platforms = [f"--platform=manylinux_2_{minor}_{os.uname().machine}" for minor in (28, 27, 17)]
    pip("download", "-d", str(folder), "--only-binary=:all:", f"--python-version={python}",
        "--implementation=cp", *platforms, f"--platform=manylinux2014_{os.uname().machine}",
        str(ours))
    return folder


@pytest.fixture(scope="module")
def device(root: Path, wheels: Path,  # noqa: F811
           tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    container = Container(root, {REPOSITORY: "/src", wheels: "/wheels"},
                          tmp_path_factory.mktemp("device") / "console.log")
    try:
        yield container
    finally:
        container.close()


def exists(device: Container, *paths: str) -> list[bool]:
    return [device.run("test", "-e", path).returncode == 0 for path in paths]


def test_it_installs_starts_comes_again_and_leaves_nothing(device: Container) -> None:
    """Budget: 100 s, half of it fetching and installing packages."""
    device.write("/etc/tagalong/tagalong.toml", SETTINGS)
    done = device.run("bash", INSTALL, "--wheels", "/wheels")
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stderr and "microphone" in done.stderr, "PyAudio has no wheel"
    until(lambda: device.show("tagalong")["ActiveState"] == "active", 30.0,
          lambda: device.call("journalctl", "--unit=tagalong", "--no-pager", "--lines=40"))
    first = device.show("tagalong")
    assert (first["User"], first["StatusText"] != "") == ("tagalong", True)
    assert device.call("systemctl", "is-enabled", "tagalong") == "enabled"
    assert device.call("cat", "/etc/tagalong/tagalong.toml") == SETTINGS.strip()

    again = device.run("bash", INSTALL, "--wheels", "/wheels")
    assert again.returncode == 0, again.stderr
    assert device.show("tagalong")["MainPID"] not in ("0", first["MainPID"])

    device.run("touch", "/var/lib/tagalong/kept")
    away = device.run("bash", INSTALL, "--uninstall")
    assert away.returncode == 0, away.stderr
    assert exists(device, "/opt/tagalong", "/etc/systemd/system/tagalong.service",
                  "/etc/udev/rules.d/70-tagalong.rules") == [False, False, False]
    assert exists(device, "/var/lib/tagalong/kept", "/etc/tagalong/tagalong.toml") == [True, True]

    assert device.run("bash", INSTALL, "--uninstall", "--purge").returncode == 0
    assert exists(device, "/var/lib/tagalong", "/etc/tagalong") == [False, False]
    assert device.run("id", "tagalong").returncode != 0


def test_another_installation_is_left_alone(device: Container) -> None:
    device.write("/opt/tagalong/mine", "x")
    done = device.run("bash", INSTALL, "--wheels", "/wheels")
    assert done.returncode != 0 and "was not made by tools/install" in done.stderr
    assert exists(device, "/opt/tagalong/mine") == [True]
    device.run("rm", "-r", "/opt/tagalong")


@pytest.mark.parametrize("arguments, told", [
    (("--nonsense",), "unknown option --nonsense"), (("--purge",), "--uninstall only"),
    (("--wheels", "/nowhere"), "no such folder")])
def test_a_wrong_call_is_refused(device: Container, arguments, told) -> None:
    done = device.run("bash", INSTALL, *arguments)
    assert done.returncode != 0 and told in done.stderr
    assert exists(device, "/opt/tagalong") == [False]
