"""Tokens of the stream: heard words, acts, slot values and the state bag.

Torch-free: the daemon and the training share it. Class 0 of every head is the empty output.
"""

from __future__ import annotations

from bisect import bisect_right

from models import grammar, orders, phrasebook

COMMON_WORDS = tuple((
    "go right up down left on off "
    "your he all but if with will they when dont its as like his man who people just get or "
    "more than know life only love about out said always go nothing things youre does men "
    "would were their too now way some think well may world im our other thing any thats him "
    "should she had cant then her first where work better something little want see must "
    "without because everything anything got money great god which very even old last most "
    "cannot need theres here before into best knows woman women after another really come own "
    "away put bad isnt could live ever human change each look doesnt enough new else death "
    "those being going truth big between makes once dog others dead worth someone find try "
    "until made used die law thought person whats shall youll eat "
).split())
"""Frequent words of open speech, heard whole."""

PIECES = tuple((
    "a b c d e f g h i j k l m n o p q r s t u v w x y z "
    "in er ing re es en on st te ng ed ar le ea an tion ti se nt at al or ion ent ve ne me ri "
    "de ro ce he co ou li it tio th nd el ll ra ter is ers ic ess un ta la io rs as si ver pe "
    "the ns ate ur il ear ie ma ss ch lo nce pro ha her om us ge di rea ca est ee pr ol ati "
    "ther ly rt ble sta res all ive ac ight ine tr com ec ho be em ts ence po atio et ere one "
    "ai con ting eve ill hi ght ain oun ni nes ment igh ist nc ons so mi id pa to ct king sh "
    "oo and ure bl ever und der ect per ste for ide os tin ted ad mo end sti ul ound enc fe "
    "ice ity rie art gh am ant men ig ove kin na les tu im ow ome hea iv ry ot vi su wa nte "
    "ir ast fo bo ty pl ame lea ien lin eas ke ort ness int nder ies rou ous age no nde tur "
    "red ap tic ans ex ci ut mp sa wor tte we ev fa use man fi pla ugh ture are ions tter ten "
    "sel over ring str app "
).split())
"""Letter groups that spell every other word; greedy longest match."""

WORDS = tuple(sorted(set(grammar.words()) | set(COMMON_WORDS) | orders.WORDS | phrasebook.words()))
HEARD = ("",) + WORDS + tuple("_" + p for p in PIECES) + PIECES
"""Vocabulary of the heard stream; `_x` is a piece that starts a word, `x` one that goes on.
Single-letter words of the grammar come first, so "a" is the word."""

ACTS = ("",) + grammar.ACTS
FLOORS = ("keep", "duck", "yield", "speak")
UNITS = ("",) + grammar.UNITS
ITEMS = ("",) + grammar.ITEMS
COLOURS = ("",) + grammar.COLOURS
DIGITS = 11
"""Classes of one decimal digit: 0 is none, d + 1 is the digit d."""

HEARD_SLOTS = 2
"""Heard outputs in a micro-turn; what does not fit waits for the next."""

_HEARD_INDEX: dict[str, int] = {}
for _i, _t in enumerate(WORDS):
    _HEARD_INDEX[_t] = _i + 1
_START = {p: 1 + len(WORDS) + i for i, p in enumerate(PIECES)}
_CONTINUE = {p: 1 + len(WORDS) + len(PIECES) + i for i, p in enumerate(PIECES)}
_LONGEST = max(len(p) for p in PIECES)


def encode_word(word: str) -> list[int]:
    """Heard token ids of one lower-case word. Raises ValueError on characters but a to z."""
    if word in _HEARD_INDEX:
        return [_HEARD_INDEX[word]]
    if not word or not all("a" <= c <= "z" for c in word):
        raise ValueError(f"word {word!r} has characters other than a to z")
    ids: list[int] = []
    at = 0
    while at < len(word):
        length = next(n for n in range(_LONGEST, 0, -1) if word[at : at + n] in _START)
        piece = word[at : at + length]
        ids.append((_CONTINUE if ids else _START)[piece])
        at += length
    return ids


def is_word(token: int) -> bool:
    """True for a token that is a whole word of the vocabulary."""
    return 0 < token <= len(WORDS)


class WordAssembler:
    """Joins heard tokens into words; a spelled word is complete when the next one begins or
    after `patience` micro-turns without a piece."""

    def __init__(self, patience: int = 2) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Forget the word being spelled."""
        self._open = ""
        self._quiet = 0

    def push(self, tokens) -> list[str]:
        """Feed one micro-turn's heard tokens; returns the words completed by them."""
        done: list[str] = []
        tokens = [t for t in tokens if t]
        self._quiet = 0 if tokens else self._quiet + 1
        for token in tokens:
            text = HEARD[token]
            if is_word(token) or text[0] == "_":
                self._close(done)
            if is_word(token):
                done.append(text)
            else:
                self._open += text.lstrip("_")
        if self._quiet >= self._patience:
            self._close(done)
        return done

    def _close(self, done: list[str]) -> None:
        if self._open:
            done.append(self._open)
            self._open = ""

    def get_state(self) -> dict:
        """State to be restored by `set_state`."""
        return {"open": self._open, "quiet": self._quiet}

    def set_state(self, state: dict) -> None:
        """Restore what `get_state` returned."""
        self._open, self._quiet = state["open"], state["quiet"]


