"""Certificates and rules of `tools/provision`, judged by a real Mosquitto over TLS."""

from __future__ import annotations

import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from daemon.background import wire
from daemon.background.broker import BrokerError, EmbeddedBroker, find_mosquitto, free_port
from daemon.background.mqtt import BrokerOptions
from daemon.background.service import Worker
from daemon.delegation import Link
from tests.e2e.mqtt_stage import LONG_S, Gate, until
from tools.delegations import provision

pytestmark = pytest.mark.e2e


class Broker(EmbeddedBroker):
    """Mosquitto with the provisioned configuration and nothing else."""

    def _config_lines(self) -> list[str]:
        lines = (self.folder.parent / "pki" / "tagalong.conf").read_text().splitlines()
        return [*lines, "user root", "log_type all"]


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    return tmp_path / "pki"


@pytest.fixture
def broker(pki: Path, tmp_path: Path) -> Iterator[Broker]:
    try:
        mosquitto = find_mosquitto()
    except BrokerError as error:
        pytest.skip(str(error))
    port = free_port()
    (tmp_path / "broker").mkdir()
    where = ["--port", str(port), "--store", str(tmp_path / "broker")]
    assert provision.main(["init", str(pki), "--host", "localhost", "--host", "127.0.0.1",
                           *where]) == 0
    for verb, name in (("device", "glasses"), ("device", "other"), ("worker", "helper")):
        assert provision.main([verb, str(pki), name]) == 0
    with Broker(tmp_path / "broker", port, mosquitto) as running:
        yield running


def keys(pki: Path, name: str) -> dict[str, Path]:
    folder = pki / "certificates"
    return {"ca": pki / "ca.pem", "cert": folder / f"{name}.pem", "key": folder / f"{name}.key"}


class Stranger:
    """A plain client with somebody's certificate, and what the broker says to it."""

    def __init__(self, pki: Path, name: str | None, port: int) -> None:
        self.seen: list[str] = []
        self.codes: list[str] = []
        self.connected, self.refused = threading.Event(), threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
        if name is not None:
            mine = keys(pki, name)
            context.load_cert_chain(mine["cert"], mine["key"])
        self.client.tls_set_context(context)
        self.client.on_connect = lambda *_: self.connected.set()
        self.client.on_connect_fail = lambda *_: self.refused.set()
        self.client.on_disconnect = lambda *_: self.refused.set()
        self.client.on_message = lambda c, d, message: self.seen.append(message.topic)
        self.client.on_publish = lambda c, d, mid, code, p: self.codes.append(str(code))
        self.client.connect_async("localhost", port)
        self.client.loop_start()

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_provisioned_devices_and_workers_work_together(broker, pki, tmp_path) -> None:
    url = f"mqtts://localhost:{broker.port}"
    gate = Gate()
    worker = Worker(gate, BrokerOptions(url, **keys(pki, "helper")), "helper")
    worker.start()
    assert worker.subscribed.wait(LONG_S)
    link = Link(url, "glasses", tmp_path / "o.db", **keys(pki, "glasses"))
    until(lambda: link.connected, "the device is connected")
    assert link.wait(link.ask("question", "torque"), LONG_S)
    assert [e.text for e in link.poll()][-1] == "Second."
    cancelled = link.ask("question", "x")
    link.cancel(cancelled)
    until(lambda: worker.counts["cancelled"] or worker.counts["answered"] == 2, "cancel or answer")
    link.close()
    worker.stop()


