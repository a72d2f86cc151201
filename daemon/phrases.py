"""What tagalong says, as plain words: numbers spelled out, the informative word first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daemon.turn import Act, Slots
from models import grammar

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
"""Length of a unit of time, seconds."""
_SINGULAR = {
    "crunches": "crunch", "presses": "press", "lunges": "lunge", "burpees": "burpee",
    "pounds": "pound", "feet": "foot", "inches": "inch", "miles": "mile",
    "newton metres": "newton metre", "foot pounds": "foot pound", "bar": "bar", "psi": "psi",
    "celsius": "celsius", "fahrenheit": "fahrenheit",
}
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
)

YES = "yes?"
CHECKING = "I'll check."
AS_I_WAS_SAYING = "as I was saying:"
FOR_HOW_LONG = "for how long?"
HOW_MANY = "how many?"
WHICH_NUMBER = "which number?"
SORRY = "sorry?"
WHAT = "what exactly?"
NOT_DONE = "okay, not done"
UNDONE = "undone"
NOTHING_TO_UNDO = "nothing to undo"
NO_SET = "no set is running"
NO_SET_YET = "no set yet"
NO_TIMER = "no timer is running"
NO_REMINDER = "no reminder is set"
NO_INTERVAL = "nothing is repeating"
NO_STOPWATCH = "no stopwatch is running"
NOTHING_TIMED = "nothing was timed"
NO_READINGS = "no readings"
NOTHING_SAID = "I have said nothing yet"
NOTHING_RUNS = "nothing is running"
NO_CUE = "I am not listening for a word"
TOO_MANY = "too many at once, cancel one first"
HELP = ("I count repetitions, keep timers and reminders, note readings, and look things up. "
        "Say, tagalong, count my squats. Or, tagalong, timer for ten minutes.")


def number(n: int) -> str:
    """A whole number in words; also negative and from a thousand on."""
    if n < 0:
        return "minus " + number(-n)
    if n < 1000:
        return " ".join(grammar.number_words(n))
    thousands, rest = divmod(n, 1000)
    return number(thousands) + " thousand" + (f" {number(rest)}" if rest else "")


def singular(noun: str) -> str:
    """One of a grammar's plural nouns."""
    return _SINGULAR.get(noun, noun.removesuffix("s"))


def amount(n: int, noun: str) -> str:
    """`twelve squats`, `one squat`; time units get their plural."""
    if noun in SECONDS:
        return f"{number(n)} {noun}{'' if n == 1 else 's'}"
    return f"{number(n)} {singular(noun) if n == 1 else noun}"


