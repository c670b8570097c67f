"""The content of a message: a list of typed parts, and how the parts of an answer come while it is made.

The same parts travel in requests to an engine, lie in the database and are drawn by the window. Pictures, audio,
files and tools are declared now so that later features fill them without changing what stored messages mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, structs

from qwen_desktop.core.text import clean

#: Bytes of an attachment at most.
LARGEST_ATTACHMENT = 128_000_000


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
    """A document, by the hash of its blob, with the text taken from it: what the model reads.

    ``size`` counts bytes, ``pages`` what has some (0 else). ``whole``: the text is all that could be read; else
    parts of it were chosen.
    """

    sha256: str
    media_type: str
    name: str
    size: int = 0
    text: str = ""
    pages: int = 0
    whole: bool = True


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


def cleaned(part: Part) -> Part:
    """A part that comes from outside (a tool, the name of a file) with nothing in its texts that cannot be stored."""
    values = {name: getattr(part, name) for name in part.__struct_fields__}
    return structs.replace(part, **{name: clean(value) for name, value in values.items() if isinstance(value, str)})


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


def visible_text(parts: Sequence[Part]) -> str:
    """The text of a message without its thinking, as it is copied and searched."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))


def length(parts: Sequence[Part]) -> int:
    """How many characters a model gets to read of a message: what is said, and the texts of its files."""
    return sum(len(part.text) for part in parts if isinstance(part, TextPart | FilePart))


def thinking_text(parts: Sequence[Part]) -> str:
    """The thinking of a message, empty when there is none."""
    return "\n\n".join(part.text for part in parts if isinstance(part, ThinkingPart))


def code_text(part: Part) -> str | None:
    """What a call of a tool or its result reads like, None for another part."""
    match part:
        case ToolCallPart(_, name, arguments):
            return f"{name} {arguments}"
        case ToolResultPart(_, text):
            return text
    return None


def markdown_text(parts: Sequence[Part]) -> str:
    """A message without its thinking as one Markdown text: calls of tools and their results are blocks of code."""
    return "\n\n".join(filter(None, map(_markdown, parts)))


def _markdown(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    code = code_text(part)
    if code is None:
        return ""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}\n{code}\n{fence}"


# How parts come -------------------------------------------------------------------------------------------------------


class PartBegun(Struct, frozen=True, tag="begun"):
    """Part ``index`` begins: one of its kind, without what will come as deltas. Parts come in order, one after the
    other."""

    index: int
    part: Part


class PartDelta(Struct, frozen=True, tag="delta"):
    """Some more text of part ``index``, of its arguments where it calls a tool."""

    index: int
    text: str


class PartDone(Struct, frozen=True, tag="done"):
    """Part ``index`` has ended; a thought took ``seconds`` and ``tokens``."""

    index: int
    seconds: float | None = None
    tokens: int | None = None


class PartWasThinking(Struct, frozen=True, tag="was_thinking"):
    """Part ``index``, which came as text, was a thought that was never opened. It has ended after ``seconds`` and
    ``tokens``."""

    index: int
    seconds: float
    tokens: int


PartEvent: TypeAlias = PartBegun | PartDelta | PartDone | PartWasThinking


class PartsBuilder:
    """Puts the parts of an answer together from their events, ``parts`` being there already.

    Texts are joined when somebody looks. An event that fits nothing is passed over.
    """

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        self._parts = list(parts)
        self._chunks: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def take(self, event: PartEvent) -> None:
        """One event more."""
        index = event.index
        if isinstance(event, PartBegun):
            if index == len(self._parts):
                self._parts.append(event.part)
        elif index >= len(self._parts):
            return
        elif isinstance(event, PartDelta):
            if not isinstance(self._parts[index], ImagePart | AudioPart):
                self._chunks.setdefault(index, []).append(event.text)
        elif isinstance(event, PartWasThinking):
            self._parts[index] = ThinkingPart(text_of(self.part(index)).strip(), event.seconds, event.tokens)
        elif isinstance(part := self._parts[index], ThinkingPart):
            self._parts[index] = ThinkingPart(part.text, event.seconds, event.tokens)

    def part(self, index: int) -> Part:
        """One of them, with all its text."""
        part = self._parts[index]
        if chunks := self._chunks.pop(index, None):
            text = text_of(part) + "".join(chunks)
            changes = {"arguments": text} if isinstance(part, ToolCallPart) else {"text": text}
            part = self._parts[index] = structs.replace(part, **changes)
        return part

    def parts(self) -> tuple[Part, ...]:
        """All as of now."""
        for index in tuple(self._chunks):
            self.part(index)
        return tuple(self._parts)


def text_of(part: Part) -> str:
    """The text that deltas add to."""
    if isinstance(part, ToolCallPart):
        return part.arguments
    return "" if isinstance(part, ImagePart | AudioPart) else part.text
