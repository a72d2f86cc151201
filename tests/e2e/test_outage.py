"""Ten minutes without a link and fifty requests: all end soon after it is back, in their order.

Mosquitto, link, outbox and worker are real; of the ten minutes only the ends pass, the clocks of
the device are set forward between them.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from daemon.delegation import Link
from daemon.promises import EventKind, unix_ms_now
from tests.e2e.mqtt_stage import Gate, broker, until, workers

__all__ = ["broker", "workers"]
pytestmark = pytest.mark.e2e

OUTAGE_S, REQUESTS, RETURN_S = 600.0, 50, 30.0
PLACEMENTS = ("silent", "when_idle", "when_idle", "when_idle", "interrupt")


class Clocks:
    """The machine's, set forward."""

    def __init__(self) -> None:
        self.forward_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.forward_s

    def unix_ms(self) -> int:
        return unix_ms_now() + int(self.forward_s * 1_000)


def test_fifty_requests_survive_ten_minutes_without_a_link(broker, workers, tmp_path: Path) -> None:
    gate, clocks = Gate(), Clocks()
    link = Link(broker.url, "glasses", tmp_path / "o.db", monotonic=clocks.monotonic,
                unix_ms=clocks.unix_ms)
    until(lambda: link.connected, "the device is connected")
    broker.kill()
    until(lambda: not link.connected, "the device noticed")
    wanted = {}
    for n in range(REQUESTS):
        short = n % 10 == 3
        id = link.ask("question", str(n), deadline_s=120 if short else 3_600,
                      placement=PLACEMENTS[n % 5])
        wanted[id] = (PLACEMENTS[n % 5], short)
        clocks.forward_s += OUTAGE_S / REQUESTS
    until(lambda: all(link.committed(id) for id in wanted), "all are on disk")
    broker.start()
    back_s = time.monotonic()
    workers(gate, 2)
    until(lambda: link.open_ids() == (), "all have ended", RETURN_S + 10)
    took_s = time.monotonic() - back_s
    events = [e for e in link.poll() if e.ends]
    link.close()
    assert took_s <= RETURN_S
    assert sorted(e.id for e in events) == sorted(wanted)
    expired = {e.id for e in events if e.kind is EventKind.EXPIRED}
    assert expired <= {id for id, (_, short) in wanted.items() if short} and len(expired) >= 4
    order = [wanted[ask.id] for ask in _asked_by_words(gate, wanted)]
    assert len(order) == REQUESTS - len(expired)
    placements = [placement for placement, _ in order]
    # Two requests are worked on at a time, so neighbours may change places.
    first, last = placements[:10], placements[-8:]
    assert first.count("interrupt") >= 9 and last.count("silent") >= 7


def _asked_by_words(gate: Gate, wanted: dict) -> list:
    """What the worker began, each request once, in the order in which it began it."""
    seen: dict[str, object] = {}
    for ask in gate.asked:
        seen.setdefault(ask.id, ask)
    assert set(seen) <= set(wanted)
    return list(seen.values())
