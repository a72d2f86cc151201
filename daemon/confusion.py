"""Which command the words may have been: the rivals of every word, searched for one of the grammar.

The heard heads weigh all words at every place, so the last seconds are a confusion network (Mangu,
Brill and Stolcke 2000, arXiv cs/0010012): places in order, each with a word or none and what else
it may have been. Where the best words form no command, the cheapest combination that does is the
hypothesis. What the slot heads make of it counts as well: they listen to the whole command at once.

Costs are differences of logits, natural logarithms of odds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from daemon.turn import Hypothesis
from models import grammar, tokens

KEPT_TURNS = 45
"""Words are heard no longer than this, 9 s, as in the session."""
RIVALS = 3
"""What else a place may have been, at most."""
DEAREST = 3.5
"""What costs more is not looked at."""
CHANGED = (50, 25, 16)
"""One, two or three places may differ from what was heard; so many of the cheapest changes are
combined then."""
TRIED = 200
"""Combinations that are tried, the cheapest first: parsing one takes 0.1 ms on a desktop core."""
TWICE_COST = 1.0
"""That a word heard twice in a row was said once."""
SPELLED_COST = 2.5
"""That a word spelled in pieces is none: what is not in the vocabulary is rarely in a command."""
HEAD_COST = 2.0
"""What a single slot head may say at most: one that is sure may still be wrong."""
HEAD_WEIGHT = 0.4
"""Of a slot head beside a word; chosen with the two above on tuning voices."""
NAME = "tagalong"
Command = tuple[str, dict]
"""Intent and slots."""
Rival = tuple[str, float]
"""A word, and its cost."""


class Place(NamedTuple):
    """A moment at which there is a word, or may be one."""

    turn: int
    word: str
    """Empty where none was heard."""
    rivals: tuple[Rival, ...]
    """What else it may have been and at what cost; empty for nothing."""


class Change(NamedTuple):
    """Another word at a place."""

    cost: float
    place: int
    word: str


class ConfusionNetwork:
    """The places of the last seconds; one for each stream."""

    def __init__(self) -> None:
        self._places: deque[Place] = deque(maxlen=4 * KEPT_TURNS)

    def reset(self) -> None:
        """Forget all."""
        self._places.clear()

    def get_state(self) -> list[Place]:
        """What `set_state` needs to go on."""
        return list(self._places)

    def set_state(self, places: list[Place]) -> None:
        """Go on from `get_state`."""
        self._places = deque(places, maxlen=self._places.maxlen)

    def push(self, turn: int, words: list[str], chosen: tuple[int, int],
             logits: tuple[np.ndarray, np.ndarray], empty_bias: float) -> tuple[Rival, ...]:
        """The words complete in a micro-turn, and what its two heads chose out of (n,) logits;
        returns the words that this may have been instead."""
        found: list[Rival] = []
        while self._places and turn - self._places[0].turn > KEPT_TURNS:
            self._places.popleft()
        left = list(words)
        for best, scores in zip(chosen, logits):
            word = tokens.HEARD[best]
            if best and not tokens.is_word(best):
                continue  # a piece: its word comes when it is complete
            while best and left and left[0] != word:
                self._places.append(Place(turn, left.pop(0), (("", SPELLED_COST),)))
            del left[: bool(best)]
            rivals = _rivals(scores, best, empty_bias)
            found += [r for r in rivals if r[0]]
            if best or rivals:
                self._places.append(Place(turn, word, rivals))
            if not best:
                break  # without a first word there is no second
        self._places.extend(Place(turn, word, (("", SPELLED_COST),)) for word in left)
        return tuple(found)

    def judge(self, logits: Mapping[str, np.ndarray]) -> tuple[Hypothesis | None, float]:
        """What the words since the name are: where they form a command, its margin, the cost of the
        likeliest other one, at most `DEAREST`; else the hypothesis, if there is any.

        Words of a command are forgotten: they are this act's. logits: of all heads.
        """
        places = self._command()
        heard = tuple(p.word for p in places if p.word)
        command = grammar.parse(heard)
        if command is not None:
            self._places.clear()
            return None, _margin(places, command)
        found = _likeliest(places, logits)
        if found is None:
            return None, 0.0
        self._places.clear()
        return Hypothesis(heard, *found), 0.0

    def _command(self) -> list[Place]:
        """Places after the last time that the name was said."""
        places = list(self._places)
        named = [i for i, p in enumerate(places) if p.word == NAME]
        return places[named[-1] + 1 :] if named else places


def _margin(places: list[Place], command: Command) -> float:
    others = (cost for cost, words in _sentences(places)
              if grammar.parse(words) not in (None, command))
    return next(others, DEAREST)


def _likeliest(places: list[Place], logits: Mapping[str, np.ndarray],
               ) -> tuple[tuple[str, ...], float] | None:
    """Words and their cost of the command that costs least with what the heads say against it."""
    found, least = None, np.inf
    for cost, words in _sentences(places):
        if cost >= least:
            break
        command = grammar.parse(words)
        if command is not None:
            total = cost + _head_cost(command, logits)
            if total < least:
                found, least = (words, cost), total
    return found


def _rivals(scores: np.ndarray, best: int, empty_bias: float) -> tuple[Rival, ...]:
    """Whole words, or none, that come close to the class chosen."""
    scores = scores.astype(np.float64)
    scores[0] += empty_bias
    costs = scores[best] - scores
    near = np.argsort(costs)[: RIVALS + 1]
    return tuple((tokens.HEARD[i], float(costs[i])) for i in near
                 if i != best and costs[i] <= DEAREST and (i == 0 or tokens.is_word(int(i))))


def _sentences(places: list[Place]) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Cost and words of the combinations, the cheapest first."""
    changes = sorted(_changes(places))
    tried: list[tuple[float, tuple[Change, ...]]] = [(0.0, ())]
    for n, most in enumerate(CHANGED, start=1):
        for some in combinations(changes[:most], n):
            cost = sum(c.cost for c in some)
            if cost <= DEAREST and len({c.place for c in some}) == n:
                tried.append((cost, some))
    for cost, some in sorted(tried)[:TRIED]:
        other = {c.place: c.word for c in some}
        words = (other.get(i, p.word) for i, p in enumerate(places))
        yield cost, tuple(w for w in words if w)


def _changes(places: list[Place]) -> Iterator[Change]:
    last = ""
    for i, place in enumerate(places):
        twice = place.word and place.word == last
        last = place.word or last
        for word, cost in place.rivals:
            yield Change(min(cost, TWICE_COST) if twice and not word else cost, i, word)


def _head_cost(command: Command, logits: Mapping[str, np.ndarray]) -> float:
    """What the act and slot heads say against a command."""
    intent, slots = command
    classes = {"act": tokens.ACTS.index(intent), **tokens.encode_slots(slots)}
    used = {"act"} | {h for f in tokens.slot_fields(intent) for h in tokens.HEADS_OF.get(f, ())}
    return HEAD_WEIGHT * sum(min(float(logits[h].max() - logits[h][classes[h]]), HEAD_COST)
                             for h in used)
