"""The counter that learned nothing: repetitions from the self-similarity rows alone.

It is the bar that the network must meet, and it counts when there are no weights. Below it, how
any counter is measured on a recorded clip: `evaluate_clip`, `summarise`, and as a program

    python -m models.baseline_counter ../shared/data/reps_exercise ../shared/data/reps_quva

`../shared/data` is a folder of real recordings beside the checkout. They may not be redistributed,
so it may be absent; any folder of clips with a `labels.csv` serves (`labelled_clips`).
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Sequence

import numpy as np

from kernels.similarity_ref import HEIGHT, LAGS, REGIONS, WIDTH, Similarity, gray_levels

FPS = 10
"""Frames per second that the rows stand for."""
FRAMES_A_TURN = 2
LEAD_IN_S = 1.0
"""The first picture is shown this long before a measured clip."""
TAIL_S = 2.0
"""The last picture stays this long."""


class RowCounter(Protocol):
    """What `evaluate_clip` measures."""

    def step(self, rows: np.ndarray) -> int:
        """rows (k, 400) of a micro-turn, oldest first; returns repetitions to report now."""
        ...


@dataclass(frozen=True)
class BaselineParameters:
    """Best of 200 settings on the 20 clips of real exercise: a bar that flatters itself there."""

    depth: float = 0.75
    """A dip below this share of the peak at smaller lags is a repetition, 0 to 1."""
    margin: float = 0.15
    """The first dip that is at most this much shallower than the deepest gives the period."""
    shortest: int = 3
    """Smallest period in frames."""
    tau: float = 20.0
    """Frames over which distances are averaged; below a period, half periods are found."""
    moving: float = 0.8
    """Gray levels of change from frame to frame below which nothing moves."""
    quiet: int = 6
    """Frames without motion that end a set."""
    confirm: int = 2
    """Cycles, and micro-turns with a period, before the first number; then it catches up. Takes
    clips with nothing to count from 20 to 32 % silent and costs nothing on the real clips."""
    head: float = 0.1
    """Cycles before the end at which a repetition is reported."""


class BaselineCounter:
    """Online: the first deep dip over the lags is the period, its rate is integrated.

    When a period is first seen, the motion so far is counted at that rate (catching up); when it
    was lost for a while, the motion since then.
    """

    def __init__(self, parameters: BaselineParameters = BaselineParameters()) -> None:
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        """Forget everything, as when the rows begin anew."""
        self._frames = 0
        self.restart()

    def restart(self) -> None:
        """A new set begins in the same stream of rows: only frames from here on are compared."""
        self._mean = np.zeros((REGIONS, LAGS))
        self._age = 0
        self._moving, self._still, self._waiting = 0, LAGS, 0
        self._cycles, self._counted, self._locked = 0.0, 0, False
        self._held, self._reported = 0, 0

    def step(self, rows: np.ndarray) -> int:
        """rows (k, 400) float of a micro-turn, oldest first; returns repetitions to report now."""
        for row in rows:
            self._frame(np.asarray(row, np.float64))
            self._counted = max(self._counted, int(self._cycles + self.parameters.head))
        self._held = self._held + 1 if self._locked else 0
        confirm = self.parameters.confirm
        if not self._reported and (self._counted < confirm or self._held < confirm):
            return 0
        new, self._reported = self._counted - self._reported, self._counted
        return new

    def get_state(self) -> dict:
        """Everything that `set_state` needs to go on, as owned values."""
        state = {k: v for k, v in vars(self).items() if k != "parameters"}
        return {**state, "_mean": self._mean.copy()}

    def set_state(self, state: dict) -> None:
        """Go on from `get_state`."""
        vars(self).update({**state, "_mean": state["_mean"].copy()})

    def _frame(self, row: np.ndarray) -> None:
        distance = gray_levels(row[None], np.array([min(self._frames, LAGS)]))[0]
        self._frames += 1
        existing = min(self._age, LAGS)  # what was before the set is not compared with
        self._age += 1
        weight = 1 / np.clip(self._age - np.arange(1, LAGS + 1), 1, self.parameters.tau)
        self._mean += weight * (distance - self._mean) * (np.arange(LAGS) < existing)
        change = distance[:, :2].max() if existing >= 2 else 0.0
        self._still = 0 if change > self.parameters.moving else self._still + 1
        if self._still > self.parameters.quiet:
            self._moving, self._locked, self._cycles = 0, False, float(self._counted)
            self._waiting = 0
            return
        self._moving += 1
        self._waiting += 1   # frames whose share of a cycle is not known yet
        period = self._period(min(existing, self._moving + 3))
        if period:
            self._cycles += self._waiting / period
            self._waiting = 0
        self._locked = bool(period)

    def _period(self, lags: int) -> int:
        """Frames of the period in the region with the deepest dip, 0 without one."""
        p, best, period = self.parameters, np.inf, 0
        if lags < p.shortest + 2:
            return 0
        lag = np.arange(p.shortest - 1, lags - 1)
        for mean in self._mean[:, :lags]:
            share = mean[lag] / np.maximum(np.maximum.accumulate(mean)[lag], 1e-9)
            dip = (share < p.depth) & (mean[lag] <= mean[lag - 1]) & (mean[lag] <= mean[lag + 1])
            if not dip.any():
                continue
            first = np.argmax(share[dip] <= share[dip].min() + p.margin)
            if share[dip][first] < best - 0.05:  # a quadrant must be clearly better than the whole
                best, period = share[dip][first], int(lag[dip][first]) + 1
        return period


@dataclass(frozen=True)
class ClipResult:
    """One measured clip."""

    path: str
    true_count: int
    said: tuple[tuple[float, int], ...]
    """(seconds since the clip's first picture, number) of each report."""
    online: int | None
    """Last number said after the last-but-one true repetition; None when nothing was."""

    @property
    def final(self) -> int:
        """Last number said at all."""
        return self.said[-1][1] if self.said else 0

    @property
    def within_one(self) -> bool:
        """Source: RepCount-A's off-by-one accuracy, online form."""
        return self.online is not None and abs(self.online - self.true_count) <= 1


def read_clip(path: Path) -> np.ndarray:
    """(n, 120, 160, 3) uint8 at 10 fps, aspect not kept, with frozen lead-in and tail."""
    import av  # only measuring needs a decoder

    frames, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            small = frame.reformat(WIDTH, HEIGHT, "rgb24", interpolation="AREA")
            frames.append(small.to_ndarray())
            times.append(frame.time)
    if not frames:
        raise ValueError(f"{path} holds no picture; expected a video")
    at = np.arange(times[0], times[-1] + 0.5 / FPS, 1 / FPS)
    shown = [frames[i] for i in np.searchsorted(times, at + 0.01, side="right") - 1]
    lead, tail = [frames[0]] * round(LEAD_IN_S * FPS), [frames[-1]] * round(TAIL_S * FPS)
    return np.stack(lead + shown + tail)


def evaluate_clip(path: Path, rep_times: Sequence[float], counter: RowCounter) -> ClipResult:
    """Show a clip to a counter, as the daemon would, two frames a micro-turn.

    rep_times: seconds from the clip's first picture at which repetitions were completed.
    """
    similarity, said, count = Similarity(), [], 0
    frames = read_clip(path)
    for start in range(0, len(frames), FRAMES_A_TURN):
        turn = frames[start : start + FRAMES_A_TURN]
        new = counter.step(np.stack([similarity.push(frame) for frame in turn]))
        if new:
            count += new
            said.append(((start + len(turn)) / FPS - LEAD_IN_S, count))
    return ClipResult(str(path), len(rep_times), tuple(said), online_count(said, rep_times))


def online_count(said: Sequence[tuple[float, int]], rep_times: Sequence[float]) -> int | None:
    """RepCount-A online: the last number said after the last-but-one true repetition."""
    if len(rep_times) < 2:
        return said[-1][1] if said else 0
    late = [number for at_s, number in said if at_s >= rep_times[-2]]
    return late[-1] if late else None


def summarise(results: Sequence[ClipResult]) -> dict[str, float]:
    """Within one, exact and mean relative error over clips with repetitions; false counts."""
    counted = [r for r in results if r.true_count]
    errors = [abs(r.final - r.true_count) / r.true_count for r in counted]
    return {
        "clips": len(counted),
        "within_one": float(np.mean([r.within_one for r in counted])),
        "exact": float(np.mean([r.online == r.true_count for r in counted])),
        "relative_error": float(np.mean(errors)),
        "false_counts": sum(r.final for r in results if not r.true_count),
    }


def labelled_clips(folder: Path) -> list[tuple[Path, list[float]]]:
    """Paths and repetition times of a folder with `labels.csv` (path, rep_times_s)."""
    with open(folder / "labels.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        (folder / row["path"], [float(t) for t in row["rep_times_s"].split(";") if t])
        for row in rows
    ]


def main() -> None:
    """Measure the baseline on folders of labelled clips."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        results = []
        for path, rep_times in labelled_clips(folder):
            results.append(evaluate_clip(path, rep_times, BaselineCounter()))
            print(f"{path.name}: true {len(rep_times)}, said {results[-1].online}")
        print(folder.name, {key: round(value, 2) for key, value in summarise(results).items()})


if __name__ == "__main__":
    main()
