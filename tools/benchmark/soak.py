"""Hours of the whole program in one process, stepped, with parts of it going away at random.

Every hour begins with the same four minutes (`soak.toml`): a timer, a set, a question, a reminder,
with what must come of them. Then people talk and move, while by seed the microphone and the camera
vanish for seconds and the worker is killed for a minute. Memory and the time of a step are told by
the hour: both must be flat, and the last hour must be as right as the first.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.config import BackgroundConfig, Config
from daemon.options import RunOptions
from daemon.run import Runner
from daemon.senses.camera_synthetic import SyntheticCamera
from daemon.senses.microphone import SilentMicrophone
from daemon.turn import TURN_S, TURN_SAMPLES, VideoFrame
from daemon.wiring import Wiring
from models.scenarios import render, script, video
from tools.benchmark import silence
from tools.benchmark.source import Source
from tools.benchmark.speed import rss_mib

HOUR_S = 3600.0
TURNS_PER_HOUR = round(HOUR_S / TURN_S)
TALK_PIECES = 4
"""Different pieces of five minutes of talk; they come again, at other times of the hour."""
AWAY = ((4, 5.0, 40.0), (4, 5.0, 60.0), (2, 20.0, 120.0))
"""Of microphone, camera and worker: times an hour that it is away, and for how many seconds."""
DEADLINE_S = 8.0
"""Of a question. A stepped run waits for an answer in wall time."""
GONE = "it has vanished"


@dataclass(frozen=True)
class Gap:
    """Something is away, session seconds."""

    from_s: float
    to_s: float


def gaps(hours: float, seed: int, quiet_s: float) -> tuple[tuple[Gap, ...], ...]:
    """When microphone, camera and worker are away, in order and apart; never in the first quiet_s
    seconds of an hour, nor in its last minute."""
    rng = np.random.default_rng([11, seed])
    found = []
    for an_hour, shortest_s, longest_s in AWAY:
        mine, slot_s = [], (HOUR_S - quiet_s - 60.0) / an_hour
        for n in range(int(np.ceil(hours)) * an_hour):
            length_s = rng.uniform(shortest_s, longest_s)
            at_s = n // an_hour * HOUR_S + quiet_s + n % an_hour * slot_s
            at_s += rng.uniform(0.0, slot_s - length_s)
            mine.append(Gap(at_s, at_s + length_s))
        found.append(tuple(mine))
    return tuple(found)


class Plan:
    """What happens when; everything but the hourly minutes follows from the seed."""

    def __init__(self, hours: float, seed: int) -> None:
        self.seconds = hours * HOUR_S
        self.check = script.load(Path(__file__).with_name("soak.toml"))
        self.sound = render.sound(self.check)
        self.film = render.pictures(self.check)
        talk = [silence.generated(Source(), 2 * n).pcm for n in range(TALK_PIECES)]
        self.talk = np.concatenate([pcm[: len(pcm) // TURN_SAMPLES * TURN_SAMPLES]
                                    for pcm in talk])
        rng = np.random.default_rng([12, seed])
        self.idle = np.concatenate([video.clip(rng, 20.0).frames for _ in range(3)])
        self.microphone, self.camera, self.worker = gaps(hours, seed, self.check.seconds)

    def heard(self, turn: int) -> np.ndarray:
        """(3200,) int16 of a micro-turn."""
        in_hour = turn % TURNS_PER_HOUR * TURN_SAMPLES
        if in_hour < len(self.sound):
            return self.sound[in_hour : in_hour + TURN_SAMPLES]
        shift = turn // TURNS_PER_HOUR * 1_111   # the pieces' length divides an hour
        at = (turn + shift) * TURN_SAMPLES % len(self.talk)
        return self.talk[at : at + TURN_SAMPLES]

    def seen(self, t_s: float) -> np.ndarray:
        """(120, 160, 3) uint8 of a session time in seconds."""
        frame = round(t_s % HOUR_S * video.FPS)
        return self.film[frame] if frame < len(self.film) else self.idle[frame % len(self.idle)]


def inside(gaps: tuple[Gap, ...], t_s: float) -> bool:
    """Whether a moment lies in one of the gaps, which are in order."""
    n = bisect_right([gap.from_s for gap in gaps], t_s)
    return n > 0 and t_s < gaps[n - 1].to_s


class SoakMicrophone(SilentMicrophone):
    """The plan's sound, and its clock: told of each micro-turn, it kills and starts the worker."""

    def __init__(self, plan: Plan, soak: Soak) -> None:
        super().__init__()
        self._plan, self._soak = plan, soak
        self.problem: str | None = None

    def read(self, out: np.ndarray) -> None:
        """See `Microphone.read`."""
        turn = self._turns
        super().read(out)
        self._soak.tick(turn)
        self.problem = GONE if inside(self._plan.microphone, turn * TURN_S) else None
        out[:] = 0 if self.muted or self.problem else self._plan.heard(turn)


