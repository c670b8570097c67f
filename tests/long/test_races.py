"""Several who ask at once in one conversation, for as long as there is time."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from qwen_desktop.services import turn
from tests.races import several


def test_several_who_ask_at_once(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "AGAIN_S", 0.05)
    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        monkeypatch.setenv("QWEN_DESKTOP_HOME", str(tmp_path / str(number)))
        seed, number = random.randrange(1 << 32), number + 1
        print("seed", seed)
        several(seed, rounds=3, full=random.choice([0.0, 0.05, 0.3]))
