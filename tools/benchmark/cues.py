"""Suite `cues` (CueSpeak): says a word whenever another one is heard, or counts it.

Right is: within 1.0 s of every cue's end the wanted words, each once, and no false ones.
"""

from __future__ import annotations

import numpy as np

from models import grammar
from models.scenarios import recordings
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, RATE, Item, in_a_room
from tools.benchmark.program import Result
from tools.benchmark.source import COLUMNS, PLAIN_VOICE, REAL, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite

WITHIN_S = 1.0
EARLY_S = 0.15
"""The end of a word inside a sentence is known no better than this."""
REPLY_S = 3.0
KINDS = ("cue", "count")
SENTENCES = 4
RECORDED = ("yes", "no", "go", "on", "off", "up", "down", "left", "right")
"""Words of real people that may be a cue: there are many recordings of each."""


def make(source: Source, number: int) -> Item:
    """A request, then talk in which the cue comes up some times."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([13, seed])
    kind, real = KINDS[number % 2], source.column == REAL
    talk = Talk(source, rng, f"espeak:{PLAIN_VOICE}" if real else None)
    cue = str(rng.choice(RECORDED if real else grammar.CUES))
    reply = str(rng.choice([w for w in grammar.CUE_REPLIES if w != cue]))
    request = (f"whenever i say {cue} say {reply}" if kind == "cue"
               else f"count how often i say {cue}")
    asked_s = talk.end_s(f"tagalong {request}", LEAD_S)
    say = _recorded if real else _sentences
    cue_s, end_s = say(talk, rng, cue, asked_s + REPLY_S)
    truth = {"kind": kind, "cue": cue, "reply": reply, "cues": cue_s, "asked": [asked_s]}
    if kind == "count":
        end_s = talk.end_s("tagalong how often was that", end_s + 1.5)
        truth["asked"].append(end_s)
    return Item(f"cues-{seed}-{kind}", talk.sound(end_s + 3.5), truth, echo=in_a_room(seed))


def _sentences(talk: Talk, rng, cue: str, at_s: float) -> tuple[list[float], float]:
    """Open talk, the cue put into some sentences; its ends, and the end of all, seconds."""
    pool, found = talk.source.sentences(), []
    having = set(rng.permutation(SENTENCES)[: rng.integers(2, SENTENCES + 1)].tolist())
    for n in range(SENTENCES):
        words = [w for w in pool[rng.integers(len(pool))] if w != cue]
        place = int(rng.integers(1, len(words) + 1))
        if n in having:
            words.insert(place, cue)
        spoken = talk.say(" ".join(words), at_s)
        if n in having:
            found.append(at_s + float(spoken.ends_s[place]))
        at_s += len(spoken.pcm) / RATE + float(rng.uniform(0.6, 1.5))
    return found, at_s


def _recorded(talk: Talk, rng, cue: str, at_s: float) -> tuple[list[float], float]:
    """The same with single words by real people."""
    rows = talk.source.recorded("speech_commands")
    same = [r for r in rows if r["label"] == cue]
    other = [r for r in rows if r["label"] not in (cue, "_silence_")]
    found = []
    for is_cue in rng.permutation([True] * int(rng.integers(2, 4)) + [False] * 4):
        pool = same if is_cue else other
        row = pool[rng.integers(len(pool))]
        pcm = recordings.decode(recordings.DATA / "speech_commands" / row["path"])
        end_s = talk.recording(pcm, at_s)
        found += [end_s] if is_cue else []
        at_s = end_s + float(rng.uniform(1.6, 2.4))
    return found, at_s


def judge(item: Item, result: Result) -> dict:
    """Cues that were answered in time, or the number told; and what was said beside that."""
    return _counted(item.truth, result) if item.truth["kind"] == "count" else _cued(
        item.truth, result)


def _cued(truth: dict, result: Result) -> dict:
    left, lags, false = list(truth["cues"]), [], 0
    for start_s, text in score.spoken(result.events):
        hit = next((c for c in left if c - EARLY_S <= start_s <= c + WITHIN_S), None)
        if hit is not None and truth["reply"] in text.split():
            left.remove(hit)
            lags.append(round(start_s - hit, 3))
        elif not _replies(truth, start_s):
            false += 1
    return {"kind": "cue", "cues": len(truth["cues"]), "missed": len(left), "false": false,
            "lag_s": lags, "right": not left and not false}


def _counted(truth: dict, result: Result) -> dict:
    """The answer to "how often" must hold the number; anything said during the talk is false."""
    told = [text for start_s, text in score.spoken(result.events)
            if truth["asked"][1] <= start_s <= truth["asked"][1] + REPLY_S]
    false = sum(not _replies(truth, start_s) for start_s, _ in score.spoken(result.events))
    wanted = set(grammar.number_words(len(truth["cues"])))
    hit = any(wanted <= set(text.split()) for text in told)
    return {"kind": "count", "cues": 1, "missed": int(not hit), "false": false, "lag_s": [],
            "right": hit and not false}


def _replies(truth: dict, start_s: float) -> bool:
    return any(end_s <= start_s <= end_s + REPLY_S for end_s in truth["asked"])


def summary(rows: list[dict]) -> dict:
    """Macro average over the two kinds."""
    shares = {kind: score.share(sum(r["right"] for r in rows if r["kind"] == kind),
                                sum(r["kind"] == kind for r in rows)) for kind in KINDS}
    known = [s for s in shares.values() if s is not None]
    cued = [r for r in rows if r["kind"] == "cue"]
    cues = sum(r["cues"] for r in cued)
    return {"right %, mean of the kinds": round(float(np.mean(known)), 1) if known else None,
            "right %, say a word": shares["cue"], "right %, count a word": shares["count"],
            "cues answered in time %": score.share(cues - sum(r["missed"] for r in cued), cues),
            "items with a false one %": score.share(sum(bool(r["false"]) for r in rows),
                                                    len(rows)),
            "after the cue, median s": score.percentile([d for r in rows for d in r["lag_s"]], 50)}


def size(source: Source) -> int:
    """Half of each kind."""
    return 100 if source.column != REAL or source.recorded("speech_commands") else 0


SUITE = Suite("CueSpeak: says a word when another is heard, or counts it", make, size, judge,
              summary, quick=2, columns=COLUMNS)
