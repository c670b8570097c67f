"""What a user did to conversations, their trees and folders, and how it is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from qwen_desktop.services.engines import told_already

T = TypeVar("T")


class ChangeKind(StrEnum):
    """What was done."""

    EDIT = "edit"
    REGENERATE = "regenerate"
    CONTINUE = "continue"
    AGAIN = "again"
    DELETE = "delete"
    SWITCH = "switch"
    FORK = "fork"
    PLACE = "place"
    TAG = "tag"
    FOLDER = "folder"
    REMOVE = "remove"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the conversation ``conversation_id``. ``message_id`` is the message that is there now because of it
    (the new version, the answer that goes on, the branch that is on show), "" where it took one away. Where several
    conversations or folders were changed at once it names none, and ``count`` says how many they are.

    ``undo`` brings back what there was; an answer that runs because of the change has ended when it returns. It raises
    ``AppError``, and does nothing when it was called before.
    """

    kind: ChangeKind
    conversation_id: str
    message_id: str
    undo: Callable[[], Awaitable[None]]
    count: int = 1


def change(
    kind: ChangeKind,
    conversation_id: str,
    message_id: str,
    undo: Callable[[], Coroutine[Any, Any, None]],
    *,
    count: int = 1,
) -> Change:
    """A change whose ``undo`` is carried out once; where that fails, nothing has changed and it can be tried again."""
    lock = asyncio.Lock()
    undone = False

    async def once() -> None:
        nonlocal undone
        async with lock:
            if not undone:
                await undo()
                undone = True

    return Change(kind, conversation_id, message_id, lambda: to_its_end(once(), f"undo.{kind}"), count)


async def to_its_end(work: Coroutine[Any, Any, T], name: str) -> T:
    """Do it whole: a caller that goes away must not leave a message without its answer, and hears of no failure."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(told_already)
    return await asyncio.shield(task)