def test_a_device_neither_reads_nor_writes_what_is_anothers(broker, pki, tmp_path) -> None:
    url = f"mqtts://localhost:{broker.port}"
    spy = Stranger(pki, "other", broker.port)
    assert spy.connected.wait(LONG_S)
    granted = threading.Event()
    spy.client.on_subscribe = lambda *_: granted.set()
    spy.client.subscribe([("tagalong/1/#", 1), ("$share/background/tagalong/1/+/ask", 1)])
    assert granted.wait(LONG_S)
    worker = Worker(Gate(), BrokerOptions(url, **keys(pki, "helper")), "helper")
    worker.start()
    assert worker.subscribed.wait(LONG_S)
    link = Link(url, "glasses", tmp_path / "o.db", **keys(pki, "glasses"))
    id = link.ask("question", "secret torque")
    assert link.wait(id, LONG_S)
    forbidden = [wire.ask_topic("glasses"), wire.answer_topic("glasses", id),
                 wire.cancel_topic("glasses", id), wire.status_topic("glasses"),
                 "tagalong/1/glasses/mute/set", wire.answer_topic("other", id)]
    for topic in forbidden:
        spy.client.publish(topic, b"{}", qos=1)
    until(lambda: len(spy.codes) == len(forbidden), "the broker has judged all")
    assert set(spy.codes) == {"Not authorized"}
    spy.client.publish(wire.ask_topic("other"), b"{}", qos=1)
    until(lambda: len(spy.codes) == len(forbidden) + 1, "its own topic")
    assert spy.codes[-1] != "Not authorized"
    assert spy.seen == [], "the answer passed and the spy saw none of it"
    assert link.stats()["late"] == 0 and link.stats()["mutes"] == 0
    spy.end()
    link.close()
    worker.stop()


def test_who_has_no_certificate_of_ours_is_refused(broker, pki, tmp_path) -> None:
    nobody = Stranger(pki, None, broker.port)
    assert nobody.refused.wait(LONG_S) and not nobody.connected.is_set()
    nobody.end()
    assert provision.main(["init", str(tmp_path / "evil"), "--host", "localhost"]) == 0
    assert provision.main(["device", str(tmp_path / "evil"), "glasses"]) == 0
    forged = {**keys(tmp_path / "evil", "glasses"), "ca": pki / "ca.pem"}
    link = Link(f"mqtts://localhost:{broker.port}", "glasses", tmp_path / "o.db", **forged)
    until(lambda: link.last_error, "the forged certificate is refused")
    assert not link.connected
    link.close()


def test_a_revoked_device_is_refused_and_the_others_are_not(broker, pki, tmp_path) -> None:
    stolen = keys(pki, "other")
    copies = {name: tmp_path / name for name in ("cert", "key")}
    for name, path in copies.items():
        path.write_bytes(stolen[name].read_bytes())
    url = f"mqtts://localhost:{broker.port}"
    link = Link(url, "other", tmp_path / "o.db", ca=pki / "ca.pem", **copies)
    until(lambda: link.connected, "it was let in before")
    assert provision.main(["revoke", str(pki), "other"]) == 0
    broker.stop()
    broker.start()
    until(lambda: not link.connected and link.stats()["connects"] == 1, "it is out")
    kept = Link(url, "glasses", tmp_path / "p.db", **keys(pki, "glasses"))
    until(lambda: kept.connected, "another one is let in")
    until(lambda: "revoked" in broker.log_path.read_text(), "the broker says why")
    assert not link.connected
    assert provision.main(["device", str(pki), "other"]) == 0, "the name may be given again"
    for one in (link, kept):
        one.close()


def test_what_cannot_be_done_is_said(tmp_path, capsys) -> None:
    folder = str(tmp_path / "p")
    assert provision.main(["device", folder, "glasses"]) == 2
    assert "tools/provision init" in capsys.readouterr().err
    assert provision.main(["init", folder, "--host", "localhost"]) == 0
    for verb, name, said in (("device", "my/glasses", "A-Z"), ("device", "broker", "own name"),
                             ("revoke", "nobody", "no certificate")):
        assert provision.main([verb, folder, name]) == 2
        assert said in capsys.readouterr().err
    assert provision.main(["worker", folder, "w1"]) == 0
    assert provision.main(["worker", folder, "w1"]) == 2
    assert provision.main(["init", folder, "--host", "localhost"]) == 2
    assert "another folder" in capsys.readouterr().err
    for secret in (tmp_path / "p").rglob("*.key"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
