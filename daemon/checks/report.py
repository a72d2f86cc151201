"""What the terminal shows: the doctor's findings, the devices, the status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from daemon.checks.base import Check, Level, Result, run_check
from daemon.senses.errors import DeviceLost

MARKS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL"}


def report(checks: Sequence[Check], as_json: bool = False) -> int:
    """Run all checks and print each as it ends; returns how many failed."""
    found: list[tuple[str, Result]] = []
    for check in checks:
        result = run_check(check)
        found.append((check.name, result))
        if not as_json:
            print(_lines(check.name, result), flush=True)
    if as_json:
        print(json.dumps([_plain(name, result) for name, result in found], indent=2))
    counts = {level: sum(result.level is level for _, result in found) for level in Level}
    if not as_json:
        print(
            f"\n{counts[Level.OK]} ok, {counts[Level.WARN]} to note, {counts[Level.FAIL]} failed"
        )
    return counts[Level.FAIL]


def _lines(name: str, result: Result) -> str:
    text = f"{MARKS[result.level]}  {name:<11} {result.cause}"
    return text + (f"\n      {'':<11} next: {result.next_command}" if result.next_command else "")


def _plain(name: str, result: Result) -> dict[str, str]:
    return {
        "check": name,
        "result": result.level.value,
        "cause": result.cause,
        "next": result.next_command,
    }


def list_devices(as_json: bool = False) -> int:
    """Print what there is and how the configuration names it; returns the exit code."""
    from daemon.senses.camera import find_cameras
    from daemon.senses.sound_card import list_devices as sound_devices

    sounds, problem = [], ""
    try:
        sounds = sound_devices()
    except DeviceLost as error:
        problem = str(error)
    cameras = find_cameras()
    if as_json:
        plain = {"sound": [asdict(d) for d in sounds], "cameras": [asdict(c) for c in cameras]}
        print(json.dumps(plain | ({"problem": problem} if problem else {}), indent=2))
        return 0
    inputs = [f'"{d.name}"  {d.inputs} channels, {d.rate} Hz' for d in sounds if d.inputs]
    outputs = [f'"{d.name}"  {d.outputs} channels, {d.rate} Hz' for d in sounds if d.outputs]
    print(_section("microphones (--microphone)", inputs, problem))
    print(_section("loudspeakers (--speaker)", outputs, problem))
    print(_section("cameras (--camera)", [f'"{c.spec}"  {c.name}' for c in cameras], ""))
    return 0


def _section(title: str, lines: list[str], problem: str) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines or [problem or "none found"])])


def table(tree: dict[str, Any], indent: str = "") -> str:
    """Nested values as an indented table."""
    width = max((len(key) for key in tree), default=0)
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", table(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key:<{width}}  {_cell(value)}")
    return "\n".join(line for line in lines if line)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def sensors_sentence(sensors: dict[str, dict[str, Any]]) -> str:
    """Microphone and camera, a line each."""
    return "\n".join(f"{name}: {_sensor(entry)}" for name, entry in sensors.items())


def _sensor(entry: dict[str, Any]) -> str:
    if not entry["muted"]:
        return "open"
    held = " and ".join(entry["reasons"])
    left = entry["remaining_s"]
    return f"muted ({held})" + ("" if left is None else f", {left:g} s left")
