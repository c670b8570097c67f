"""What a user did to a conversation's tree, and how it is taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What was done."""

    EDIT = "edit"
    REGENERATE = "regenerate"
    CONTINUE = "continue"
    AGAIN = "again"
    DELETE = "delete"
    SWITCH = "switch"
    FORK = "fork"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the conversation ``conversation_id``. ``message_id`` is the message that is there now because of it
    (the new version, the answer that goes on, the branch that is on show), "" where it took one away.

    ``undo`` brings back what there was: an answer that runs because of the change is stopped first. It raises
    ``AppError``, and does nothing when it was called before.
    """

    kind: ChangeKind
    conversation_id: str
    message_id: str
    undo: Callable[[], Awaitable[None]]
