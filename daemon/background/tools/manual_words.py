"""Words that questions and manuals use for the same, and words that no question is about.

A manual says "oil the chain", the wearer "lubricate". Groups are of what people who mend things say,
not of any one manual; the words of a group must be interchangeable, for a near miss is worse than
no answer: bolt and screw are, bolt and nut are not.
"""

from __future__ import annotations

from daemon.background.spoken import NUMBERS, stem

_GROUPS = """
replace change renew swap exchange new
lubricate oil grease
fix repair mend
help assist support
drain empty
tank receiver reservoir vessel
bolt screw
start begin
stop end cut
open blow trip release
opening vent ventilation
gap clearance room
slope fall gradient
bicycle bike
clean wash
cover lid
rack carrier
full complete
hold contain
loud noise noisy quiet
night nighttime
display screen
check inspect examine
broken defective faulty
sensor probe
drive drivetrain
minute minutes
switch turn
run turn spin rotate
wear worn
reset restart
"""
SAME: dict[str, frozenset[str]] = {}
"""Stem -> stems that say the same, itself among them."""
for _line in _GROUPS.split("\n"):
    _group = frozenset(stem(word) for word in _line.split())
    for _word in _group:
        SAME[_word] = SAME.get(_word, frozenset()) | _group

ASKING = frozenset(stem(w) for w in (
    "torque newton metre metres tight tighten tightening pressure often frequently wait last "
    "heavy weight weigh wide high deep big large thick thickness thin far fine steep length "
    "width diameter size space voltage volts current amps power watts watt resistance ohms "
    "temperature degrees hot warm cold fast speed loud bright bar mean means number value "
    "amount much need needs require required recommended correct proper normal go goes into "
    "get come give put push pull let must allow allowed permitted most least maximum minimum "
    "max min highest lowest set sets first have time due away out off down exactly roughly "
    "completely replaced change stop fix make too and kilos kilo kilograms grams millimetres "
    "litres minutes hours seconds percent while during after there between near because "
    "longest shortest use used show shows wrong order buy deliver provide draw draws strong "
    "powerful finished happens"
).split()) | frozenset(map(stem, NUMBERS))
"""What is asked for, or how, not what it is asked about."""


def same(term: str) -> frozenset[str]:
    """Stems that say the same as a stem, itself among them."""
    return SAME.get(term, frozenset((term,)))
