"""Searches that could go on for ever: each test takes ``seconds`` and tries random inputs until that time is over.

``make test`` gives all of them together some seconds and always the same seeds, so that it does not fail by chance
where nothing was changed; ``tools/dev.py long`` gives minutes and new seeds.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

#: All tests of this folder together, in seconds.
TOTAL = "QWEN_DESKTOP_LONG_S"
DEFAULT_S = 20.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No time limit for one search: each ends when its share of the time is over."""
    for item in items:
        if TOTAL in os.environ and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long this test may search: its share of the time for all that were chosen."""
    sharing = sum("seconds" in getattr(item, "fixturenames", ()) for item in request.session.items)
    return float(os.environ.get(TOTAL, DEFAULT_S)) / max(1, sharing)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Where a search takes its seeds from."""
    random.seed(None if TOTAL in os.environ else 20261130)
