"""Messages: a tree by ``parent_id``; the branch on show is the way from the conversation's leaf up to the first one.

Pure functions over a connection, run through ``Database.call``. Reading the end of a branch costs as many steps as
messages are asked for, however long the branch is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.engine import Stats
from qwen_desktop.core.parts import Role, length
from qwen_desktop.store import blobs, branches, conversations, rows, search
from qwen_desktop.store.connection import transaction


def insert(connection: sqlite3.Connection, entry: Message, *, index: bool = True) -> None:
    """Add one, inside the caller's transaction. Without ``index`` it is found once ``search.catch_up`` has come to it:
    for many at once."""
    parts, *rest = rows.column_values(entry)
    connection.execute(
        "INSERT INTO messages (id, conversation_id, parent_id, role, parts, created, status, finish_reason, "
        "provenance, stats, problem, context_cut) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (entry.id, entry.conversation_id, entry.parent_id, str(entry.role), parts, entry.created, *rest),
    )
    blobs.refer(connection, entry, must_be_there=True)
    search.note(connection, entry, index=index)


def add(
    connection: sqlite3.Connection, entries: Sequence[Message], *, new: Conversation | None = None, title: str = ""
) -> Conversation | None:
    """Add messages to the end of a branch, for good: all of them or none, with their conversation when it is ``new``.

    The last one becomes the leaf. ``title`` is given to a conversation that has none. Returns the conversation as it
    is now, or None when it does not exist (nothing is added then). Raises ``UserFacing`` for an attachment, and for a
    message to go on from, that is not there.
    """
    parent, last = entries[0].parent_id, entries[-1]
    with transaction(connection, durable=True):
        if new is not None:
            conversations.insert(connection, new)
        elif conversations.get(connection, last.conversation_id) is None:
            return None
        if parent is not None and branches.living(connection, parent) != last.conversation_id:
            raise branches.no_parent()
        for entry in entries:
            insert(connection, entry)
        conversations.touch(connection, last.conversation_id, last.created, last.id, title)
    return conversations.get(connection, last.conversation_id)


def save(connection: sqlite3.Connection, entry: Message, *, durable: bool) -> bool:
    """Write an answer as it is now. False when the message is no longer there."""
    with transaction(connection, durable=durable):
        return write(connection, entry)


def write(connection: sqlite3.Connection, entry: Message) -> bool:
    """``save``, inside the caller's transaction."""
    cursor = connection.execute(
        "UPDATE messages SET parts = ?, status = ?, finish_reason = ?, provenance = ?, stats = ?, problem = ?, "
        "context_cut = ? WHERE id = ?",
        (*rows.column_values(entry), entry.id),
    )
    if cursor.rowcount > 0:
        blobs.refer(connection, entry)
        search.note(connection, entry)
    return cursor.rowcount > 0


def get(connection: sqlite3.Connection, message_id: str) -> Message | None:
    """One message, or None when it is unknown or deleted."""
    found = rows.fetch_messages(
        connection,
        f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m WHERE m.id = ? AND m.seq NOT IN {branches.DEAD}",  # noqa: S608
        message_id,
    )
    return found[0] if found else None


def recent_stats(connection: sqlite3.Connection, count: int) -> tuple[Stats, ...]:
    """The figures of the newest ``count`` answers of all conversations, newest first."""
    found = connection.execute(
        f"SELECT stats FROM messages WHERE role = ? AND stats IS NOT NULL AND seq NOT IN {branches.DEAD} "  # noqa: S608
        "ORDER BY seq DESC LIMIT ?",
        (str(Role.ASSISTANT), count),
    )
    return tuple(stats for (text,) in found if (stats := rows.stats(text)) is not None)


def tail(connection: sqlite3.Connection, conversation_id: str, count: int) -> tuple[Message, ...]:
    """The last ``count`` messages of the branch on show, oldest first."""
    row = connection.execute("SELECT leaf_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return () if row is None or row[0] is None else upwards(connection, row[0], count)


def before(connection: sqlite3.Connection, message_id: str, count: int) -> tuple[Message, ...]:
    """The nearest ``count`` ancestors of a message, oldest first."""
    row = connection.execute(
        "SELECT p.id FROM messages m JOIN messages p ON p.id = m.parent_id AND p.seq < m.seq WHERE m.id = ?",
        (message_id,),
    ).fetchone()
    return () if row is None else upwards(connection, row[0], count)


def upwards(connection: sqlite3.Connection, message_id: str, count: int) -> tuple[Message, ...]:
    """A message and its ancestors, ``count`` in all at most, oldest first."""
    if count <= 0:
        return ()
    return rows.fetch_messages(
        connection,
        # "seq" of a parent is always smaller than its child's, so a damaged file cannot make this run in a circle.
        f"""WITH RECURSIVE branch (seq, parent_id, depth) AS (
            SELECT seq, parent_id, 1 FROM messages WHERE id = ?
            UNION ALL
            SELECT p.seq, p.parent_id, depth + 1 FROM branch b JOIN messages p ON p.id = b.parent_id AND p.seq < b.seq
            LIMIT ?
        )
        SELECT {rows.MESSAGE_COLUMNS} FROM branch b JOIN messages m ON m.seq = b.seq ORDER BY b.seq""",  # noqa: S608
        message_id,
        count,
    )


def recent_text(
    connection: sqlite3.Connection, message_id: str, characters: int, *, page: int = 200
) -> tuple[tuple[Message, ...], int]:
    """A message and its ancestors until their text passes ``characters``, oldest first; and how many are left out.

    The last page is kept whole, so somewhat more than ``characters`` may be returned.
    """
    blocks = [upwards(connection, message_id, page)]
    total = 0
    while blocks[-1]:
        total += sum(length(entry.parts) for entry in blocks[-1])
        if total > characters:
            break
        blocks.append(before(connection, blocks[-1][0].id, page))
    messages = tuple(entry for block in reversed(blocks) for entry in block)
    return messages, _depth(connection, messages[0].id) - 1 if blocks[-1] else 0


def _depth(connection: sqlite3.Connection, message_id: str) -> int:
    return int(
        connection.execute(
            """WITH RECURSIVE branch (seq, parent_id) AS (
                SELECT seq, parent_id FROM messages WHERE id = ?
                UNION ALL
                SELECT p.seq, p.parent_id FROM branch b JOIN messages p ON p.id = b.parent_id AND p.seq < b.seq
            ) SELECT count(*) FROM branch""",
            (message_id,),
        ).fetchone()[0]
    )


def recover(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Mark answers that a killed app left streaming as interrupted; returns their ids."""
    left = rows.fetch_messages(
        connection,
        f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m WHERE m.status = ?",  # noqa: S608 - constants
        str(Status.STREAMING),
    )
    if left:
        with transaction(connection, durable=True):
            connection.execute(
                "UPDATE messages SET status = ? WHERE status = ?", (str(Status.INTERRUPTED), str(Status.STREAMING))
            )
            for entry in left:
                search.note(connection, structs.replace(entry, status=Status.INTERRUPTED))
    return tuple(entry.id for entry in left)
