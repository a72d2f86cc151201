"""What several tests of the background share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.background.reasoner import PlainReasoner
from daemon.background.worker import MANUALS


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainReasoner]:
    """The reasoner without a language model, with the bundled manuals."""
    made = PlainReasoner(MANUALS, tmp_path_factory.mktemp("local") / "log.db")
    yield made
    made.close()
