"""Whether an act may be carried out: the network's slots against the words that were heard.

The network and its words come from one stream but from different heads, so where they agree both
are probably right. Where they do not, tagalong asks before it acts.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import cache
from itertools import chain

from daemon import acts_hold, phrases
from daemon.keyframes import points_at_a_sight
from daemon.turn import Act, Slots
from models import grammar

WHOLE_THRESHOLD = 0.1
"""Least confidence where network and words agree on a whole command."""
SURE = 0.9
"""From here on the network is not simply overruled by the words of another command."""
SURE_SLOTS = 0.5
"""From here on its values choose between several commands that the words could be."""
SURE_QUESTION = 0.8
"""Below it an open question is rather a command that was misheard: tuning questions have 0.9."""
SURE_WORDS = 3.0
"""Where every other command is at least so far behind, the words count more than the slots."""
GUESSED = 0.6
"""Below it the network has guessed the values, and the words alone count."""
CHEAP = 1.0
"""A hypothesis of the act's intent that costs no more is done: all 7 of 220 tuning items right."""
TAIL_WORDS = 16
"""A command is at most so long."""
WORDS_KEPT = 40
"""Words of an open question that are passed on; the newest."""
NAME = "tagalong"
NEAR_WORDS = 8
"""Numbers among so many last words belong to the act."""
NEVER_ASKED = frozenset((
    "stop", "yes", "no", "never_mind", "be_quiet", "say_again", "hello", "thanks", "present",
    grammar.ASK, grammar.ATTENTION,
))
"""Reading these back would be worse than leaving them."""
WORDS_ALONE = frozenset((grammar.ASK, "cue", "count_word"))
"""Acts of which only the words tell the content: where they are another command, it is that."""
QUERIES = frozenset((
    "convert", "calculate", "history", "clock", "date", "status", "how_many", "time_left",
    "elapsed", "battery", "help", "why", "how_often", "recall_reading", "read_back",
    "where_was_i", "list_routines",
))
"""They change nothing, and their answer names what was asked: what the words say is answered at
once, whatever other values the network's slots have."""
HARMLESS = frozenset(("count_reps", "take_order"))
"""Begun at once even when not sure: the reply names the exercise, and neither a set nor a guest
waits for "yes"."""
OPTIONAL = {
    "count_reps": ("item",), "reading": ("colour",), "recall_reading": ("colour",),
    "mute_microphone": ("number", "unit"), "mute_camera": ("number", "unit"),
    "start_routine": ("item",),
}
"""Slots that an intent can do without."""
SECOND_PART = ("number2", "unit2")
"""Of a duration; most have none."""
QUESTION = frozenset((
    "what", "how", "why", "which", "when", "where", "who", "is", "are", "can", "could", "do",
    "does", "did", "should", "may", "will", "tell", "explain", "find", "look",
))
"""Words that a question or a request for a fact begins with."""
_EITHER = frozenset(("the", "that", "a", "an", "i", "we", "you", "it", "no", "yes", "read"))
"""Words that a command may begin with and anything else as well."""
_MEASURES = tuple(chain.from_iterable(grammar.MEASURES))
_KINDS: dict[str, tuple[tuple[str, tuple[str, ...] | None], ...]] = {
    "number": (("number", None),), "number2": (("number2", None),),
    "duration": (("number", None), ("unit", grammar.TIME_UNITS), ("number2", None),
                 ("unit2", grammar.TIME_UNITS)),
    "measure": (("unit", _MEASURES),), "measure2": (("unit2", _MEASURES),),
    "weight": (("unit", grammar.WEIGHTS),), "exercise": (("item", grammar.EXERCISES),),
    "object": (("item", grammar.OBJECTS),), "thing": (("item", grammar.THINGS),),
    "operator": (("item", grammar.OPERATORS),), "colour": (("colour", grammar.COLOURS),),
    "routine": (("item", grammar.ROUTINES),), "language": (("item", grammar.LANGUAGES),),
    "word": (("word", None),),
    "word2": (("word2", None),),
}
"""Slot of a template -> fields of `Slots` and the values that they may have (None: any)."""
Command = tuple[str, dict, tuple[str, ...]]
"""Intent, slots and the words of a complete command."""


