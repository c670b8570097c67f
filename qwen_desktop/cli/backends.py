"""What llama.cpp says of itself, asked in a worker that ends at once: drivers that crash take only it along."""

from __future__ import annotations

import asyncio
import logging

from qwen_desktop.core.errors import AppError, Bug
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.engine.worker import About
from qwen_desktop.process.spawn import worker_command

log = logging.getLogger(__name__)


def ask(seconds: float) -> About:
    """What an engine worker says of itself. Raises ``Bug`` when it does not greet in time."""

    async def greeting() -> About:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            async with asyncio.timeout(seconds):
                return await engine.about()
        finally:
            await engine.aclose()

    try:
        return asyncio.run(greeting())
    except (AppError, TimeoutError, ValueError) as error:
        template = QT_TRANSLATE_NOOP("errors", "The engine does not start.")
        raise Bug(Text("engine.silent", template), details=type(error).__name__) from error
