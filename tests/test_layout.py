"""Who may know whom: the import rules of the source tree, read from the source itself."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]
OURS = ("daemon", "kernels", "models", "tools")
IMPORT_NAMES = {"paho-mqtt": "paho", "pywebrtc-audio": "pywebrtc_audio", "pillow": "PIL",
                "espeakng-loader": "espeakng_loader", "opencv-python-headless": "cv2"}
"""Packages whose import name is not their own."""
ROOT_MODULES = {"daemon.turn": set(), "daemon.clock": {"daemon.turn"},
                "daemon.config": {"daemon.turn", "daemon.refusal"}, "daemon.refusal": set()}
"""Modules that everything else stands on, and what they may import of ours."""
STAGES = ("daemon.senses", "daemon.voice", "daemon.engines", "daemon.delegation")
"""Stages of the data's way: none may know another."""
TORCH_MODULES = ("daemon.engines.torch_engine", "daemon.engines.kernel_engine",
                 "kernels.torch_arrays")
"""Modules that may need torch; they are imported only where it is asked for."""
LINES = 400
LONG: dict[str, str] = {}
"""Modules of more lines, and why they are not two."""


def sources() -> Iterator[tuple[str, Path]]:
    """(module name, file) of all our Python files."""
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Names of imported modules; with `top_only` those that run when the module is imported."""
    tree = parsed(path)
    found: set[str] = set()
    for node in _import_time(tree) if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _import_time(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes outside functions and outside `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _import_time(child)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def packages_of(*extras: str) -> set[str]:
    """Import names of the default dependencies and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    names = [re.split(r"[\s\[<>=!;~]", item, maxsplit=1)[0] for item in wanted]
    return {IMPORT_NAMES.get(name, name) for name in names}


def outside(path: Path) -> set[str]:
    """Top-level names of third-party packages that importing the module needs."""
    roots = {name.split(".")[0] for name in imports(path, top_only=True)}
    return roots - set(sys.stdlib_module_names) - set(OURS) - {"tomllib"}


MODULES = dict(sources())


@pytest.mark.parametrize("package", ["kernels", "models"])
def test_kernels_and_models_know_nothing_of_the_daemon(package: str) -> None:
    guilty = {name for name, path in MODULES.items() if within(name, package)
              and any(within(other, "daemon") for other in imports(path))}
    assert not guilty


def test_nothing_imports_the_tools() -> None:
    guilty = {name for name, path in MODULES.items() if not within(name, "tools")
              and any(within(other, "tools") for other in imports(path))}
    assert not guilty


def test_the_foundations_import_nothing_of_ours() -> None:
    for name, allowed in ROOT_MODULES.items():
        ours = {other for other in imports(MODULES[name]) if other in MODULES}
        assert ours <= allowed, name


def test_a_stage_knows_no_other_stage() -> None:
    for stage in STAGES:
        assert any(within(name, stage) for name in MODULES), f"there is no {stage} any more"
        others = [other for other in (*STAGES, "daemon.session", "daemon.cli") if other != stage]
        for name, path in MODULES.items():
            if within(name, stage):
                guilty = {found for found in imports(path)
                          if any(within(found, other) for other in others)}
                assert not guilty - {"daemon.senses.errors", "daemon.senses.errors.BadInput"}, name


def test_no_module_needs_itself_to_be_imported() -> None:
    needs = {name: {other for other in imports(path, top_only=True)
                    if other in MODULES and other != name} for name, path in MODULES.items()}
    finished: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " imports ".join((*way, name))
        if name not in finished:
            for other in needs[name]:
                visit(other, (*way, name))
            finished.add(name)

    for name in needs:
        visit(name, ())


def test_the_daemon_can_be_imported_with_the_default_dependencies_alone() -> None:
    default = packages_of()
    for name, path in MODULES.items():
        if within(name, "daemon") or within(name, "kernels"):
            extra = {"torch"} if name in TORCH_MODULES else set()
            assert outside(path) <= default | extra, f"{name}: import it where it is used"


def test_the_demo_needs_no_torch() -> None:
    allowed = packages_of("scenarios")
    assert any(name.startswith("tools.demo") for name in MODULES)
    for name, path in MODULES.items():
        if within(name, "models.scenarios") or name.startswith("tools.demo"):
            assert outside(path) <= allowed, name


def test_a_file_is_read_in_one_sitting() -> None:
    """Above 400 lines there is a reason, in `LONG`; one that is shorter again needs none."""
    long = {name for name, path in MODULES.items()
            if len(path.read_text(encoding="utf-8").splitlines()) > LINES}
    assert long == set(LONG)
