"""Cues: words that the wearer wants to be told of as they say them, or to have counted.

"Whenever I say um, say filler" is a promise to talk over the wearer, so a cue is said at once and
the governor lets it through: it was asked for.
"""

from __future__ import annotations

from dataclasses import replace

from daemon import phrases
from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Effect, Say
from daemon.ledger import Cue, Ledger
from daemon.ledger_book import CUES_KEPT
from daemon.turn import Slots


COMMAND_S = 0.4
"""Words heard so soon after the request are still its own: `count how often i say like` is not one
more `like`."""
LIKELY = 2.0
"""A cue that is this much less likely than what was heard, natural logarithm of odds, counts."""
SAME_S = 0.7
"""A word and a guess at it within this are the same word, heard in two micro-turns."""


def _listen_for(desk: Desk, word: str, reply: str | None, told: str) -> list[Effect]:
    """A new cue; one for the same word is replaced."""
    ledger = desk.ledger
    others = tuple(c for c in ledger.book.cues if c.word != word)
    if len(others) >= CUES_KEPT:
        return desk.replies(phrases.TOO_MANY)
    ledger.change(cues=(*others, Cue(ledger.new_id(), word, reply, desk.now_s)))
    return desk.replies(told)


def cue(desk: Desk, slots: Slots) -> list[Effect]:
    """Say something whenever a word is heard."""
    assert slots.word is not None and slots.word2 is not None
    return _listen_for(desk, slots.word, slots.word2, f"{slots.word2}, at every {slots.word}")


def count_word(desk: Desk, slots: Slots) -> list[Effect]:
    """Count a word silently."""
    assert slots.word is not None
    return _listen_for(desk, slots.word, None, f"counting {slots.word}")


def how_often(desk: Desk, slots: Slots) -> list[Effect]:
    """How often the newest cue was heard."""
    cues = desk.ledger.book.cues
    if not cues:
        return desk.replies(phrases.NO_CUE)
    last = cues[-1]
    return desk.replies(f"{last.word}, {phrases.times(last.times)}")


def stop_cues(desk: Desk, slots: Slots) -> list[Effect]:
    """Listen for no word any more, and say how often each was heard."""
    cues = desk.ledger.book.cues
    if not cues:
        return desk.replies(phrases.NO_CUE)
    desk.ledger.change(cues=())
    told = phrases.listing([f"{c.word} {phrases.times(c.times)}" for c in cues])
    return desk.replies(f"stopped, {told}")


class CueListener:
    """Follows the words of the wearer. Used by the step thread.

    A wearer who asked for a word wants to hear of it: where it is nearly as likely as what was
    heard, it counts as heard.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._heard_s: dict[int, float] = {}
        """When a cue was last taken for heard, by its id."""
        self._guessed: set[int] = set()
        """Cues that were taken for heard without their word the last time."""

    def hear(self, words: tuple[str, ...], now_s: float,
             rivals: tuple[tuple[str, float], ...] = ()) -> list[Effect]:
        """What the words of a micro-turn, or those that they may have been, call for."""
        ledger = self._ledger
        found = [(c, self._times(c, words, now_s, rivals)) for c in ledger.book.cues]
        if not any(n for _, n in found):
            return []
        ledger.change(cues=tuple(replace(c, times=c.times + n) for c, n in found))
        return [Say(c.reply, "reminder", f"cue:{c.word}", latest_wins=f"cue:{c.id}",
                    interrupt=True, over=True)
                for c, n in found if n and c.reply is not None]

    def _times(self, cue: Cue, words: tuple[str, ...], now_s: float,
               rivals: tuple[tuple[str, float], ...]) -> int:
        if now_s - cue.asked_at_s <= COMMAND_S:
            return 0
        since_s = now_s - self._heard_s.get(cue.id, -SAME_S)
        times = words.count(cue.word)
        if times:
            told = since_s < SAME_S and cue.id in self._guessed
            self._guessed.discard(cue.id)
            self._heard_s[cue.id] = now_s
            return times - told
        likely = any(w == cue.word and cost <= LIKELY for w, cost in rivals)
        if not likely or since_s < SAME_S:
            return 0
        self._guessed.add(cue.id)
        self._heard_s[cue.id] = now_s
        return 1


HANDLERS: dict[str, Handler] = {
    "cue": cue, "count_word": count_word, "how_often": how_often, "stop_cues": stop_cues,
}
