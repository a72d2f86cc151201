"""Suite `words`: single words by real people, one after the other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models import tokens
from models.scenarios import recordings
from tools.benchmark import score
from tools.benchmark.items import RATE, Item, levelled, mix
from tools.benchmark.program import Result
from tools.benchmark.source import REAL, Source
from tools.benchmark.suite import Suite

AN_ITEM = 20
"""Words of an item, 1.6 s apart."""


@lru_cache(maxsize=2)
def _clips(source: Source) -> list[tuple[str, str, str]]:
    """(word, set, path) of all recordings, shuffled."""
    clips = [(row["label"], name, row["path"]) for name in ("speech_commands", "fsdd_digits")
             for row in source.recorded(name) if row["label"] != "_silence_"]
    np.random.default_rng(5).shuffle(clips)
    return [tuple(clip) for clip in clips]


def make(source: Source, number: int) -> Item:
    """The next twenty words."""
    first = number * AN_ITEM
    rng, parts, marks, at_s = np.random.default_rng([5, first]), [], [], 1.0
    for label, name, path in _clips(source)[first : first + AN_ITEM]:
        pcm = recordings.decode(recordings.DATA / name / path)
        parts.append((at_s, levelled(pcm, -24)))
        marks.append((at_s, at_s + len(pcm) / RATE, label, name))
        at_s += len(pcm) / RATE + 1.6
    return Item(f"words-{first}", mix(parts, at_s, rng, -70), {"marks": marks})


def size(source: Source) -> int:
    """All there are."""
    return -(-len(_clips(source)) // AN_ITEM)


def judge(item: Item, result: Result) -> dict:
    """What was heard in each word's window."""
    rows = []
    for start, end, label, source in item.truth["marks"]:
        heard = score.heard_words(result.events, start + 0.1, end + 1.4)
        known = tokens.is_word(tokens.encode_word(label)[0])
        rows.append({"label": label, "known": known, "source": source, "heard": heard,
                     "right": label in heard,
                     "false": any(tokens.is_word(tokens.encode_word(w)[0]) for w in heard)})
    return {"rows": rows, "acts": len(score.acts(result.events))}


def summary(found: list[dict]) -> dict:
    """Words of the vocabulary apart from others."""
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


SUITE = Suite("Words: single words by real people", make, size, judge, summary, quick=1,
              columns=(REAL,), baseline=False)
