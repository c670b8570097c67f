"""What could not be read is said in words, in the window and on the command line."""

from __future__ import annotations

import pytest

from qwen_desktop.core.hardware import PARTS, Cpu, Machine
from qwen_desktop.hardware import gpus, probe


def test_every_part_that_can_be_missing_has_words() -> None:
    nothing = gpus.GpusFound(None, ())
    missing = probe._missing(Cpu(), Machine().memory, nothing, None, None)
    assert missing
    assert set(missing) | {"battery", "disk.kind"} <= set(PARTS)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_the_words_are_no_codes(name: str) -> None:
    assert PARTS[name] != name
    assert "." not in PARTS[name]
