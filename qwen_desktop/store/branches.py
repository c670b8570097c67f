"""The branches of a conversation's tree: versions of a message, which branch is on show, deleting and bringing back.

A message is deleted with everything below it: only the topmost one is marked, so what was deleted before stays so when
it is brought back. What lives has no mark, nor has anything above it. The branch on show ends at the conversation's
leaf: a living message without any below it, or None where none lives.

Pure functions over a connection, run through ``Database.call``. None of them is recursive in Python or in triggers: a
long chat is a chain.
"""
# ruff: noqa: S608 - only constants are put into queries

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from qwen_desktop.core.chat import Conversation, Node, Status, Versions
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.parts import Role, search_text
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.store import conversations, rows
from qwen_desktop.store.connection import transaction

#: At most so many ids in one query (old builds of SQLite take 999 parameters).
CHUNK = 400
#: Longest beginning of a text in a tree, in characters.
NODE_TEXT = 120

# "seq" of a parent is always smaller than its child's, so a damaged file cannot make any of these run in a circle.
#: The numbers of all messages that are deleted, to be asked for with IN.
DEAD = """(WITH RECURSIVE dead (seq, id) AS (
    SELECT seq, id FROM messages WHERE deleted_at IS NOT NULL
    UNION
    SELECT c.seq, c.id FROM dead d JOIN messages c ON c.parent_id = d.id AND c.seq > d.seq
) SELECT seq FROM dead)"""
#: A message and all above it.
UP = """WITH RECURSIVE up (seq, id, parent_id) AS (
    SELECT seq, id, parent_id FROM messages WHERE id = ?
    UNION ALL
    SELECT p.seq, p.id, p.parent_id FROM up u JOIN messages p ON p.id = u.parent_id AND p.seq < u.seq
)"""
_BELOW = """WITH RECURSIVE below (seq, id) AS (
    SELECT seq, id FROM messages WHERE id = ?
    UNION ALL
    SELECT c.seq, c.id FROM below b JOIN messages c ON c.parent_id = b.id AND c.seq > b.seq AND c.deleted_at IS NULL
)"""

# fmt: off
no_parent = Failure(
    UserFacing, "chat.no_parent", "",
    QT_TRANSLATE_NOOP("chat", "The message to go on from is not in this chat."),
    QT_TRANSLATE_NOOP("chat", "Open the chat again, then send the message."),
)
message_gone = Failure(
    UserFacing, "message.gone", "", QT_TRANSLATE_NOOP("chat", "This message does not exist any more."),
    QT_TRANSLATE_NOOP("chat", "Open the chat again to see what there is."),
)
_above_gone = Failure(
    UserFacing, "undo.above", "", QT_TRANSLATE_NOOP("chat", "The message above it was deleted as well."),
    QT_TRANSLATE_NOOP("chat", "Bring that one back first."),
)
_went_on = Failure(
    UserFacing, "undo.went_on", "", QT_TRANSLATE_NOOP("chat", "The chat has gone on with this version."),
    QT_TRANSLATE_NOOP("chat", "Undo what came later first, or delete the version."),
)
_before_gone = Failure(
    UserFacing, "undo.before", "", QT_TRANSLATE_NOOP("chat", "What was shown before was deleted."),
    QT_TRANSLATE_NOOP("chat", "Bring that back first."),
)
# fmt: on


def living(connection: sqlite3.Connection, message_id: str) -> str | None:
    """The conversation of a message that is there; None for one that is unknown or deleted, alone or with its
    conversation."""
    row = connection.execute(
        "SELECT m.conversation_id FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        f"WHERE m.id = ? AND c.deleted_at IS NULL AND m.seq NOT IN {DEAD}",
        (message_id,),
    ).fetchone()
    return None if row is None else str(row[0])


def versions(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Versions]:
    """For each of the living messages that has siblings: all their ids in the order they came, and its place among
    them."""
    found: dict[str, Versions] = {}
    for start in range(0, len(ids), CHUNK):
        chunk = tuple(ids[start : start + CHUNK])
        siblings: dict[str, list[str]] = {}
        places = ", ".join("?" * len(chunk))
        query = f"""SELECT m.id, s.id FROM messages m JOIN messages s
            ON s.conversation_id = m.conversation_id AND s.parent_id IS m.parent_id AND s.role = m.role
            WHERE m.id IN ({places}) AND m.deleted_at IS NULL AND s.deleted_at IS NULL
            ORDER BY m.seq, s.seq"""
        for message_id, sibling in connection.execute(query, chunk):
            siblings.setdefault(message_id, []).append(sibling)
        for message_id, same in siblings.items():
            if len(same) > 1:
                found[message_id] = Versions(tuple(same), same.index(message_id))
    return found


