"""Suite `commands`: one command by name, with and without a pause inside (turn-taking)."""

from __future__ import annotations

import numpy as np

from models import grammar
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, NAME, RATE, Item, in_a_room, levelled, mix
from tools.benchmark.program import Result
from tools.benchmark.source import Source
from tools.benchmark.suite import Suite, always

TAIL_S = 3.5
DELEGATED = frozenset({"convert", "calculate", "history", "ask"})
"""Acts whose first words are a filler; they have a row of their own."""


def make(source: Source, number: int) -> Item:
    """One command by name; every fourth with a pause of 0.3 to 1.2 s inside."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([1, seed])
    intents = list(grammar.INTENTS)
    intent = intents[seed % len(intents)]
    command = grammar.sample(rng, intent)
    voice = source.voice(rng)
    words = list(NAME) + list(command.words)
    spoken = source.speak(rng, words, voice)
    pcm, ends, pause = levelled(spoken.pcm, rng.uniform(-28, -18)), spoken.ends_s.copy(), None
    safe = [1] + [n + 1 for n in command.prefix_safe]
    if seed % 4 == 0:
        n, gap = safe[rng.integers(len(safe))], rng.uniform(0.3, 1.2)
        cut = int(ends[n - 1] * RATE)
        pcm = np.concatenate([pcm[:cut], np.zeros(int(gap * RATE), np.float32), pcm[cut:]])
        pause = (LEAD_S + ends[n - 1], LEAD_S + ends[n - 1] + gap)
        ends[n:] += gap
    noise_db = float(rng.uniform(-75, -50))
    seconds = LEAD_S + ends[-1] + TAIL_S
    return Item(f"command-{seed}-{intent}-{voice}", mix([(LEAD_S, pcm)], seconds, rng, noise_db), {
        "intent": intent, "slots": command.slots, "words": words, "pause": pause,
        "end_s": LEAD_S + float(ends[-1]), "voice": voice}, echo=in_a_room(seed))


def judge(item: Item, result: Result) -> dict:
    """What was understood and done, and when the first sound came."""
    t = item.truth
    found = score.acts(result.events)
    right = [a for a in found if a["text"] == t["intent"]
             and score.same_slots(t["slots"], a.get("slots", {}))]
    done = [a for a in found if a.get("outcome") == "done"]
    wrong = [a for a in done if a not in right]
    heard = score.heard_words(result.events)
    sound = score.first_sound_s(result.own, t["end_s"], t["end_s"] + 3.0)
    early = bool(t["pause"]) and any(t["pause"][0] <= a["t_s"] <= t["pause"][1] for a in found)
    return {
        "words": len(t["words"]), "errors": score.word_errors(t["words"], heard),
        "right": bool(right), "done": any(a.get("outcome") == "done" for a in right),
        "intent": any(a["text"] == t["intent"] for a in found), "wrong": bool(wrong),
        "answered": sound is not None, "paused": t["pause"] is not None, "early": early,
        "latency_s": None if sound is None or not right else round(sound - t["end_s"], 3),
        "delegated": t["intent"] in DELEGATED, "voice": t["voice"].split(":")[0],
        "heard": " ".join(heard), "said": " ".join(t["words"]),
    }


def summary(rows: list[dict]) -> dict:
    """Latency counts from the end of speech to the first sound, where the command was right."""
    n = len(rows)
    local = [r["latency_s"] for r in rows if r["latency_s"] is not None and not r["delegated"]]
    filler = [r["latency_s"] for r in rows if r["latency_s"] is not None and r["delegated"]]
    paused = [r for r in rows if r["paused"]]
    out = {
        "answered %": score.share(sum(r["answered"] for r in rows), n),
        "word error rate %": score.share(sum(r["errors"] for r in rows),
                                         sum(r["words"] for r in rows)),
        "intent and all slots %": score.share(sum(r["right"] for r in rows), n),
        "executed rightly %": score.share(sum(r["done"] for r in rows), n),
        "intent %": score.share(sum(r["intent"] for r in rows), n),
        "acts wrongly executed %": score.share(sum(r["wrong"] for r in rows), n),
        "latency median s": score.percentile(local, 50),
        "latency p95 s": score.percentile(local, 95), "latency items": len(local),
        "filler latency median s": score.percentile(filler, 50),
        "pauses taken as the end %": score.share(sum(r["early"] for r in paused), len(paused)),
        "pause items": len(paused),
    }
    for voice in sorted({r["voice"] for r in rows}):
        part = [r for r in rows if r["voice"] == voice]
        out[f"intent and all slots %, {voice}"] = score.share(sum(r["right"] for r in part),
                                                              len(part))
    return out


SUITE = Suite("Turn-taking: a command by name", make, always(440), judge, summary, quick=20)
