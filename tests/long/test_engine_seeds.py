"""The engine's tests that draw what they do: here with ever new seeds."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path

from qwen_desktop.core.engine import ThinkingMode
from tests.integration.engine import test_hybrids, test_prompt_cache
from tests.integration.engine.conftest import Files


def test_hybrids_and_damaged_files(seconds: float, tmp_path: Path) -> None:
    deadline, files = time.monotonic() + seconds, Files(tmp_path)
    for number in itertools.count():
        seed = random.randrange(1 << 32)
        print("seed", number, seed)
        dice = random.Random(seed)
        match number % 3:
            case 0:
                kind, template = dice.choice(test_hybrids.KINDS), dice.choice(("Qwen3.5", "Qwen3", "Qwen3-Coder"))
                mode = dice.choice((ThinkingMode.AUTO, ThinkingMode.DIRECT))
                test_hybrids.test_turns_stay_within_the_bound(files, kind, template, mode, rests=dice.random() < 0.5)
            case 1:
                test_hybrids.test_whatever_is_asked_the_answers_are_those_of_a_fresh_engine(files, seed)
            case _:
                (place := tmp_path / str(number)).mkdir()
                test_prompt_cache.test_damaged_files_are_ignored_and_removed(files, place, seed)
        if time.monotonic() > deadline:
            return
