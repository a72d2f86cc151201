"""All suites by name."""

from __future__ import annotations

from tools.benchmark import commands, nothing, overlap, questions, reps, silence, timespeak, words
from tools.benchmark.suite import Suite

SUITES: dict[str, Suite] = {
    "commands": commands.SUITE, "overlap": overlap.SUITE, "reps": reps.REPS,
    "reps_quva": reps.QUVA, "own_reps": reps.OWN, "nothing": nothing.SUITE, "words": words.SUITE,
    "questions": questions.SUITE, "timespeak": timespeak.SUITE, "silence": silence.SUITE,
}
