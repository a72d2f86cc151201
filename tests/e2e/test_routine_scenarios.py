"""The scenarios of routines and views with a network that understands every word: what is left is
what the daemon makes of it. `test_scenarios` plays them with the network that is shipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.rehearse import rehearse, timeline
from daemon.run import Runner
from daemon.turn import TURN_S, Act, MicroTurn, Reply, Slots, Task
from models import grammar
from models.scenarios.script import Scenario, load

pytest.importorskip("cv2", reason="opencv is not installed: scenarios cannot be drawn")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
PATHS = sorted([*FOLDER.glob("routine_*.toml"), *FOLDER.glob("view_*.toml")])
WORD_S = 0.36
"""Length of a word at 165 words a minute."""


class Understanding:
    """A network that knows the scenario: each command is complete where its last word ends, each
    repetition where it was drawn."""

    def __init__(self, scenario: Scenario) -> None:
        self._acts: dict[int, tuple[Act, tuple[str, ...]]] = {}
        for say in scenario.say:
            words = tuple(say.text.replace(",", "").split())
            parsed = grammar.parse(words[1:] if words[0] == "tagalong" else words)
            if parsed is not None and say.who == "wearer":
                turn = int((say.at_s + len(words) * WORD_S) / TURN_S)
                self._acts[turn] = Act(parsed[0], Slots(**parsed[1]), 0.99), words
        self._reps = {int((see.from_s + (n + 1) * see.period_s) / TURN_S)
                      for see in scenario.see for n in range(see.reps)}

    def step(self, turn: MicroTurn) -> Reply:
        act, words = self._acts.get(turn.index, (None, ()))
        counts = turn.index in self._reps and turn.state.task is Task.REPS
        return Reply(turn.index, words, act, counted=int(counts))

    def reset(self) -> None:
        """It remembers nothing."""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_goes_as_expected_once_the_words_are_understood(path: Path, tmp_path: Path) -> None:
    """Budget: 20 s each."""
    played = rehearse(path, tmp_path, Runner(model=Understanding(load(path))))
    told = "\n".join(line.plain for line in timeline(played))
    assert played.passed, "\n".join([*played.failures, told])


def test_there_are_some() -> None:
    assert len(PATHS) >= 5 and all(load(path).seconds <= 65 for path in PATHS)
