"""Forks: the way down to a message, copied as a conversation of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from msgspec import structs

from qwen_desktop.core.chat import TEMPORARY, Conversation, Message, Status, is_temporary
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.store import branches, conversations, messages, rows, search
from qwen_desktop.store.connection import transaction

#: So many messages of a fork come into the index of the search at once: some hundred milliseconds.
INDEXED = 500


def fork(
    connection: sqlite3.Connection, message_id: str, new: Conversation, current: Mapping[str, Message]
) -> Conversation | None:
    """Copy a message and those above it, with new ids, as the conversation ``new``; None when there is no such message.

    ``current`` are messages of which the database has not all yet, by their ids. An answer that is being written is
    copied as it is now, and was stopped.
    """
    with transaction(connection, durable=True):
        if branches.living(connection, message_id) is None:
            return None
        conversations.insert(connection, new)
        leaf = _copy(connection, message_id, new.id, current)
        conversations.touch(connection, new.id, new.updated, leaf, None)
    return conversations.get(connection, new.id)


def insert(connection: sqlite3.Connection, new: Conversation, said: Sequence[Message]) -> None:
    """Add a conversation with its messages, those above first: all or nothing."""
    with transaction(connection, durable=True):
        conversations.insert(connection, new)
        for entry in said:
            messages.insert(connection, entry)


def _copy(connection: sqlite3.Connection, message_id: str, conversation_id: str, current: Mapping[str, Message]) -> str:
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS way (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, parent_id TEXT, copy TEXT)"
    )
    connection.execute("DELETE FROM way")
    connection.execute(
        f"INSERT INTO way {branches.UP} SELECT seq, id, parent_id, ? || lower(hex(randomblob(16))) FROM up",  # noqa: S608
        (message_id, TEMPORARY if is_temporary(conversation_id) else ""),
    )
    # Where the context was cut stands in an answer's recipe, too.
    connection.execute(
        """INSERT INTO messages (id, conversation_id, parent_id, role, parts, created, status, finish_reason,
            provenance, stats, problem, context_cut)
        SELECT w.copy, ?, p.copy, m.role, m.parts, m.created, m.status, m.finish_reason,
            CASE WHEN c.copy IS NULL THEN m.provenance ELSE replace(m.provenance, c.id, c.copy) END, m.stats,
            m.problem, c.copy
        FROM way w JOIN messages m ON m.seq = w.seq LEFT JOIN way p ON p.id = w.parent_id
            LEFT JOIN way c ON c.id = m.context_cut ORDER BY w.seq""",
        (conversation_id,),
    )
    connection.execute(
        "INSERT INTO message_blobs SELECT w.copy, b.sha256 FROM way w JOIN message_blobs b ON b.message_id = w.id"
    )
    copies: dict[str, str] = dict(connection.execute("SELECT id, copy FROM way"))
    fresh = {copies[entry.id]: entry for entry in current.values() if entry.id in copies}
    _copy_texts(connection, conversation_id, fresh)
    for copy, entry in fresh.items():
        writing = entry.status is Status.STREAMING
        ended = structs.replace(
            entry,
            id=copy,
            context_cut=copies.get(entry.context_cut or "", entry.context_cut),
            status=Status.STOPPED if writing else entry.status,
            finish_reason=FinishReason.CANCELLED if writing else entry.finish_reason,
        )
        messages.write(connection, ended)
    connection.execute("DELETE FROM way")
    return copies[message_id]


def _copy_texts(connection: sqlite3.Connection, conversation_id: str, fresh: dict[str, Message]) -> None:
    """What a search knows of the messages is copied; of a long way the older ones come into the index later."""
    way = connection.execute(
        "SELECT w.seq, n.seq, w.copy FROM way w JOIN messages n ON n.id = w.copy ORDER BY w.seq DESC"
    )
    for number, (seq, copy, identity) in enumerate(way.fetchall()):
        if not search.copy(connection, seq, copy, conversation_id, index=number < INDEXED):
            # still being written, or from before there were search texts
            (entry,) = rows.fetch_messages(
                connection,
                f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m WHERE m.seq = ?",  # noqa: S608 - constants
                copy,
            )
            if entry.status is Status.STREAMING:
                fresh.setdefault(identity, entry)
            else:
                search.note(connection, entry, index=number < INDEXED)
