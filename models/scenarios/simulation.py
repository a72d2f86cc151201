"""The daemon and its moments as far as the network sees them, while a stream is being laid out.

What tagalong says takes time and shows in the state, tasks begin and end, follow-up windows open
and close, near speech takes the floor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models import grammar, tokens
from models.scenarios import sound
from models.tokens import FOLLOW_UP_S, HEARD_SLOTS

RATE = 16_000
TURN_S = 0.2
TURNS = 100
WORD_DELAY_S = 0.12
"""From the end of a word to the moment at which the micro-turn that names it may end."""
EXTENDABLE_DELAY_S = 0.4
"""The same for an act whose command could go on."""
ASK_DELAY_S = 0.6
ATTENTION_DELAY_S = 0.9
ONSET_S = 0.08
"""Speech that must have been heard before the voice is ducked."""

KEEP, DUCK, YIELD, SPEAK = range(4)
SILENT, SPEAKING, DUCKED = range(3)
NO_TASK, REPS, PAUSED, EVERY, STOPWATCH = range(5)
STARTS = {"count_reps": REPS, "target": REPS, "every": EVERY, "stopwatch": STOPWATCH,
          "pause_count": PAUSED, "resume_count": REPS}
ENDS = {"stop_count", "stop_every", "stop_stopwatch", "stop"}
ROUTINE = {"start_routine": 1, "stop_routine": 0}
TIMED = {"set_timer", "remind", "rest"}


@dataclass
class Simulation:
    """The daemon as far as the network sees it, while a stream is being laid out."""

    rng: np.random.Generator
    values: dict
    pcm: np.ndarray = field(default_factory=lambda: np.zeros(int(TURNS * TURN_S * RATE),
                                                             np.float32))
    words: list = field(default_factory=list)
    """(end_s, token ids, weight)."""
    unknown: list = field(default_factory=list)
    """(start_s, end_s) of speech with unknown words."""
    acts: dict = field(default_factory=dict)
    """turn -> (act name, slots)."""
    floors: dict = field(default_factory=dict)
    phones: np.ndarray = field(default_factory=lambda: np.zeros(TURNS * 8, np.uint8))
    voice: np.ndarray = field(default_factory=lambda: np.zeros(TURNS, np.int8))
    exchange_s: float | None = None
    """End of the last exchange."""
    spoke_s: float | None = None
    changes: list = field(default_factory=list)
    """(turn, field, value): state from this micro-turn on."""
    exchanges: list = field(default_factory=list)
    """(start_turn, end_s): exchanges, for since_exchange_s."""
    busy: list = field(default_factory=list)
    """(start_s, end_s) of near speech."""
    wearer: str = ""


def turn_of(t_s: float) -> int:
    """Micro-turn whose end is the first at or after t_s."""
    return int(np.ceil(t_s / TURN_S - 1e-6)) - 1


def speak_own(sim: Simulation, start_turn: int, seconds: float) -> None:
    """tagalong talks from start_turn on; a little of it stays in the microphone."""
    stop = min(start_turn + max(1, int(np.ceil(seconds / TURN_S))), TURNS)
    sim.voice[start_turn:stop] = SPEAKING
    sim.exchanges.append((start_turn, stop * TURN_S))
    sim.exchange_s = sim.spoke_s = stop * TURN_S
    if sim.rng.random() < 0.5 and start_turn < TURNS:
        residual = sound.own_voice(sim.rng, seconds)
        at = int((start_turn * TURN_S + 0.1) * RATE)
        sound.add(sim.pcm, residual * 10 ** (-sim.rng.uniform(5, 30) / 20), at)


def change(sim: Simulation, turn: int, name: str, value) -> None:
    sim.values[name] = value
    sim.changes.append((turn, name, value))


def after_act(sim: Simulation, turn: int, act: str) -> None:
    """State changes and tagalong's own response after an act."""
    rng, nxt = sim.rng, turn + 1
    if act in STARTS:
        change(sim, nxt, "task", STARTS[act])
        if act in ("count_reps", "target"):
            change(sim, nxt, "count", 0)
    elif act in ENDS:
        change(sim, nxt, "task", NO_TASK)
    elif act in ROUTINE:
        change(sim, nxt, "routine", ROUTINE[act])
    elif act in TIMED:
        change(sim, nxt, "timers", min(sim.values["timers"] + 1, 3))
        change(sim, nxt, "timer_remaining_s", float(rng.choice([1.5, 5, 20, 60])))
    elif act == "ask":
        change(sim, nxt, "delegations", 1)
    has_slots = bool(tokens.slot_fields(act))
    pending = has_slots and rng.random() < 0.12
    if sim.values["pending"] or pending:
        change(sim, nxt, "pending", int(pending))
    quiet = act in ("stop", "be_quiet", "never_mind", "mute_microphone") and rng.random() < 0.6
    if not quiet:
        long = rng.random() < 0.2
        speak_own(sim, nxt, float(rng.uniform(3, 10) if long else rng.uniform(0.4, 1.8)))
    else:
        sim.exchanges.append((nxt, nxt * TURN_S))
        sim.exchange_s = nxt * TURN_S


def _in_window(sim: Simulation, t_s: float) -> bool:
    return sim.exchange_s is not None and t_s - sim.exchange_s < FOLLOW_UP_S


