"""Routine files: those shipped, refusals that name file, key and value, the wearer's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.checks.config import Configuration
from daemon.ledger_routine import Step
from daemon.routines.language import LANGUAGE, RoutineError, load
from daemon.routines.library import SHIPPED, library, shipped
from models import grammar

pytestmark = pytest.mark.unit
HEAD = 'title = "Test"\nkind = "workout"\n'


def refusal(folder: Path, text: str) -> str:
    path = folder / "bad.toml"
    path.write_text(text)
    with pytest.raises(RoutineError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "next: " in message
    return message.removeprefix(f"{path}: ")


def test_all_that_the_grammar_knows_are_shipped_and_nothing_else() -> None:
    assert set(shipped().names) == set(grammar.ROUTINES)
    kinds = [shipped().by_name[name].kind for name in grammar.ROUTINES]
    assert sorted(kinds) == ["procedure"] * 2 + ["recipe"] + ["workout"] * 3


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_a_view_that_a_shipped_routine_waits_for_is_remembered_by_it_before(path: Path) -> None:
    known: set[str] = set()
    for step in load(path).steps:
        assert step.view is None or step.view in known
        known |= {step.remember} - {None}


def test_the_example_of_the_language_is_right(tmp_path: Path) -> None:
    text = (SHIPPED / "language.py").read_text("utf-8").split('"""')[1]
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    (tmp_path / "example.toml").write_text(example)
    steps = load(tmp_path / "example.toml").steps
    assert [s.rest_s for s in steps] == [30, 45, 30, 30, 30, 0], "nothing is rested after the last"
    assert steps[1] == Step("", "squats", 15, rest_s=45)
    assert (steps[4].remember, steps[5].view) == ("cover", "cover")


@pytest.mark.parametrize(("text", "expected"), [
    ('kind = "workout"', "title is missing"),
    (HEAD, "step is missing"),
    ('title = "T"\nkind = "walk"\n[[step]]\nsay = "a"', "kind = 'walk': it should be 'workout'"),
    (HEAD + '[[step]]\nsay = "a"\nsecond = 3', "step.0.second = 3: there is no such key"),
    (HEAD + '[[step]]\nsay = "a"\n[[step]]\nsay = "a"\nseconds = -3',
     "step.1.seconds = -3: it should be greater than 0"),
    (HEAD + '[[step]]\nsay = "hold 30"', "step.0.say: 'hold 30': numbers must be spelled out"),
    (HEAD + '[[step]]\nexercise = "yoga"\nreps = 3', "step.0.exercise: 'yoga': expected one of sq"),
    (HEAD + '[[step]]\nsay = "a"\nreading = "oven"', "step.0.reading: 'oven': expected one of val"),
    (HEAD + '[[step]]\nexercise = "squats"', "step.0: exercise and reps come together"),
    (HEAD + '[[step]]\nrest_s = 3', "step.0: say is missing"),
    (HEAD + '[[step]]\nsay = "a"\nseconds = 3\nview = "b"', "step.0: waits for seconds and view"),
    (HEAD + 'names = ["Leg-Day"]\n[[step]]\nsay = "a"', "names: 'Leg-Day': expected small letters"),
    (HEAD + '[[step]\n', "is no TOML"),
])
def test_a_bad_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(expected), message
    assert "no TOML" in message or LANGUAGE in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RoutineError, match="cannot be read .*next: check the path"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "Gr\xfc\xdfe"')
    with pytest.raises(RoutineError, match="UTF-8"):
        load(tmp_path / "latin.toml")


def test_the_wearers_folder_comes_first_and_its_bad_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('title = "Leg day"\nkind = "workout"\n[[step]]\nsay = "mine"')
    (tmp_path / "b.toml").write_text("steps = 3")
    found, problems = library(tmp_path)
    assert found.by_name["leg day"].steps[0].say == "mine"
    assert "legs" not in found.by_name, "another name of the one that it replaces"
    assert len(problems) == 1 and "b.toml" in problems[0]
    assert set(found.names) == set(grammar.ROUTINES)
    nowhere = library(tmp_path / "none")[1]
    assert len(nowhere) == 1 and "there is no such folder" in nowhere[0]


def test_the_doctor_reads_them_too(tmp_path: Path) -> None:
    (tmp_path / "tagalong.toml").write_text('[routines]\nfolder = "."\n')
    result = Configuration(tmp_path / "tagalong.toml").run()
    assert "kind is missing" in str(result) or "title is missing" in str(result)
