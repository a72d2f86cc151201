"""The files of systemd/: units that systemd has nothing to say against, users, broker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.background.broker import BrokerError, find_mosquitto, free_port
from daemon.background.mqtt import BrokerOptions
from daemon.checks.base import Level, run_check
from daemon.checks.broker import Broker
from daemon.checks.unit import said_against

pytestmark = pytest.mark.unit

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNITS = ("tagalong.service", "tagalong-background.service")
PROGRAM = "/opt/tagalong/.venv/bin/tagalong"
WORST_EXPOSURE = 2.0


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: apt install systemd")
    return found


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if re.match(r"[A-Z]\w*=", line):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_verify_says_nothing(unit: str, tmp_path: Path) -> None:
    """The exit code does not tell, so nothing may be said; only the program's path stands in."""
    copy = tmp_path / unit
    text = (SYSTEMD / unit).read_text()
    assert f"ExecStart={PROGRAM} " in text
    copy.write_text(text.replace(PROGRAM, sys.executable).replace("WorkingDirectory=", "#"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", str(copy)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == "" and done.stdout == ""
    copy.write_text(copy.read_text().replace("Restart=", "Restrat="))
    assert "Restrat" in said_against(copy), "verify would have said something"


@pytest.mark.parametrize("unit", UNITS)
def test_exposure(unit: str) -> None:
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager"]
    limit = f"--threshold={round(WORST_EXPOSURE * 10)}"
    done = subprocess.run(
        [*command, limit, str(SYSTEMD / unit)], capture_output=True, text=True, timeout=60
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert done.returncode == 0 and float(found.group(1)) <= WORST_EXPOSURE
    details = subprocess.run(
        [*command, "--json=short", str(SYSTEMD / unit)], capture_output=True, text=True, timeout=60
    )
    checked = {entry["json_field"] for entry in json.loads(details.stdout)}
    assert len(checked) > 50, "the score is made of all its parts"


def test_the_companion_is_watched_and_kept_apart() -> None:
    unit = settings("tagalong.service")
    assert unit["Type"] == ["notify"] and unit["WatchdogSec"] == ["5s"]
    assert unit["User"] == ["tagalong"] and unit["DevicePolicy"] == ["closed"]
    for name in ("StateDirectory", "RuntimeDirectory", "ConfigurationDirectory"):
        assert unit[name] == ["tagalong"]
    assert "StartLimitBurst" in unit and "StartLimitIntervalSec" in unit
    for value in unit["Environment"]:
        assert not re.search(r"(?i)password|token|secret", value)


def test_every_device_is_allowed_for_a_reason() -> None:
    lines = (SYSTEMD / "tagalong.service").read_text().splitlines()
    reason = False
    for line in lines:
        if line.startswith("DeviceAllow="):
            assert reason, f"{line}: no comment above it says why"
        else:
            reason = line.startswith("#")
    assert "DeviceAllow" not in settings("tagalong-background.service")


def test_users_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("")
    sysusers, tmpfiles = SYSTEMD / "tagalong.sysusers", SYSTEMD / "tagalong.tmpfiles"
    if os.geteuid() != 0:
        pytest.skip("making users in a folder needs root")
    for command in (
        [tool("systemd-sysusers"), f"--root={tmp_path}", str(sysusers)],
        [tool("systemd-tmpfiles"), f"--root={tmp_path}", "--create", str(tmpfiles)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    users = (tmp_path / "etc" / "passwd").read_text()
    assert "tagalong:x:" in users and "tagalong-background:x:" in users
    groups = (tmp_path / "etc" / "group").read_text()
    assert re.search(r"^audio:.*tagalong$", groups, re.MULTILINE)
    assert (tmp_path / "etc" / "tagalong").stat().st_mode & 0o777 == 0o750


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerOptions]:
    """The sample configuration under a real Mosquitto; only paths and ports stand in."""
    tool("mosquitto_passwd")
    certificates(tmp_path)
    passwords = tmp_path / "tagalong.passwd"
    passwords.write_text("")
    passwords.chmod(0o600)
    for user in ("glasses", "background"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, "open sesame"], check=True)
    port, plain = free_port(), free_port()
    text = (SYSTEMD / "mosquitto" / "tagalong.conf").read_text()
    text = text.replace("/etc/mosquitto/certs/", f"{tmp_path}/")
    text = text.replace("/etc/mosquitto/tagalong.passwd", str(passwords))
    text = text.replace("/etc/mosquitto/tagalong.acl", str(SYSTEMD / "mosquitto" / "tagalong.acl"))
    text = text.replace("/var/lib/mosquitto/", f"{tmp_path}/")
    text = text.replace("listener 8883", f"listener {port} 127.0.0.1")
    text = text.replace("listener 1883 localhost", f"listener {plain} 127.0.0.1")
    (tmp_path / "broker.conf").write_text(text + "user root\n")
    try:
        mosquitto = find_mosquitto()
    except BrokerError as error:
        pytest.skip(f"no Mosquitto here: {error}")
    running = subprocess.Popen(
        [mosquitto.program, "-c", str(tmp_path / "broker.conf")], env=mosquitto.environment(),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if "running" in line:
            break
        assert "Error" not in line, line
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    yield BrokerOptions(
        f"mqtts://localhost:{port}", tmp_path / "ca.pem", None, None, "glasses", password
    )
    running.terminate()
    running.wait(10)


def certificates(folder: Path) -> None:
    """A certificate of its own for localhost."""
    subprocess.run(
        [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "server.key"),
         "-out", str(folder / "ca.pem")],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    shutil.copy(folder / "ca.pem", folder / "server.pem")


def test_the_sample_broker_lets_a_device_in_and_keeps_others_out(broker: BrokerOptions) -> None:
    let_in = run_check(Broker(broker, "glasses"))
    assert let_in.level is Level.OK and "last will seen" in let_in.cause
    broker.password_file.write_text("wrong\n")  # type: ignore[union-attr]
    refused = run_check(Broker(broker, "glasses"))
    assert refused.level is Level.FAIL and "refuses glasses" in refused.cause
