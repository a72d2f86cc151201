"""What a Jetson needs is there as wheels, but for what is named here and has to be compiled."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

PYTHONS = ("3.10", "3.12")
"""Of JetPack 6 (Ubuntu 22.04) and JetPack 7 (Ubuntu 24.04)."""
GLIBC = (35, 34, 31, 28, 27, 26, 24, 17)
"""JetPack 6 has glibc 2.35; wheels for any older one serve too."""
MUST_BUILD = {"PyAudio": "portaudio19-dev", "pocketsphinx": "cmake"}
"""No wheels for aarch64; each compiles on the device with gcc, python3-dev and what is named."""
UNREACHABLE = ("Connection", "Temporary failure", "timed out", "ProxyError", "No route")


@functools.cache
def needed() -> tuple[Requirement, ...]:
    """The runtime, the device's extra, and what builds an engine."""
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    onnx = [item for item in extras["train"] if Requirement(item).name == "onnx"]
    return tuple(map(Requirement, (*project["dependencies"], *extras["device"], *onnx)))


def resolution(python: str, requirements: list[str], folder: Path) -> subprocess.Popen[str]:
    """pip at work: nothing is installed, no source is built."""
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in GLIBC]
    return subprocess.Popen(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed",
         "--disable-pip-version-check", "--only-binary=:all:", "--implementation=cp",
         f"--target={folder / python}", f"--python-version={python}", *platforms,
         "--platform=manylinux2014_aarch64", *requirements],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wanted(python: str) -> list[str]:
    machine = {"python_version": python, "platform_machine": "aarch64", "platform_system": "Linux"}
    return [f"{item.name}{item.specifier}" for item in needed() if item.name not in MUST_BUILD
            and (item.marker is None or item.marker.evaluate(machine))]


def test_all_but_the_named_resolve_to_wheels(tmp_path) -> None:
    """Budget 90 s, nearly all of it waiting for the index: both at a time, with what is missing."""
    runs = {python: resolution(python, wanted(python), tmp_path) for python in PYTHONS}
    alone = {name: resolution(PYTHONS[-1], [name, "--no-deps"], tmp_path) for name in MUST_BUILD}
    told = {name: run.communicate()[0] for name, run in {**runs, **alone}.items()}
    if any(word in text for text in told.values() for word in UNREACHABLE):
        pytest.skip(f"the package index cannot be reached: {told}")
    for python, run in runs.items():
        assert run.returncode == 0, f"Python {python}: {told[python]}"
    for name, run in alone.items():
        assert run.returncode, f"{name} has wheels now: take it out of MUST_BUILD"
        assert f"No matching distribution found for {name}" in told[name]


def test_what_must_be_built_is_needed() -> None:
    assert set(MUST_BUILD) <= {item.name for item in needed()}
