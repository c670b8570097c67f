"""Conversations of other programs put together as ours: ids, times, parts, attachments, and nothing taken on trust.

A reader tells a ``Tree`` what it finds; whatever is not as it should be becomes a default, never an error. Ids follow
from those of the other program, so that the same file read twice gives the same conversations.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import math
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from qwen_desktop.core.chat import LONGEST_MESSAGE, Conversation, Message, Provenance, Status
from qwen_desktop.core.engine import FinishReason, Sampling, ThinkingMode
from qwen_desktop.core.exchange import ImportedBlob, ImportedConversation
from qwen_desktop.core.files import write_atomic
from qwen_desktop.core.media import HEAD, media_of
from qwen_desktop.core.parts import (
    LARGEST_ATTACHMENT,
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    text_of,
    visible_text,
)
from qwen_desktop.core.text import clean, shown
from qwen_desktop.core.titles import title_of

Json: TypeAlias = "dict[str, Any]"

#: What a tool gave back is taken over so far, in characters.
LONGEST_RESULT = 100_000
_LONGEST_TITLE = 200
_SPACE = uuid.UUID("6f0d3b0e-7f0c-5a53-9a55-0a6b1f6f2c11")
#: Times are between these, in seconds; a number beyond them counts thousandths or less.
_LATEST = 32_503_680_000.0  # the year 3000
_THOUGHT = re.compile(r"^\s*<(think|thinking)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?(;base64)?,", re.ASCII)


def record(value: object) -> Json:
    """``value`` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Any]:
    """``value`` where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def words(value: object) -> str:
    """``value`` where it is a text, clean, else an empty one."""
    return clean(value) if isinstance(value, str) else ""


def seconds(*values: object) -> float:
    """The first of ``values`` that is a time, in seconds since the epoch: programs count thousandths, or less, too.
    0.0 where none is."""
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
            number = float(value)
            while number > _LATEST:
                number /= 1000.0
            return number
    return 0.0


def json_text(value: object) -> str:
    """What was an object as JSON, a text as it is."""
    import json  # noqa: PLC0415 - few files have any

    return clean(value) if isinstance(value, str) else clean(json.dumps(value, ensure_ascii=False))


def thought_apart(text: str) -> tuple[Part, ...]:
    """A text that may begin with a thought in ``<think>`` as its parts."""
    found = _THOUGHT.match(text)
    if found is None:
        return (TextPart(text),) if text.strip() else ()
    rest = text[found.end() :].lstrip()
    thought = found[2].strip()
    return (*((ThinkingPart(thought),) if thought else ()), *((TextPart(rest),) if rest.strip() else ()))


def unescaped(text: str) -> str:
    """What HTML wrote as entities, as it reads."""
    return clean(html.unescape(text))


class Tree:
    """One conversation in the making. ``form`` names the program, ``source`` is its own id of the conversation."""

    def __init__(self, form: str, engine: str, source: str, staging: Path) -> None:
        self._space = uuid.uuid5(_SPACE, f"{form} {source}")
        self._engine = engine
        self._staging = staging
        self.id = self._space.hex
        self.messages: dict[str, Message] = {}
        self.blobs: dict[str, ImportedBlob] = {}
        self._latest = 0.0

    def id_of(self, source: str) -> str:
        """Our id of a message that the other program calls ``source``."""
        return uuid.uuid5(self._space, source).hex

    def add(  # noqa: PLR0917 - a message has that many sides
        self,
        source: str,
        parent: str | None,
        role: Role,
        parts: Sequence[Part],
        created: float = 0.0,
        model: str = "",
        status: Status = Status.DONE,
    ) -> str:
        """Add a message under ``parent`` (an id of ours) and return its id. One without a time comes right after those
        before it."""
        identity = self.id_of(source)
        while identity in self.messages:  # two that say they are the same one
            identity = uuid.uuid5(self._space, identity).hex
        created = created or (self.messages[parent].created if parent in self.messages else self._latest)
        self._latest = max(self._latest, created)
        done = status is Status.DONE
        self.messages[identity] = Message(
            identity,
            self.id,
            parent,
            role,
            bounded(parts),
            created,
            status,
            finish_reason=FinishReason.STOP if done and role is Role.ASSISTANT else None,
            provenance=self._made_by(model) if role is Role.ASSISTANT else None,
        )
        return identity

    def _made_by(self, model: str) -> Provenance:
        return Provenance("", shown(model), "", "", Sampling(), 0, ThinkingMode.AUTO, self._engine)

    def attach(self, data: bytes, media_type: str, name: str = "", size: tuple[int, int] = (0, 0)) -> Part | None:
        """Keep what was attached and return the part that names it; None for what is empty or too large."""
        if not 0 < len(data) <= LARGEST_ATTACHMENT:
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        media_type = media_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type, re.ASCII) else _type_of(data)
        if sha256 not in self.blobs:
            place = self._staging / sha256
            if not place.exists():
                write_atomic(place, data)
            self.blobs[sha256] = ImportedBlob(sha256, len(data), media_type)
        name = shown(name)
        if media_type.startswith("image/"):
            width, height = (side if 0 < side < 100_000 else 0 for side in size)
            return ImagePart(sha256, media_type, width, height, name)
        if media_type.startswith("audio/"):
            return AudioPart(sha256, media_type, name=name)
        return FilePart(sha256, media_type, name or sha256[:8], len(data))

    def attach_address(self, address: str, name: str = "") -> Part | None:
        """What a ``data:`` address holds; None for every other one: nothing is fetched."""
        found = _DATA.match(address)
        if found is None or found[2] is None or len(address) > LARGEST_ATTACHMENT * 4 // 3 + 200:
            return None
        try:
            data = base64.b64decode(address[found.end() :], validate=False)
        except (binascii.Error, ValueError):
            return None
        return self.attach(data, found[1] or "", name)

    def end(
        self,
        title: str,
        leaf: str | None,
        created: float = 0.0,
        updated: float = 0.0,
        *,
        system_prompt: str = "",
        pinned: bool = False,
        archived: bool = False,
        tags: Sequence[str] = (),
        folder: Sequence[str] = (),
    ) -> ImportedConversation | None:
        """The conversation, its branch on show ending with or below ``leaf``; None where nobody said anything."""
        if not self.messages:
            return None
        times = [message.created for message in self.messages.values() if message.created]
        created = created or min(times, default=0.0)
        updated = max(updated or max(times, default=0.0), created)
        conversation = Conversation(
            self.id,
            shown(title.strip(), _LONGEST_TITLE) or self._first_line(),
            created,
            updated,
            leaf_id=self._leaf(leaf),
            titled=bool(title.strip()),
            system_prompt=clean(system_prompt).strip()[:LONGEST_MESSAGE],
            pinned=pinned,
            archived=archived,
            tags=tuple(sorted({tag for tag in (shown(tag.strip(), 60) for tag in tags) if tag})),
        )
        path = tuple(name for name in (shown(name.strip()) for name in folder) if name)
        return ImportedConversation(conversation, tuple(self.messages.values()), path, tuple(self.blobs.values()))

    def _first_line(self) -> str:
        """A title for a conversation without one."""
        asked = (message for message in self.messages.values() if message.role is Role.USER)
        return next(filter(None, (title_of(visible_text(message.parts)) for message in asked)), "")

    def _leaf(self, leaf: str | None) -> str:
        """The end of the branch on show: the newest one below ``leaf``, or of all."""
        newest: dict[str | None, str] = {}
        for message in self.messages.values():
            newest[message.parent_id] = message.id
        found = leaf if leaf in self.messages else None
        while (below := newest.get(found)) is not None:
            found = below
        assert found is not None  # noqa: S101 - there are messages, and the first one has no parent
        return found


def bounded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Parts that can be stored: texts that follow each other as one, none empty, all together not too long."""
    found: list[Part] = []
    left = LONGEST_MESSAGE
    for given in parts:
        length = len(text_of(given))
        part = given if length <= left else _cut(given, left)
        left -= min(length, left)
        if isinstance(part, TextPart | ThinkingPart) and not part.text.strip():
            continue
        last = found[-1] if found else None
        if isinstance(part, TextPart) and isinstance(last, TextPart):
            found[-1] = TextPart(f"{last.text}\n\n{part.text}")
            left -= min(left, 2)
        else:
            found.append(part)
    return tuple(found)


def _cut(part: Part, length: int) -> Part:
    from msgspec import structs  # noqa: PLC0415 - hardly ever

    if isinstance(part, ToolCallPart):
        return structs.replace(part, arguments=part.arguments[:length])
    if isinstance(part, ImagePart | AudioPart):
        return part
    return structs.replace(part, text=part.text[:length])


def result(call_id: str, text: str, *, failed: bool = False) -> ToolResultPart:
    """What a tool gave back, as far as it is taken over."""
    text = clean(text)
    return ToolResultPart(call_id, text if len(text) <= LONGEST_RESULT else f"{text[:LONGEST_RESULT]}\n…", failed)


def _type_of(data: bytes) -> str:
    """The media type of a file by its first bytes: other programs keep files without saying it."""
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    found = media_of(data[:HEAD], len(data))
    return found.media_type if found is not None else "application/octet-stream"
