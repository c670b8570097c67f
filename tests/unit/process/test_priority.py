"""Priority over other programs: Windows' classes, on a process that is told; and behind them, in one of its own."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from qwen_desktop.process.priority import ABOVE_NORMAL, NORMAL, put_above_others

_BELOW, _HIGH = 0x4000, 0x80


class Told:
    """A process of Windows with a class; ``refuses`` to have it changed."""

    def __init__(self, before: int, refuses: BaseException | None = None) -> None:
        self.now, self.refuses = before, refuses

    def nice(self, value: int | None = None) -> int | None:
        if value is None:
            return self.now
        if self.refuses is not None:
            raise self.refuses
        self.now = value
        return None


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (NORMAL, True, ABOVE_NORMAL),
        (ABOVE_NORMAL, True, ABOVE_NORMAL),
        (ABOVE_NORMAL, False, NORMAL),
        (NORMAL, False, NORMAL),
        (_BELOW, True, _BELOW),
        (_BELOW, False, _BELOW),
        (_HIGH, True, _HIGH),
        (_HIGH, False, _HIGH),
    ],
)
def test_one_class_more_and_back_but_never_what_somebody_else_chose(before: int, wanted: bool, after: int) -> None:
    process = Told(before)
    put_above_others(wanted, "win32", process)
    assert process.now == after


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), PermissionError(13, "no")])
def test_a_refusal_changes_nothing(error: BaseException) -> None:
    process = Told(NORMAL, error)
    put_above_others(True, "win32", process)
    assert process.now == NORMAL


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_elsewhere_nothing_happens(platform: str) -> None:
    process = Told(NORMAL)
    put_above_others(True, platform, process)
    assert process.now == NORMAL
    before = psutil.Process().nice()
    put_above_others(True, platform)
    assert psutil.Process().nice() == before


def test_who_steps_back_does_so_on_this_system() -> None:
    code = (
        "import psutil; from qwen_desktop.process.priority import put_below_others; "
        "before = psutil.Process().nice(); put_below_others(); print(psutil.Process().nice() != before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "True"