class Decision(Enum):
    """What to do with an act."""

    DO = 0
    READ_BACK = 1
    """Ask "...?" and wait for yes or no."""
    MISSING = 2
    """Ask for the value that is not there."""
    IGNORE = 3


@dataclass(frozen=True)
class Verdict:
    """What is to be done, with which act, and why not the plain thing."""

    decision: Decision
    act: Act
    """With slots filled in from the words, and values removed that cannot be."""
    reason: str = ""
    missing: tuple[str, ...] = ()
    """Fields of `Slots` that are needed and not known."""
    words: tuple[str, ...] = ()
    """The command itself where the words form one, else all words since the name."""


@cache
def allowed(intent: str) -> dict[str, tuple[str, ...] | None]:
    """Field of `Slots` -> values that the intent accepts (None: any), for every slot it has."""
    found: dict[str, tuple[str, ...] | None] = {}
    spec = grammar.INTENTS.get(intent)
    for kind in re.findall(r"\{(\w+)\}", " ".join(spec.templates) if spec else ""):
        found.update(_KINDS[kind])
    return found


def warm_up() -> None:
    """Compile the grammar now (160 ms) rather than at the first act, where it would be heard."""
    grammar.parse(())
    acts_hold.warm_up()
    for intent in grammar.INTENTS.values():
        allowed(intent.name)


def command_words(heard: tuple[str, ...]) -> tuple[str, ...]:
    """The words after the last time that the name was said; all of them where it was not."""
    for at in range(len(heard) - 1, -1, -1):
        if heard[at] == NAME:
            return heard[at + 1 :]
    return heard


def parse_tail(words: tuple[str, ...]) -> Command | None:
    """The longest command that the words end with: intent, slots and its words."""
    for at in range(max(len(words) - TAIL_WORDS, 0), len(words)):
        parsed = grammar.parse(words[at:])
        if parsed is not None:
            return (*parsed, words[at:])
    return None


def check(act: Act, words: tuple[str, ...], threshold: float, unheard_threshold: float) -> Verdict:
    """Judge an act; `words` are those after the name, newest last."""
    words = words[-WORDS_KEPT:]
    if act.name == grammar.ATTENTION:
        return _check_open(act, words, threshold)
    act = _plausible(act)
    command = whole(words)
    if command is not None:
        return _check_command(act, command, SURE)
    if act.name == grammar.ASK and points_at_a_sight(" ".join(words)):
        return _check_open(act, words, threshold)
    command, other = _near(act, words, threshold), hypothesis(act, words)
    if command is not None and (other is None or command[:2] == other[:2]):
        return _check_command(act, command, 0.0)
    if other is not None:
        verdict = _check_command(act, other, SURE)
        cost = act.hypothesis.cost if act.hypothesis else CHEAP
        least = WHOLE_THRESHOLD if cost <= CHEAP or other[0] in QUERIES else unheard_threshold
        agreed = act.name == other[0] and act.confidence >= least
        return verdict if agreed and act.name not in WORDS_ALONE else _asked(verdict)
    if act.name == grammar.ASK:
        return _check_open(act, words, threshold)
    return _check_tail(act, words, threshold, unheard_threshold)


def waits(act: Act, words: tuple[str, ...], threshold: float) -> bool:
    """Whether the act came too early: its words are the beginning of a command and none yet."""
    if not words or act.name in NEVER_ASKED - {grammar.ASK} or whole(words) is not None:
        return False
    if acts_hold.unfinished(words):
        return True
    return (acts_hold.unfinished(words, slack=1) and hypothesis(act, words) is None
            and _near(act, words, threshold) is None)


