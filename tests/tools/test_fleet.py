"""`tools/fleet` against a real Mosquitto, with real workers and without; what bench compares."""

from __future__ import annotations

import pytest

from daemon.background.broker import BrokerError, EmbeddedBroker, find_mosquitto
from daemon.background.mqtt import BrokerOptions, BrokerRefused
from tools.benchmark import delegation
from tools.delegations import fleet

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def mosquitto() -> None:
    try:
        find_mosquitto()
    except BrokerError as error:
        pytest.skip(str(error))


def test_every_request_of_a_fleet_is_answered() -> None:
    figures = fleet.run_beside(devices=60, seconds=2.0, rate=20.0, workers=1)
    assert figures["asked"] >= 20
    assert figures["answered"] == figures["asked"] and figures["lost"] == 0
    assert figures["disconnects"] == 0 and figures["bad_answers"] == 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["kib_a_device_here"] < 2_000


def test_requests_that_nobody_answers_are_counted_as_lost(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fleet, "DEADLINE_S", 1.0)
    with EmbeddedBroker(tmp_path) as broker:
        figures = fleet.run(BrokerOptions(broker.url), 5, 0.5, 20.0)
    assert figures["asked"] >= 3 and figures["lost"] == figures["asked"]


def test_a_broker_that_lets_nobody_in_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fleet.Fleet, "turn_until", lambda self, check, timeout_s: check())
    (tmp_path / "passwords").write_text("")
    extra = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    with EmbeddedBroker(tmp_path / "b", extra_config=extra) as broker:
        with pytest.raises(BrokerRefused, match="0 of 2 devices"):
            fleet.run(BrokerOptions(broker.url), 2, 0.1, 1.0)


def test_the_three_ways_to_the_background_are_measured() -> None:
    done = delegation.measure(requests=10)
    assert set(done["ways"]) == {"mqtt", "http", "grpc"}
    assert all(0 < way["p50_ms"] <= way["p99_ms"] <= way["max_ms"] < 10_000
               for way in done["ways"].values())
