"""The interaction model as the daemon sees it: one `MicroTurn` in, one `Reply` out.

Front end, network, decoding and the counter, with all their state. What an act means, whether it
may be done and what is said are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from daemon.confusion import ConfusionNetwork, Rival
from daemon.engines import open_engine, open_or_next
from daemon.engines.base import Engine, StepInputs, StepOutputs
from daemon.front_end import STAGES, FrontEnd, front_end
from daemon.turn import Act, Floor, MicroTurn, Reply, Slots, State, Task, VoiceState
from kernels.dmel_ref import MELS
from models import tokens
from models.baseline_counter import BaselineCounter
from models.config import CONTEXT_FRAMES
from models.counter import Gate, PhaseCounter

_SILENT = (0, 0, 0, 0)
"""Outputs of a micro-turn in which nothing happened: heard, heard, act, floor."""
_NO_SOUND = np.zeros((CONTEXT_FRAMES, MELS), np.uint8)


class Model(Protocol):
    """What the session needs of an interaction model."""

    def step(self, turn: MicroTurn) -> Reply:
        """Answer one micro-turn."""

    def reset(self) -> None:
        """Forget the session so far."""


class InteractionModel:
    """Streams micro-turns through the network."""

    def __init__(self, engine: Engine, counter: PhaseCounter) -> None:
        self.engine = engine
        self._counter = counter
        self._unlearned = BaselineCounter()
        self._gate = Gate()
        self._front: FrontEnd = front_end(engine)
        self._words = tokens.WordAssembler()
        self._rivals = ConfusionNetwork()
        self._previous = _SILENT
        self._context = _NO_SOUND

    @classmethod
    def open(cls, engine: str = "auto", weights: Path | None = None,
             threads: int = 1, built: Path | None = None, precision: str = "fp16",
             tell: Callable[[str], None] | None = None) -> InteractionModel:
        """The model on an engine by name; weights None for the bundled ones, `built` the folder
        with TensorRT's. With `tell`, which gets the reason, the next engine stands in for one that
        cannot be used.

        Raises:
            EngineMismatch: unknown engine, missing or unfit weights.
        """
        if tell is None:
            return cls(open_engine(engine, weights, threads, built, precision), PhaseCounter())
        return cls(open_or_next(engine, weights, threads, built, precision, tell), PhaseCounter())

    def step(self, turn: MicroTurn) -> Reply:
        """Append one micro-turn. Frames beyond the second are left out.

        Raises:
            ValueError: sound or a frame has another shape or type than `MicroTurn` says.
        """
        rows = [self._front.rows(frame.rgb) for frame in turn.frames[:2]]
        outputs = self.engine.step(self._inputs(turn, rows))
        heads = self._choose(outputs, turn.state.voice)
        self._previous = tuple(heads[name] for name in ("heard0", "heard1", "act", "floor"))
        heard, rivals = self._heard(turn.index, outputs)
        active, rate_hz, counted = self._repetitions(outputs.reps, rows, turn.state)
        return Reply(
            turn.index,
            tuple(heard),
            self._act(heads, outputs),
            Floor(heads["floor"]),
            counted,
            active,
            rate_hz,
            rivals,
        )

    def _heard(self, turn: int, outputs: StepOutputs) -> tuple[list[str], tuple[Rival, ...]]:
        """Words that are complete now, and what these may have been instead."""
        words = self._words.push(self._previous[:2])
        logits = outputs.logits["heard0"], outputs.logits["heard1"]
        rivals = self._rivals.push(turn, words, self._previous[:2], logits,
                                   self.engine.spec.heard_bias)
        return words, rivals

    def _act(self, heads: Mapping[str, int], outputs: StepOutputs) -> Act | None:
        act = decode_act(heads["act"], heads, outputs.logits)
        if act is None:
            return None
        hypothesis, margin = self._rivals.judge(outputs.logits)
        return replace(act, hypothesis=hypothesis, words_margin=margin)

    def _inputs(self, turn: MicroTurn, rows: list[np.ndarray]) -> StepInputs:
        levels = np.concatenate([self._context, self._front.levels(turn.audio)])
        self._context = levels[-CONTEXT_FRAMES:]
        seen, front = bool(turn.frames), self._front
        fed = seen and self.engine.spec.pictures
        return StepInputs(
            levels=levels,
            patches=front.patches(turn.frames[0].rgb) if fed else None,
            # a single frame stands for both
            similarity=np.stack([rows[0], rows[-1], front.trend()]) if seen else None,
            state=np.array(tokens.encode_state(vars(turn.state)), np.int64),
            previous=np.array(self._previous, np.int64),
        )

    def _choose(self, outputs: StepOutputs, voice: VoiceState) -> dict[str, int]:
        """Class of every head; the empty class of heard, act and floor is weighed by a bias."""
        spec = self.engine.spec
        floor = spec.ducked_bias if voice is VoiceState.DUCKED else spec.floor_bias
        bias = {"heard0": spec.heard_bias, "heard1": spec.heard_bias, "act": spec.act_bias,
                "floor": floor}
        return self._front.choose(outputs.logits, bias)

    def _repetitions(self, reps: np.ndarray, rows: list[np.ndarray],
                     state: State) -> tuple[float, float, int]:
        """Probability of active, rate in hertz and repetitions completed now."""
        logit, cosine, sine, log_rate = (float(v) for v in reps)
        active = 1.0 / (1.0 + float(np.exp(-np.clip(logit, -30.0, 30.0))))
        rate_hz = float(np.exp(np.clip(log_rate, -5.0, 3.0)))
        unlearned = self._unlearned.step(rows)  # also between sets: it needs the whole stream
        if state.task is not Task.REPS:
            self._counter.reset()
            self._unlearned.restart()
            self._gate.reset()
            return active, rate_hz, 0
        if self.engine.spec.counter == "gated":
            return active, rate_hz, self._gate.step(active, unlearned)
        return active, rate_hz, self._counter.step(active, rate_hz, cosine, sine, announced=True)

    def reset(self) -> None:
        """Forget the session so far."""
        for part in self._parts().values():
            part.reset()
        self._previous = _SILENT
        self._context = _NO_SOUND

    @property
    def stages(self) -> dict[str, str]:
        """What serves each stage of a micro-turn."""
        around, engine = self._front.served_by, self.engine.name
        inner = around if around != "numpy" else engine
        return {**dict.fromkeys(STAGES, around), "ring": inner, "attention": inner,
                "products": "numpy" if inner == around else engine}

    def _parts(self) -> dict[str, Any]:
        return {"engine": self.engine, "front": self._front, "words": self._words,
                "rivals": self._rivals, "counter": self._counter, "unlearned": self._unlearned,
                "gate": self._gate}

    def get_state(self) -> dict[str, Any]:
        """Everything that `set_state` needs to go on, as owned values."""
        parts = {name: part.get_state() for name, part in self._parts().items()}
        return {**parts, "previous": self._previous, "context": self._context.copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `get_state` of a model with the same weights.

        Raises:
            ValueError: the state is of other weights.
        """
        for name, part in self._parts().items():
            part.set_state(state[name])
        self._previous = tuple(state["previous"])
        self._context = np.array(state["context"], np.uint8)


def probability(logits: np.ndarray, chosen: int) -> float:
    """Softmax of (n,) logits at one class."""
    shifted = np.exp((logits - logits.max()).astype(np.float64))
    return float(shifted[chosen] / shifted.sum())


def decode_act(act: int, heads: Mapping[str, int],
               logits: Mapping[str, np.ndarray]) -> Act | None:
    """The act with the slots that its intent has; None for the empty class.

    Its confidence is the smallest probability among intent and slots that carry a value.
    """
    if act == 0:
        return None
    intent = tokens.ACTS[act]
    fields = tokens.slot_fields(intent)
    slots = {k: v for k, v in tokens.decode_slots(heads).items() if k in fields}
    used = ["act", *(head for field in slots for head in tokens.HEADS_OF[field])]
    confidence = min(probability(logits[name], heads[name]) for name in used)
    return Act(intent, Slots(**slots), confidence)
