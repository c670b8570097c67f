"""Saving answers: about twice a second while they come, durably at their end, and again and again when the disk
refuses (full, in use): meanwhile they stay in memory, and the user is told once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from qwen_desktop.core.chat import Message
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.answer import Answer
from qwen_desktop.services.events import EventBus, Notified
from qwen_desktop.services.history import History

log = logging.getLogger(__name__)

#: From the begin of one save to the begin of the next while an answer comes, in seconds. Shown text must be on the
#: disk within 1 s; the rest is for a slow disk.
EVERY_S = 0.4
#: Between attempts when the disk refuses, in seconds.
AGAIN_S = 2.0


class Saver:
    """Brings answers to the disk and never raises for what the disk does."""

    def __init__(self, history: History, bus: EventBus) -> None:
        self._history = history
        self._bus = bus
        self._kept: dict[str, Message] = {}
        self._again: asyncio.Task[None] | None = None
        self._refused = False

    async def follow(self, answer: Answer) -> None:
        """Save a streaming answer as it grows, until cancelled. It is served from memory meanwhile."""
        self._history.hold(answer.id, answer.message)
        while True:
            await answer.changed.wait()
            answer.changed.clear()
            started = time.monotonic()
            changes, message = answer.changes, answer.message()
            try:
                await self._history.save(message, durable=False)
            except AppError as error:
                self._tell(error)
                answer.changed.set()
                await asyncio.sleep(AGAIN_S)
            else:
                answer.saved(changes)
                self._works()
                await asyncio.sleep(max(0.0, started + EVERY_S - time.monotonic()))

    async def finish(self, answer: Answer) -> None:
        """Save an ended answer for good, or keep it until that works."""
        changes, message = answer.changes, answer.message()
        self._history.hold(message.id, lambda: message)
        try:
            await self._history.save(message, durable=True)
        except AppError as error:
            self._tell(error)
            self._kept[message.id] = message
            if self._again is None or self._again.done():
                self._again = asyncio.create_task(self._try_again(), name="saver.again")
        else:
            answer.saved(changes)
            self._history.release(message.id)
            self._works()

    async def aclose(self, seconds: float) -> None:
        """Try once more what could not be saved, in ``seconds`` at most."""
        if self._again is not None:
            self._again.cancel()
        if self._kept:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._save_kept(), seconds)
        if self._kept:
            log.warning("answers.unsaved count=%d", len(self._kept))

    async def _try_again(self) -> None:
        while self._kept:
            await asyncio.sleep(AGAIN_S)
            await self._save_kept()

    async def _save_kept(self) -> None:
        for message in tuple(self._kept.values()):
            try:
                await self._history.save(message, durable=True)
            except AppError as error:
                self._tell(error)
                return
            self._kept.pop(message.id, None)
            self._history.release(message.id)
        self._works()

    def _tell(self, error: AppError) -> None:
        if self._refused:
            return
        self._refused = True
        log.warning("answer.unsaved code=%s", error.problem.what.code)
        full = error.problem.what.code == "disk.full"
        self._bus.publish(
            Notified(
                Text(
                    "answer.unsaved.full",
                    QT_TRANSLATE_NOOP(
                        "chat", "The disk is full. The answer is kept in memory; free some space to have it saved."
                    ),
                )
                if full
                else Text(
                    "answer.unsaved",
                    QT_TRANSLATE_NOOP(
                        "chat", "The answer cannot be saved now. It is kept in memory and saved as soon as possible."
                    ),
                )
            )
        )

    def _works(self) -> None:
        if not self._refused or self._kept:
            return
        self._refused = False
        self._bus.publish(Notified(Text("answer.saved_again", QT_TRANSLATE_NOOP("chat", "Everything is saved again."))))
