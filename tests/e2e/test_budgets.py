"""Budgets of the whole program with the shipped network: memory, step time, drops, log volume.

The bounds are generous, for a machine of two cores that does much else; `tools/bench` measures.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from daemon.interaction import InteractionModel
from daemon.run import Runner, RunResult
from daemon.turn import MicroTurn, Reply
from tests.e2e.scripted import noise, of, read_lines, write_sound, write_video

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(480)]

MINUTES = 2
SETTLED_S = 40.0
"""Caches and pools are filled by then."""
GROWTH_MIB = 12.0
"""Most that memory may grow afterwards; a leak of one frame a micro-turn would be 22."""
MEDIAN_STEP_MS = 60.0
"""Processor time of the network's thread: waiting for a core is the machine's, not ours."""
LOG_BYTES_AN_HOUR = 400_000
"""Of a session in which nothing is said: a line of figures every 10 s, and what is misheard."""


def memory_mib() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status names no VmRSS")


class Timed:
    """The shipped network, and the processor time of its steps."""

    def __init__(self) -> None:
        self._network = InteractionModel.open()
        self.reset = self._network.reset
        self.step_ms: list[float] = []

    def step(self, turn: MicroTurn) -> Reply:
        began_s = time.thread_time()
        reply = self._network.step(turn)
        self.step_ms.append((time.thread_time() - began_s) * 1000)
        return reply


class Measured:
    """A run of some minutes over noise and a moving square, and the memory at its events."""

    def __init__(self, folder: Path) -> None:
        self.events = folder / "e.jsonl"
        self.memory: list[tuple[float, float]] = []
        """(session seconds, MiB)"""
        sound = write_sound(folder / "in.wav", noise(60.0 * MINUTES, 100.0))
        film = write_video(folder / "in.mp4", 600 * MINUTES)
        self.network = Timed()
        self.result: RunResult = Runner(model=self.network).run_files(
            sound, film, folder / "out.wav", self.events,
            listeners=[lambda event: self.memory.append((event.t_s, memory_mib()))])


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Measured:
    """Budget: half a minute on two idle cores, up to six on busy ones."""
    return Measured(tmp_path_factory.mktemp("budgets"))


def test_memory_does_not_grow(measured):
    settled = [mib for t_s, mib in measured.memory if t_s >= SETTLED_S]
    assert len(settled) >= 6 * (MINUTES - 1)
    assert max(settled) - settled[0] <= GROWTH_MIB, measured.memory


def test_a_step_is_far_shorter_than_a_micro_turn(measured):
    steps = measured.network.step_ms
    assert len(steps) == measured.result.turns
    assert statistics.median(steps) <= MEDIAN_STEP_MS


def test_nothing_is_dropped(measured):
    lines = read_lines(measured.events)
    assert measured.result.turns >= 300 * MINUTES
    assert of(lines, "shed") == [] and of(lines, "error") == []
    counters = of(lines, "end")[0]["counters"]
    assert counters["turns"] == 0 and set(counters.values()) == {0}


def test_the_log_stays_small(measured):
    hours = measured.result.turns * 0.2 / 3600
    assert measured.events.stat().st_size / hours <= LOG_BYTES_AN_HOUR
