"""From what the network sees of a repetition (active, rate, phase) to "one more": a phase lock.

The rate is integrated, the phase nudges the integral, and each whole cycle fires once. The state
is a handful of floats that `get_state` copies. It does not outlive the process: a daemon that is
started again mid-set goes on from the ledger's number and finds the phase anew, which may cost the
cycle that it was in.

Source: first-order phase-locked loop with frequency feed-forward; Gardner, "Phaselock
Techniques", 3rd ed., section 2.1. The gains are tuned on generated clips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

TURN_S = 0.2
"""Seconds of a micro-turn."""


@dataclass(frozen=True)
class CounterParameters:
    """What decides how eager the counter is."""

    active_on: float = 0.55
    """Probability of `active` that opens the gate, 0 to 1."""
    active_off: float = 0.35
    """Probability below which the gate closes, 0 to 1."""
    close_s: float = 0.6
    """Seconds below `active_off` before the gate closes: a hold at the bottom is no end."""
    nudge: float = 0.35
    """Share of the phase error that is corrected in a turn, 0 to 1."""
    lead: float = 0.06
    """Cycles before the end at which a repetition fires; makes up for the network's delay."""
    landing: float = 0.7
    """A cycle further than this when the gate closes counts: the body came to rest. So does one
    that its rate would have finished within a micro-turn."""
    fastest_hz: float = 3.2
    """Rates above are clipped; with one cycle a micro-turn at most this keeps fires apart."""
    cycles: int = 2
    """Consistent cycles before the first number."""
    cycles_announced: int = 1
    """The same once the wearer has announced a set."""
    consistent: float = 2.2
    """Largest ratio between the lengths of neighbouring cycles before the first number."""
    forget_s: float = 6.0
    """Seconds of rest after which a begun cycle and the confirmation are forgotten."""


@dataclass
class _State:
    theta: float = 0.0
    """Cycles since the beginning, fractional."""
    fired: float = 0.0
    """Whole cycles already taken."""
    waiting: float = 0.0
    """Cycles taken but not yet reported, as they are not confirmed."""
    confirmed: float = 0.0
    """1 once enough consistent cycles were seen."""
    gate: float = 0.0
    """1 while something repeats."""
    rate_hz: float = 0.0
    """Rate last integrated."""
    low_s: float = 0.0
    """Seconds for which `active` has been low."""
    cycle_s: float = 0.0
    """Seconds since the last cycle fired or the gate opened."""
    last_cycle_s: float = 0.0
    """Length of the cycle before, 0 when unknown."""