class SoakCamera(SyntheticCamera):
    """The plan's pictures."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.seen)
        self._plan = plan

    def frames(self, until_s: float) -> list[VideoFrame]:
        """See `Camera.frames`."""
        found = super().frames(until_s)
        self.lost = inside(self._plan.camera, until_s)
        self.problem = GONE if self.lost else None
        return [] if self.lost else found


class SoakWiring(Wiring):
    """The very session, but for where its sound and pictures come from."""

    soak: Soak

    def _microphone(self) -> SoakMicrophone:
        return SoakMicrophone(self.soak.plan, self.soak)

    def _camera(self, control) -> SoakCamera:
        return SoakCamera(self.soak.plan)


class Soak:
    """One soak: what is done to the session, and what is seen of it."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.stopping = threading.Event()
        self.memory_mib: list[float] = []
        """At the end of every minute."""
        self.step_ms: list[dict[str, float]] = []
        """Of every hour: median and p99, waits for answers included."""
        self.killed = 0
        self._turns = round(plan.seconds / TURN_S)
        self._times = np.zeros(TURNS_PER_HOUR)
        self._at_s: float | None = None
        self._away = False
        self._progress, self._task = progress, progress.add_task("soak", total=self._turns)
        self.wiring: SoakWiring | None = None

    def tick(self, turn: int) -> None:
        """A micro-turn begins."""
        now_s = time.perf_counter()
        if self._at_s is not None and turn:
            self._times[(turn - 1) % TURNS_PER_HOUR] = now_s - self._at_s
        if turn and turn % TURNS_PER_HOUR == 0:
            self._hour(TURNS_PER_HOUR)
        if turn and turn % round(60 / TURN_S) == 0:
            self.memory_mib.append(round(rss_mib(), 1))
            self._progress.update(self._task, completed=turn)
        self._worker(inside(self.plan.worker, turn * TURN_S))
        if turn >= self._turns:
            if self._turns % TURNS_PER_HOUR:
                self._hour(self._turns % TURNS_PER_HOUR)
            self.stopping.set()
        self._at_s = time.perf_counter()

    def _hour(self, turns: int) -> None:
        ms = self._times[:turns] * 1000
        self.step_ms.append({"p50": round(float(np.median(ms)), 2),
                             "p99": round(float(np.percentile(ms, 99)), 2)})

    def _worker(self, away: bool) -> None:
        """Kill it, or start it anew; it loads in its own time."""
        if away == self._away:
            return
        self._away = away
        worker = self.wiring.background.worker
        if away:
            worker.kill()
            self.killed += 1
        else:
            worker.start()


def _verdicts(plan: Plan, events: list[dict]) -> list[list[str]]:
    """Of every hour that was begun: what of `soak.toml` did not come."""
    found, begins_s = [], 0.0
    while begins_s + plan.check.seconds <= plan.seconds:
        mine = [_moved(e, begins_s) for e in events
                if begins_s < e["t_s"] <= begins_s + plan.check.seconds]
        found.append(script.check(plan.check, mine))
        begins_s += HOUR_S
    return found


def _moved(event: dict, begins_s: float) -> dict:
    """The event with its times since the hour began."""
    times = {k: event[k] - begins_s for k in ("t_s", "start_s", "end_s") if k in event}
    return {**event, **times}


def measure(hours: float, seed: int = 1) -> dict:
    """Run it; figures by the hour. Raises ValueError for less than an hour's first minutes."""
    plan = Plan(hours, seed)
    if plan.seconds < plan.check.seconds:
        raise ValueError(f"--hours {hours:g}: at least {plan.check.seconds / HOUR_S:.2f}")
    bar = Progress(TextColumn("soak"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
                   TimeRemainingColumn())
    began_s = time.monotonic()
    with bar, tempfile.TemporaryDirectory(suffix="-soak") as name:
        soak, folder = Soak(plan, bar), Path(name)
        runner = _SoakRunner(soak)
        options = RunOptions("soak.wav", "synthetic", "none", folder / "events.jsonl",
                             broker="embedded", stepped=True, state_dir=folder, runtime_dir=folder)
        done = runner.run(options, stopping=soak.stopping)
        events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    return _told(plan, soak, events, done.turns, time.monotonic() - began_s)


class _SoakRunner(Runner):
    """Runs sessions with the plan's senses."""

    def __init__(self, soak: Soak) -> None:
        super().__init__(Config(background=BackgroundConfig(deadline_s=DEADLINE_S)))
        self._soak = soak

    def wiring(self, *parts) -> Wiring:
        """See `Runner.wiring`."""
        made = SoakWiring(self, *parts)
        made.soak, self._soak.wiring = self._soak, made
        return made


def _told(plan: Plan, soak: Soak, events: list[dict], turns: int, wall_s: float) -> dict:
    delegated = [e for e in events if e["kind"] == "delegate"]
    answers = [e for e in events if e["kind"] == "answer"]
    memory = soak.memory_mib
    wrong = _verdicts(plan, events)
    figures = {
        "hours": plan.seconds / HOUR_S, "turns": turns,
        "simulated seconds a second": round(plan.seconds / wall_s, 1),
        "memory MiB by hour": [memory[n] for n in range(59, len(memory), 60)],
        "growth MiB after the first ten minutes": (
            round(max(memory[10:]) - memory[9], 1) if len(memory) > 10 else None),
        "step ms by hour": soak.step_ms,
        "microphone and camera gone": [sum(g.to_s < plan.seconds for g in plan.microphone),
                                       sum(g.to_s < plan.seconds for g in plan.camera)],
        "told of": sum(e["kind"] == "error" and e.get("where") in ("microphone", "camera")
                       for e in events),
        "worker killed": soak.killed,
        "questions": len(delegated),
        "answers": dict(Counter(e.get("status", "") for e in answers)),
        "hours checked": len(wrong), "hours all right": sum(not w for w in wrong),
        "wrong by hour": wrong,
    }
    print(json.dumps(figures, indent=1))
    return figures
