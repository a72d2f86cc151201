"""What a built wheel carries: whoever installs it has no checkout to fall back on."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daemon.config import tomllib
from tests.checkout import PACKAGES, ROOT, copied

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_PROGRAM = ("models/LOG.md", "kernels/shim/README.md")
"""Files beside the modules that only a reader of the repository needs."""


@pytest.mark.unit
def test_every_pattern_of_package_data_finds_a_file() -> None:
    for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            assert any((ROOT / package).glob(pattern)), f"{package}: {pattern}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The checkout's packages; a build writes beside them."""
    return copied(tmp_path / "copy")


@pytest.mark.slow
def test_the_wheel_has_every_data_file(copy: Path, tmp_path: Path) -> None:
    """Budget: 60 s, nearly all of it packing 20 MB."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--no-index", "-w", str(tmp_path), str(copy)],
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wheel, = tmp_path.glob("tagalong-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    built = {path for name in PACKAGES for path in (copy / name).rglob("*") if path.is_file()}
    missing = {str(path.relative_to(copy)) for path in built} - packed - {*NOT_PROGRAM}
    assert not missing, "name them in [tool.setuptools.package-data] of pyproject.toml"
    assert "daemon/background/pronunciations.txt" in packed