def tree(connection: sqlite3.Connection, conversation_id: str) -> tuple[Node, ...]:
    """All living messages of a conversation, oldest first."""
    found = connection.execute(
        f"""SELECT m.id, m.parent_id, m.role, substr(t.text, 1, {8 * NODE_TEXT}),
            CASE WHEN t.seq IS NULL THEN m.parts END, m.created, m.status
        FROM messages m LEFT JOIN search_texts t ON t.seq = m.seq
        WHERE m.conversation_id = ? AND m.seq NOT IN {DEAD} ORDER BY m.seq""",
        (conversation_id,),
    )
    return tuple(_node(row) for row in found)


def _node(row: tuple[str, str | None, str, str | None, str | None, float, str]) -> Node:
    identity, parent, role, text, parts, created, status = row
    created = rows.when(created)
    try:
        if parts is not None:  # still being written, or from before there were search texts
            text = search_text(rows.parts_of(parts))
        return Node(identity, parent, Role(role), node_text(text or ""), created, Status(status))
    except ValueError:  # damaged: it reads as an empty message that says so
        return Node(identity, parent, Role.USER if role == Role.USER else Role.ASSISTANT, "", created, Status.FAILED)


def node_text(text: str) -> str:
    """The beginning of a text on one line."""
    return " ".join(text[: 8 * NODE_TEXT].split())[:NODE_TEXT]


# What is on show ------------------------------------------------------------------------------------------------------


def select_version(connection: sqlite3.Connection, message_id: str) -> tuple[Conversation, str | None] | None:
    """Show the branch of this message: the leaf becomes its newest descendant. Also returns the leaf until now; None
    when there is no such message."""
    with transaction(connection, durable=True):
        conversation_id = living(connection, message_id)
        if conversation_id is None:
            return None
        before = _leaf(connection, conversation_id)
        _show(connection, conversation_id, _tip(connection, message_id))
    return _changed(connection, conversation_id), before


def show_again(connection: sqlite3.Connection, leaf: str) -> Conversation:
    """Have the branch on show again that ended at ``leaf``, and what it went on with since. Raises ``UserFacing`` where
    it was deleted."""
    with transaction(connection, durable=True):
        conversation_id = living(connection, leaf)
        if conversation_id is None:
            raise _before_gone()
        _show_again(connection, conversation_id, leaf)
    return _changed(connection, conversation_id)


