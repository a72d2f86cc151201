"""Whom words are meant for: by name, in the follow-up window, or by what goes on."""

from __future__ import annotations

from daemon.acts_check import NAME, whole
from daemon.ledger import Ledger
from daemon.turn import Act, Addressing
from models import grammar

COMMAND_S = 5.0
"""A command that began within the follow-up window may end so long after it."""
STEPS = frozenset(("routine",))
"""Contexts of what is said to a routine and to nothing else."""


def addressed(act: Act, heard: tuple[str, ...], ledger: Ledger, now_s: float) -> bool:
    """Whether words and moment bear out that the act was meant for tagalong, as the network judged;
    `heard`: words that no earlier act was about; without any only the network can tell."""
    if ledger.book.ordering is not None:
        return NAME in heard  # the guest is talking
    if not heard or NAME in heard or ledger.addressing is Addressing.OPEN:
        return True
    if _pointless(act, heard, ledger, now_s):
        return False
    since_s = None if ledger.exchange_at_s is None else now_s - ledger.exchange_at_s
    if (ledger.book.interpreting is None and ledger.addressing is Addressing.FOLLOW_UP
            and since_s is not None and since_s <= ledger.follow_up_s + COMMAND_S):
        return True
    return in_context(act, ledger, now_s)


def in_context(act: Act, ledger: Ledger, now_s: float) -> bool:
    """Whether something goes on that the act is about: "stop" while a set runs."""
    spec = grammar.INTENTS.get(act.name)
    return spec is not None and bool(spec.contexts & _contexts(ledger, now_s))


def _contexts(ledger: Ledger, now_s: float) -> set[str]:
    """Situations of `grammar.Intent.contexts` that hold now."""
    book = ledger.book
    timed = book.routine is not None and book.routine.due_at_s is not None
    holds = {"speaking": ledger.spoken_over(now_s), "reps": book.running is not None,
             "running": bool(book.intervals or book.cues or book.stopwatch or book.timers
                             or book.watch or book.scenes or book.interpreting or timed),
             "routine": book.routine is not None, "pending": ledger.pending}
    return {name for name, true in holds.items() if true}


def _pointless(act: Act, heard: tuple[str, ...], ledger: Ledger, now_s: float) -> bool:
    """Whether it is about a routine, none runs, and the words are not clearly for tagalong either:
    somebody said something that ended in "ready"."""
    spec = grammar.INTENTS.get(act.name)
    return (spec is not None and spec.contexts == STEPS and not in_context(act, ledger, now_s)
            and whole(heard) is None)


def unused(heard: tuple[str, ...], used: tuple[str, ...]) -> tuple[str, ...]:
    """Words that no earlier act was about: `heard` may begin with the newest of the used ones."""
    for n in range(min(len(heard), len(used)), 0, -1):
        if used[-n:] == heard[:n]:
            return heard[n:]
    return heard
