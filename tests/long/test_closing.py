"""Whatever is open is closed at random moments over the real services and their workers, which are made slower."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.services import Services
from qwen_desktop.ui.event_loop import EventLoop
from tests.closing import Slow, visit


@pytest.mark.expects_errors  # they are among what ``visit`` returns
def test_nothing_that_is_closed_while_it_works_is_heard_of_again(
    qapp: QApplication, tmp_path: Path, seconds: float
) -> None:
    seed = random.randrange(1 << 32)
    with EventLoop(qapp, already_running=False) as loop:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(search(qapp, seed, tmp_path, time.monotonic() + seconds))
    asyncio.set_event_loop(None)
    qapp.setStyleSheet("")


async def search(qapp: QApplication, seed: int, folder: Path, until: float) -> None:
    services = Services(find_paths())
    await services.open()
    await services.preferences.set("downloads.offline", True)
    Slow(services, random.Random(seed))
    try:
        while time.monotonic() < until:
            seed += 1
            async with asyncio.timeout(60):
                found = await visit(services, qapp, seed, folder, steps=30)
            assert found == [], f"seed {seed}"
    finally:
        await services.aclose()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=2)  # what went on without its window
