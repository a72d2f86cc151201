"""What `tagalong fdbench` shows: progress while it runs, and the summary at its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from daemon.fdbench_words import Word, takes_over

SHOWN_FAILURES = 20
"""The summary names no more than these; each was named when it happened."""
FEWER, MORE = "fewer is better", "more is better"
WANTED = {"pause_handling": FEWER, "turn_taking": MORE, "user_interruption": MORE,
          "backchannel": FEWER}
"""What a task's name ends with -> what v1.0 makes of take-overs there."""
NOT_THE_SCORE = """\
Take-overs as v1.0 counts them, on the words that tagalong said: a reply below one second with at
most three words ("five minutes") is none, only spoken. The score is what the official scripts say.\
"""


class State(Enum):
    """What became of a sample."""

    DONE = "done"
    SKIPPED = "skipped"
    """It had an output before."""
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """One sample, and what was said in it."""

    state: State
    words: list[Word] | None
    """None: not known."""
    problem: str = ""
    """Why it failed, and what to do."""


class Watcher:
    """Progress on standard error: a bar on a terminal, else a line a sample."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._told = 0
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(),
                             MofNCompleteColumn(), TimeRemainingColumn(), console=self._console,
                             disable=not self._console.is_terminal)
        self._task = self._bar.add_task("fdbench", total=total)

    def __enter__(self) -> Watcher:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._bar.stop()

    def tell(self, name: str, outcome: Outcome) -> None:
        """A sample is over."""
        self._told += 1
        self._bar.update(self._task, advance=1, description=name)
        if outcome.state is State.FAILED:
            said = outcome.problem
        else:
            said = "no transcript" if outcome.words is None else f"{len(outcome.words)} words"
        if outcome.state is State.FAILED or not self._console.is_terminal:
            self._console.print(f"[{self._told}/{self._total}] {outcome.state.value} {name}: "
                                f"{said}", markup=False)


class Report:
    """Counts by subset."""

    def __init__(self, groups: Sequence[str], addressing: str) -> None:
        """`groups`: the subset of every sample there is."""
        self._samples = Counter(groups)
        self._states: Counter[tuple[str, State]] = Counter()
        self._known: Counter[str] = Counter()
        self._spoke: Counter[str] = Counter()
        self._takeovers: Counter[str] = Counter()
        self._addressing = addressing
        self.failures: list[tuple[str, str]] = []
        """Name of the sample and why."""

    def add(self, group: str, name: str, outcome: Outcome) -> None:
        """One sample more."""
        self._states[group, outcome.state] += 1
        if outcome.words is not None:
            self._known[group] += 1
            self._spoke[group] += bool(outcome.words)
            self._takeovers[group] += takes_over(outcome.words)
        if outcome.state is State.FAILED:
            self.failures.append((name, outcome.problem))

    def stopped(self) -> str:
        """What to say when somebody stopped it."""
        over = sum(count for (_, state), count in self._states.items() if state is not State.FAILED)
        return (f"tagalong fdbench: stopped with {over} of {self._samples.total()} samples "
                "complete; next: the same command without --fresh goes on from there")

    def as_json(self) -> str:
        """The summary for programs."""
        subsets = {group: {"samples": count} | self._states_of(group) | {
            "transcripts": self._known[group], "spoke": self._spoke[group],
            "takeovers": self._takeovers[group],
        } for group, count in self._samples.items()}
        failures = [{"sample": name, "problem": problem} for name, problem in self.failures]
        return json.dumps({"addressing": self._addressing, "subsets": subsets,
                           "failures": failures}, indent=2)

    def _states_of(self, group: str) -> dict[str, int]:
        return {state.value: self._states[group, state] for state in State}

    def as_text(self) -> str:
        """The summary for people."""
        width = max(6, *map(len, self._samples))
        head = f"{'subset':{width}}  samples  done  skipped  failed  spoke  take-overs"
        lines = [head, *(self._row(group, width) for group in self._samples)]
        states = [sum(self._states[group, state] for group in self._samples) for state in State]
        counts = [self._samples.total(), *states, self._spoke.total()]
        lines += [_row("all", width, counts, ""), "", *self._notes()]
        return "\n".join(lines)

    def _row(self, group: str, width: int) -> str:
        said = f"{self._takeovers[group]} of {self._known[group]}"
        wanted = _wanted(group)
        counts = [self._samples[group], *self._states_of(group).values(), self._spoke[group]]
        return _row(group, width, counts, said + (f"  ({wanted})" if wanted else ""))

    def _notes(self) -> list[str]:
        notes = [NOT_THE_SCORE, f"Addressing: {self._addressing} (nobody says its name there)."]
        wanted = {_wanted(group) for group in self._samples}
        if FEWER in wanted and MORE not in wanted:
            notes.append("A silent system is perfect at this: report turn-taking beside it.")
        unknown = sum(self._states[group, State.DONE] + self._states[group, State.SKIPPED]
                      - self._known[group] for group in self._samples)
        if unknown:
            notes.append(f"{unknown} skipped without a readable output.json; next: the official "
                         "asr.py makes it, or --fresh runs everything again.")
        if self.failures:
            notes.append(f"{len(self.failures)} failed, and the official scripts stop at a sample "
                         "without output; next: get them again, then the same command:")
            notes += [f"  {name}: {problem}" for name, problem in self.failures[:SHOWN_FAILURES]]
        return notes


def _row(name: str, width: int, counts: Sequence[int], said: str) -> str:
    """`counts`: samples, done, skipped, failed, spoke."""
    samples, done, skipped, failed, spoke = counts
    return (f"{name:{width}}  {samples:7}  {done:4}  {skipped:7}  {failed:6}  {spoke:5}  "
            f"{said}").rstrip()


def _wanted(group: str) -> str:
    """What v1.0 makes of take-overs in a task; empty where it does not say."""
    task = group.rsplit("/", 1)[-1]
    if task.startswith("user_") or "(clean)" in task:
        return ""  # v1.5 scores what is done, not whether the floor is taken
    return next((good for end, good in WANTED.items() if task.endswith(end)), "")
