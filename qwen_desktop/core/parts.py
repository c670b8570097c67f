"""The content of a message: a list of typed parts.

The same parts travel in requests to an engine, lie in the database and are drawn by the window. Pictures, audio,
files and tools are declared now so that later features fill them without changing what stored messages mean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class TextPart(Struct, frozen=True, tag="text"):
    """Markdown from the model, or plain text from the user."""

    text: str


class ThinkingPart(Struct, frozen=True, tag="thinking"):
    """What stood inside ``<think>``. ``seconds`` is how long it took, ``tokens`` how many it were."""

    text: str
    seconds: float | None = None
    tokens: int | None = None


class ImagePart(Struct, frozen=True, tag="image"):
    """A picture. ``sha256`` names the blob in the data folder; ``width`` and ``height`` are pixels."""

    sha256: str
    media_type: str
    width: int = 0
    height: int = 0
    name: str = ""


class AudioPart(Struct, frozen=True, tag="audio"):
    """A sound, by the hash of its blob."""

    sha256: str
    media_type: str
    seconds: float = 0.0
    name: str = ""


class FilePart(Struct, frozen=True, tag="file"):
    """A document, by the hash of its blob, with the text taken from it."""

    sha256: str
    media_type: str
    name: str
    size: int = 0
    text: str = ""


class ToolCallPart(Struct, frozen=True, tag="tool_call"):
    """The model asks for a tool. ``arguments`` is JSON text."""

    call_id: str
    name: str
    arguments: str


class ToolResultPart(Struct, frozen=True, tag="tool_result"):
    """What a tool gave back."""

    call_id: str
    text: str
    failed: bool = False


Part: TypeAlias = TextPart | ThinkingPart | ImagePart | AudioPart | FilePart | ToolCallPart | ToolResultPart


#: So much text of a message's files is searched at most, in characters: a book as an attachment is not all searched.
SEARCHED_IN_FILES = 1_000_000


def blobs_of(parts: tuple[Part, ...]) -> dict[str, str]:
    """What the parts have in the data folder: hashes, each with the name by which the user knows it."""
    with_blobs = (part for part in parts if isinstance(part, ImagePart | AudioPart | FilePart))
    return {part.sha256: part.name for part in with_blobs if part.sha256}


def search_text(parts: tuple[Part, ...]) -> str:
    """The text that a search looks into: what is said, then what stands in the files, without the thinking."""
    files = "\n\n".join(part.text for part in parts if isinstance(part, FilePart) and part.text)[:SEARCHED_IN_FILES]
    return "\n\n".join(text for text in (visible_text(parts), files) if text)


def visible_text(parts: tuple[Part, ...]) -> str:
    """The text of a message without its thinking, as it is copied and searched."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))


def thinking_text(parts: tuple[Part, ...]) -> str:
    """The thinking of a message, empty when there is none."""
    return "\n\n".join(part.text for part in parts if isinstance(part, ThinkingPart))
