"""The shell side of the two commands, and the rule that every test has a category."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("tools/demo", "tools/test", "tools/install", ".ci/run")


def bash(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs bash after sourcing setup.sh of a checkout, as tools/NAME does."""
    return subprocess.run(
        ["bash", "-euc", f". '{checkout}/tools/setup.sh'\n{script}", "tools/demo"],
        cwd=checkout, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(name="checkout")
def small_checkout(tmp_path: Path) -> Path:
    """What setup.sh looks at, with a .venv that has our Python."""
    (tmp_path / "tools").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for name in ("tools/setup.sh", "tools/demo", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_and_parse(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(ROOT / name)], check=False).returncode == 0


def test_continuous_integration_calls_the_test_command_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines()
             if line and not line.startswith(("#", "set "))]
    assert len(lines) == 1 and lines[0].endswith('/../tools/test"')


def test_setup_is_remembered_until_something_changes(checkout: Path) -> None:
    assert bash(checkout, "is_set_up demo").returncode == 1
    assert bash(checkout, "set_up_done demo").returncode == 0
    assert bash(checkout, "is_set_up demo").returncode == 0
    with open(checkout / "pyproject.toml", "a", encoding="utf-8") as file:
        file.write("# another dependency\n")
    assert bash(checkout, "is_set_up demo").returncode == 1


def test_setup_is_not_remembered_when_python_is_gone(checkout: Path) -> None:
    bash(checkout, "set_up_done demo")
    (checkout / ".venv" / "bin" / "python").unlink()
    assert bash(checkout, "is_set_up demo").returncode == 1


def test_what_was_left_out_is_said_again_without_root_and_tried_again_with(checkout: Path) -> None:
    bash(checkout, 'LEFT_OUT+=("the broker: needs root"); set_up_done demo')
    again = bash(checkout, "is_root() { false; }; is_set_up demo && say_left_out")
    assert again.returncode == 0 and "the broker: needs root" in again.stderr
    assert bash(checkout, "is_root() { true; }; is_set_up demo").returncode == 1


def test_without_root_a_missing_package_is_left_out_and_the_rest_goes_on(checkout: Path) -> None:
    done = bash(checkout, 'is_root() { false; }; apt_install "a voice" no-such-package-at-all; '
                          "echo went on; say_left_out")
    assert done.stdout == "went on\n"
    assert "a voice: needs root once: apt-get install no-such-package-at-all" in done.stderr


def test_what_root_brings_meanwhile_is_taken_up_by_the_next_run(checkout: Path) -> None:
    bash(checkout, 'is_root() { false; }; apt_install "a voice" no-such-package; set_up_done demo')
    still = bash(checkout, "is_root() { false; }; is_set_up demo && say_left_out")
    assert still.returncode == 0 and "apt-get install no-such-package" in still.stderr
    brought = "is_root() { false; }; dpkg-query() { echo installed; }; is_set_up demo"
    assert bash(checkout, brought).returncode == 1


def test_without_a_compiler_the_rest_is_installed_and_live_sound_is_left_out(
    checkout: Path,
) -> None:
    pip = 'pip_install() { echo "$2"; case "$2" in *device*) return 1;; esac; }'
    done = bash(checkout, f"{pip}; install_with_device scenarios; say_left_out")
    assert done.stdout == f"{checkout}[device,scenarios]\n{checkout}[scenarios]\n"
    assert "live sound, files work: PyAudio was not built" in done.stderr
    assert "portaudio19-dev, then this command again" in done.stderr


def test_no_python_is_an_answer_with_a_next_step(checkout: Path) -> None:
    done = bash(checkout, "rm -rf \"$VENV\"; is_root() { false; }; "
                          "usable_python() { false; }; make_venv")
    assert done.returncode == 1
    assert "No Python 3.10 to 3.13 found" in done.stderr and "apt-get install" in done.stderr


def test_a_test_without_a_category_fails_the_collection(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_bare.py").write_text("def test_bare():\n    pass\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "."],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "test_bare.py::test_bare" in done.stdout + done.stderr
