"""The text of each message that a search looks into, in ``search_texts`` by the message's ``seq``.

It is written in the transaction in which a message becomes final; one that is still being answered has none. Messages
of before this existed get theirs bit by bit, from the newest down: ``search_unread`` has a row, the number below which
they have none, until that is done. Deleted messages keep theirs until they go for good: who searches leaves out
``branches.DEAD``.
"""

from __future__ import annotations

import sqlite3

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.parts import search_text
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

#: One slice of old messages: so many, or so many characters, whichever is reached first (some ten milliseconds).
SLICE, SLICE_CHARACTERS = 200, 500_000


def note(connection: sqlite3.Connection, entry: Message) -> None:
    """Write the text of a message if it is final, inside the caller's transaction."""
    if entry.status is not Status.STREAMING:
        connection.execute(
            "INSERT INTO search_texts (seq, text) SELECT seq, ? FROM messages WHERE id = ? "
            "ON CONFLICT (seq) DO UPDATE SET text = excluded.text",
            (search_text(entry.parts), entry.id),
        )


def note_older(connection: sqlite3.Connection) -> bool:
    """Write the texts of one slice of old messages. False when none is left to do."""
    if connection.execute("SELECT below FROM search_unread").fetchone() is None:
        return False
    with transaction(connection, durable=False):
        row = connection.execute("SELECT below FROM search_unread").fetchone()
        if row is None:  # another process has done the rest
            return False
        found = connection.execute(
            "SELECT seq, parts, status FROM messages WHERE seq < ? ORDER BY seq DESC LIMIT ?", (row[0], SLICE)
        )
        below, characters = None, 0
        for below, column, status in found:
            if status != Status.STREAMING:
                connection.execute("INSERT OR IGNORE INTO search_texts VALUES (?, ?)", (below, _text(column)))
            characters += len(column)
            if characters > SLICE_CHARACTERS:
                break
        if below is None:
            connection.execute("DELETE FROM search_unread")
        else:
            connection.execute("UPDATE search_unread SET below = ?", (below,))
    return below is not None


def _text(column: str) -> str:
    try:
        return search_text(rows.parts_of(column))
    except ValueError:  # damaged: it reads as an empty message that says so
        return ""
