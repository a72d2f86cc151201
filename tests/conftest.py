"""Rules for every test: a category marker each, so that one can run a category by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

CATEGORIES = ("unit", "e2e", "slow", "gpu", "device")
REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
"""Real recordings beside the checkout; they may not be redistributed, so they may be absent."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fails the collection when a test has no category.

    Raises:
        pytest.UsageError: names the tests.
    """
    bare = [item.nodeid for item in items
            if not any(item.get_closest_marker(name) for name in CATEGORIES)]
    if bare:
        raise pytest.UsageError(
            "tests without a category; set `pytestmark = pytest.mark.unit` (or one of "
            f"{', '.join(CATEGORIES)}) in:\n  " + "\n  ".join(bare))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings; the test is skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real recordings at {REAL_DATA}")
    return REAL_DATA
