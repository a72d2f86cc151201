"""The counters: ideal and noisy sets, gates, confirmation, restore; the bar on real clips."""

import math
from pathlib import Path

import numpy as np
import pytest

from kernels.similarity_ref import gray_cells, gray_levels, similarity_rows
from models.baseline_counter import (
    BaselineCounter, evaluate_clip, labelled_clips, online_count, read_clip, summarise,
)  # fmt: skip
from models.counter import CounterParameters, Gate, GateParameters, PhaseCounter
from models.scenarios.motion import Motion, rep_set

pytestmark = pytest.mark.unit


def turn(phase: float, active: float = 1.0, rate_hz: float = 0.5) -> tuple[float, ...]:
    """What a perfect network says at a phase in cycles."""
    angle = 2 * math.pi * phase
    return active, rate_hz, math.cos(angle), math.sin(angle)


REST = (0.0, 0.0, 1.0, 0.0)


def steady(cycles: float, rate_hz: float) -> list[tuple[float, ...]]:
    """A set at a constant rate between two rests."""
    turns = round(cycles / rate_hz / 0.2)
    moving = [turn((k + 1) * rate_hz * 0.2, 1.0, rate_hz) for k in range(turns)]
    return [REST] * 5 + moving + [REST] * 10


def total(turns: list[tuple[float, ...]], announced: bool = True, **changed: float) -> int:
    counter = PhaseCounter(CounterParameters(**changed))
    return sum(counter.step(*values, announced=announced) for values in turns)


@pytest.mark.parametrize("rate_hz", [0.125, 0.4, 0.77, 1.3, 2.0])
@pytest.mark.parametrize("cycles", [1, 2, 7, 20])
def test_ideal_sets_are_counted_exactly(rate_hz: float, cycles: int) -> None:
    assert total(steady(cycles, rate_hz)) == cycles


def test_one_cycle_is_not_spoken_unless_announced() -> None:
    assert total(steady(1, 0.5), announced=False) == 0
    assert total(steady(1, 0.5), announced=True) == 1


def test_catches_up_after_two_cycles() -> None:
    counter = PhaseCounter()
    said = [counter.step(*values) for values in steady(4, 0.5)]
    assert [n for n in said if n] == [2, 1, 1]


def test_entered_midway_counts_from_the_next_start() -> None:
    turns = [turn(0.6 + k * 0.1) for k in range(30)]  # 0.6 to 3.5 cycles
    assert total(turns) == 2


def test_stopped_midway_does_not_count_the_rest() -> None:
    moving = [turn((k + 1) * 0.1) for k in range(34)]
    assert total([REST] * 3 + moving + [REST] * 40) == 3


def test_short_loss_of_sight_keeps_the_cycle() -> None:
    turns = steady(6, 0.25)
    for k in range(30, 38):
        turns[k] = REST
    assert total(turns) == 6


def test_uneven_first_cycles_stay_unspoken() -> None:
    slow = [turn((k + 1) * 0.02, rate_hz=0.1) for k in range(50)]
    quick = [turn(1 + (k + 1) * 0.2, rate_hz=1.0) for k in range(5)]
    assert total([REST] + slow + quick + [REST] * 20, announced=False) == 0


def test_nothing_active_says_nothing() -> None:
    rng = np.random.default_rng(0)
    turns = [turn(p, a, r) for p, a, r in rng.uniform([0, 0, 0], [1, 0.5, 3], (500, 3))]
    assert total(turns) == 0


def test_values_that_are_no_numbers_count_as_nothing_seen() -> None:
    turns = steady(3, 0.5)
    turns.insert(12, (math.nan, 1.0, math.inf, 0.0))
    assert total(turns) == 3


