"""Suite `silence`: talk, noise and motion that are not meant for tagalong."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.scenarios import recordings, talk
from tools.benchmark import score
from tools.benchmark.items import RATE, Item, in_a_room, levelled, mix
from tools.benchmark.program import Result
from tools.benchmark.source import COLUMNS, REAL, Source
from tools.benchmark.suite import Suite

PIECE_S = 300.0
SETS = ("barista_commands", "wake_words", "conversation", "noise", "read_speech")


def make(source: Source, number: int) -> Item:
    """Five minutes."""
    if source.column == REAL:
        return recorded(source, number)
    return generated(source, source.seed * 1000 + number)


def generated(source: Source, seed: int, seconds: float = PIECE_S) -> Item:
    """Talk, noise and commands without the name: nothing is meant for tagalong."""
    rng = np.random.default_rng([3, seed])
    sentences = source.sentences()
    parts, at_s = [], float(rng.uniform(0.5, 4))
    while at_s < seconds - 6:
        draw = rng.random()
        words = list(sentences[rng.integers(len(sentences))])
        if draw < 0.1:
            words = talk.question(rng)
        elif draw < 0.16:
            n = int(rng.uniform(0.05, 0.4) * RATE)
            noise = rng.standard_normal(n) * np.exp(-np.linspace(0, 6, n))
            parts.append((at_s, levelled(noise, rng.uniform(-35, -20))))
            at_s += 0.5
            continue
        spoken = source.speak(rng, words, source.voice(rng))
        parts.append((at_s, levelled(spoken.pcm, rng.uniform(-36, -18))))
        at_s += len(spoken.pcm) / RATE + float(rng.exponential(1.5)) + 0.2
    task = ("count_reps", "set_timer")[seed // 2 % 2] if seed % 2 else None
    return Item(f"silence-{seed}", mix(parts, seconds, rng, float(rng.uniform(-72, -50))),
                {"seconds": seconds}, task=task, echo=in_a_room(seed))


@lru_cache(maxsize=1)
def _joined(source: Source) -> np.ndarray:
    """All real sound that is not meant for tagalong, half a second apart; int16."""
    gap = np.zeros(RATE // 2, np.int16)
    pieces = [np.concatenate([recordings.decode(path), gap])
              for name in SETS for path in _paths(source, name)]
    return np.concatenate(pieces) if pieces else gap[:0]


def _paths(source: Source, name: str) -> list:
    return sorted(recordings.DATA / name / row["path"] for row in source.recorded(name))


def recorded(source: Source, number: int) -> Item:
    """Real sound, five minutes at a time, every second piece with a set that is counted."""
    n = int(PIECE_S * RATE)
    pcm = _joined(source)[number * n : (number + 1) * n]
    return Item(f"real-silence-{number}", pcm, {"seconds": len(pcm) / RATE},
                task="count_reps" if number % 2 else None)


def size(source: Source) -> int:
    """Three hours where they are made; of recordings what there is."""
    if source.column != REAL:
        return 36
    return -(-len(_joined(source)) // int(PIECE_S * RATE))


def judge(item: Item, result: Result) -> dict:
    """What it said although nobody asked; timers and mutes were asked for."""
    said = [e for e in result.events if e["kind"] == "say"]
    unasked = [e for e in said if not e.get("cause", "").startswith(("timer", "mute"))]
    return {"seconds": item.truth["seconds"], "unasked": len(unasked), "task": item.task,
            "numbers": sum(e["kind"] == "count" for e in result.events),
            "acts": [a["text"] for a in score.acts(result.events)]}


def summary(rows: list[dict]) -> dict:
    """Utterances an hour."""
    def rate(part):
        seconds = sum(r["seconds"] for r in part)
        return round(3600 * sum(r["unasked"] for r in part) / seconds, 1) if seconds else None

    return {"hours": round(sum(r["seconds"] for r in rows) / 3600, 2),
            "unasked an hour": rate(rows),
            "with a task": rate([r for r in rows if r["task"]]),
            "without": rate([r for r in rows if not r["task"]]),
            "numbers without a repetition": sum(r["numbers"] for r in rows)}


SUITE = Suite("Silence: talk and noise not meant for it", make, size, judge, summary, quick=1,
              columns=COLUMNS, long=True)
