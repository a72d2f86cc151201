"""What stands around the questions, with a real Mosquitto: connection, status, TLS, programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from daemon.background import wire
from daemon.background.broker import BrokerError, EmbeddedBroker, find_mosquitto
from daemon.background.mqtt import BrokerOptions
from daemon.background.service import Worker
from daemon.background.worker import MANUALS, WorkerProcess
from daemon.delegation import EventKind, Link
from tests.e2e.mqtt_stage import DEVICE, LONG_S, REPOSITORY, Gate, broker, links, probe, until

__all__ = ["broker", "links", "probe"]
pytestmark = pytest.mark.e2e


def test_status_is_retained_and_the_will_says_offline(broker, links, probe, tmp_path) -> None:
    _, seen = probe(wire.status_topic("glasses"))
    link = links()
    until(lambda: [m.payload for m in seen] == [b"online"], "online")
    link.close()
    until(lambda: [m.payload for m in seen] == [b"online", b"stopped"], "stopped")
    command = [sys.executable, "-c", DEVICE, broker.url, str(tmp_path / "other.db")]
    device = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    until(lambda: len(seen) == 3, "online again")
    device.kill()
    device.wait()
    until(lambda: len(seen) == 4 and seen[-1].payload == b"offline", "the will")
    _, late = probe(wire.status_topic("glasses"))
    until(lambda: late and late[0].retain and late[0].payload == b"offline", "retained")


def test_a_refused_connection_is_not_a_connection(tmp_path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    extra = ("allow_anonymous false", f"password_file {passwords}")
    with EmbeddedBroker(tmp_path / "b", extra_config=extra) as broker:
        link = Link(broker.url, "glasses", tmp_path / "o.db")
        until(lambda: link.stats()["refusals"] >= 1, "refused")
        assert not link.connected and "refused" in link.last_error
        link.close()


def _certificates(folder: Path) -> None:
    """A CA, and one certificate of it for localhost, used by both sides."""
    names = folder / "san"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    make = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=test-ca -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost "
        "-keyout side.key -out side.csr",
        "x509 -req -in side.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san "
        "-out side.pem",
    ]
    for line in make:
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)


def test_tls_with_certificates_and_a_password(tmp_path) -> None:
    if which("openssl") is None or which("mosquitto_passwd") is None:
        pytest.skip("needs openssl and mosquitto_passwd: apt-get install openssl mosquitto")
    _certificates(tmp_path)
    (tmp_path / "secret").write_text("correct horse\n")
    hashed = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "users"), "me", "correct horse"]
    subprocess.run(hashed, check=True)
    extra = ("allow_anonymous false", f"password_file {tmp_path}/users",
             f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/side.pem",
             f"keyfile {tmp_path}/side.key", "require_certificate true")
    with EmbeddedBroker(tmp_path / "b", extra_config=extra) as broker:
        url = f"mqtts://localhost:{broker.port}"
        keys = {"cert": tmp_path / "side.pem", "key": tmp_path / "side.key", "username": "me",
                "password_file": tmp_path / "secret"}
        trusted = Link(url, "glasses", tmp_path / "o.db", ca=tmp_path / "ca.pem", **keys)
        until(lambda: trusted.connected, "connected over TLS")
        doubting = Link(url, "doubter", tmp_path / "p.db", **keys)
        worker = Worker(Gate(), BrokerOptions(url, tmp_path / "ca.pem", **keys), "test")
        worker.start()
        assert worker.subscribed.wait(LONG_S)
        assert trusted.wait(trusted.ask("question", "torque"), LONG_S)
        until(lambda: doubting.last_error, "an unknown CA is not trusted")
        assert not doubting.connected
        worker.stop()
        trusted.close()
        doubting.close()


def test_stats_are_published_and_not_retained(links, probe) -> None:
    _, seen = probe(wire.stats_topic("glasses"))
    link = links()
    link.publish_stats({"step_p95_ms": 12.5})
    until(lambda: seen, "stats")
    assert wire.parse(wire.Stats, seen[0].payload).values == {"step_p95_ms": 12.5}
    assert not seen[0].retain and seen[0].qos == 0


def test_the_worker_program_answers_and_stops_in_order(broker, links, tmp_path) -> None:
    with WorkerProcess(broker.url, MANUALS, tmp_path / "log.db") as worker:
        assert worker.wait_ready()
        link = links()
        ids = [
            link.ask("workout_log", arguments={"number": 15, "item": "squats"}, placement="silent"),
            link.ask("workout_log", arguments={"item": "squats", "period": "today"}),
            link.ask("question", "how do i stop a nosebleed"),
            link.ask("convert", arguments={"number": 2, "unit": "bar", "unit2": "psi"}),
        ]
        assert all(link.wait(id, LONG_S) for id in ids)
        said = {e.id: e.text for e in link.poll() if e.kind is not EventKind.ACCEPTED and not e.n}
        assert said[ids[1]] == "15 squats in one set today."
        assert said[ids[2]].startswith("Sit upright")
        process = worker._process
        worker.stop()
        assert process is not None and process.returncode == 0


def test_a_worker_ends_with_its_parent(broker, tmp_path) -> None:
    worker = WorkerProcess(broker.url, MANUALS, tmp_path / "log.db")
    worker.start()
    assert worker.wait_ready()
    process = worker._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(LONG_S) == 0


def test_the_worker_names_what_it_cannot_use(tmp_path) -> None:
    command = [sys.executable, "-m", "daemon.background.worker", "--broker", "mqtt://localhost"]
    done = subprocess.run(
        [*command, "--manuals", str(tmp_path), "--workout-log", str(tmp_path / "log.db")],
        cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2 and "no section" in done.stderr


def test_a_broker_that_cannot_start_is_named(broker, tmp_path) -> None:
    second = EmbeddedBroker(tmp_path / "second", port=broker.port)
    with pytest.raises(BrokerError, match="mosquitto"):
        second.start()
    with pytest.raises(BrokerError, match="install"):
        find_mosquitto(cache=tmp_path / "empty", search_path=str(tmp_path))


def test_a_broker_left_over_by_a_killed_parent_is_ended(tmp_path) -> None:
    first = EmbeddedBroker(tmp_path / "b")
    first.start()
    with EmbeddedBroker(tmp_path / "b"):
        until(lambda: not first.running, "the orphan has ended")
    first.stop()
