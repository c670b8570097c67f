"""Our own form (``core.exchange``), read as a stream."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from qwen_desktop.core.chat import Status
from qwen_desktop.core.exchange import (
    FORMAT,
    VERSION,
    BlobRecord,
    ImportedBlob,
    ImportedConversation,
    Record,
    Source,
)
from qwen_desktop.core.files import open_file, write_atomic
from qwen_desktop.core.packed import from_json
from qwen_desktop.core.parts import LARGEST_ATTACHMENT, blobs_of, cleaned
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.jobs.imports.elements import elements
from qwen_desktop.jobs.imports.files import unreadable
from qwen_desktop.jobs.imports.forms import damaged, newer
from qwen_desktop.store import rows

_MARK = re.compile(rb'"format"\s*:\s*"' + FORMAT.encode() + rb'"')
#: None begins as those of temporary chats do, which the disk never has.
_ID = re.compile(r"(?!t)[0-9A-Za-z_.:-]{1,100}", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+(?:;[^\x00-\x1f]{0,200})?", re.ASCII)


def tells(path: Path, beginning: bytes) -> bool:
    """Whether it says that it is one."""
    return _MARK.search(beginning[:1000]) is not None


def read(source: Source, staging: Path) -> Iterator[ImportedConversation]:
    """Its conversations. Raises ``UserFacing`` for a file that ends too early or is no JSON, ``OSError``."""
    try:
        with open_file(source.path) as file:
            yield from _read(elements(file), source, staging)
    except (ValueError, RecursionError) as error:
        raise damaged(source.path.name) from error


def _read(found: Iterator[tuple[str, bytes, int]], source: Source, staging: Path) -> Iterator[ImportedConversation]:
    kept: dict[str, ImportedBlob] = {}
    number = 0
    for key, value, done in found:
        source.at(done)
        if key == "version":
            version = from_json(value, int)
            if version > VERSION:
                raise newer(source.path.name)
        elif key == "blobs":
            blob = _blob(value, staging)
            if blob is None:
                source.skip(_attachment_bad())
            else:
                kept[blob.sha256] = blob
        elif key == "conversations":
            number += 1
            try:
                entry, lost = _checked(from_json(value, Record), kept)
            except (ValueError, RecursionError):
                source.skip(unreadable(number))
                continue
            for _ in range(lost):
                source.skip(_attachment_lost())
            yield entry


def _blob(value: bytes, staging: Path) -> ImportedBlob | None:
    """Keep an attachment; None for one that is not what it says."""
    try:
        entry = from_json(value, BlobRecord)
        data = base64.b64decode(entry.data, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(data) > LARGEST_ATTACHMENT or hashlib.sha256(data).hexdigest() != entry.sha256:
        return None
    if _MEDIA_TYPE.fullmatch(entry.media_type) is None:
        return None
    write_atomic(staging / entry.sha256, data)
    return ImportedBlob(entry.sha256, len(data), entry.media_type)


def _checked(record: Record, kept: dict[str, ImportedBlob]) -> tuple[ImportedConversation, int]:
    """The conversation, if it is one, and how many attachments are not in the file. Raises ``ValueError``."""
    conversation = structs.replace(
        record.conversation,
        folder_id="",
        title=clean(record.conversation.title),
        system_prompt=clean(record.conversation.system_prompt),
        tags=tuple(map(clean, record.conversation.tags)),
        assistant_id=clean(record.conversation.assistant_id),
    )
    messages = tuple(structs.replace(m, parts=tuple(map(cleaned, m.parts))) for m in record.messages)
    good = _ID.fullmatch(conversation.id) is not None
    good &= _is_time(conversation.created) and _is_time(conversation.updated)
    good &= conversation.context is None or abs(conversation.context) < 1 << 53
    good &= conversation.thinking_budget is None or abs(conversation.thinking_budget) < 1 << 53
    seen: set[str] = set()
    childless: set[str] = set()
    named: set[str] = set()
    for message in messages:
        good &= _ID.fullmatch(message.id) is not None and message.id not in seen and _is_time(message.created)
        good &= message.conversation_id == conversation.id
        good &= message.parent_id is None or message.parent_id in seen
        good &= message.status is not Status.STREAMING
        seen.add(message.id)
        childless.add(message.id)
        childless.discard(message.parent_id or "")
        named.update(blobs_of(message.parts))
    # A leaf is a message without any below it (docs/architecture.md, "The tree of a conversation").
    good &= conversation.leaf_id in childless if childless else conversation.leaf_id is None
    if not good:
        raise ValueError("no conversation")
    folder = tuple(name for part in record.folder if (name := " ".join(clean(part).split())))
    blobs = tuple(kept[sha256] for sha256 in sorted(named & kept.keys()))
    return ImportedConversation(conversation, messages, folder, blobs), len(named - kept.keys())


def _is_time(when: float) -> bool:
    return rows.when(when) == when  # not for one that is no number


def _attachment_bad() -> Text:
    return Text("import.attachment", QT_TRANSLATE_NOOP("imports", "An attachment is damaged."))


def _attachment_lost() -> Text:
    return Text("import.attachment_lost", QT_TRANSLATE_NOOP("imports", "An attachment is not in the file."))
