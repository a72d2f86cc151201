"""What the clock brings: beats, countdowns, reminders that are due, answers that wait."""

from __future__ import annotations

import math
from dataclasses import replace

from daemon import phrases
from daemon.acts_desk import timer_note
from daemon.acts_effects import Effect, Say
from daemon.ledger import EARLY_S, Answer, Ledger, Timer
from daemon.turn import VoiceState

ESCALATE_S = 3.0
"""A due reminder is spoken by then, whatever the network says."""
ANSWER_PATIENCE_S = 3.0
"""An answer is spoken by then, if nobody is speaking."""
ANSWER_LIMIT_S = 30.0
"""An answer is spoken by then, whatever happens."""


def beats(ledger: Ledger, now_s: float) -> list[Effect]:
    """Say what intervals and the countdown have come to."""
    return [*_intervals(ledger, now_s), *_countdown(ledger, now_s)]


def _intervals(ledger: Ledger, now_s: float) -> list[Effect]:
    """Beats missed are left out, and the rhythm is kept."""
    out: list[Effect] = []
    moved = list(ledger.book.intervals)
    for i, one in enumerate(moved):
        if one.next_at_s > now_s + EARLY_S:
            continue
        ahead = math.floor((now_s + EARLY_S - one.next_at_s) / one.period_s) + 1
        moved[i] = replace(one, next_at_s=one.next_at_s + ahead * one.period_s)
        cause = f"timer:i{one.id}"
        out.append(Say(phrases.to_wearer(one.text), "reminder", cause, latest_wins=cause))
    if out:
        ledger.change(intervals=tuple(moved))
    return out


def _countdown(ledger: Ledger, now_s: float) -> list[Effect]:
    one = ledger.book.countdown
    if one is None:
        return []
    left = max(math.ceil(one.zero_at_s - now_s - EARLY_S), 0)
    if left >= one.said:
        return []
    ledger.change(countdown=replace(one, said=left) if left else None)
    return [Say(phrases.number(left), "count", f"timer:c{one.id}", latest_wins="countdown")]


def release_timers(ledger: Ledger, now_s: float, asked: bool) -> list[Effect]:
    """Speak timers that are due: all when the network asks for it, else those that are overdue."""
    ready = [t for t in ledger.due() if asked or now_s - t.due_at_s >= ESCALATE_S - EARLY_S]
    if not ready:
        return []
    ledger.remove_timers(ready)
    return [effect for t in ready for effect in _spoken(t, now_s)]


def _spoken(timer: Timer, now_s: float) -> list[Effect]:
    id = f"t{timer.id}"
    text = phrases.due(timer.kind, timer.text, now_s - timer.due_at_s)
    note = timer_note(id, timer.text, "spoken", timer.due_at_s)
    return [Say(text, "reminder", f"timer:{id}"), note]


def next_answer(ledger: Ledger, now_s: float, asked: bool, wearer_speaking: bool) -> Answer | None:
    """Take the answer that is to be spoken now out of those that wait."""
    free = not wearer_speaking and ledger.voice is VoiceState.SILENT
    for answer in ledger.answers:
        waited_s = now_s - answer.ready_at_s
        overdue = waited_s >= (ANSWER_PATIENCE_S if free else ANSWER_LIMIT_S) - EARLY_S
        if asked or overdue or answer.placement == "interrupt":
            ledger.answers = tuple(a for a in ledger.answers if a.id != answer.id)
            return answer
    return None


def sentences(answer: Answer) -> list[Effect]:
    """An answer as it is spoken, sentence by sentence."""
    urgent = answer.placement == "interrupt"
    return [Say(text, "answer", f"answer:{answer.id}", interrupt=urgent and n == answer.first,
                sentence=(answer.id, n))
            for n, text in enumerate(answer.sentences, start=answer.first)]
