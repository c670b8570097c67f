"""The whole app killed at a random moment of an answer loses at most one second of what was shown."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.killing import kill_once


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("number", range(10))
def test_a_killed_app_loses_at_most_a_second(number: int, tmp_path: Path) -> None:
    found = kill_once(tmp_path / "run", random.Random(number))
    assert found.intact, "the database is damaged"
    assert found.question, "the user's message is not there as it was sent"
    assert found.prefix, "the saved text is not what was shown"
    assert found.interrupted, "the answer is not marked as interrupted"
    assert found.late_s <= 1.0, f"{found.lost} characters lost ({found.late_s:.2f} s)"
