"""Training streams: 20 s of a wearer's day, rendered as sound, with what tagalong should do.

A stream simulates the daemon as far as the network sees it: what it says takes time and shows in
the state, tasks start and end, follow-up windows open and close. One speech event follows another;
each knows its words with their end times and the act that it calls for, if it was meant for
tagalong. Everything is drawn from one numpy Generator, so a stream is reproduced by its seed, up to
espeak-ng's own noise generator, which moves the ends of words by a millisecond or two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.dmel_ref import dmel
from models import grammar, tokens
from models.scenarios import recordings, sound, talk, voices
from models.scenarios.phones import PHONES
from models.scenarios.simulation import (
    ASK_DELAY_S, ATTENTION_DELAY_S, EVERY, EXTENDABLE_DELAY_S, PAUSED, RATE, REPS, STOPWATCH,
    Simulation, TURNS, TURN_S, WORD_DELAY_S, after_act, change, count_aloud, heard_targets,
    meant_for_it, release_waiting, speak_own, state_rows, take_floor, turn_of, yield_floor,
)

STOPPERS = ("stop", "be_quiet", "never_mind", "say_again")
INTENT_NAMES = tuple(grammar.INTENTS)
_SLOTTED = np.array([2.0 if tokens.slot_fields(name) else 1.0 for name in INTENT_NAMES])
INTENT_SHARES = _SLOTTED / _SLOTTED.sum()
"""A command with a number or a name in it is harder, and drawn twice as often."""


@dataclass
class Stream:
    """One rendered stream; arrays as stored in the shards."""

    levels: np.ndarray
    """(TURNS, 8, 80) uint8."""
    state: np.ndarray
    """(TURNS, fields) uint8 rows of the state table."""
    heard: np.ndarray
    """(TURNS, 2) int16 target tokens; -1 where the words are not known."""
    heard_weight: np.ndarray
    """(TURNS, 2) float16."""
    act: np.ndarray
    """(TURNS,) int16."""
    slots: np.ndarray
    """(TURNS, heads) int16 target classes, meaningful where act is not 0."""
    floor: np.ndarray
    """(TURNS,) int16."""
    phones: np.ndarray
    """(TURNS * 8,) uint8 phone of each 25 ms frame, 255 where not known."""


@dataclass
class _Utterance:
    pcm: np.ndarray
    words: list
    ends: list
    phones: list
    first_s: float
    """First voiced moment."""
    splits: tuple = ()
    """Word counts at which a pause may be put in."""


def _say(sim: Simulation, words, voice: str | None, safe=()) -> _Utterance:
    spoken = voices.speak(sim.rng, words, True, voice)
    pcm = spoken.pcm.astype(np.float32)
    factor = 1.0
    if voice is None or sim.rng.random() < 0.75:
        # few people were recorded: each stands for more sizes of speaker
        widest = 1.13 if spoken.voice.startswith("espeak") else 1.2
        factor = float(np.exp(sim.rng.uniform(-np.log(widest), np.log(widest))))
        pcm = sound.resample(pcm, factor)
    loud = np.flatnonzero(np.abs(pcm) > 0.04 * np.abs(pcm).max())
    first = loud[0] / RATE if len(loud) else 0.0
    return _Utterance(pcm, list(words), list(spoken.ends_s / factor),
                      [(c, a / factor, b / factor) for c, a, b in spoken.phones], first, safe)


def _put_pause(rng, u: _Utterance) -> _Utterance:
    """A hesitation of 0.3 to 1.3 s after one of the safe words."""
    if not u.splits:
        return u
    n = int(u.splits[rng.integers(len(u.splits))])
    at, gap = u.ends[n - 1], float(rng.uniform(0.3, 1.3))
    cut = min(int(at * RATE), len(u.pcm))
    pcm = np.concatenate([sound.fade_out(u.pcm[:cut]), np.zeros(int(gap * RATE), np.float32),
                          u.pcm[cut:]])
    ends = [e if i < n else e + gap for i, e in enumerate(u.ends)]
    phones = [(c, a + gap * (a >= at - 1e-3), b + gap * (a >= at - 1e-3)) for c, a, b in u.phones]
    return _Utterance(pcm, u.words, ends, phones, u.first_s, u.splits)


def _place(sim: Simulation, u: _Utterance, start_s: float, gain_db: float,
           spelled: float = 0.35) -> float:
    """Mix an utterance in, near the microphone; returns the end of its last word. `spelled` is the
    weight of words outside the vocabulary."""
    level = 10 ** (gain_db / 20) * 32768 / (sound.rms(u.pcm) + 1e-6)
    pcm = sound.room(sim.rng, u.pcm * level)
    sound.add(sim.pcm, pcm, int(start_s * RATE))
    for word, end in zip(u.words, u.ends):
        known = tokens.is_word(tokens.encode_word(word)[0])
        sim.words.append((start_s + end, tokens.encode_word(word), 1.0 if known else spelled))
    for phone, a, b in u.phones:
        first, last = (int(round((start_s + x) / 0.025)) for x in (a, b))
        sim.phones[max(first, 0) : last] = phone
    end = start_s + u.ends[-1]
    sim.busy.append((start_s + u.first_s, end))
    take_floor(sim, start_s + u.first_s, end)
    return end


def _act_turn(end_s: float, delay_s: float) -> int:
    return turn_of(end_s + delay_s)


def _sample(rng, intent: str) -> grammar.Command:
    """A command; a third of the routines that are begun are none of ours, with any name."""
    command = grammar.sample(rng, intent)
    if intent == "start_routine" and rng.random() < 0.33:
        pool = talk.other_words(True) if rng.random() < 0.5 else tokens.WORDS
        own = [pool[rng.integers(len(pool))] for _ in range(rng.integers(1, 3))]
        words = (command.words[0], *(["my"] if rng.random() < 0.7 else ["the"]), *own)
        if grammar.parse(words) is None:
            return grammar.Command(intent, words, {}, False, (1, 2))
    return command


def _command(sim: Simulation, start_s: float, gain_db: float) -> float:
    """A command of the grammar, with or without the name, meant or not."""
    rng = sim.rng
    turn = min(int(start_s / TURN_S), TURNS - 1)
    speaking = bool(sim.voice[turn])
    intent = INTENT_NAMES[rng.choice(len(INTENT_NAMES), p=INTENT_SHARES)]
    if sim.values["pending"] and rng.random() < 0.7:
        intent = "yes" if rng.random() < 0.5 else "no"
    elif speaking and rng.random() < 0.6:
        intent = STOPPERS[rng.choice(4, p=[0.6, 0.2, 0.1, 0.1])]
    elif sim.values["task"] and rng.random() < 0.3:
        kind = "reps" if sim.values["task"] in (REPS, PAUSED) else "running"
        pool = [i.name for i in grammar.INTENTS.values() if kind in i.contexts]
        intent = pool[rng.integers(len(pool))]
    elif sim.values["routine"] and rng.random() < 0.4:
        pool = [i.name for i in grammar.INTENTS.values() if "routine" in i.contexts]
        intent = pool[rng.integers(len(pool))]
    command = _sample(rng, intent)
    named = rng.random() < (0.4 if meant_for_it(sim, intent, False, start_s) else 0.8)
    name = grammar.NAMES[rng.choice(3, p=[0.7, 0.15, 0.15])].split() if named else []
    words = name + list(command.words)
    safe = tuple(n + len(name) for n in command.prefix_safe) + ((len(name),) if name else ())
    u = _say(sim, words, sim.wearer if rng.random() < 0.9 else None, safe)
    if rng.random() < 0.3:
        u = _put_pause(rng, u)
    meant = meant_for_it(sim, intent, named, start_s)
    end = _place(sim, u, start_s, gain_db)
    if meant:
        yield_floor(sim, start_s + u.first_s)
        delay = EXTENDABLE_DELAY_S if command.extendable else WORD_DELAY_S
        k = _act_turn(end, delay)
        if k < TURNS:
            sim.acts[k] = (intent, command.slots)
            after_act(sim, k, intent)
            return max(end, (k + 1) * TURN_S)
    return end


def _open_question(sim: Simulation, start_s: float, gain_db: float) -> float:
    """An open question, asked of tagalong (by name) or of somebody else."""
    rng = sim.rng
    named = rng.random() < 0.65
    name = grammar.NAMES[rng.choice(3, p=[0.7, 0.15, 0.15])].split() if named else []
    words = name + (talk.question(rng) if rng.random() < 0.75 else talk.sentence(rng))
    u = _say(sim, words, sim.wearer, (len(name),) if name else ())
    if rng.random() < 0.2:
        u = _put_pause(rng, u)
    end = _place(sim, u, start_s, gain_db)
    if named or sim.values["addressing"] == 2:
        yield_floor(sim, start_s + u.first_s)
        k = _act_turn(end, ASK_DELAY_S)
        if k < TURNS:
            sim.acts[k] = (grammar.ASK, {})
            after_act(sim, k, grammar.ASK)
            return (k + 1) * TURN_S
    return end


def _name_only(sim: Simulation, start_s: float, gain_db: float) -> float:
    name = grammar.NAMES[sim.rng.integers(3)].split()
    u = _say(sim, name, sim.wearer)
    end = _place(sim, u, start_s, gain_db)
    yield_floor(sim, start_s + u.first_s)
    k = _act_turn(end, ATTENTION_DELAY_S)
    if k < TURNS:
        sim.acts[k] = (grammar.ATTENTION, {})
        after_act(sim, k, grammar.ATTENTION)
    return end + ATTENTION_DELAY_S


def _talk(sim: Simulation, start_s: float, gain_db: float) -> float:
    """Open speech, random word strings and single words: heard, never acted on."""
    rng = sim.rng
    words = talk.anything(rng)
    parsed = grammar.parse(words)
    if parsed and meant_for_it(sim, parsed[0], False, start_s):
        words = words + ["then"]
    voice = sim.wearer if rng.random() < 0.5 else None
    return _place(sim, _say(sim, words, voice), start_s, gain_db)


def _single_words(sim: Simulation, start_s: float, gain_db: float) -> float:
    """Isolated words of the whole vocabulary with gaps: no word is rare on its own."""
    rng, at = sim.rng, start_s
    for _ in range(rng.integers(1, 4)):
        draw = rng.random()
        if draw < 0.3:  # outside the vocabulary: spelled, or at least no word of the vocabulary
            word = talk.other_words(True)[rng.integers(len(talk.other_words(True)))]
        elif draw < 0.65:
            word = grammar.NUMBER_WORDS[rng.integers(28)]
        else:
            word = tokens.WORDS[rng.integers(len(tokens.WORDS))]
        parsed = grammar.parse([word])
        u = _say(sim, [word], sim.wearer)
        end = _place(sim, u, at, gain_db, spelled=1.0)
        if parsed and meant_for_it(sim, parsed[0], False, at):
            yield_floor(sim, at + u.first_s)
            k = _act_turn(end, EXTENDABLE_DELAY_S if grammar.extendable((word,)) else WORD_DELAY_S)
            if k < TURNS:
                sim.acts[k] = (parsed[0], parsed[1])
                after_act(sim, k, parsed[0])
        at = end + float(rng.uniform(0.4, 1.2))
    return at


def _clip(rng) -> recordings.Recording | None:
    """A real voice; a word outside the vocabulary as often as there would be, had as many been
    recorded: else whoever is no synthesiser would say the vocabulary alone."""
    name = ("speech_commands", "fsdd_digits", "barista_commands", "wake_words")[
        rng.choice(4, p=[0.45, 0.2, 0.2, 0.15])]
    pool = recordings.recordings(name)
    if name == "speech_commands" and rng.random() < 0.35:
        pool = [c for c in pool if not all(tokens.is_word(tokens.encode_word(w)[0])
                                           for w, _ in c.words)]
    return pool[rng.integers(len(pool))] if pool else None


def _recording(sim: Simulation, start_s: float, gain_db: float) -> float:
    """A real voice: a single word, or speech of which some words, or none, are known."""
    rng = sim.rng
    clip = _clip(rng)
    if clip is None:
        return _talk(sim, start_s, gain_db)
    pcm = clip.pcm.astype(np.float32)
    # four people said the digits: each stands for other sizes of speaker, as in `_say`
    factor = float(np.exp(rng.uniform(-np.log(1.2), np.log(1.2))))
    pcm, end_s = sound.resample(pcm, factor), clip.end_s / factor
    level = 10 ** (gain_db / 20) * 32768 / (sound.rms(pcm) + 30)
    sound.add(sim.pcm, pcm * level, int(start_s * RATE))
    stop_s = start_s + len(pcm) / RATE
    sim.phones[int(start_s / 0.025) : int(stop_s / 0.025) + 1] = 255
    for word, word_s in clip.words:
        ids = tokens.encode_word(word)
        sim.words.append((start_s + word_s / factor, ids, 1.0 if tokens.is_word(ids[0]) else 0.6))
    if not clip.known:
        if clip.speech:
            sim.unknown.append((start_s, stop_s + 0.4))
            take_floor(sim, start_s + 0.15, start_s + end_s)
        return stop_s
    onset = start_s + max(end_s - 0.6 * len(clip.words), 0.05)
    sim.busy.append((onset, start_s + end_s))
    take_floor(sim, onset, start_s + end_s)
    said = tuple(word for word, _ in clip.words)
    parsed = grammar.parse(said)
    if parsed and meant_for_it(sim, parsed[0], False, start_s):
        yield_floor(sim, onset)
        k = _act_turn(start_s + end_s,
                      EXTENDABLE_DELAY_S if grammar.extendable(said) else WORD_DELAY_S)
        if k < TURNS:
            sim.acts[k] = parsed
            after_act(sim, k, parsed[0])
    return stop_s


def _background_talk(sim: Simulation, start_s: float, gain_db: float) -> float:
    """Somebody far away or a radio: neither heard nor acted on."""
    u = _say(sim, talk.sentence(sim.rng), None)
    level = 10 ** ((gain_db - sim.rng.uniform(18, 30)) / 20) * 32768 / (sound.rms(u.pcm) + 1e-6)
    sound.add(sim.pcm, sound.far(sim.rng, u.pcm * level), int(start_s * RATE))
    return start_s + u.ends[-1]


def _noise_event(sim: Simulation, start_s: float, gain_db: float) -> float:
    """A cough, a knock, a clatter."""
    pcm = sound.burst(sim.rng) * 10 ** ((gain_db + sim.rng.uniform(-12, 4)) / 20) * 32768
    sound.add(sim.pcm, pcm, int(start_s * RATE))
    return start_s + len(pcm) / RATE


def _overlap(sim: Simulation, start_s: float, gain_db: float) -> float:
    """While tagalong speaks: somebody says "mm hm", talks to another person or coughs, and it goes
    on; or tells it to stop."""
    rng, draw = sim.rng, sim.rng.random()
    if draw < 0.3:
        words = talk.backchannel(rng)
        return _place(sim, _say(sim, words, sim.wearer), start_s, gain_db)
    if draw < 0.6:
        words = talk.sentence(rng)[: int(rng.integers(2, 9))]
        parsed = grammar.parse(words)
        if parsed and meant_for_it(sim, parsed[0], False, start_s):
            words = words + ["then"]
        voice = sim.wearer if rng.random() < 0.4 else None
        return _place(sim, _say(sim, words, voice), start_s, gain_db - float(rng.uniform(0, 10)))
    if draw < 0.7:
        return _noise_event(sim, start_s, gain_db)
    return _command(sim, start_s, gain_db)


EVENTS = ((_command, 0.37), (_open_question, 0.07), (_name_only, 0.02), (_talk, 0.26),
          (_single_words, 0.05), (_recording, 0.17), (_background_talk, 0.04),
          (_noise_event, 0.02))
WEARERS = {"espeak": 1.0, "flite": 6.0, "hibari": 14.0, "piper": 9.0, "festival": 2.0,
           "kokoro": 0.3}
"""How often a voice of each synthesiser is the wearer: few people were recorded, and they sound
more like people than some sixty variants of espeak-ng do. Kokoro takes 2 s for a sentence."""


def _begin(rng, wearers: tuple[str, ...]) -> Simulation:
    """A moment of the day at which the stream cuts in."""
    values = dict(tokens.IDLE_STATE)
    values["addressing"] = int(rng.choice(3, p=[0.1, 0.82, 0.08]))
    sim = Simulation(rng, values)
    names = [n for n in voices.speakers(True) if n.split(":")[0] in wearers]
    weights = np.array([WEARERS[n.split(":")[0]] for n in names])
    sim.wearer = names[rng.choice(len(names), p=weights / weights.sum())]
    draw = rng.random()
    if draw < 0.18:
        sim.exchange_s = sim.spoke_s = -float(rng.uniform(0, 7))
        sim.exchanges.append((-1, sim.exchange_s))
    elif draw < 0.38:
        change(sim, 0, "task", REPS)
        change(sim, 0, "count", int(rng.integers(0, 12)))
        count_aloud(sim)
    elif draw < 0.6:
        speak_own(sim, int(rng.integers(0, 8)), float(rng.uniform(3, 14)))
    elif draw < 0.7:
        change(sim, 0, "task", int(rng.choice([PAUSED, EVERY, STOPWATCH])))
    if rng.random() < 0.12:
        change(sim, 0, "timers", int(rng.integers(1, 3)))
        change(sim, 0, "timer_remaining_s", float(rng.choice([5.0, 20.0, 100.0])))
    if rng.random() < 0.05:
        change(sim, 0, "camera_muted", 1)
    if rng.random() < 0.12:
        change(sim, 0, "routine", 1)
    return sim


def _lay_out(rng, wearers: tuple[str, ...]) -> Simulation:
    sim = _begin(rng, wearers)
    functions, weights = zip(*EVENTS)
    gain_db = float(rng.uniform(-34, -16))
    t = float(rng.exponential(1.0)) + 0.2
    busy = rng.random()
    while t < TURNS * TURN_S - 1.0:
        event = functions[rng.choice(len(functions), p=weights)]
        speaking = sim.voice[int(t / TURN_S)] and sim.values["task"] != REPS
        if speaking and rng.random() < 0.6:
            event = _overlap
        try:
            end = event(sim, t, gain_db + float(rng.normal(0, 2)))
        except ValueError:  # flite split the text into other words: draw again
            continue
        t = max(end, t) + 0.3 + float(rng.exponential(0.3 if busy < 0.8 else 2.5))
    return sim


def stream(seed: int, wearers: tuple[str, ...] = tuple(WEARERS)) -> Stream:
    """Render the stream of this seed; wearers: synthesisers, one of which is the wearer's voice."""
    rng = np.random.default_rng(seed)
    sim = _lay_out(rng, wearers)
    release_waiting(sim)
    pcm = sound.finish(rng, sim.pcm)
    heard, weight = heard_targets(sim)
    act = np.zeros(TURNS, np.int16)
    slots = np.zeros((TURNS, len(tokens.SLOT_HEADS)), np.int16)
    for k, (name, values) in sim.acts.items():
        act[k] = tokens.ACTS.index(name)
        slots[k] = list(tokens.encode_slots(values).values())
    floor = np.zeros(TURNS, np.int16)
    for k, value in sim.floors.items():
        floor[k] = value
    assert len(PHONES) < 255
    levels = dmel(pcm).reshape(TURNS, 8, 80)
    return Stream(levels, state_rows(sim), heard, weight, act, slots, floor, sim.phones)
