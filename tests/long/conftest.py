"""Searches that could go on for ever: each test takes ``seconds`` and tries random inputs until that time is over.

``make test`` gives all of them together some seconds, ``tools/dev.py long`` minutes.
"""

from __future__ import annotations

import os

import pytest

#: All tests of this folder together, in seconds.
TOTAL = "QWEN_DESKTOP_LONG_S"
DEFAULT_S = 20.0


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long this test may search: its share of the time for all that were chosen."""
    sharing = sum("seconds" in getattr(item, "fixturenames", ()) for item in request.session.items)
    return float(os.environ.get(TOTAL, DEFAULT_S)) / max(1, sharing)