def hypothesis(act: Act, words: tuple[str, ...]) -> Command | None:
    """The command that the network's heads together make of these very words, if that is another
    than the words say. An open question stays one."""
    found = act.hypothesis
    if found is None or found.heard != words or act.name == grammar.ASK:
        return None
    parsed = grammar.parse(found.words)
    return None if parsed is None else (*parsed, found.words)


def _asked(verdict: Verdict) -> Verdict:
    """The same, but not done without being asked for."""
    if verdict.decision is not Decision.DO:
        return verdict
    return replace(_decide(verdict.act, "the words may have been others"), words=verdict.words)


def whole(words: tuple[str, ...]) -> Command | None:
    """The command that all the words form."""
    parsed = grammar.parse(words) if words else None
    return None if parsed is None else (*parsed, words)


def _near(act: Act, words: tuple[str, ...], threshold: float) -> Command | None:
    """The one command that is a single word away; of several, the one with the act's own values,
    if the network is sure of them.

    Another intent than the act's counts only where the network was not sure of its own. For an
    open question a word must be missing: `how is the weather` is not `how is the battery`.
    """
    found = acts_hold.near(words)
    if act.name == grammar.ASK:
        found = [c for c in found if len(c[2]) > len(words)]
    elif act.confidence >= threshold and any(c[0] != act.name for c in found):
        return None
    if len(found) > 1 and act.confidence >= SURE_SLOTS:
        act = _plausible(act)
        found = [c for c in found if c[0] == act.name and not _merge(act, c[1])[1]]
    return found[0] if len(found) == 1 else None


def _check_command(act: Act, command: Command, sure: float) -> Verdict:
    """A sentence that is a command rarely comes about by mishearing, so the words decide what is
    meant, and the network when. It is read back where the network was sure of other values, or
    chose another intent with a confidence of at least `sure`."""
    intent, slots, words = command
    reason = ""
    if intent != act.name:
        meant = Act(intent, Slots(**slots), act.confidence)
        if act.name not in WORDS_ALONE and act.confidence >= sure:
            reason = f"the network took it for {act.name}"
    else:
        meant, reason = _merge(act, slots)
        if intent in QUERIES or act.confidence < GUESSED or act.words_margin >= SURE_WORDS:
            meant, reason = replace(act, slots=Slots(**slots)), ""
        if act.confidence < WHOLE_THRESHOLD and act.words_margin < SURE_WORDS:
            reason = f"confidence {act.confidence:.2f}"
    return replace(_decide(meant, reason), words=words)


def _check_tail(act: Act, words: tuple[str, ...], threshold: float,
                unheard_threshold: float) -> Verdict:
    """Not all words since the name are a command, but the last ones may be."""
    parsed, least = parse_tail(words), threshold
    if parsed is not None and parsed[0] == act.name:
        act, reason = _merge(act, parsed[1])
        reason = "" if act.name in QUERIES else reason
        words = parsed[2]
    elif parsed is not None:
        reason = f"the words say {parsed[0]}"
    else:
        reason = _number_conflict(act, words)
        least = threshold if act.name in NEVER_ASKED else unheard_threshold
    if not reason and act.confidence < least:
        reason = f"confidence {act.confidence:.2f}"
    return replace(_decide(act, reason), words=words)


def _decide(act: Act, reason: str) -> Verdict:
    top = grammar.INTENTS[act.name].top
    if not reason and act.slots.number is not None and act.slots.number > top:
        reason = f"{act.slots.number} is more than {top}"
    if not reason and not convertible(act):
        reason = "nothing to convert"
    missing = missing_fields(act)
    if missing:
        unsure = "confidence" in reason
        return Verdict(Decision.IGNORE if unsure else Decision.MISSING, act, reason, missing)
    if not reason:
        return Verdict(Decision.DO, act)
    if act.name in HARMLESS and act.confidence >= WHOLE_THRESHOLD:
        return Verdict(Decision.DO, act)
    return Verdict(Decision.IGNORE if act.name in NEVER_ASKED else Decision.READ_BACK, act, reason)


