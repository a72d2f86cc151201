"""Suite `timespeak`: right words at the right time, and nothing beside them.

An item is right when every wanted sentence is played once within 0.6 s of its time, or 5 % of its
interval where that is more, and nothing else is said. The reply to a request is no part of that:
it may be anything said within `REPLY_S` of the request's end that is not a wanted sentence.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from daemon import phrases
from models import grammar
from models.scenarios import recordings
from tools.benchmark import score
from tools.benchmark.items import LEAD_S, Item, in_a_room
from tools.benchmark.program import Result
from tools.benchmark.source import COLUMNS, PLAIN_VOICE, REAL, Source
from tools.benchmark.speech import Talk
from tools.benchmark.suite import Suite

SLACK_S, SLACK = 0.6, 0.05
"""A sentence may be off by so much: seconds, and share of its interval."""
REPLY_S = 3.0
KINDS = ("every", "remind", "elapsed", "rest", "countdown", "timer")
THINGS = [t for t in grammar.THINGS if t not in ("call home", "check the oven")]
"""What is said again and again; short enough for four seconds."""


@dataclass(frozen=True)
class Wanted:
    """A sentence that is due."""

    at_s: float
    text: str
    slack_s: float
    number: bool = False
    """Any sentence that says this length of time or number will do."""


def _slack(interval_s: float) -> float:
    return max(SLACK_S, SLACK * interval_s)


def make(source: Source, number: int) -> Item:
    """One of `KINDS`; of real recordings only what a real "stop" ends."""
    seed = source.item_seed(number)
    rng = np.random.default_rng([11, seed])
    real = source.column == REAL
    kind = "every" if real else KINDS[number % len(KINDS)]
    talk = Talk(source, rng, PLAIN_VOICE_NAME if real else None)
    seconds, wanted, asked = _BUILD[kind](talk, rng)
    return Item(f"timespeak-{seed}-{kind}", talk.sound(seconds, float(rng.uniform(-72, -55))), {
        "kind": kind, "wanted": [asdict(w) for w in wanted], "asked": asked},
        echo=in_a_room(seed))


PLAIN_VOICE_NAME = f"espeak:{PLAIN_VOICE}"
Built = tuple[float, list[Wanted], list[float]]
"""Length of the item in s, what is due, and when each request ended."""


def _every(talk: Talk, rng) -> Built:
    """An interval until "stop", which a real person says where there are recordings."""
    period, thing = int(rng.integers(4, 9)), str(rng.choice(THINGS))
    request = f"every {_number(period)} seconds say {thing} until i say stop"
    end_s = talk.end_s(f"tagalong {request}", LEAD_S)
    beats = int(rng.integers(3, 6))
    stop_s = end_s + period * beats + period * 0.5
    stopped_s = _stop(talk, rng, stop_s)
    wanted = [Wanted(end_s + period * (i + 1), phrases.to_wearer(thing), _slack(period))
              for i in range(beats)]
    return stopped_s + period + 3.0, wanted, [end_s, stopped_s]


def _stop(talk: Talk, rng, at_s: float) -> float:
    """ "stop"; when it ends."""
    if talk.source.column != REAL:
        return talk.end_s("stop", at_s)
    rows = [r for r in talk.source.recorded("speech_commands") if r["label"] == "stop"]
    row = rows[rng.integers(len(rows))]
    return talk.recording(recordings.decode(recordings.DATA / "speech_commands" / row["path"]),
                          at_s)


def _remind(talk: Talk, rng) -> Built:
    wait, thing = int(rng.integers(6, 31)), str(rng.choice(grammar.THINGS))
    end_s = talk.end_s(f"tagalong in {_number(wait)} seconds tell me to {thing}", LEAD_S)
    wanted = [Wanted(end_s + wait, phrases.to_wearer(thing), _slack(wait))]
    return end_s + wait + 5.0, wanted, [end_s]


def _rest(talk: Talk, rng) -> Built:
    wait = int(rng.integers(5, 31))
    end_s = talk.end_s(f"tagalong rest for {_number(wait)} seconds", LEAD_S)
    return end_s + wait + 5.0, [Wanted(end_s + wait, "rest is over", _slack(wait))], [end_s]


def _timer(talk: Talk, rng) -> Built:
    wait = int(rng.integers(5, 31))
    end_s = talk.end_s(f"tagalong set a timer for {_number(wait)} seconds", LEAD_S)
    text = f"{_number(wait)} seconds are over"
    return end_s + wait + 5.0, [Wanted(end_s + wait, text, _slack(wait))], [end_s]


def _countdown(talk: Talk, rng) -> Built:
    """Numbers a second apart."""
    first = int(rng.integers(5, 13))
    end_s = talk.end_s(f"tagalong count down from {_number(first)}", LEAD_S)
    wanted = [Wanted(end_s + i, _number(first - i), SLACK_S, True) for i in range(first + 1)]
    return end_s + first + 3.0, wanted, [end_s]


def _elapsed(talk: Talk, rng) -> Built:
    """A stopwatch, and the question how long it has been: the answer is a number of seconds."""
    wait = int(rng.integers(5, 25))
    start_s = talk.end_s("tagalong start the stopwatch", LEAD_S)
    words = str(rng.choice(["how long has it been", "how long so far"]))
    end_s = talk.end_s(f"tagalong {words}", start_s + wait)
    took = phrases.length(end_s - start_s)
    # The answer may come as late as any reply; its words say the time, within a second.
    return end_s + 4.0, [Wanted(end_s + 0.6, took, 0.9, True)], [start_s, end_s]


_BUILD = {"every": _every, "remind": _remind, "rest": _rest, "timer": _timer,
          "countdown": _countdown, "elapsed": _elapsed}


def _number(n: int) -> str:
    return phrases.number(n)


def judge(item: Item, result: Result) -> dict:
    """Which wanted sentences came in time, and what was said beside them. Times count from the
    end of the request; `right_own` is the verdict with times from when it was understood, which
    forgives a slow ear."""
    wanted = [Wanted(**w) for w in item.truth["wanted"]]
    asked = item.truth["asked"]
    missed, extra, off_s = _matched(wanted, asked, result.events)
    if item.truth["kind"] == "countdown":
        wanted = [replace(w, at_s=w.at_s + _first_late_s(wanted[0], result)) for w in wanted]
    late_s = next((a["t_s"] - asked[0] for a in score.acts(result.events)
                   if a["t_s"] > asked[0]), 0.0)
    missed, extra, off_s = _matched(wanted, asked, result.events)
    own = _matched([replace(w, at_s=w.at_s + late_s) for w in wanted], asked, result.events)
    return {"kind": item.truth["kind"], "wanted": len(wanted), "missed": missed, "extra": extra,
            "off_s": off_s, "right": not missed and not extra,
            "right_own": not own[0] and not own[1]}


def _first_late_s(first: Wanted, result: Result) -> float:
    """How late a countdown began, as long as that is no later than any reply may be: its first
    number is the reply, and the others count from there."""
    late = [start_s - first.at_s for start_s, text in score.spoken(result.events)
            if text == first.text]
    return min((s for s in late if 0.0 <= s <= REPLY_S / 2), default=0.0)


def _matched(wanted: list[Wanted], asked: list[float],
             events: list[dict]) -> tuple[int, list[str], list[float]]:
    """Wanted sentences that did not come, what came beside them, seconds off of what came."""
    left, off_s, extra = list(wanted), [], []
    for start_s, text in score.spoken(events):
        hit = next((w for w in left if _fits(w, start_s, text)), None)
        if hit is not None:
            left.remove(hit)
            off_s.append(round(start_s - hit.at_s, 3))
        elif _unwanted(text, start_s, wanted, asked):
            extra.append(text)
    return len(left), extra, off_s


def _unwanted(text: str, start_s: float, wanted: list[Wanted], asked: list[float]) -> bool:
    """Whether a sentence is none of the wanted ones and no reply to a request."""
    reply = any(end_s <= start_s <= end_s + REPLY_S for end_s in asked)
    return not reply or any(text == w.text for w in wanted if not w.number)


def _fits(wanted: Wanted, start_s: float, text: str) -> bool:
    if abs(start_s - wanted.at_s) > wanted.slack_s:
        return False
    return _same_number(wanted.text, text) if wanted.number else text == wanted.text


def _same_number(wanted: str, text: str) -> bool:
    """The same number; lengths of time may be off by a second."""
    first, second = (grammar.parse_number(t.replace(" seconds", "").replace(" second", "").split())
                     for t in (wanted, text))
    if first is None or second is None:
        return False
    return abs(first - second) <= ("second" in wanted)


def summary(rows: list[dict]) -> dict:
    """Share of right items, macro average over the kinds, and how far off what came was."""
    off = [abs(d) for r in rows for d in r["off_s"]]
    out: dict = {}
    for kind in KINDS:
        part = [r for r in rows if r["kind"] == kind]
        if part:
            out[f"right %, {kind}"] = score.share(sum(r["right"] for r in part), len(part))
    mean = round(float(np.mean([v for v in out.values()])), 1) if out else None
    wanted = sum(r["wanted"] for r in rows)
    return {"right %, mean of the kinds": mean, **out,
            "right %, timed from its own understanding": score.share(
                sum(r["right_own"] for r in rows), len(rows)),
            "wanted sentences in time %": score.share(wanted - sum(r["missed"] for r in rows),
                                                      wanted),
            "items with something extra %": score.share(sum(bool(r["extra"]) for r in rows),
                                                        len(rows)),
            "off its time, median s": score.percentile(off, 50)}


def size(source: Source) -> int:
    """20 of each kind; 100 real ones where there are recordings."""
    if source.column != REAL:
        return 20 * len(KINDS)
    return 100 if source.recorded("speech_commands") else 0


SUITE = Suite("TimeSpeak: right words at the right time", make, size, judge, summary, quick=6,
              columns=COLUMNS)
