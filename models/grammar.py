"""The closed, compositional command grammar: intents, their templates and slots.

A template is a line of words with `[optional]`, `(one|other)` and `{slot}`. The same lines serve
to sample training commands, to parse recognised words (the daemon's cross-check of the network's
slots) and to know which commands are a prefix of a longer one.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

from models.amounts import (  # noqa: F401: numbers are part of the grammar for its users
    NUMBER, NUMBER_WORDS, TIME_UNITS, number_words, parse_duration, parse_number, sample_duration,
    sample_number, settle,
)

NAMES = ("tagalong", "hey tagalong", "okay tagalong")
"""Ways to call tagalong by name."""

EXERCISES = (
    "squats", "push ups", "pull ups", "sit ups", "jumping jacks", "lunges", "burpees", "curls",
    "presses", "rows", "deadlifts", "crunches", "swings", "dips", "reps",
)
OBJECTS = (
    "valve", "wire", "gauge", "pump", "switch", "light", "door", "box", "bottle", "tank", "meter",
    "breaker", "bolt", "filter", "hose", "boiler", "panel", "handle",
)
THINGS = (
    "stretch", "drink", "breathe", "call home", "check the oven", "flip it", "turn it off",
    "take my pills", "stand up", "check the pressure", "move on", "switch sides", "sit up straight",
)
ROUTINES = ("leg day", "push day", "core circuit", "boiler check", "brake check", "pancakes")
"""Routines that are shipped; others are known by the words that were heard."""
LANGUAGES = ("spanish", "german")
CUES = ("um", "uh", "like", "so", "well", "actually", "basically", "really", "just", "very", "maybe",
        "sorry", "okay", "right")
"""Words that people want to be stopped at; any other heard word will do as well."""
CUE_REPLIES = ("filler", "careful", "slower", "pause", "shorter", "again", "breathe", "smile")
OPERATORS = ("plus", "minus", "times", "divided by")
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "brown", "grey", "purple")
SOUNDS_LIKE = {"read": "red", "blew": "blue"}
"""What a colour may have been heard as: in its place it can be nothing else."""
WEIGHTS = ("kilos", "pounds", "grams", "ounces")
LENGTHS = ("metres", "feet", "inches", "centimetres", "miles", "kilometres")
TORQUES = ("newton metres", "foot pounds")
PRESSURES = ("bar", "psi")
TEMPERATURES = ("celsius", "fahrenheit")
MEASURES = (WEIGHTS, LENGTHS, TORQUES, PRESSURES, TEMPERATURES)
UNITS = TIME_UNITS + tuple(itertools.chain.from_iterable(MEASURES))
ITEMS = EXERCISES + OBJECTS + THINGS + OPERATORS + ROUTINES + LANGUAGES

@dataclass(frozen=True)
class Intent:
    """One thing that the wearer can ask for."""

    name: str
    templates: tuple[str, ...]
    contexts: frozenset[str] = frozenset()
    """Situations that make the words plainly meant for tagalong without its name: `reps`,
    `speaking`, `pending`, `routine`, `running` (an interval, stopwatch, timer or cue)."""
    top: int = 999
    """Largest value of its number."""


def _intent(name: str, *templates: str, contexts: str = "", top: int = 999) -> Intent:
    return Intent(name, templates, frozenset(contexts.split()), top)


INTENTS: dict[str, Intent] = {i.name: i for i in (
    # sets
    _intent("count_reps", "count (my|the) {exercise}", "start counting [my] {exercise}",
            "count {exercise}", "count for me"),
    _intent("target", "(give me|do|let us do) {number} {exercise}", "count {number} {exercise}",
            top=100),
    _intent("stop_count", "stop counting", "that is it", "(i am|we are) done", "end of set",
            contexts="reps routine"),
    _intent("pause_count", "pause [the count]", "hold the count", contexts="reps"),
    _intent("resume_count", "(resume|continue) [the count]", "keep counting", contexts="reps"),
    _intent("how_many", "how many", "how many was that", "how many (did i do|have i done)",
            "what is the count", contexts="reps"),
    _intent("reset_count", "(reset|restart) the count", "start over", contexts="reps"),
    _intent("set_count", "set the count to {number}", "make (it|that) {number}", contexts="reps"),
    _intent("log_set", "log {number} {exercise}", "i did {number} {exercise}", top=200),
    _intent("log_weight", "log {number} {weight}", "that was {number} {weight}"),
    _intent("history", "how many {exercise} (this week|today|have i done this week)",
            "show my {exercise} history"),
    # time
    _intent("set_timer", "[set a] timer for {duration}", "start a {duration} timer",
            "{duration} timer"),
    _intent("cancel_timer", "(cancel|stop|clear) the timer", contexts="running"),
    _intent("time_left", "how (much time|long) is left", "how much longer", contexts="running"),
    _intent("remind", "remind me in {duration} to {thing}", "remind me to {thing} in {duration}",
            "in {duration} tell me to {thing}"),
    _intent("cancel_reminder", "(cancel|forget|clear) the reminder"),
    _intent("stopwatch", "start [the|a] stopwatch", "time this"),
    _intent("stop_stopwatch", "stop the stopwatch", "stop timing", contexts="running"),
    _intent("lap", "lap", "lap time", contexts="running"),
    _intent("elapsed", "how long was that", "how long has it been", "how long so far"),
    _intent("every", "every {duration} (say|tell me to) {thing} [until i say stop]",
            "(say|tell me to) {thing} every {duration} [until i say stop]"),
    _intent("stop_every", "stop (reminding me|saying that|the interval)", contexts="running"),
    _intent("countdown", "count down from {number}", "countdown from {number}", top=60),
    _intent("rest", "rest [for] {duration}", "take a {duration} (rest|break)"),
    _intent("clock", "what time is it", "what is the time"),
    _intent("date", "what day is it", "what is the date"),
    # voice and manners
    _intent("louder", "louder", "speak up", "volume up"),
    _intent("softer", "(softer|quieter)", "not so loud", "volume down"),
    _intent("set_volume", "[set the] volume [to] {number} [percent]", top=100),
    _intent("faster", "(speak|talk) faster"),
    _intent("slower", "(speak|talk) slower", "slow down"),
    _intent("be_quiet", "[be] quiet", "do not talk", "silence please", contexts="speaking reps"),
    _intent("talk_again", "you can (talk|speak) [again]", "talk to me again"),
    _intent("say_again", "say that again", "repeat that", "what did you say",
            contexts="speaking"),
    _intent("stop", "stop", "stop it", "stop please", "wait", "hold on",
            contexts="speaking reps running"),
    _intent("never_mind", "never mind", "forget it", "cancel that", contexts="speaking pending"),
    _intent("no", "no", "no that is wrong", "undo [that]", contexts="pending"),
    _intent("yes", "yes", "yes please", "that is right", contexts="pending"),
    # privacy
    _intent("mute_microphone", "mute [the microphone] for {duration}", "mute the microphone",
            "stop listening"),
    _intent("mute_camera", "mute the camera [for {duration}]", "camera off", "stop looking"),
    _intent("unmute_camera", "unmute the camera", "camera on"),
    _intent("bookmark", "bookmark (this|that)", "mark this moment"),
    # technician
    _intent("reading", "[the] [{colour}] {object} (reads|is at) {number}",
            "log [the] [{colour}] {object} {number}"),
    _intent("recall_reading", "what did the [{colour}] {object} read",
            "what was the [{colour}] {object}"),
    _intent("read_back", "read back [the|my] readings", "read them back"),
    _intent("clear_readings", "(clear|delete) [the|my] readings"),
    _intent("convert", "convert {number} {measure} to {measure2}",
            "what is {number} {measure} in {measure2}", "how (many|much) is {number} {measure} in "
            "{measure2}"),
    _intent("calculate", "what is {number} {operator} {number2}",
            "calculate {number} {operator} {number2}", "how much is {number} {operator} {number2}"),
    # routines
    _intent("start_routine", "(start|begin) [my|the] {routine}"),
    _intent("next_step", "next [step|one]", "go on", "(i am|we are) ready", contexts="routine"),
    _intent("previous_step", "go back", "(previous|last) step", contexts="routine"),
    _intent("repeat_step", "repeat [(the|this) step]", contexts="routine"),
    _intent("skip_step", "skip [it|this|that]", contexts="routine"),
    _intent("where_was_i", "where (was|am) i", "(which|what) step is this"),
    _intent("stop_routine", "(stop|end|cancel) the (routine|workout|procedure|recipe)",
            contexts="routine"),
    _intent("list_routines", "(which|what) routines (are there|do you know)"),
    # what it sees and hears
    _intent("remember_view", "remember (this|the) view"),
    _intent("when_view", "tell me when it looks like that again",
            "tell me when you see (it|that) again"),
    _intent("watch_light", "tell me when (the light|it) (turns|goes|is) {colour}"),
    _intent("watch_enter", "tell me when (someone|somebody) (comes in|enters)"),
    _intent("watch_needle", "tell me when the needle (passes the mark|moves)", "watch the needle"),
    _intent("watch_motion", "say start when it (moves|starts) and stop when it stops",
            "tell me when it (moves|starts) and when it stops"),
    _intent("watch_start", "tell me when it (moves|starts|starts moving)"),
    _intent("watch_stop", "tell me when it stops [moving]"),
    _intent("stop_watching", "stop watching", "you can stop watching", contexts="running"),
    _intent("interpret", "(interpret|translate) [me|this] into {language}",
            "start interpreting into {language}"),
    _intent("stop_interpret", "stop (interpreting|translating)", contexts="running"),
    _intent("take_order", "take (an|my|the) order", "take (an|the) order please"),
    _intent("cue", "(whenever|when|every time) i say {word} say {word2}"),
    _intent("count_word", "count how often i say {word}", "count the word {word}"),
    _intent("how_often", "how often (did i say|was) (it|that)"),
    _intent("stop_cues", "stop listening for (it|that)", "forget the word", contexts="running"),
    # company
    _intent("battery", "how is the battery", "battery level", "how much battery is left"),
    _intent("status", "what are you doing", "what is running", "status"),
    _intent("help", "help", "what can you do", "help me"),
    _intent("hello", "hello", "good (morning|evening)"),
    _intent("thanks", "thank you", "thanks", contexts=""),
    _intent("present", "are you there", "can you hear me"),
    _intent("why", "why did you say that"),
)}

# Acts that are no command of the closed grammar.
ASK = "ask"
"""An open question or request: delegated with its audio."""
ATTENTION = "attention"
"""Called by name and nothing followed."""
ACTS = tuple(INTENTS) + (ASK, ATTENTION)


@lru_cache(maxsize=None)
def expand(template: str) -> tuple[tuple[str, ...], ...]:
    """All token sequences of a template; slots stay as one token such as `{number}`."""
    nested = re.search(r"\[([^\[\]]*)\(([^()]*)\)([^\[\]]*)\]", template)
    if nested:  # `[(the|this) step]`: a choice inside what may be left out
        before, choice, after = nested.groups()
        options = "|".join(f"{before}{one}{after}" for one in choice.split("|"))
        template = template.replace(nested.group(), f"[{options}]")
    parts = re.findall(r"\[[^\]]*\]|\([^)]*\)|\{\w+\}|[^\s\[\](){}]+", template)
    choices: list[list[str]] = []
    for part in parts:
        if part[0] == "[":
            choices.append([""] + part[1:-1].split("|"))
        elif part[0] == "(":
            choices.append(part[1:-1].split("|"))
        else:
            choices.append([part])
    return tuple(tuple(" ".join(c).split()) for c in itertools.product(*choices))


@lru_cache(maxsize=1)
def sequences() -> dict[tuple[str, ...], str]:
    """Every token sequence of the grammar and its intent; the first intent wins."""
    found: dict[tuple[str, ...], str] = {}
    for intent in INTENTS.values():
        for template in intent.templates:
            for seq in expand(template):
                found.setdefault(seq, intent.name)
    return found


@lru_cache(maxsize=None)
def extendable(seq: tuple[str, ...]) -> bool:
    """True if a longer command begins with this sequence, so its end is not sure yet."""
    longer = any(len(s) > len(seq) and s[: len(seq)] == seq for s in sequences())
    return longer or seq[-1] in ("{number}", "{number2}")


_VALUES = {
    "exercise": EXERCISES, "object": OBJECTS, "thing": THINGS, "operator": OPERATORS,
    "colour": COLOURS, "weight": WEIGHTS, "routine": ROUTINES, "word": CUES,
    "word2": CUE_REPLIES, "language": LANGUAGES,
}
_SLOT_FIELD = {
    "exercise": "item", "object": "item", "thing": "item", "operator": "item", "routine": "item",
    "language": "item", "colour": "colour", "weight": "unit", "measure": "unit", "measure2": "unit2",
    "number": "number",
    "number2": "number2",
}


def _fill(token: str, rng, top: int, chosen: dict) -> tuple[list[str], dict]:
    """Words and slot values for one slot token; `chosen` remembers what later slots depend on."""
    kind = token[1:-1]
    if kind in ("number", "number2"):
        words, n = sample_number(rng, top)
        return words, {kind: n}
    if kind == "duration":
        return sample_duration(rng)
    if kind == "measure":
        chosen["group"] = MEASURES[rng.integers(len(MEASURES))]
        value = chosen["group"][rng.integers(len(chosen["group"]))]
        chosen["first"] = value
        return value.split(), {"unit": value}
    if kind == "measure2":
        others = [u for u in chosen["group"] if u != chosen["first"]]
        value = others[rng.integers(len(others))]
        return value.split(), {"unit2": value}
    values = _VALUES[kind]
    value = values[rng.integers(len(values))]
    return value.split(), {_SLOT_FIELD[kind]: value} if kind in _SLOT_FIELD else {kind: value}


@dataclass(frozen=True)
class Command:
    """One sampled command."""

    intent: str
    words: tuple[str, ...]
    slots: dict
    """Field of `Slots` -> value."""
    extendable: bool
    """A longer command begins with it: wait a little before acting."""
    prefix_safe: tuple[int, ...]
    """Word counts n at which the first n words are not a command: a pause there is decidable."""


def sample(rng, intent: str) -> Command:
    """Draw one command of the intent. rng is a numpy Generator."""
    chosen: dict = {}
    words: list[str] = []
    slots: dict = {}
    spec = INTENTS[intent]
    options = expand(spec.templates[rng.integers(len(spec.templates))])
    seq = options[rng.integers(len(options))]
    for token in seq:
        if token[0] == "{":
            more, values = _fill(token, rng, spec.top, chosen)
            words += more
            slots.update(values)
        else:
            words.append(token)
    long = extendable(seq)
    safe = tuple(n for n in range(1, len(words)) if parse(words[:n]) is None)
    return Command(intent, tuple(words), slots, long, safe)


def _alternatives(values) -> str:
    return "(?:" + "|".join(sorted(values, key=len, reverse=True)) + ") "


def _slot_pattern(kind: str) -> str:
    if kind in ("number", "number2"):
        return f"(?P<{kind}>{NUMBER})"
    if kind == "duration":
        units = "(?:seconds?|minutes?|hours?) "
        half = f"(?:an? (?:minute|hour) and a half |{NUMBER}and a half {units})"
        return (f"(?P<duration>{half}|(?:half an? |an? |{NUMBER}){units}"
                f"(?:(?:and )?{NUMBER}(?:seconds|minutes) )?)")
    if kind in ("word", "word2"):
        return f"(?P<{kind}>[a-z]+ )"
    if kind in ("measure", "measure2"):
        return f"(?P<{kind}>{_alternatives(itertools.chain.from_iterable(MEASURES))})"
    if kind == "colour":
        return f"(?P<colour>{_alternatives((*COLOURS, *SOUNDS_LIKE))})"
    return f"(?P<{kind}>{_alternatives(_VALUES[kind])})"


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern]]:
    out = []
    for seq, intent in sequences().items():
        body = "".join(_slot_pattern(t[1:-1]) if t[0] == "{" else re.escape(t) + " " for t in seq)
        out.append((intent, re.compile(body)))
    return out


def _parse_groups(groups: dict) -> dict | None:
    slots: dict = {}
    for kind, text in groups.items():
        words = text.split()
        if kind in ("number", "number2"):
            value = parse_number(words)
            if value is None:
                return None
            slots[kind] = value
        elif kind == "duration":
            duration = parse_duration(words)
            if duration is None:
                return None
            slots.update(duration)
        elif kind == "colour":
            slots[kind] = SOUNDS_LIKE.get(words[0], words[0])
        else:
            slots[_SLOT_FIELD.get(kind, kind)] = " ".join(words)
    return slots


def parse(words) -> tuple[str, dict] | None:
    """Intent and slots of a complete command (without the name), or None."""
    text = " ".join(words) + " "
    for intent, pattern in _patterns():
        match = pattern.fullmatch(text)
        if match:
            slots = _parse_groups({k: v for k, v in match.groupdict().items() if v})
            if slots is not None:
                return intent, slots
    return None


@lru_cache(maxsize=1)
def words() -> tuple[str, ...]:
    """Every word of the grammar, names included, sorted."""
    found = set(" ".join(NAMES).split()) | set(NUMBER_WORDS) | {"and", "a", "an", "half", "no"}
    for group in _VALUES.values():
        found |= set(" ".join(group).split())
    found |= set(" ".join(UNITS).split()) | {u + "s" for u in TIME_UNITS}
    for seq in sequences():
        found |= {t for t in seq if t[0] != "{"}
    return tuple(sorted(found))
