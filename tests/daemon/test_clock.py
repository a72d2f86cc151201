"""The session clock over simulated hours: drift, jitter, late frames, drop-outs, mute.

Nothing sleeps; monotonic time is a number that the simulation moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from daemon.clock import NS, LineFit, SampleClock, SteppedClock, SystemClock
from daemon.turn import SAMPLE_RATE, TURN_S, TURN_SAMPLES

pytestmark = pytest.mark.unit

BOOT_NS = 3_600 * NS
"""Monotonic time at which the simulated sessions begin: not 0, to expose mistaken origins."""
LIMIT_S = 0.050
"""What audio and video may be apart."""


class Card:
    """A sound card `ppm` too fast, whose blocks are seen late by scheduling jitter."""

    def __init__(self, ppm: float, seed: int = 1) -> None:
        self.rate = SAMPLE_RATE * (1 + ppm * 1e-6)
        self.random = np.random.default_rng(seed)
        self.captured = 0
        self.offset_s = 0.0

    def due_s(self) -> float:
        """True time at which the last captured sample was captured."""
        return self.captured / self.rate + self.offset_s

    def position_s(self, t_s: float) -> float:
        """Session second of the true time `t_s`: what an ideal clock would say."""
        return (t_s - self.offset_s) * self.rate / SAMPLE_RATE

    def blocks(self, until_s: float, size: int = TURN_SAMPLES) -> Iterator[tuple[float, float]]:
        """(true time, lateness) of each block; one in 500 comes 0.1 to 0.4 s late."""
        count = max(0, math.ceil((until_s - self.due_s()) * self.rate / size))
        stalls = self.random.uniform(0.1, 0.4, count) * (self.random.random(count) < 0.002)
        for late in (stalls + self.random.exponential(0.003, count)).tolist():
            self.captured += size
            yield self.due_s(), late


def _ns(t_s: float) -> int:
    return BOOT_NS + round(t_s * NS)


def _run(card: Card, clock: SampleClock, until_s: float, camera_late_s: float = 0.0) -> float:
    """Run the card until a true time; the worst error of one frame a block, seconds."""
    worst, seen = 0.0, 0.0
    for t_s, late in card.blocks(until_s):
        seen = max(seen, t_s + late)  # blocks are seen in order
        clock.observe(TURN_SAMPLES, _ns(seen))
        captured_s = t_s - camera_late_s - 10 * late % 0.04  # its lateness jitters by 40 ms
        worst = max(worst, abs(clock.session_s(_ns(captured_s)) - card.position_s(captured_s)))
    return worst


def _started(card: Card) -> SampleClock:
    clock = SampleClock(_ns(0.0))
    clock.attach(_ns(0.0))
    _run(card, clock, 10.0)
    return clock


@pytest.mark.parametrize("ppm", [200, -200], ids=["fast", "slow"])
def test_eight_hours_of_drift_with_a_camera_150_ms_late(ppm):
    card = Card(ppm)
    clock = SampleClock(_ns(0.0))
    clock.attach(_ns(0.0))
    hours_8 = 8 * 3_600
    assert _run(card, clock, hours_8, camera_late_s=0.150) < LIMIT_S
    slip_s = abs(clock.samples(_ns(hours_8)) / SAMPLE_RATE - hours_8)
    assert slip_s > 5, "against monotonic time the session really slips by seconds"
    assert clock.drift_ppm == pytest.approx(ppm, abs=15)
    assert clock.steps == 0


def test_reported_drop_outs_keep_audio_and_video_together():
    card = Card(80)
    clock = _started(card)
    worst = 0.0
    for hole in range(1, 60):
        lost = 160 * hole
        card.captured += lost
        clock.lost(lost)
        worst = max(worst, _run(card, clock, 10.0 + 5 * hole, camera_late_s=0.150))
    assert worst < LIMIT_S
    assert clock.lost_samples == 160 * sum(range(1, 60))
    assert clock.steps == 0


def test_overrun_of_unknown_length_is_measured():
    card = Card(-120)
    clock = _started(card)
    card.captured += 7_000  # lost in the driver
    card.captured += 320
    t_ns = _ns(card.due_s())
    clock.observe(320, t_ns)
    assert clock.owed(t_ns) == pytest.approx(7_000, abs=0.01 * SAMPLE_RATE)
    clock.lost(clock.owed(t_ns))
    assert clock.owed(t_ns) == 0
    assert _run(card, clock, card.due_s() + 60) < LIMIT_S


def test_drop_out_that_nobody_reports_is_noticed_within_two_seconds():
    card = Card(50)
    clock = _started(card)
    card.offset_s += 0.3  # the card stood still for 0.3 s and says nothing
    _run(card, clock, card.due_s() + 2.0)
    assert clock.steps == 1
    assert _run(card, clock, card.due_s() + 60) < LIMIT_S
    assert clock.steps == 1


def test_stall_that_loses_nothing_moves_nothing():
    """Three seconds in which no thread ran, then all blocks at once: late is not lost."""
    card = Card(50)
    clock = _started(card)
    resumed_s = card.due_s() + 3.0
    for _ in card.blocks(resumed_s):
        clock.observe(TURN_SAMPLES, _ns(resumed_s))
    assert _run(card, clock, card.due_s() + 60) < LIMIT_S
    assert clock.steps == 0


def test_without_microphone_the_clock_is_monotonic():
    clock = SampleClock(_ns(0.0))
    assert not clock.attached
    assert clock.session_s(_ns(12.5)) == pytest.approx(12.5)
    assert clock.samples(_ns(12.5)) == 12.5 * SAMPLE_RATE
    assert clock.samples(_ns(-1.0)) == 0
    assert clock.owed(_ns(1.0)) == 0


def test_muted_microphone_leaves_no_gap_and_no_jump():
    card = Card(150)
    clock = _started(card)
    muted_s = card.due_s() + 0.05  # a part of a block is lost with it
    before = clock.session_s(_ns(muted_s))
    clock.detach(_ns(muted_s))
    assert clock.session_s(_ns(muted_s)) == pytest.approx(before, abs=0.001)
    assert clock.session_s(_ns(muted_s - 0.150)) == pytest.approx(before - 0.150, abs=0.001)
    assert clock.session_s(_ns(muted_s + 60)) == pytest.approx(before + 60, abs=0.001)

    count = clock.attach(_ns(muted_s + 60))
    assert count == pytest.approx((before + 60) * SAMPLE_RATE, abs=16)
    card.offset_s = muted_s + 60 - count / card.rate
    card.captured = count
    assert _run(card, clock, muted_s + 120, camera_late_s=0.150) < LIMIT_S
    assert clock.drift_ppm == pytest.approx(150, abs=30)


def test_detached_and_attached_twice_is_harmless():
    clock = SampleClock(_ns(0.0))
    clock.detach(_ns(3.0))
    assert clock.samples(_ns(4.0)) == 4 * SAMPLE_RATE
    assert clock.attach(_ns(4.0)) == clock.attach(_ns(9.0)) == 4 * SAMPLE_RATE


def test_first_block_attaches_by_itself():
    clock = SampleClock(_ns(0.0))
    clock.observe(TURN_SAMPLES, _ns(1.0))
    assert clock.attached
    assert clock.samples(_ns(1.0)) == SAMPLE_RATE
    assert clock.session_s(_ns(1.0)) == pytest.approx(1.0)


def test_line_keeps_to_the_most_punctual_pairs():
    """A quarter of the times come up to 0.2 s late; the line stays within 2 ms of the truth."""
    fit, random = LineFit(NS), np.random.default_rng(3)
    assert not fit.ready
    for k in range(600):
        late = random.uniform(0, 0.2) if random.random() < 0.25 else random.exponential(0.0005)
        fit.add(_ns(k * 0.1 + late), k * 0.1 * NS)
    assert fit.ready and fit.steps == 0
    assert fit.position(_ns(60.0)) / NS == pytest.approx(60.0, abs=0.002)
    assert (fit.time_ns(60.0 * NS) - _ns(60.0)) / NS == pytest.approx(0, abs=0.002)


def test_rates_beyond_reason_are_not_believed():
    fit = LineFit(SAMPLE_RATE)
    for k in range(2_000):
        fit.add(_ns(k * 0.1), k * 0.1 * SAMPLE_RATE * 1.002)
    assert fit.rate * NS / SAMPLE_RATE <= 1 + LineFit.LIMIT_PPM * 1e-6


def test_stepped_clock_moves_by_whole_turns_and_declares_its_delays():
    clock = SteppedClock()
    for _ in range(5):
        clock.advance()
    assert clock.now_ns() == NS
    assert clock.session_s(clock.now_ns()) == pytest.approx(5 * TURN_S)
    assert clock.samples(clock.now_ns()) == 5 * TURN_SAMPLES
    assert clock.sound_sample(4) == SAMPLE_RATE + SAMPLE_RATE // 10
    assert clock.answer_s(3.0) == 4.0
    assert SteppedClock(compute_ms=0, output_ms=20).sound_sample(0) == TURN_SAMPLES + 320


def test_system_clock_is_monotonic():
    clock = SystemClock()
    first = clock.now_ns()
    assert clock.now_ns() >= first > 0