def _leaf(connection: sqlite3.Connection, conversation_id: str) -> str | None:
    row = connection.execute("SELECT leaf_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return None if row is None else row[0]


def _show(connection: sqlite3.Connection, conversation_id: str, leaf: str | None) -> None:
    connection.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", (leaf, conversation_id))


def _show_again(connection: sqlite3.Connection, conversation_id: str, leaf: str) -> None:
    if not _at_or_below(connection, _leaf(connection, conversation_id), leaf):
        _show(connection, conversation_id, _tip(connection, leaf))


def _tip(connection: sqlite3.Connection, message_id: str) -> str:
    """The newest living message at or below a living one."""
    query = f"{_BELOW} SELECT id FROM below ORDER BY seq DESC LIMIT 1"
    return str(connection.execute(query, (message_id,)).fetchone()[0])


def _at_or_below(connection: sqlite3.Connection, message_id: str | None, above: str) -> bool:
    query = f"{UP} SELECT EXISTS (SELECT 1 FROM up WHERE id = ?)"
    return message_id is not None and bool(connection.execute(query, (message_id, above)).fetchone()[0])


def _changed(connection: sqlite3.Connection, conversation_id: str) -> Conversation:
    found = conversations.get(connection, conversation_id)
    if found is None:  # deleted since, by another process
        raise message_gone()
    return found


# Deleting -------------------------------------------------------------------------------------------------------------


def answering(connection: sqlite3.Connection, message_id: str) -> bool:
    """Whether an answer is being written at or below a message."""
    writing = connection.execute("SELECT id FROM messages WHERE status = ?", (str(Status.STREAMING),)).fetchall()
    return any(_at_or_below(connection, identity, message_id) for (identity,) in writing)


def delete(connection: sqlite3.Connection, message_id: str, now: float) -> tuple[Conversation, str | None] | None:
    """Delete a message with all below it, until ``restore`` or ``purge``.

    Where it is on show, the version before it is now, else the next one, else the branch ends at its parent. Also
    returns the leaf that was on show then, None where it still is. None when there is no such message.
    """
    with transaction(connection, durable=True):
        conversation_id = living(connection, message_id)
        if conversation_id is None:
            return None
        leaf = _leaf(connection, conversation_id)
        if not _at_or_below(connection, leaf, message_id):
            leaf = None
        _mark(connection, message_id, now)
        if leaf is not None:
            beside = _beside(connection, message_id)
            _show(connection, conversation_id, None if beside is None else _tip(connection, beside))
    return _changed(connection, conversation_id), leaf


def restore(connection: sqlite3.Connection, message_id: str, leaf: str | None) -> Conversation:
    """Bring back what ``delete`` took away, and the ``leaf`` that it returned. Raises ``UserFacing`` where something
    above was deleted since."""
    with transaction(connection, durable=True):
        connection.execute("UPDATE messages SET deleted_at = NULL WHERE id = ?", (message_id,))
        conversation_id = living(connection, message_id)
        if conversation_id is None:
            there = connection.execute(
                "SELECT 1 FROM messages m JOIN conversations c ON c.id = m.conversation_id "
                "WHERE m.id = ? AND c.deleted_at IS NULL",
                (message_id,),
            )
            raise message_gone() if there.fetchone() is None else _above_gone()
        if leaf is not None and living(connection, leaf):
            _show_again(connection, conversation_id, leaf)
        else:
            shown = _leaf(connection, conversation_id)
            if shown is None or _at_or_below(connection, message_id, shown):
                _show(connection, conversation_id, _tip(connection, message_id))
    return _changed(connection, conversation_id)


def withdraw(connection: sqlite3.Connection, made: Sequence[str], leaf: str | None, now: float) -> Conversation:
    """Delete a version that consists of the messages ``made``, the topmost one first. Where it is on show, the branch
    is again that ended at ``leaf``, as far as it is left. Raises ``UserFacing`` where it is gone, where the chat has
    gone on below it, and where nothing is left of what was on show."""
    top = made[0]
    with transaction(connection, durable=True):
        conversation_id = living(connection, top)
        if conversation_id is None:
            raise message_gone()
        below = connection.execute(f"{_BELOW} SELECT id FROM below", (top,)).fetchall()
        if {identity for (identity,) in below} - set(made):
            raise _went_on()
        on_show = _at_or_below(connection, _leaf(connection, conversation_id), top)
        _mark(connection, top, now)
        if on_show:
            _show(connection, conversation_id, _tip(connection, _left_of(connection, leaf, top)))
    return _changed(connection, conversation_id)


def with_deleted(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The conversations that are deleted, and those with deleted messages."""
    found = connection.execute(
        "SELECT id FROM conversations WHERE deleted_at >= 0 "
        "UNION SELECT conversation_id FROM messages WHERE deleted_at IS NOT NULL"
    )
    return tuple(row[0] for row in found)


def purge(connection: sqlite3.Connection) -> int:
    """Remove deleted messages for good and return how many they were."""
    if connection.execute("SELECT 1 FROM messages WHERE deleted_at IS NOT NULL").fetchone() is None:
        return 0
    with transaction(connection, durable=True):
        return connection.execute(f"DELETE FROM messages WHERE seq IN {DEAD}").rowcount


def _mark(connection: sqlite3.Connection, message_id: str, now: float) -> None:
    connection.execute("UPDATE messages SET deleted_at = ? WHERE id = ?", (now, message_id))


def _beside(connection: sqlite3.Connection, message_id: str) -> str | None:
    """What is shown in the place of a deleted message: its version before, the next one, or its parent."""
    row = connection.execute(
        """SELECT s.id FROM messages m JOIN messages s
        ON s.conversation_id = m.conversation_id AND s.parent_id IS m.parent_id AND s.role = m.role
        WHERE m.id = ? AND s.deleted_at IS NULL AND s.seq <> m.seq
        ORDER BY s.seq > m.seq, abs(s.seq - m.seq) LIMIT 1""",
        (message_id,),
    ).fetchone()
    row = row or connection.execute("SELECT parent_id FROM messages WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else row[0]


def _left_of(connection: sqlite3.Connection, leaf: str | None, top: str) -> str:
    """The lowest living message of the branch that ended at ``leaf``. Raises ``UserFacing`` where that is one above
    ``top``, and was not the leaf itself: then nothing is left of it that is not on show anyway."""
    row = connection.execute(
        f"{UP} SELECT id FROM up WHERE seq NOT IN {DEAD} ORDER BY seq DESC LIMIT 1",
        (leaf,),
    ).fetchone()
    if row is None or (row[0] != leaf and _at_or_below(connection, top, row[0])):
        raise _before_gone()
    return str(row[0])