def meant_for_it(sim: Simulation, intent: str, named: bool, start_s: float) -> bool:
    """Whether words of this intent are meant for tagalong at this moment."""
    mode = sim.values["addressing"]
    if named or mode == 2:
        return True
    if mode == 1 and _in_window(sim, start_s):
        return True
    turn = min(int(start_s / TURN_S), TURNS - 1)
    contexts = set()
    if sim.voice[turn]:
        contexts.add("speaking")
    if sim.values["task"] in (REPS, PAUSED):
        contexts.add("reps")
    if sim.values["task"] in (EVERY, STOPWATCH) or sim.values["timers"]:
        contexts.add("running")
    if sim.values["pending"]:
        contexts.add("pending")
    if sim.values["routine"]:
        contexts.add("routine")
    return bool(contexts & grammar.INTENTS[intent].contexts)


def take_floor(sim: Simulation, onset_s: float, end_s: float) -> None:
    """Near speech while tagalong talks: duck at once; the caller turns it into a yield."""
    k = turn_of(onset_s + ONSET_S)
    if k < TURNS and sim.voice[k] == SPEAKING and k >= 1:
        sim.floors[k] = DUCK
        if k + 1 < TURNS and sim.voice[k + 1]:
            sim.voice[k + 1] = DUCKED


def yield_floor(sim: Simulation, onset_s: float) -> None:
    """The speech that began at onset_s was an interruption: silent one micro-turn later."""
    k = turn_of(onset_s + ONSET_S)
    if k + 1 < TURNS and sim.floors.get(k) == DUCK and sim.voice[k + 1]:
        sim.floors[k + 1] = YIELD
        was = np.flatnonzero(sim.voice[k + 2 :] == SILENT)
        stop = k + 2 + (was[0] if len(was) else TURNS - k - 2)
        sim.voice[k + 2 : stop] = SILENT
        # the answer's planned end moves to here
        sim.exchanges = [(a, min(b, (k + 2) * TURN_S) if a <= k + 2 else b)
                         for a, b in sim.exchanges if a <= k + 2]
        sim.exchange_s = sim.spoke_s = (k + 2) * TURN_S


def count_aloud(sim: Simulation) -> None:
    """tagalong counts repetitions: short numbers, no exchange."""
    rng, at = sim.rng, int(sim.rng.integers(2, 12))
    step = int(rng.integers(4, 16))
    while at < TURNS - 2 and rng.random() < 0.97:
        sim.voice[at : at + 2] = SPEAKING
        change(sim, at, "count", sim.values["count"] + 1)
        if rng.random() < 0.5:
            residual = sound.own_voice(rng, 0.35)
            sound.add(sim.pcm, residual * 10 ** (-rng.uniform(5, 30) / 20),
                      int((at * TURN_S + 0.1) * RATE))
        at += step + int(rng.integers(-1, 2))


def release_waiting(sim: Simulation) -> None:
    """Reminders and answers become ready; they are released when nobody has just spoken."""
    rng = sim.rng
    for name in ("due", "answers"):
        if rng.random() > 0.18:
            continue
        ready = int(rng.integers(3, TURNS - 8))
        k = ready
        while k < TURNS and not _free(sim, k):
            k += 1
        sim.changes.append((ready, name, 1))
        if k < TURNS:
            sim.floors[k] = SPEAK
            sim.changes.append((k + 1, name, 0))
            stop = min(k + 1 + int(rng.integers(3, 8)), TURNS)
            later = np.flatnonzero(sim.voice[k + 1 : stop])
            stop = k + 1 + int(later[0]) if len(later) else stop
            sim.voice[k + 1 : stop] = SPEAKING


def _free(sim: Simulation, k: int) -> bool:
    """Nobody spoke in the last 0.6 s before the end of micro-turn k, tagalong is silent."""
    end = (k + 1) * TURN_S
    if sim.voice[k] or (k + 1 < TURNS and sim.voice[k + 1]) or k in sim.acts or k in sim.floors:
        return False
    return not any(a - 0.02 < end and b > end - 0.6 for a, b in sim.busy)


def state_rows(sim: Simulation) -> np.ndarray:
    values = {**tokens.IDLE_STATE, "addressing": sim.values["addressing"]}
    changes = sorted(sim.changes, key=lambda c: c[0])
    out = np.zeros((TURNS, len(tokens.STATE_FIELDS)), np.uint8)
    at, spoke = 0, sim.exchanges[0][1] if sim.exchanges and sim.exchanges[0][0] < 0 else None
    for k in range(TURNS):
        while at < len(changes) and changes[at][0] <= k:
            values[changes[at][1]] = changes[at][2]
            at += 1
        start_s = k * TURN_S
        begun = [b for a, b in sim.exchanges if a <= k]
        values["since_exchange_s"] = max(start_s - begun[-1], 0.0) if begun else None
        if sim.voice[k]:
            spoke = start_s + TURN_S
        values["since_spoke_s"] = None if spoke is None else max(start_s - spoke, 0.0)
        values["voice"] = int(sim.voice[k])
        out[k] = tokens.encode_state(values)
    return out


def heard_targets(sim: Simulation) -> tuple[np.ndarray, np.ndarray]:
    heard = np.zeros((TURNS, HEARD_SLOTS), np.int16)
    weight = np.zeros((TURNS, HEARD_SLOTS), np.float16)
    for a, b in sim.unknown:
        heard[int(a / TURN_S) : turn_of(b) + 1] = -1
    queue = [(end, t, w) for end, ids, w in sorted(sim.words, key=lambda x: x[0]) for t in ids]
    used = np.zeros(TURNS, int)
    k = 0
    for end, token, w in queue:
        k = max(k, turn_of(end + WORD_DELAY_S), 0)
        while k < TURNS and used[k] >= HEARD_SLOTS:
            k += 1
        if k >= TURNS:
            break
        heard[k, used[k]], weight[k, used[k]] = token, w
        used[k] += 1
    return heard, weight
