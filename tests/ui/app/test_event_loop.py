"""A loop of Qt's inside a task (a native dialog, a menu, a click of a test) loses no step of any other task."""

from __future__ import annotations

import asyncio
import random

import pytest
from PySide6.QtCore import QEventLoop, QTimer


def inner_loop(milliseconds: int) -> None:
    """What a native dialog does: events are handled here until it is closed."""
    inner = QEventLoop()
    QTimer.singleShot(milliseconds, inner.quit)
    inner.exec()


async def counting(steps: int, seed: int) -> int:
    waits = random.Random(seed)
    for _ in range(steps):
        await asyncio.sleep(waits.choice((0, 0, 0.001, 0.003)))
    return steps


@pytest.mark.parametrize("seed", range(5))
async def test_tasks_go_on_after_a_loop_inside_one_of_them(seed: int) -> None:
    others = [asyncio.create_task(counting(20, 10 * seed + number)) for number in range(10)]
    for pause in (1, 0, 15, 4):
        inner_loop(pause)
        await asyncio.sleep(0)
        inner_loop(pause)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*others) == [20] * 10


async def test_what_is_cancelled_inside_stays_cancelled() -> None:
    seen: list[str] = []
    loop = asyncio.get_running_loop()
    gone = loop.call_later(0.001, seen.append, "cancelled")
    kept = loop.call_later(0.001, seen.append, "kept")
    inner_loop(20)
    assert seen == []  # nothing runs between two lines of a task
    gone.cancel()
    await asyncio.sleep(0.05)
    assert seen == ["kept"]
    assert not kept.cancelled()
