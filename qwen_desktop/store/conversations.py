"""Conversations: pure functions over a connection, run through ``Database.call``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from msgspec import structs

from qwen_desktop.core.chat import Conversation, Names
from qwen_desktop.core.engine import Adapter, Sampling, ThinkingMode
from qwen_desktop.core.model_ref import FileRef, ModelRef
from qwen_desktop.core.text import clean
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

#: The models of so many newest answers are known by name.
_ANSWERS = 500


def listed(connection: sqlite3.Connection) -> tuple[Conversation, ...]:
    """All that are not deleted: pinned first, then the newest."""
    found = connection.execute(
        f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE deleted_at IS NULL "  # noqa: S608 - constants
        "ORDER BY pinned DESC, updated DESC, rowid DESC"
    )
    return tuple(rows.conversation(row) for row in found)


def recent(connection: sqlite3.Connection, count: int) -> tuple[Conversation, ...]:
    """The ``count`` that were changed last of those that are in the list."""
    found = connection.execute(
        f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE deleted_at IS NULL AND NOT archived "  # noqa: S608
        "ORDER BY updated DESC, rowid DESC LIMIT ?",
        (count,),
    )
    return tuple(rows.conversation(row) for row in found)


def names(connection: sqlite3.Connection) -> Names:
    """What conversations can be told apart by."""
    folders = connection.execute("SELECT id, name FROM folders").fetchall()
    tags = connection.execute(
        "SELECT DISTINCT tag.value FROM conversations, json_each(tags) AS tag WHERE deleted_at IS NULL AND tags != '[]'"
    ).fetchall()
    models = connection.execute(
        "SELECT DISTINCT json_extract(provenance, '$.model_name') FROM "
        "(SELECT provenance FROM messages WHERE provenance IS NOT NULL ORDER BY seq DESC LIMIT ?)",
        (_ANSWERS,),
    ).fetchall()
    return Names(
        dict(folders),
        tuple(sorted((tag for (tag,) in tags if isinstance(tag, str)), key=str.casefold)),
        tuple(sorted((name for (name,) in models if isinstance(name, str) and name), key=str.casefold)),
    )


def get(connection: sqlite3.Connection, conversation_id: str) -> Conversation | None:
    """One conversation, or None when it is unknown or deleted."""
    row = connection.execute(
        f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE id = ? AND deleted_at IS NULL",  # noqa: S608
        (conversation_id,),
    ).fetchone()
    return None if row is None else rows.conversation(row)


def insert(connection: sqlite3.Connection, entry: Conversation) -> None:
    """Add one, inside the caller's transaction."""
    values = rows.conversation_values(entry)
    places = ", ".join("?" * len(values))
    connection.execute(
        f"INSERT INTO conversations ({rows.CONVERSATION_COLUMNS}) VALUES ({places})",  # noqa: S608 - constants
        values,
    )


def create(connection: sqlite3.Connection, entry: Conversation) -> None:
    """Add one, for good."""
    with transaction(connection, durable=True):
        insert(connection, entry)


def rename(connection: sqlite3.Connection, conversation_id: str, title: str) -> Conversation | None:
    """Set a title that a person chose; the conversation, or None when there is none."""
    return _change(connection, "title = ?, titled = 1", conversation_id, title)


