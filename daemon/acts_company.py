"""Acts of conversation: how it is, what it does, why it spoke, and questions for the background."""

from __future__ import annotations

from pathlib import Path

from daemon import phrases
from daemon.acts_desk import Desk, Handler
from daemon.acts_effects import Delegate, Effect, Say
from daemon.routines import words as routine_words
from daemon.turn import Slots

POWER_SUPPLY = Path("/sys/class/power_supply")


def read_battery(folder: Path = POWER_SUPPLY) -> int | None:
    """Charge of the first battery in percent, None where there is none to be read.

    The files are the kernel's memory, not a disk, so the step thread may read them.
    """
    for supply in sorted(folder.glob("*")):
        try:
            if (supply / "type").read_text().strip() == "Battery":
                return min(max(int((supply / "capacity").read_text()), 0), 100)
        except (OSError, ValueError):  # this one cannot tell; perhaps the next can
            continue
    return None


def battery(desk: Desk, slots: Slots) -> list[Effect]:
    """How full the battery is."""
    percent = desk.battery()
    if percent is None:
        return desk.replies("I cannot tell the battery here")
    return desk.replies(f"{phrases.number(percent)} percent")


def status(desk: Desk, slots: Slots) -> list[Effect]:
    """What runs."""
    ledger, parts = desk.ledger, list[str]()
    book = ledger.book
    if book.routine is not None:
        parts.append(f"{book.routine.name}, {routine_words.numbered(book.routine)}")
    if book.running is not None:
        doing = "paused" if book.running.paused else "counting"
        count = phrases.number(book.running.count)
        parts.append(f"{doing} {book.running.exercise}, at {count}")
    waiting = [t for t in book.timers if not t.due]
    if waiting:
        left = phrases.length(min(t.due_at_s for t in waiting) - desk.now_s)
        one = phrases.amount(len(waiting), "timers")
        parts.append(f"{one}, {left} left")
    parts += [f"{phrases.to_wearer(i.text)}, every {phrases.length(i.period_s)}"
              for i in book.intervals]
    if book.stopwatch is not None and book.stopwatch.stopped_s is None:
        parts.append(f"timing, {phrases.length(desk.now_s - book.stopwatch.started_at_s)}")
    if book.watch is not None:
        parts.append("watching for a view")
    if any(not d.silent for d in book.delegations):
        parts.append("looking something up")
    if book.interpreting is not None:
        parts.append(f"interpreting into {book.interpreting.language}")
    if book.ordering is not None:
        parts.append("taking an order")
    if book.scenes:
        parts.append("watching what you see")
    parts += [f"listening for {c.word}" for c in book.cues]
    if book.quiet:
        parts.append("quiet mode")
    return desk.replies(". ".join(parts) or phrases.NOTHING_RUNS)


def help_(desk: Desk, slots: Slots) -> list[Effect]:
    """What it can do."""
    return desk.replies(phrases.HELP)


def hello(desk: Desk, slots: Slots) -> list[Effect]:
    """A greeting back."""
    return desk.replies("hello")


def thanks(desk: Desk, slots: Slots) -> list[Effect]:
    """A word back."""
    return desk.replies("welcome")


def present(desk: Desk, slots: Slots) -> list[Effect]:
    """That it hears."""
    return desk.replies("I hear you")


def why(desk: Desk, slots: Slots) -> list[Effect]:
    """Why it said what it said last."""
    said = desk.ledger.said
    return desk.replies(said.because if said else phrases.NOTHING_SAID)


def ask(desk: Desk, slots: Slots) -> list[Effect]:
    """An open question."""
    return [Delegate("question", {}, desk.words, phrases.CHECKING)]


def attention(desk: Desk, slots: Slots) -> list[Effect]:
    """Called by name."""
    return desk.replies(phrases.YES)


def because(say: Say, words: tuple[str, ...]) -> str:
    """Why a sentence was said, for the wearer; `words` are the command or question behind it."""
    kind, _, rest = say.cause.partition(":")
    if kind == "act":
        return f"you said, {' '.join(words)}" if words else "I took it that you asked me to"
    if kind == "count":
        return f"I am counting your {rest}, and saw one more"
    if kind == "cue":
        return f"you asked me to, whenever you say {rest}"
    if kind == "timer":
        return "you asked me to remind you, and the time had come"
    if kind == "routine":
        return f"you started {rest}, and I say its steps"
    if kind == "interpret":
        return f"you asked me to interpret into {rest}"
    if kind == "scene":
        return "you asked me to tell you when it happens"
    if kind == "view":
        return "you asked me to tell you when it looks like that again"
    if kind in ("answer", "delegation"):
        return f"you asked, {' '.join(words)}" if words else "you asked me to look it up"
    return f"it seemed important: {rest.replace('_', ' ')}"


HANDLERS: dict[str, Handler] = {
    "battery": battery, "status": status, "help": help_, "hello": hello, "thanks": thanks,
    "present": present, "why": why, "ask": ask, "attention": attention,
}
