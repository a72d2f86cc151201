"""Suite `overlap`: somebody is heard while tagalong speaks, who may or may not mean it."""

from __future__ import annotations

import numpy as np

from models.scenarios import recordings, voices
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, RATE, Item, in_a_room, levelled, mix, onset_s
from tools.benchmark.program import Result
from tools.benchmark.source import COLUMNS, PLAIN_VOICE, REAL, Source
from tools.benchmark.suite import Suite

STOPS = ("stop", "wait", "hold on", "be quiet", "never mind", "tagalong stop")
BACKCHANNELS = ("mm hm", "yeah", "right", "okay", "i see", "aha")
READINGS = ("valve", "gauge", "pump", "switch", "tank", "meter", "breaker", "filter", "boiler",
            "panel", "hose", "light")
"""Read back one after the other: tagalong speaks for some twenty seconds."""


KINDS = ("interruption", "backchannel", "side_talk", "cough")
RECORDED = {"interruption": {"stop"}, "backchannel": {"yes", "right"}}
"""Words of real people, by what they mean here."""
REAL_TALK = ("barista_commands", "wake_words", "read_speech", "conversation")
TALK_S, NOISE_S = 3.0, 1.5
"""As much is heard of a recording at most."""


def make(source: Source, number: int) -> Item:
    """Something is heard while tagalong reads back a list, asked for by a voice it knows."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([2, seed])
    kind = KINDS[seed % 4]
    request = voices.espeak().speak("tagalong read back the readings".split(), PLAIN_VOICE)
    at_s = LEAD_S + float(request.ends_s[-1]) + float(rng.uniform(2.0, 6.0))
    sound = recorded_sound if source.column == REAL else made_sound
    pcm, words, onset = sound(source, rng, kind)
    seconds = at_s + len(pcm) / RATE + 4.0
    return Item(f"overlap-{seed}-{kind}", mix(
        [(LEAD_S, levelled(request.pcm, -22)), (at_s, pcm)], seconds, rng, -62), {
        "kind": kind, "onset_s": at_s + onset, "words": words, "readings": READINGS},
        echo=in_a_room(seed))


def made_sound(source: Source, rng, kind: str) -> tuple[np.ndarray, list[str], float]:
    """Sound (float32), words and onset (s) of what comes in between, by a synthesiser."""
    if kind == "cough":
        n = int(rng.uniform(0.15, 0.4) * RATE)
        return levelled(rng.standard_normal(n) * np.exp(-np.linspace(0, 5, n)), -22), [], 0.0
    pool = {"interruption": STOPS, "backchannel": BACKCHANNELS,
            "side_talk": [" ".join(s) for s in source.sentences()[:400] if len(s) < 8]}
    words = pool[kind][rng.integers(len(pool[kind]))].split()
    spoken = source.speak(rng, words, source.voice(rng))
    pcm = levelled(spoken.pcm, -30 if kind == "side_talk" else -22)
    return pcm, words, onset_s(pcm)


def recorded_sound(source: Source, rng, kind: str) -> tuple[np.ndarray, list[str], float]:
    """The same by a person; coughs are any noise of the recordings."""
    if kind in RECORDED:
        pool = [("speech_commands", r) for r in source.recorded("speech_commands")
                if r["label"] in RECORDED[kind]]
    else:
        sets = REAL_TALK if kind == "side_talk" else ("noise",)
        pool = [(name, r) for name in sets for r in source.recorded(name)]
    name, row = pool[rng.integers(len(pool))]
    pcm = recordings.decode(recordings.DATA / name / row["path"])
    first = int(onset_s(pcm) * RATE)
    length = NOISE_S if kind == "cough" else TALK_S
    words = [row["label"]] if kind in RECORDED else []
    level_db = -28 if kind == "side_talk" else -22
    return levelled(pcm[first:][: int(length * RATE)], level_db), words, 0.0


def judge(item: Item, result: Result) -> dict:
    """Whether and when it fell silent, and whether it should have."""
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


def summary(rows: list[dict]) -> dict:
    """Only items in which it spoke when it was spoken into count."""
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
    handled = []
    for kind in KINDS:
        part = [r for r in rows if r["kind"] == kind]
        handled.append(score.share(sum(r["handled"] for r in part), len(part)))
        if kind == "interruption":
            continue
        out[f"false stops %, {kind}"] = score.share(sum(r["stopped"] for r in part), len(part))
    known = [share for share in handled if share is not None]
    out["handled right %, mean of the kinds"] = round(float(np.mean(known)), 1) if known else None
    return out


def size(source: Source) -> int:
    """Recordings where there are any."""
    if source.column != REAL:
        return 160
    return 120 if source.recorded("speech_commands") else 0


SUITE = Suite("Overlap: stop, mm hm, talk to others and coughs while it speaks", make, size, judge,
              summary, quick=12, columns=COLUMNS)
