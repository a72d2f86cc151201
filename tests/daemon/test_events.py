"""The event log: lines come back as they went in, and nothing else suffers from a bad one."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.events import KINDS, Event, EventLog, from_line, read_events, to_line, undocumented

pytestmark = pytest.mark.unit

SOURCE = Path(__file__).resolve().parents[2] / "daemon"
ISSUE_KINDS = ("heard say spoken count duck yield delegate answer act shed error mute end").split()


def test_the_kinds_that_users_rely_on_are_documented() -> None:
    for kind in ISSUE_KINDS:
        assert KINDS[kind].meaning.endswith(".")
    assert {"start_s", "end_s"} <= KINDS["spoken"].fields.keys()
    assert "cause" in KINDS["say"].fields


def test_only_captions_and_measurements_are_expendable() -> None:
    assert {name for name, kind in KINDS.items() if kind.expendable} == {"heard", "stats"}


def test_field_names_of_kinds_never_hide_the_common_ones() -> None:
    for kind in KINDS.values():
        assert not {"t_s", "turn", "kind", "text"} & kind.fields.keys()


@settings(max_examples=50, deadline=None)
@given(turn=st.integers(0, 10**6), kind=st.sampled_from(sorted(KINDS)),
       text=st.none() | st.text(), value=st.integers() | st.booleans() | st.text())
def test_a_line_gives_the_event_back(turn: int, kind: str, text: str | None, value) -> None:
    data = {name: value for name in KINDS[kind].fields}
    event = Event(round((turn + 1) * 0.2, 3), turn, kind, text, data)
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event
    assert undocumented(event) == []


def test_numpy_numbers_are_written_as_numbers() -> None:
    line = to_line(Event(0.2, 0, "count", None, {"count": np.int64(3)}))
    assert json.loads(line)["count"] == 3


def test_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'sung'.*daemon/events.py"):
        Event(0.2, 0, "sung")


def test_undocumented_field_is_found() -> None:
    assert undocumented(Event(0.2, 0, "duck", None, {"depth_db": 15})) == ["depth_db"]


def test_file_holds_what_was_written_and_a_cut_off_line_is_left_out(tmp_path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    log = EventLog(path)
    events = [Event(0.2, 0, "heard", "count"), Event(0.4, 1, "act", "count_reps")]
    for event in events:
        log.write(event)
    log.flush()
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"t_s": 0.6, "tu')
    assert list(read_events(path)) == events
    log.close()
    log.close()


def test_a_bad_line_is_named(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"t_s": 0.2, "turn": 0, "kind": "end"}\n{"t_s": 0.4}\n')
    with pytest.raises(ValueError, match="line 2: event without turn, kind"):
        list(read_events(path))


def test_a_listener_that_fails_is_switched_off_and_told(tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    seen: list[str] = []

    def broken(event: Event) -> None:
        raise RuntimeError("no terminal")

    log = EventLog(path, [broken, lambda event: seen.append(event.kind)])
    log.write(Event(0.2, 0, "heard", "stop"))
    log.write(Event(0.4, 1, "end"))
    log.close()
    kinds = [event.kind for event in read_events(path)]
    assert kinds == ["error", "heard", "end"]
    assert seen == ["error", "heard", "end"]


def test_value_that_json_cannot_hold_is_refused(tmp_path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        log.write(Event(0.2, 0, "act", "x", {"slots": object()}))
    log.close()


@functools.cache
def parsed(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's source."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def nodes(folder: Path = SOURCE) -> Iterator[tuple[Path, ast.AST]]:
    """Everything in the source of a folder, with its file."""
    for path in sorted(folder.rglob("*.py")):
        yield from ((path, node) for node in parsed(path))


def literal_events(folder: Path = SOURCE) -> list[tuple[str, str, set[str]]]:
    """(place, kind, fields) of every event that the source makes with a literal kind."""
    made = []
    for path, node in nodes(folder):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = 2 if name == "Event" else 0
        if (name not in ("emit", "Note", "Event") or len(node.args) <= first
                or not isinstance(node.args[first], ast.Constant)):
            continue
        fields = {word.arg for word in node.keywords if word.arg not in (None, "text", "data")}
        for part in node.args:
            if isinstance(part, ast.Dict):
                fields |= {key.value for key in part.keys if isinstance(key, ast.Constant)}
        made.append((f"{path.name}:{node.lineno}", node.args[first].value, fields))
    return made


def faults(folder: Path = SOURCE) -> list[str]:
    """Events that the source makes and `KINDS` does not describe, with their places."""
    return [f"{place}: {kind} {sorted(names)}" for place, kind, names in literal_events(folder)
            if kind not in KINDS or not names <= KINDS[kind].fields.keys()]


def test_every_event_in_the_source_is_documented() -> None:
    assert len(literal_events()) > 15
    assert faults() == []


@pytest.mark.parametrize("line", ['emit("duck", depth_db=15)', 'Note("sung", "la")',
                                  'Event(0.2, 0, "count", None, {"count": 1, "left": 2})'])
def test_an_event_that_is_not_documented_is_found_in_the_source(tmp_path, line) -> None:
    (tmp_path / "part.py").write_text(line + "\n")
    assert len(faults(tmp_path)) == 1


def test_every_documented_field_is_written_by_somebody() -> None:
    """A name that is nowhere a keyword of a call nor a key of a dict is never in an event."""
    written: set[object] = set()
    for path, node in nodes():
        if path.name == "events.py":
            continue
        if isinstance(node, ast.Call):
            written |= {word.arg for word in node.keywords}
        elif isinstance(node, ast.Dict):
            written |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
    for name, kind in KINDS.items():
        assert kind.fields.keys() <= written, name