def length(seconds: float) -> str:
    """`two minutes five`, `one hour`, `forty seconds`; whole seconds, nearest."""
    total = max(int(seconds + 0.5), 0)
    hours, rest = divmod(total, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        more = f" {amount(minutes, 'minute')}" if minutes else ""
        return amount(hours, "hour") + more
    if not minutes:
        return amount(left, "second")
    return amount(minutes, "minute") + (f" {number(left)}" if left else "")


def clock(now: datetime) -> str:
    """`ten forty two in the morning`, `ten o'clock at night`, `ten oh five ...`."""
    hour = number(now.hour % 12 or 12)
    if now.minute == 0:
        minute = "o'clock"
    else:
        minute = ("oh " if now.minute < 10 else "") + number(now.minute)
    parts = ((5, "at night"), (12, "in the morning"), (18, "in the afternoon"),
             (22, "in the evening"), (24, "at night"))
    return f"{hour} {minute} {next(text for until, text in parts if now.hour < until)}"


def times(n: int) -> str:
    """`never`, `once`, `twice`, `three times`."""
    return {0: "never", 1: "once", 2: "twice"}.get(n) or f"{number(n)} times"


def ordinal(n: int) -> str:
    """1 to 31 as `first` ... `thirty first`."""
    if n <= 20:
        return _ORDINALS[n - 1]
    if n == 30:
        return "thirtieth"
    return f"{number(n // 10 * 10)} {_ORDINALS[n % 10 - 1]}"


def date(now: datetime) -> str:
    """`Saturday, the twenty second of November`."""
    return f"{now:%A}, the {ordinal(now.day)} of {now:%B}"


def listing(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def reading(item: str, colour: str | None, value: int) -> str:
    """`red valve, forty two`."""
    return f"{thing(item, colour)}, {number(value)}"


def thing(item: str, colour: str | None) -> str:
    """`red valve` or `valve`."""
    return f"{colour} {item}" if colour else item


def to_wearer(text: str) -> str:
    """The wearer's own words turned round: `take my pills` to `take your pills`."""
    return " ".join({"my": "your", "me": "you"}.get(word, word) for word in text.split())


def seconds(slots: Slots) -> float:
    """Length of a duration's slots, seconds; the first part is there."""
    assert slots.number is not None and slots.unit is not None
    second = SECONDS[slots.unit2] * slots.number2 if slots.unit2 and slots.number2 else 0
    return float(slots.number * SECONDS[slots.unit] + second)


def duration(slots: Slots) -> str:
    """A duration in the wearer's own units: `ninety seconds`, `two minutes and thirty seconds`."""
    assert slots.number is not None and slots.unit is not None
    first = amount(slots.number, slots.unit)
    if not slots.unit2 or not slots.number2:
        return first
    return f"{first} and {amount(slots.number2, slots.unit2)}"


def due(kind: str, text: str, late_s: float) -> str:
    """What is said when a timer, reminder or rest is due; late ones say so."""
    text = to_wearer(text)
    what = {"timer": f"{text} are over", "rest": "rest is over"}.get(kind, text)
    if kind == "timer" and text.startswith("one "):
        what = f"{text} is over"
    return what if late_s < 60 else f"{what}, since {length(late_s)}"


_QUESTIONS = {
    "stop_count": "stop counting", "pause_count": "pause the count",
    "resume_count": "go on counting", "reset_count": "start from zero", "how_many": "the count",
    "cancel_timer": "cancel the timer", "time_left": "the time left",
    "cancel_reminder": "cancel the reminder", "stopwatch": "start the stopwatch",
    "stop_stopwatch": "stop the stopwatch", "lap": "lap", "elapsed": "the time so far",
    "stop_every": "stop the interval", "clock": "the time", "date": "the date",
    "mute_microphone": "microphone off", "mute_camera": "camera off",
    "unmute_camera": "camera on", "bookmark": "mark this", "read_back": "read back the readings",
    "clear_readings": "delete the readings", "battery": "the battery", "status": "the status",
    "help": "help", "louder": "louder", "softer": "softer", "faster": "faster",
    "slower": "slower", "talk_again": "talk again", "why": "why", "how_often": "how often",
    "stop_cues": "stop listening for the word", "start_routine": "start which routine",
    "previous_step": "one step back", "skip_step": "skip this step",
    "where_was_i": "where you were", "stop_routine": "stop the routine",
    "list_routines": "the routines", "remember_view": "remember this view",
    "when_view": "tell you when it is back", "watch_enter": "tell you who comes in",
    "watch_needle": "watch the needle", "watch_motion": "say start and stop",
    "watch_start": "tell you when it moves", "watch_stop": "tell you when it stops",
    "stop_watching": "watch no more", "stop_interpret": "stop interpreting",
    "take_order": "take an order",
}


def question(act: Act) -> str:
    """The act read back: `fifteen minutes?`."""
    s = act.slots
    text = _valued(act.name, s) or _QUESTIONS.get(act.name, act.name.replace("_", " "))
    return text + "?"


def _valued(name: str, s: Slots) -> str:
    """The values of an act in words, empty when it carries none."""
    if name == "recall_reading" and s.item:
        return f"the {thing(s.item, s.colour)}"
    if name == "reading" and s.item and s.number is not None:
        return reading(s.item, s.colour, s.number)
    if name == "calculate" and s.item and s.number is not None and s.number2 is not None:
        return f"{number(s.number)} {s.item} {number(s.number2)}"
    if name == "watch_light" and s.colour:
        return f"tell you when it is {s.colour}"
    if name == "interpret" and s.item:
        return f"interpret into {s.item}"
    if name == "start_routine" and s.item:
        return f"start {s.item}"
    if name == "count_reps":
        return f"count {s.item or 'reps'}"
    if s.word:
        return f"say {s.word2} at {s.word}" if s.word2 else f"count {s.word}"
    what = ""
    if s.number is not None:
        noun = s.unit or (s.item if name in ("target", "log_set") else None)
        timed = s.unit in SECONDS
        what = duration(s) if timed else amount(s.number, noun) if noun else number(s.number)
    if name == "convert" and s.unit2:
        return f"{what} in {s.unit2}"
    if name in ("mute_microphone", "mute_camera"):
        device = name.removeprefix("mute_")
        return f"{device} off for {what}" if what else ""
    if name == "history":
        return f"your {s.item}" if s.item else ""
    if name in ("remind", "every") and s.item:
        joint = "every" if name == "every" else "in"
        return f"{to_wearer(s.item)}, {joint} {what}"
    return f"volume {what}" if name == "set_volume" else what
