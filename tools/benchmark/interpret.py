"""Suite `interpret`: phrases of a phrasebook, spoken one after the other without waiting; it says
them in another language while the wearer goes on."""

from __future__ import annotations

from difflib import SequenceMatcher

import numpy as np

from models.phrasebook import Phrase, phrasebook
from models.splits import held_out
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item, in_a_room
from tools.benchmark.program import Result
from tools.benchmark.source import SEEN, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite, always

LANGUAGES = ("spanish", "german")
AN_ITEM = 5
AFTER_S = 6.0
REPLY_S = 3.0


def phrases(source: Source) -> list[Phrase]:
    """A quarter, by hash, is never to be learned from: of it the unseen column is made."""
    unseen = source.column != SEEN and not source.tuning
    return [p for p in phrasebook() if held_out("phrase", p.english) == unseen]


def make(source: Source, number: int) -> Item:
    """A request, then five phrases."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([19, seed])
    talk, language = Talk(source, rng), LANGUAGES[number % len(LANGUAGES)]
    asked_s = talk.end_s(f"tagalong interpret into {language}", LEAD_S)
    pool, at_s, said = phrases(source), asked_s + REPLY_S, []
    for i in rng.choice(len(pool), AN_ITEM, replace=False):
        end_s = talk.end_s(pool[i].english, at_s)
        said.append((end_s, score.plain(getattr(pool[i], language)).split()))
        at_s = end_s + float(rng.uniform(0.2, 0.7))
    end_s = said[-1][0]
    return Item(f"interpret-{seed}-{language}", talk.sound(end_s + AFTER_S), {
        "language": language, "said": said, "asked_s": asked_s, "end_s": end_s},
        echo=in_a_room(seed))


def judge(item: Item, result: Result) -> dict:
    """Words that came, how many of them while the wearer still talked, and how late."""
    t = item.truth
    wanted = [(word, end_s) for end_s, words in t["said"] for word in words]
    came = _words(result.events, t["asked_s"] + REPLY_S)
    matcher = SequenceMatcher(None, [w for w, _ in wanted], [w for w, _ in came], False)
    pairs = [(wanted[a + k][1], came[b + k][1]) for a, b, size in matcher.get_matching_blocks()
             for k in range(size)]
    errors = score.word_errors([w for w, _ in wanted], [w for w, _ in came])
    return {"language": t["language"], "words": len(wanted), "errors": min(errors, len(wanted)),
            "meanwhile": sum(at_s < t["end_s"] for _, at_s in pairs),
            "lag_s": [round(at_s - end_s, 2) for end_s, at_s in pairs]}


def _words(events: list[dict], from_s: float) -> list[tuple[str, float]]:
    """Words that were played and when, evenly spread over their sentence."""
    found = []
    for event in (e for e in events if e["kind"] == "spoken" and e["start_s"] >= from_s):
        words = score.plain(event.get("text") or "").split()
        step_s = (event["end_s"] - event["start_s"]) / max(len(words), 1)
        found += [(word, event["start_s"] + i * step_s) for i, word in enumerate(words)]
    return sorted(found, key=lambda pair: pair[1])


def summary(rows: list[dict]) -> dict:
    """Word accuracy, by language as well; share of the words that came in time to be live."""
    words = sum(r["words"] for r in rows)
    out = {"word accuracy %": score.share(words - sum(r["errors"] for r in rows), words)}
    for language in LANGUAGES:
        part = [r for r in rows if r["language"] == language]
        n = sum(r["words"] for r in part)
        out[f"word accuracy %, {language}"] = score.share(n - sum(r["errors"] for r in part), n)
    return out | {
        "words said while the wearer talks %": score.share(sum(r["meanwhile"] for r in rows),
                                                           words),
        "behind the phrase, median s": score.percentile([s for r in rows for s in r["lag_s"]], 50)}


SUITE = Suite("Interpret: phrases in another language while they are spoken", make, always(100),
              judge, summary, quick=1, baseline=False)