def noisy(truth: Motion, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """What a network might say: late by a turn, phase off by 0.06 cycles, rate by 15 %."""
    turns = []
    for k in range(1, len(truth.depth), 2):
        late = max(k - 2, 0)
        phase = np.nan_to_num(truth.phase[late]) + truth.rate_hz[late] * 0.2
        phase += 0.06 * rng.standard_normal()
        active = 0.85 if truth.active[late] else 0.15
        active = np.clip(active + 0.15 * rng.standard_normal(), 0, 1)
        rate = truth.rate_hz[late] * (1 + 0.15 * rng.standard_normal())
        length = rng.uniform(0.5, 1)
        active, rate, cos, sin = turn(phase, active, rate)
        turns.append((active, rate, length * cos, length * sin))
    return turns


def test_noisy_sets_stay_within_one() -> None:
    rng = np.random.default_rng(1)
    within, exact, sets = 0, 0, 120
    for _ in range(sets):
        truth = rep_set(rng, 300)
        counted = total(noisy(truth, rng) + [REST] * 5)
        within += abs(counted - len(truth.ends)) <= 1
        exact += counted == len(truth.ends)
    assert within / sets >= 0.95 and exact / sets >= 0.6, (within, exact)


def gated(active: list[float], counted: list[int], **changed: float) -> list[int]:
    gate = Gate(GateParameters(**changed))
    return [gate.step(a, n) for a, n in zip(active, counted)]


def test_what_the_network_takes_for_no_set_is_not_told() -> None:
    assert sum(gated([0.6] * 40, [1] * 40)) == 0


def test_a_gate_that_opens_late_catches_up_with_what_is_recent() -> None:
    active = [0.1] * 20 + [0.95] * 20
    counted = [0, 0, 0, 0, 1] * 8
    told = gated(active, counted)
    opened = next(k for k, n in enumerate(told) if n)
    assert 20 < opened < 32 and told[opened] == (opened + 1) // 5 and sum(told) == 8
    assert sum(gated([0.1] * 100 + [0.95] * 20, [1] * 10 + [0] * 110)) == 0


def test_an_open_gate_bears_a_doubt() -> None:
    active = [0.9] * 10 + [0.5] * 20 + [0.1] * 20
    told = gated(active, [1] * 50)
    assert sum(told[:30]) == 30 and sum(told[40:]) == 0


def test_a_restored_gate_goes_on() -> None:
    rng = np.random.default_rng(4)
    active, counted = rng.random(80) * 0.6 + 0.4, rng.integers(0, 2, 80)
    whole, parted = Gate(), Gate()
    expected = [whole.step(a, n) for a, n in zip(active, counted)]
    for a, n in zip(active[:33], counted[:33]):
        parted.step(a, n)
    resumed = Gate()
    resumed.set_state(parted.get_state())
    assert [resumed.step(a, n) for a, n in zip(active[33:], counted[33:])] == expected[33:]


def test_restored_mid_set_goes_on_counting() -> None:
    turns = steady(9, 0.6)
    first, second, said = PhaseCounter(), PhaseCounter(), 0
    for values in turns[:31]:
        said += first.step(*values, announced=True)
    second.set_state(first.get_state())
    said += sum(second.step(*values, announced=True) for values in turns[31:])
    assert said == 9
    with pytest.raises(ValueError, match="counter state"):
        second.set_state({"theta": 1.0})


def bar_frames(cycles: int, period: int) -> np.ndarray:
    """A bright bar that goes down and up, between two rests of 2 s; (n, 120, 160, 3)."""
    depth = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(cycles * period) / period)
    depth = np.concatenate([np.zeros(20), depth, np.zeros(20)])
    background = np.random.default_rng(3).integers(0, 90, (120, 160, 3), dtype=np.uint8)
    frames = np.repeat(background[None], len(depth), axis=0)
    for frame, share in zip(frames, depth):
        top = round(20 + 60 * share)
        frame[top : top + 25, 50:100] = 220
    return frames


@pytest.mark.parametrize(("cycles", "period"), [(5, 10), (8, 14), (4, 25), (0, 10)])
def test_baseline_counts_a_clean_set(cycles: int, period: int) -> None:
    rows, counter = similarity_rows(bar_frames(cycles, period)), BaselineCounter()
    said = [counter.step(rows[k : k + 2]) for k in range(0, len(rows), 2)]
    assert abs(sum(said) - cycles) <= (1 if cycles else 0)
    counter.reset()
    again = [counter.step(rows[k : k + 2]) for k in range(0, len(rows), 2)]
    assert again == said


def test_a_set_that_begins_late_in_the_stream_is_counted_like_any() -> None:
    frames = bar_frames(8, 14)
    rows = similarity_rows(np.concatenate([frames[:1].repeat(120, 0), frames]))
    counter, said = BaselineCounter(), 0
    for k in range(0, len(rows), 2):
        new = counter.step(rows[k : k + 2])
        if k < 120:
            assert not new
            counter.restart()
        said += new
    assert abs(said - 8) <= 1


def test_normalisation_of_rows_can_be_undone() -> None:
    frames = bar_frames(3, 12)
    rows, cells = similarity_rows(frames), gray_cells(frames)
    levels = gray_levels(rows[50:51].astype(float), np.array([50]))[0]
    assert levels[0, 6] == pytest.approx(np.abs(cells[50] - cells[43]).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("said", "times", "online"),
    [
        ([(1.0, 1), (2.1, 2), (3.4, 3)], [0.9, 2.0, 3.0], 3),
        ([(1.0, 1)], [0.9, 2.0, 3.0], None),
        ([(2.5, 4)], [0.9, 2.0, 3.0], 4),
        ([], [], 0),
        ([(1.0, 1)], [], 1),
    ],
)
def test_online_rule(said: list, times: list, online: int | None) -> None:
    assert online_count(said, times) == online


def test_real_clips_of_exercise() -> None:
    folder = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "reps_exercise"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/reps_exercise")
    chosen = ("squat_white_side", "pushup_phone", "pullup_park_e", "plank_a")
    clips = [c for c in labelled_clips(folder) if c[0].stem in chosen]
    results = [evaluate_clip(path, times, BaselineCounter()) for path, times in clips]
    summary = summarise(results)
    assert summary["clips"] == 3 and summary["within_one"] == 1.0
    assert summary["false_counts"] == 0


def test_unreadable_clip_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(Exception, match="broken.mp4"):
        read_clip(broken)