class PhaseCounter:
    """Counts repetitions, one `step` a micro-turn.

    >>> counter = PhaseCounter()
    >>> counter.step(0.0, 0.0, 1.0, 0.0, announced=True)
    0
    """

    def __init__(self, parameters: CounterParameters = CounterParameters()) -> None:
        self.parameters = parameters
        self._state = _State()

    def step(
        self,
        active: float,
        rate_hz: float,
        phase_cos: float,
        phase_sin: float,
        announced: bool = False,
    ) -> int:
        """Repetitions to report in this micro-turn, usually 0 or 1; more when it catches up.

        active: probability that something repeats, 0 to 1; rate_hz: repetitions a second;
        phase_cos, phase_sin: where in the cycle, start posture = (1, 0), length = confidence.
        Values that are not finite count as nothing seen.
        """
        if not all(map(math.isfinite, (active, rate_hz, phase_cos, phase_sin))):
            active, rate_hz, phase_cos, phase_sin = 0.0, 0.0, 0.0, 0.0
        state, p = self._state, self.parameters
        state.low_s = state.low_s + TURN_S if active < p.active_off else 0.0
        error = self._error(phase_cos, phase_sin)
        if not state.gate:
            if active < p.active_on:
                return self._rest()
            self._open(error)
        elif state.low_s >= p.close_s:
            return self._close(announced)
        elif active >= p.active_off:  # while out of sight the phase is held
            state.rate_hz = min(max(rate_hz, 0.0), p.fastest_hz)
            state.theta += state.rate_hz * TURN_S
            error = self._error(phase_cos, phase_sin)
            state.theta += p.nudge * min(1.0, math.hypot(phase_cos, phase_sin)) * error
        state.cycle_s += TURN_S
        if state.theta + p.lead < state.fired + 1:
            return 0
        return self._fire(announced)

    def _error(self, phase_cos: float, phase_sin: float) -> float:
        """Cycles from our phase to the seen one, -0.5 to 0.5; 0 when none is seen."""
        if math.hypot(phase_cos, phase_sin) < 1e-3:
            return 0.0
        seen = math.atan2(phase_sin, phase_cos) / (2 * math.pi)
        return (seen - self._state.theta + 0.5) % 1.0 - 0.5

    def _open(self, error: float) -> None:
        """Take the seen phase: entered late in a cycle, that cycle is not ours."""
        self._state.gate, self._state.cycle_s = 1.0, 0.0
        self._state.theta += error

    def _rest(self) -> int:
        """Closed: a long rest forgets the begun cycle and the confirmation."""
        state = self._state
        if state.low_s >= self.parameters.forget_s:
            state.theta, state.waiting, state.confirmed = state.fired, 0.0, 0.0
            state.last_cycle_s = 0.0
        return 0

    def _close(self, announced: bool) -> int:
        """The motion stopped: a nearly finished cycle counts, any other is held for a while."""
        state = self._state
        state.gate = 0.0
        along = state.theta - state.fired
        needed = min(self.parameters.landing, 1 - state.rate_hz * TURN_S)
        if along < needed:
            return 0
        state.theta = state.fired + 1
        return self._fire(announced)

    def _fire(self, announced: bool) -> int:
        """Take a cycle; report it, or keep it until enough consistent ones were seen."""
        state, p = self._state, self.parameters
        state.fired += 1
        state.theta = max(state.theta, state.fired - p.lead)
        length, before = state.cycle_s, state.last_cycle_s
        state.cycle_s, state.last_cycle_s = 0.0, length
        ratio = max(length, before) / max(min(length, before), TURN_S)
        uneven = before > 0 and ratio > p.consistent
        state.waiting = 1.0 if uneven and not state.confirmed else state.waiting + 1
        if state.waiting >= (p.cycles_announced if announced else p.cycles):
            state.confirmed = 1.0
        if not state.confirmed:
            return 0
        report, state.waiting = int(state.waiting), 0.0
        return report

    def reset(self) -> None:
        """Forget everything, as when a new set begins."""
        self._state = _State()

    def get_state(self) -> dict[str, float]:
        """Everything that `set_state` needs, as plain floats."""
        return {field.name: float(getattr(self._state, field.name)) for field in fields(_State)}

    def set_state(self, state: dict[str, float]) -> None:
        """Go on from `get_state`. Raises ValueError when a value is missing or unknown."""
        wanted = {field.name for field in fields(_State)}
        if set(state) != wanted:
            raise ValueError(f"counter state has {sorted(state)}, expected {sorted(wanted)}")
        self._state = _State(**{key: float(value) for key, value in state.items()})


@dataclass(frozen=True)
class GateParameters:
    """When a counted number may be spoken; chosen on generated clips of the training split."""

    open_at: float = 0.7
    """Mean probability of `active` over `turns` that opens it, 0 to 1."""
    close_at: float = 0.35
    """Mean below which it closes again: a set that was seen is not doubted at once."""
    turns: int = 10
    """Micro-turns of that mean."""
    keep_turns: int = 60
    """Repetitions counted so many micro-turns ago are still told when the gate opens."""


class Gate:
    """Lets repetitions through while the network sees a set; opened late, it catches up.

    What counts without having learned cannot tell an exercise from walking or fidgeting. The
    network can, so it decides whether a number is spoken.
    """

    def __init__(self, parameters: GateParameters = GateParameters()) -> None:
        self.parameters = parameters
        self.reset()

    def step(self, active: float, counted: int) -> int:
        """Repetitions to report in this micro-turn; active: probability that something repeats,
        counted: repetitions completed now."""
        p = self.parameters
        self._active = [*self._active, active][-p.turns :]
        self._waiting = [*self._waiting, counted][-p.keep_turns :]
        mean = sum(self._active) / len(self._active)
        self._open = mean > (p.close_at if self._open else p.open_at)
        if not self._open:
            return 0
        report, self._waiting = sum(self._waiting), []
        return report

    def reset(self) -> None:
        """Forget everything, as when a new set begins."""
        self._open = False
        self._active: list[float] = []
        self._waiting: list[int] = []

    def get_state(self) -> dict:
        """Everything that `set_state` needs."""
        return {"open": self._open, "active": list(self._active), "waiting": list(self._waiting)}

    def set_state(self, state: dict) -> None:
        """Go on from `get_state`."""
        self._open = bool(state["open"])
        self._active, self._waiting = list(state["active"]), list(state["waiting"])
