"""The suites: which items, and what their events and sound are worth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import grammar, tokens
from models.scenarios import recordings
from models.scenarios.script import tomllib
from tools.benchmark import score, speech_items, video_items
from tools.benchmark.program import Result
from tools.benchmark.speech_items import Item

RATE = 16_000
DELEGATED = frozenset({"convert", "calculate", "history", "ask"})
"""Acts whose first words are a filler; they have a row of their own."""


@dataclass(frozen=True)
class Suite:
    """One table row's origin."""

    items: Callable[[int, int], Iterator[Item]]
    """(number of items, seed) -> items."""
    score: Callable[[Item, Result], dict]
    """Raw findings of one item."""
    summary: Callable[[list[dict]], dict]
    """Figures of all findings."""
    count: int
    """Items of a full run; 0 is all there are."""
    quick: int
    """Items of a quick run."""
    broker: bool = False
    """Needs the background."""


# --- commands: turn-taking, words, pauses

def _commands(n: int, seed: int) -> Iterator[Item]:
    return (speech_items.command_item(seed * 100_000 + i) for i in range(n))


def _score_command(item: Item, result: Result) -> dict:
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


def _commands_summary(rows: list[dict]) -> dict:
    n = len(rows)
    local = [r["latency_s"] for r in rows if r["latency_s"] is not None and not r["delegated"]]
    filler = [r["latency_s"] for r in rows if r["latency_s"] is not None and r["delegated"]]
    paused = [r for r in rows if r["paused"]]
    out = {
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


# --- overlap

def _overlaps(n: int, seed: int) -> Iterator[Item]:
    return (speech_items.overlap_item(seed * 100_000 + i) for i in range(n))


def _score_overlap(item: Item, result: Result) -> dict:
    t, own = item.truth, result.own
    onset = t["onset_s"]
    ducks = [e["t_s"] for e in result.events if e["kind"] == "duck" and e["t_s"] > onset]
    ended = [e["end_s"] for e in result.events if e["kind"] == "spoken" and e.get("cut")
             and onset < e["end_s"] < onset + 3.0]
    paused = any(e["kind"] == "yield" and e["t_s"] > onset for e in result.events)
    silent = score.silent_from_s(own, onset, onset + 2.0)
    stopped = bool(ended) and silent is not None
    speaking = score.level_db(own, onset - 0.3, 0.3) > -50 or score.level_db(own, onset) > -50
    return {
        "speaking": speaking,
        "kind": t["kind"], "stopped": stopped,
        "ducked_s": round(ducks[0] + result.delay_s - onset, 3) if ducks else None,
        "silent_s": round(silent - onset, 3) if stopped else None,
        "paused": paused and not stopped,
        "handled": stopped if t["kind"] == "interruption" else not stopped,
    }


def _overlap_summary(rows: list[dict]) -> dict:
    asked, rows = len(rows), [r for r in rows if r["speaking"]]
    stops = [r for r in rows if r["kind"] == "interruption"]
    others = [r for r in rows if r["kind"] != "interruption"]
    ducked = [r["ducked_s"] for r in stops if r["ducked_s"] is not None]
    silent = [r["silent_s"] for r in stops if r["silent_s"] is not None]
    out = {
        "items in which it spoke": f"{len(rows)} of {asked}",
        "interruptions": len(stops), "stopped %": score.share(sum(r["stopped"] for r in stops),
                                                              len(stops)),
        "ducked p95 s": score.percentile(ducked, 95), "ducked items": len(ducked),
        "silent median s": score.percentile(silent, 50),
        "silent p95 s": score.percentile(silent, 95),
        "false stops %": score.share(sum(r["stopped"] for r in others), len(others)),
        "paused and went on %": score.share(sum(r["paused"] for r in others), len(others)),
        "other items": len(others),
    }
    for kind in ("backchannel", "side_talk", "cough"):
        part = [r for r in rows if r["kind"] == kind]
        out[f"false stops %, {kind}"] = score.share(sum(r["stopped"] for r in part), len(part))
    return out


# --- silence

def _silences(n: int, seed: int) -> Iterator[Item]:
    yield from (speech_items.silence_item(seed * 1000 + i) for i in range(n))
    if recordings.DATA.is_dir():
        yield from speech_items.real_silence_items()[: max(n // 2, 1)]


def _score_silence(item: Item, result: Result) -> dict:
    said = [e for e in result.events if e["kind"] == "say"]
    unasked = [e for e in said if not e.get("cause", "").startswith(("timer", "mute"))]
    return {"seconds": item.truth["seconds"], "unasked": len(unasked),
            "real": item.name.startswith("real"), "task": item.task,
            "numbers": sum(e["kind"] == "count" for e in result.events),
            "acts": [a["text"] for a in score.acts(result.events)]}


def _silence_summary(rows: list[dict]) -> dict:
    def rate(part):
        seconds = sum(r["seconds"] for r in part)
        return round(3600 * sum(r["unasked"] for r in part) / seconds, 1) if seconds else None

    return {"hours": round(sum(r["seconds"] for r in rows) / 3600, 2),
            "unasked an hour": rate(rows),
            "generated": rate([r for r in rows if not r["real"]]),
            "real sound": rate([r for r in rows if r["real"]]),
            "with a task": rate([r for r in rows if r["task"]]),
            "without": rate([r for r in rows if not r["task"]])}


# --- repetitions

def _score_reps(item: Item, result: Result) -> dict:
    t = item.truth
    shift = t["clip_at_s"]
    spoken = [(e["start_s"] - shift, n) for e in result.events if e["kind"] == "spoken"
              and (n := _number(e.get("text", ""))) is not None]
    last, near = score.within_one(spoken, t["ends"])
    delays = [min((s - e for s, _ in spoken if s >= e), default=None) for e in t["ends"]]
    return {"clip": item.name, "true": len(t["ends"]), "said": last, "within_one": near,
            "exact": last == len(t["ends"]), "baseline": t["baseline"],
            "baseline_near": abs(t["baseline"] - len(t["ends"])) <= 1,
            "understood": any(a["text"] == "count_reps" for a in score.acts(result.events)),
            "counts": len(spoken), "delay_s": [round(d, 2) for d in delays if d is not None]}


def _number(text: str) -> int | None:
    return grammar.parse_number(re.sub(r"[^a-z ]", "", text.lower()).replace(" done", "").split())


def _reps_summary(rows: list[dict]) -> dict:
    sets = [r for r in rows if r["true"]]
    holds = [r for r in rows if not r["true"]]
    delays = [d for r in sets for d in r["delay_s"] if d < 2.0]
    return {
        "clips": len(sets), "within one %": score.share(sum(r["within_one"] for r in sets),
                                                        len(sets)),
        "exact %": score.share(sum(r["exact"] for r in sets), len(sets)),
        "non-learned within one %": score.share(sum(r["baseline_near"] for r in sets), len(sets)),
        "number after the repetition, median s": score.percentile(delays, 50),
        "request understood %": score.share(sum(r["understood"] for r in rows), len(rows)),
        "holds silent": f"{sum(not r['counts'] for r in holds)} of {len(holds)}",
        "per clip": {r["clip"]: [r["true"], r["said"], r["baseline"]] for r in rows},
    }


def _score_nothing(item: Item, result: Result) -> dict:
    counts = sum(e["kind"] == "count" for e in result.events)
    return {"kind": item.truth["kind"], "counts": counts, "silent": not counts}


def _nothing_summary(rows: list[dict]) -> dict:
    out = {"clips": len(rows), "silent %": score.share(sum(r["silent"] for r in rows), len(rows))}
    for kind in sorted({r["kind"] for r in rows}):
        part = [r for r in rows if r["kind"] == kind]
        out[f"{kind} silent"] = f"{sum(r['silent'] for r in part)} of {len(part)}"
    return out


# --- real single words

def _score_words(item: Item, result: Result) -> dict:
    rows = []
    for start, end, label, source in item.truth["marks"]:
        heard = score.heard_words(result.events, start + 0.1, end + 1.4)
        known = tokens.is_word(tokens.encode_word(label)[0])
        rows.append({"label": label, "known": known, "source": source, "heard": heard,
                     "right": label in heard,
                     "false": any(tokens.is_word(tokens.encode_word(w)[0]) for w in heard)})
    return {"rows": rows, "acts": len(score.acts(result.events))}


def _words_summary(found: list[dict]) -> dict:
    rows = [r for f in found for r in f["rows"]]
    known, other = [r for r in rows if r["known"]], [r for r in rows if not r["known"]]
    out = {"words in the vocabulary": len(known),
           "right %": score.share(sum(r["right"] for r in known), len(known)),
           "other words": len(other),
           "a vocabulary word falsely reported %": score.share(sum(r["false"] for r in other),
                                                               len(other))}
    for source in sorted({r["source"] for r in known}):
        part = [r for r in known if r["source"] == source]
        out[f"right %, {source}"] = score.share(sum(r["right"] for r in part), len(part))
    return out


# --- open questions

def _questions(n: int, seed: int) -> Iterator[Item]:
    rows = tomllib.loads((Path(__file__).parent / "questions.toml").read_text())["question"]
    for i, row in enumerate(rows[:n] if n else rows):
        rng = np.random.default_rng([9, seed, i])
        words = ["tagalong", *row["say"].split()]
        spoken = speech_items.speak(rng, words, speech_items.unseen_voice(rng))
        pcm = speech_items.levelled(spoken.pcm, -22)
        seconds = 1.0 + len(pcm) / RATE + 6.0
        yield Item(f"question-{i}", speech_items.mix([(1.0, pcm)], seconds, rng, -65),
                   {"section": row["section"], "say": row["say"]},
                   echo=speech_items.in_a_room(i))


def _score_question(item: Item, result: Result) -> dict:
    wanted = item.truth["section"].lower()
    finals = [e for e in result.events if e["kind"] == "answer" and e.get("status") == "final"]
    source = " ".join(str(e.get("source") or "") for e in finals).lower()
    said = " ".join(e.get("text") or "" for e in finals).lower()
    right = bool(wanted) and (wanted in source or f"section {wanted}" in said)
    confident = bool(source.strip()) and not right
    return {"wanted": wanted, "delegated": any(e["kind"] == "delegate" for e in result.events),
            "right": right, "wrong": confident, "source": source, "said": said[:90]}


def _questions_summary(rows: list[dict]) -> dict:
    asked, beyond = [r for r in rows if r["wanted"]], [r for r in rows if not r["wanted"]]
    return {"questions": len(asked), "delegated %": score.share(sum(r["delegated"] for r in rows),
                                                                len(rows)),
            "right section %": score.share(sum(r["right"] for r in asked), len(asked)),
            "confident wrong %": score.share(sum(r["wrong"] for r in rows), len(rows)),
            "unanswerable": len(beyond),
            "unanswerable answered": sum(r["wrong"] for r in beyond)}


SUITES: dict[str, Suite] = {
    "commands": Suite(_commands, _score_command, _commands_summary, 440, 44),
    "overlap": Suite(_overlaps, _score_overlap, _overlap_summary, 160, 16),
    "reps": Suite(lambda n, s: video_items.clips("reps_exercise", n), _score_reps, _reps_summary,
                  0, 4),
    "reps_quva": Suite(lambda n, s: video_items.clips("reps_quva", n), _score_reps,
                       _reps_summary, 0, 4),
    "nothing": Suite(video_items.nothing, _score_nothing, _nothing_summary, 100, 6),
    "words": Suite(lambda n, s: iter(speech_items.word_items()[:n] if n else
                                     speech_items.word_items()),
                   _score_words, _words_summary, 0, 2),
    "questions": Suite(_questions, _score_question, _questions_summary, 0, 4, broker=True),
    "silence": Suite(_silences, _score_silence, _silence_summary, 36, 1),
}