# --- slots: name of the head -> number of classes
SLOT_HEADS: dict[str, int] = {
    "hundreds": DIGITS, "tens": DIGITS, "units": DIGITS,
    "hundreds2": DIGITS, "tens2": DIGITS, "units2": DIGITS,
    "unit": len(UNITS), "unit2": len(UNITS), "item": len(ITEMS), "colour": len(COLOURS),
}


HEADS_OF = {
    **{field: tuple(name + suffix for name in ("hundreds", "tens", "units"))
       for field, suffix in (("number", ""), ("number2", "2"))},
    **{field: (field,) for field in ("unit", "unit2", "item", "colour")},
}
"""Field of a slot -> the heads that carry it."""


def encode_slots(slots: dict) -> dict[str, int]:
    """Target class of every slot head for slot values as `grammar.sample` returns them."""
    out = dict.fromkeys(SLOT_HEADS, 0)
    for field, suffix in (("number", ""), ("number2", "2")):
        if slots.get(field) is not None:
            n = slots[field]
            for name, digit in (("hundreds", n // 100), ("tens", n // 10 % 10), ("units", n % 10)):
                out[name + suffix] = digit + 1
    for field, values in (("unit", UNITS), ("unit2", UNITS), ("item", ITEMS),
                          ("colour", COLOURS)):
        if slots.get(field):
            out[field] = values.index(slots[field])
    return out


def decode_slots(classes: dict[str, int]) -> dict:
    """Inverse of `encode_slots`; a number is None unless all its three digits are there."""
    out: dict = {}
    for field, suffix in (("number", ""), ("number2", "2")):
        digits = [classes[n + suffix] for n in ("hundreds", "tens", "units")]
        if all(digits):
            out[field] = (digits[0] - 1) * 100 + (digits[1] - 1) * 10 + digits[2] - 1
    for field, values in (("unit", UNITS), ("unit2", UNITS), ("item", ITEMS),
                          ("colour", COLOURS)):
        if classes[field]:
            out[field] = values[classes[field]]
    return out


def slot_fields(intent: str) -> frozenset[str]:
    """Slot fields that some template of the intent has."""
    spec = grammar.INTENTS.get(intent)
    fields: set[str] = set()
    for template in spec.templates if spec else ():
        for kind, field in _FIELD_OF.items():
            if "{" + kind + "}" in template:
                fields |= set(field)
    return frozenset(fields)


_FIELD_OF = {
    "number": ("number",), "number2": ("number2",),
    "duration": ("number", "unit", "number2", "unit2"), "measure": ("unit",),
    "measure2": ("unit2",), "weight": ("unit",), "exercise": ("item",), "object": ("item",),
    "thing": ("item",), "operator": ("item",), "routine": ("item",), "language": ("item",),
    "colour": ("colour",),
}

# --- state: one bag of embeddings a micro-turn; field -> number of values
FOLLOW_UP_S = 8.0
"""Follow-up window that the network learned: words without the name are meant for tagalong so
long after an exchange; an edge of `SECONDS_EDGES`."""
COUNT_EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 50)
SECONDS_EDGES = (0.0, 2.0, 4.0, 6.0, 8.0, 12.0, 30.0)
"""Value 0 is none, then one value for each interval that begins at an edge."""

STATE_FIELDS: dict[str, int] = {
    "voice": 3, "withheld": 2, "task": 5, "count": len(COUNT_EDGES) + 1, "timers": 4,
    "timer_remaining_s": len(SECONDS_EDGES) + 1, "due": 3, "delegations": 3, "answers": 3,
    "pending": 2, "addressing": 3, "microphone_muted": 2, "camera_muted": 2, "routine": 2,
    "since_exchange_s": len(SECONDS_EDGES) + 1, "since_spoke_s": len(SECONDS_EDGES) + 1,
}


def _value(field: str, value) -> int:
    if field == "count":
        return bisect_right(COUNT_EDGES, value)
    if field.endswith("_s"):
        return 0 if value is None else max(bisect_right(SECONDS_EDGES, value), 1)
    value = getattr(value, "value", value)
    return min(int(value), STATE_FIELDS[field] - 1)


def encode_state(values: dict) -> list[int]:
    """Rows of the state table for field values (enums or plain numbers), one per field."""
    rows, offset = [], 0
    for field, size in STATE_FIELDS.items():
        rows.append(offset + _value(field, values[field]))
        offset += size
    return rows


STATE_ROWS = sum(STATE_FIELDS.values())
IDLE_STATE: dict = {
    "voice": 0, "withheld": 0, "task": 0, "count": 0, "timers": 0, "timer_remaining_s": None,
    "due": 0, "delegations": 0, "answers": 0, "pending": 0, "addressing": 1,
    "microphone_muted": 0, "camera_muted": 0, "routine": 0, "since_exchange_s": None, "since_spoke_s": None,
}
"""A session in which nothing has happened yet."""


def names() -> dict[str, list[str]]:
    """What each class and row of the network's tables means, in order; a checkpoint carries it, so
    that training goes on with a grown vocabulary (`models.carry`)."""
    return {"heard": list(HEARD), "act": list(ACTS), "floor": list(FLOORS), "unit": list(UNITS),
            "item": list(ITEMS), "colour": list(COLOURS),
            "state": [f"{field} {i}" for field, n in STATE_FIELDS.items() for i in range(n)]}