def _check_open(act: Act, words: tuple[str, ...], threshold: float) -> Verdict:
    """An open question, or the name alone. A command of which too much was misheard is no question:
    the background could only say that it did not understand it either."""
    if act.confidence < threshold:
        return Verdict(Decision.IGNORE, act, f"confidence {act.confidence:.2f}", words=words)
    garbled = act.confidence < SURE_QUESTION or words and words[0] in _command_beginnings()
    if act.name == grammar.ASK and garbled:
        return Verdict(Decision.MISSING, act, "sounds like a command", words=words)
    return Verdict(Decision.DO, act, words=words)


@cache
def _command_beginnings() -> frozenset[str]:
    """Words with which commands begin and questions do not."""
    first = {line[0] for line in grammar.sequences()} | set(grammar.NUMBER_WORDS)
    return frozenset(w for w in first if w[0] != "{" and w not in QUESTION | _EITHER)


def convertible(act: Act) -> bool:
    """False where one of the two units was misheard: they are the same, or of different kinds."""
    units = {act.slots.unit, act.slots.unit2}
    return act.name != "convert" or None in units or len(units) == 2 and any(
        units <= set(group) for group in grammar.MEASURES)


def missing_fields(act: Act) -> tuple[str, ...]:
    """Needed fields that are not known; a time or a target of nothing counts as not known."""
    fields = allowed(act.name)
    optional = OPTIONAL.get(act.name, ())
    if fields.get("unit2") == grammar.TIME_UNITS:
        optional += SECOND_PART
    gone = [f for f in fields if f not in optional and getattr(act.slots, f) is None]
    counted = act.name == "target" or fields.get("unit") == grammar.TIME_UNITS
    if counted and act.slots.number == 0:
        gone.append("number")
    return tuple(gone)


def _plausible(act: Act) -> Act:
    """The act without slots that its intent does not have and values that they cannot take."""
    fields = allowed(act.name)
    values = asdict(act.slots)
    for name, value in values.items():
        accepted = fields.get(name)
        if name not in fields or (accepted is not None and value not in accepted):
            values[name] = None
    return replace(act, slots=Slots(**values))


def _merge(act: Act, heard: dict) -> tuple[Act, str]:
    """Slots known from either side; where the two differ the words count and the reason is set."""
    own = asdict(act.slots)
    fields = allowed(act.name)
    differ = [f for f in fields if own[f] is not None and own[f] != heard.get(f)]
    if {"number", "unit", *SECOND_PART} >= set(differ) and _same_length(own, heard):
        differ = []
    filled = {f: own[f] if heard.get(f) is None or f not in differ and own[f] is not None
              else heard[f] for f in fields}
    merged = replace(act, slots=Slots(**filled))
    return merged, f"heard another {differ[0]}" if differ else ""


def _same_length(own: dict, heard: dict) -> bool:
    """Two durations that are the same time: sixty seconds and one minute."""
    if own["number"] is None or not {own["unit"], heard.get("unit")} <= set(grammar.TIME_UNITS):
        return False
    return phrases.seconds(Slots(**own)) == phrases.seconds(Slots(**heard))


def _number_conflict(act: Act, words: tuple[str, ...]) -> str:
    """Words that form no command may still hold numbers; then the act's must be among them."""
    near = list(words[-NEAR_WORDS:])
    found = {grammar.parse_number(near[a:b]) for a in range(len(near))
             for b in range(a + 1, min(a + 5, len(near)) + 1)} - {None}
    if {"half", "a", "an"} & set(near):
        found |= {1, 30}  # half a minute is thirty seconds
    values = {v for v in (act.slots.number, act.slots.number2) if v is not None}
    return "" if not found or values <= found else "heard another number"
