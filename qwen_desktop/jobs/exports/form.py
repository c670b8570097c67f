"""What all forms of an export share: what is asked for, the words in it, and what a message shows of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.drafts import is_pasted
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, Role

#: The content of an attachment by its hash; None where it is not there any more.
Contents: TypeAlias = Callable[[str], "bytes | None"]

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class Words(Struct, frozen=True):
    """The words around what was said, in the reader's language."""

    you: str = "You"
    assistant: str = "Assistant"
    tool: str = "Tool"
    thoughts: str = "Thoughts"
    attachments: str = "Attachments"
    instructions: str = "Instructions"
    untitled: str = "Chat"
    model: str = "Model"
    date: str = "Date"
    stopped: str = "The answer was stopped."
    page: str = "Page {number} of {total}"


class Look(Struct, frozen=True):
    """What an export shows: ``thoughts``, and what is attached in full."""

    thoughts: bool = False
    attachments: bool = True
    words: Words = Words()


def speaker(message: Message, words: Words) -> str:
    """Who said it: the model, where it is known."""
    if message.role is Role.USER:
        return words.you
    if message.role is Role.TOOL:
        return words.tool
    return (message.provenance.model_name if message.provenance is not None else "") or words.assistant


def title(record: Record, words: Words) -> str:
    """The conversation's title on one line."""
    return " ".join(record.conversation.title.split()) or words.untitled


def models(record: Record) -> tuple[str, ...]:
    """The models that answered, in the order of their first answers."""
    found = (message.provenance.model_name for message in record.messages if message.provenance is not None)
    return tuple(dict.fromkeys(filter(None, found)))


def date(seconds: float) -> str:
    """A time in UTC: the same file wherever it is made."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return ""


def attached(message: Message) -> tuple[ImagePart | AudioPart | FilePart, ...]:
    """What has a name: pictures, sound and files, but not what was pasted."""
    return tuple(
        part for part in message.parts if isinstance(part, ImagePart | AudioPart | FilePart) and not is_pasted(part)
    )


def is_picture(part: Part) -> bool:
    """Whether a browser shows it."""
    return isinstance(part, ImagePart) and part.media_type in _PICTURES


def broken_off(message: Message) -> bool:
    """Whether an answer is not whole."""
    return message.role is Role.ASSISTANT and message.status in (Status.STOPPED, Status.FAILED, Status.INTERRUPTED)