def untitled(connection: sqlite3.Connection, conversation_id: str) -> tuple[Conversation, bool] | None:
    """A conversation whose title no person has chosen, and whether a model has; None where there is none."""
    found = connection.execute("SELECT titled FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    entry = get(connection, conversation_id)
    return None if found is None or entry is None or entry.titled else (entry, found[0] == rows.BY_MODEL)


def title(connection: sqlite3.Connection, conversation_id: str, before: str, title: str) -> Conversation | None:
    """Give it a title that a model wrote, in the place of ``before``; None where it has another one by now, or a person
    has chosen that."""
    with transaction(connection, durable=True):
        changed = connection.execute(
            "UPDATE conversations SET title = ?, titled = ? "
            "WHERE id = ? AND title = ? AND titled <> 1 AND deleted_at IS NULL",
            (title, rows.BY_MODEL, conversation_id, before),
        )
    return get(connection, conversation_id) if changed.rowcount else None


def set_thinking(connection: sqlite3.Connection, conversation_id: str, mode: ThinkingMode) -> Conversation | None:
    """Set the thinking mode of its next answers."""
    return _change(connection, "thinking = ?", conversation_id, str(mode))


def set_model(connection: sqlite3.Connection, conversation_id: str, model: ModelRef | None) -> Conversation | None:
    """Set what makes its next answers; None is the app's choice."""
    return _change(connection, "model = ?", conversation_id, rows.model_column(model))


def move_models(connection: sqlite3.Connection, moved: Callable[[str], str]) -> tuple[Conversation, ...]:
    """Model files have other places now, adapters among them: ``moved`` gives for each path the new one, or the same.
    Deleted conversations go along. Returns those on show that changed."""
    with transaction(connection, durable=True):
        found = connection.execute("SELECT id, model FROM conversations WHERE model IS NOT NULL").fetchall()
        changed = _move_adapters(connection, moved)
        for conversation_id, column in found:
            ref = rows.model_ref(column)
            if isinstance(ref, FileRef) and (path := moved(ref.path)) != ref.path:
                there = rows.model_column(structs.replace(ref, path=path))
                connection.execute("UPDATE conversations SET model = ? WHERE id = ?", (there, conversation_id))
                changed.append(conversation_id)
    return tuple(entry for identity in dict.fromkeys(changed) if (entry := get(connection, identity)) is not None)


def _move_adapters(connection: sqlite3.Connection, moved: Callable[[str], str]) -> list[str]:
    changed = []
    found = connection.execute("SELECT id, adapters FROM conversations WHERE adapters != '[]'").fetchall()
    for conversation_id, column in found:
        before = rows.adapters_of(column)
        after = tuple(structs.replace(adapter, path=moved(adapter.path)) for adapter in before)
        if after != before:
            there = rows.adapters_column(after)
            connection.execute("UPDATE conversations SET adapters = ? WHERE id = ?", (there, conversation_id))
            changed.append(conversation_id)
    return changed


def set_thinking_budget(
    connection: sqlite3.Connection, conversation_id: str, tokens: int | None
) -> Conversation | None:
    """Set how many tokens a thought of its next answers may have; see ``Conversation``."""
    return _change(connection, "thinking_budget = ?", conversation_id, tokens)


def set_system_prompt(connection: sqlite3.Connection, conversation_id: str, text: str) -> Conversation | None:
    """Set the instructions of its next answers."""
    return _change(connection, "system_prompt = ?", conversation_id, text)


def set_sampling(
    connection: sqlite3.Connection, conversation_id: str, sampling: Sampling | None
) -> Conversation | None:
    """Set how the tokens of its next answers are chosen; None as the settings say."""
    return _change(connection, "sampling = ?", conversation_id, rows.encode_optional(sampling))


def set_context(connection: sqlite3.Connection, conversation_id: str, tokens: int | None) -> Conversation | None:
    """Set how many tokens the model is to remember here; None as the settings say."""
    return _change(connection, "context = ?", conversation_id, tokens)


def set_adapters(
    connection: sqlite3.Connection, conversation_id: str, adapters: tuple[Adapter, ...]
) -> Conversation | None:
    """Set the adapters that its next answers are made with."""
    return _change(connection, "adapters = ?", conversation_id, rows.adapters_column(adapters))


def set_begun(connection: sqlite3.Connection, entry: Conversation) -> Conversation | None:
    """Set all that an assistant has a say in to what ``entry`` says: its instructions, how its next answers are made,
    and by what."""
    with transaction(connection, durable=True):
        connection.execute(
            "UPDATE conversations SET assistant_id = ?, system_prompt = ?, sampling = ?, thinking = ?, "
            "thinking_budget = ?, context = ?, model = ?, adapters = ? WHERE id = ? AND deleted_at IS NULL",
            (
                entry.assistant_id,
                clean(entry.system_prompt),
                rows.encode_optional(entry.sampling),
                str(entry.thinking),
                entry.thinking_budget,
                entry.context,
                rows.model_column(entry.model),
                rows.adapters_column(entry.adapters),
                entry.id,
            ),
        )
    return get(connection, entry.id)


def delete(connection: sqlite3.Connection, conversation_id: str, now: float) -> bool:
    """Take it out of the list; it can be brought back until ``purge``. False when there was nothing to delete."""
    with transaction(connection, durable=True):
        cursor = connection.execute(
            "UPDATE conversations SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL", (now, conversation_id)
        )
    return cursor.rowcount > 0


def undo_delete(connection: sqlite3.Connection, conversation_id: str) -> Conversation | None:
    """Bring it back; None when it is gone for good."""
    with transaction(connection, durable=True):
        connection.execute("UPDATE conversations SET deleted_at = NULL WHERE id = ?", (conversation_id,))
    return get(connection, conversation_id)


def purge(connection: sqlite3.Connection, *, staged: bool = False) -> int:
    """Remove deleted conversations for good, with what was written there, and return how many they were. What an import
    has ``staged`` (``importing``) goes behind the window, else: it may be much."""
    dead = f"FROM conversations WHERE deleted_at {'IS NOT NULL' if staged else '>= 0'}"
    gone = connection.execute(f"SELECT count(*) {dead}").fetchone()[0]
    if gone:
        with transaction(connection, durable=True):
            connection.execute(f"DELETE FROM drafts WHERE conversation_id IN (SELECT id {dead})")  # noqa: S608
            connection.execute(f"DELETE {dead}")
    return int(gone)


def touch(connection: sqlite3.Connection, conversation_id: str, now: float, leaf_id: str, title: str | None) -> None:
    """A message came: new time and leaf, and a title where none was given yet. In the caller's transaction."""
    connection.execute(
        "UPDATE conversations SET updated = max(updated, ?), leaf_id = ?, "
        "title = CASE WHEN title = '' AND titled = 0 THEN ? ELSE title END WHERE id = ?",
        (now, leaf_id, title or "", conversation_id),
    )


def _change(
    connection: sqlite3.Connection, assignment: str, conversation_id: str, value: str | int | None
) -> Conversation | None:
    with transaction(connection, durable=True):
        connection.execute(
            f"UPDATE conversations SET {assignment} WHERE id = ? AND deleted_at IS NULL",  # noqa: S608 - constants
            (value, conversation_id),
        )
    return get(connection, conversation_id)
