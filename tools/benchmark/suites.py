"""All suites by name."""

from __future__ import annotations

from tools.benchmark import (
    commands,
    cues,
    interpret,
    localise,
    nothing,
    overlap,
    present,
    questions,
    reps,
    silence,
    spliced,
    timespeak,
    tool_use,
    visual_cue,
    words,
)
from tools.benchmark.suite import Suite

SUITES: dict[str, Suite] = {
    "commands": commands.SUITE, "overlap": overlap.SUITE, "reps": reps.REPS,
    "reps_quva": reps.QUVA, "own_reps": reps.OWN, "nothing": nothing.SUITE, "words": words.SUITE,
    "questions": questions.SUITE, "tools": tool_use.SUITE, "timespeak": timespeak.SUITE,
    "cues": cues.SUITE, "present": present.SUITE, "localise": localise.SUITE,
    "visual_cue": visual_cue.SUITE, "interpret": interpret.SUITE, "silence": silence.SUITE,
    "orders": spliced.ORDERS, "spliced": spliced.SPLICED_WORDS,
}
