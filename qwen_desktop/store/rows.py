"""Structs to columns and back. A row that cannot be read becomes a message that says so, never an app that stops."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any, TypeVar

import msgspec

from qwen_desktop.core.chat import Conversation, Message, Provenance, Status
from qwen_desktop.core.engine import Adapter, FinishReason, Sampling, Stats, ThinkingMode
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.parts import Part, Role
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean

log = logging.getLogger(__name__)
T = TypeVar("T")

_MODES = {str(mode): mode for mode in ThinkingMode}
_MODEL: Any = ModelRef  # a union is no type for mypy
_parts: msgspec.json.Decoder[tuple[Part, ...]] = msgspec.json.Decoder(tuple[Part, ...])
#: The parts of a message as stored. Raises ``ValueError``.
parts_of = _parts.decode

#: What ``conversations.titled`` is where a model wrote the title; it is 1 where a person did.
BY_MODEL = 2
#: No time is before or after these, in seconds since the epoch: what counts days has no others (the year 3000).
_EARLIEST, LATEST = 0.0, 32_503_680_000.0
#: The code of a message's problem that cannot be read.
UNREADABLE = "message.unreadable"
CONVERSATION_COLUMNS = (
    "id, title, created, updated, leaf_id, titled, thinking, system_prompt, pinned, model, thinking_budget, folder_id, "
    "tags, archived, assistant_id, sampling, context, adapters"
)
MESSAGE_COLUMNS = (
    "m.id, m.conversation_id, m.parent_id, m.role, m.parts, m.created, m.status, m.finish_reason, m.provenance, "
    "m.stats, m.problem, m.context_cut"
)


def encode(value: Any) -> str:
    """JSON. Lone surrogates (file names, errors of the system) are replaced instead of refused."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean(msgspec.to_builtins(value))).decode()


def encode_optional(value: Any) -> str | None:
    """JSON, or NULL for None."""
    return None if value is None else encode(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    return value


def conversation(row: tuple[Any, ...]) -> Conversation:
    """A row of ``CONVERSATION_COLUMNS``."""
    identity, title, created, updated, leaf, titled, thinking, system_prompt, pinned, model, budget = row[:11]
    folder, tags, archived, assistant, sampling, context, adapters = row[11:]
    return Conversation(
        id=identity,
        title=title,
        created=when(created),
        updated=when(updated),
        leaf_id=leaf,
        titled=bool(titled) and titled != BY_MODEL,
        thinking=_MODES.get(thinking, ThinkingMode.AUTO),
        system_prompt=system_prompt,
        pinned=bool(pinned),
        model=None if model is None else model_ref(model),
        thinking_budget=budget if isinstance(budget, int) else None,
        folder_id=folder,
        tags=tags_of(tags),
        archived=bool(archived),
        assistant_id=assistant,
        sampling=_readable(sampling, Sampling),
        context=context if isinstance(context, int) else None,
        adapters=adapters_of(adapters),
    )


def conversation_values(entry: Conversation) -> tuple[Any, ...]:
    """The values of ``CONVERSATION_COLUMNS``."""
    return (
        entry.id,
        entry.title,
        entry.created,
        entry.updated,
        entry.leaf_id,
        entry.titled,
        str(entry.thinking),
        entry.system_prompt,
        entry.pinned,
        model_column(entry.model),
        entry.thinking_budget,
        entry.folder_id,
        encode(entry.tags),
        entry.archived,
        entry.assistant_id,
        encode_optional(entry.sampling),
        entry.context,
        adapters_column(entry.adapters),
    )


def model_ref(column: str | None) -> ModelRef | None:
    """A model as stored; None as well for what this version does not know."""
    try:
        found: ModelRef | None = _optional(column, _MODEL)
    except (ValueError, msgspec.MsgspecError) as error:
        log.warning("conversation.model kind=%s", type(error).__name__)
        return None
    return found


def model_column(ref: ModelRef | None) -> str | None:
    """The column that ``model_ref`` reads; it names a file, which need not be text."""
    return None if ref is None else to_json(ref).decode()


def adapters_of(column: str) -> tuple[Adapter, ...]:
    """A conversation's adapters as stored; none where they are damaged."""
    return _readable(column, tuple[Adapter, ...]) or ()


def adapters_column(adapters: tuple[Adapter, ...]) -> str:
    """The column that ``adapters_of`` reads; it names files, which need not be text."""
    return to_json(adapters).decode()


def message(row: tuple[Any, ...]) -> Message:
    """A row of ``MESSAGE_COLUMNS``."""
    identity, conversation_id, parent, role, parts, created, status, finish, provenance, stats, problem, cut = row
    try:
        return Message(
            id=identity,
            conversation_id=conversation_id,
            parent_id=parent,
            role=Role(role),
            parts=parts_of(parts),
            created=when(created),
            status=Status(status),
            finish_reason=None if finish is None else FinishReason(finish),
            provenance=_optional(provenance, Provenance),
            stats=_optional(stats, Stats),
            problem=_optional(problem, Problem),
            context_cut=cut,
        )
    except (ValueError, msgspec.MsgspecError) as error:
        log.warning("message.unreadable kind=%s", type(error).__name__)
        return Message(
            id=identity,
            conversation_id=conversation_id,
            parent_id=parent,
            role=Role.USER if role == Role.USER else Role.ASSISTANT,
            parts=(),
            created=when(created),
            status=Status.FAILED,
            problem=Problem(
                "environment",
                Text(UNREADABLE, QT_TRANSLATE_NOOP("errors", "This message is damaged on the disk.")),
                Text("message.unreadable.hint", QT_TRANSLATE_NOOP("errors", "The other messages are not affected.")),
            ),
        )


def when(column: object) -> float:
    """A time as stored: one that a damaged file, or a stranger's backup, puts outside of all calendars is the nearest
    one inside."""
    return min(max(_EARLIEST, float(column)), LATEST) if isinstance(column, int | float) else _EARLIEST


def tags_of(column: str) -> tuple[str, ...]:
    """A conversation's tags as stored; none where they are damaged."""
    return _readable(column, tuple[str, ...]) or ()


def stats(column: str) -> Stats | None:
    """An answer's figures as stored; None where they are damaged."""
    return _readable(column, Stats)


def _readable(column: str | None, kind: type[T]) -> T | None:
    """A column's value; None where it is damaged."""
    try:
        return _optional(column, kind)
    except (ValueError, msgspec.MsgspecError):
        return None


def _optional(data: str | None, kind: type[T]) -> T | None:
    return None if data is None else from_json(data.encode(), kind)


def column_values(entry: Message) -> tuple[Any, ...]:
    """The values of a message that change while it is answered: parts, status and what made it."""
    return (
        encode(entry.parts),
        str(entry.status),
        None if entry.finish_reason is None else str(entry.finish_reason),
        None if entry.provenance is None else to_json(entry.provenance).decode(),  # it names a file
        encode_optional(entry.stats),
        encode_optional(entry.problem),
        entry.context_cut,
    )


def fetch_messages(connection: sqlite3.Connection, query: str, *params: Any) -> tuple[Message, ...]:
    """Run a query that selects ``MESSAGE_COLUMNS``."""
    return tuple(message(row) for row in connection.execute(query, params))
