"""What leaves a history: which conversations, and each one whole, as pure functions over a connection that reads.

Nothing that was deleted is in it, and an answer that is being written just now is one that was interrupted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import structs

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.exchange import Record
from qwen_desktop.store import branches, conversations, messages, rows

#: No folder lies deeper: a damaged file may have folders in a circle.
_DEEPEST = 64
#: A branch has no more messages.
_LONGEST = 1 << 40


def chosen(
    connection: sqlite3.Connection, ids: Sequence[str] | None = None, folder: str | None = None
) -> tuple[str, ...]:
    """The ids of conversations, by the time of their beginning: those of ``ids`` that are there, those in a folder and
    the folders in it, or all."""
    wanted = None if ids is None else set(ids)
    places = None if folder is None else _within(connection, folder)
    found = connection.execute(
        "SELECT id, folder_id FROM conversations WHERE deleted_at IS NULL ORDER BY created, id"
    ).fetchall()
    return tuple(
        identity
        for identity, place in found
        if (wanted is None or identity in wanted) and (places is None or place in places)
    )


def folders_named(connection: sqlite3.Connection, name: str) -> tuple[str, ...]:
    """The ids of the folders with a name or a path of names ("Work/Ideas"), however it is written."""
    wanted = name.strip("/").casefold()
    found = []
    for (identity,) in connection.execute("SELECT id FROM folders ORDER BY name, id").fetchall():
        path = [part.casefold() for part in path_of(connection, identity)]
        if wanted in (path[-1], "/".join(path)):
            found.append(identity)
    return tuple(found)


def path_of(connection: sqlite3.Connection, folder_id: str) -> tuple[str, ...]:
    """The names of a folder and those that it lies in, the outermost first; () where there is none."""
    names: list[str] = []
    while folder_id and len(names) < _DEEPEST:
        row = connection.execute("SELECT name, parent_id FROM folders WHERE id = ?", (folder_id,)).fetchone()
        if row is None:
            break
        names.append(row[0])
        folder_id = row[1]
    return tuple(reversed(names))


def record(connection: sqlite3.Connection, conversation_id: str, *, branch: bool = False) -> Record | None:
    """A conversation with all its messages, or those of the ``branch`` on show; None where it is gone."""
    entry = conversations.get(connection, conversation_id)
    if entry is None:
        return None
    if branch:
        found = () if entry.leaf_id is None else messages.upwards(connection, entry.leaf_id, _LONGEST)
    else:
        found = rows.fetch_messages(
            connection,
            f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ? "  # noqa: S608 - constants
            f"AND m.seq NOT IN {branches.DEAD} ORDER BY m.seq",
            conversation_id,
        )
    path = path_of(connection, entry.folder_id)
    return Record(structs.replace(entry, folder_id=""), path, tuple(map(_ended, found)))


def blobs(connection: sqlite3.Connection, ids: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """The hash and the kind of all that is attached in these conversations (None: all of them), by the hash."""
    found: dict[str, str] = {}
    query = (
        "SELECT DISTINCT b.sha256, b.media_type FROM messages m JOIN message_blobs u ON u.message_id = m.id "  # noqa: S608
        f"JOIN blobs b ON b.sha256 = u.sha256 WHERE m.conversation_id {{}} AND m.seq NOT IN {branches.DEAD}"
    )
    if ids is None:
        found.update(connection.execute(query.format("IN (SELECT id FROM conversations WHERE deleted_at IS NULL)")))
    else:
        for start in range(0, len(ids), branches.CHUNK):
            part = tuple(ids[start : start + branches.CHUNK])
            found.update(connection.execute(query.format(f"IN ({', '.join('?' * len(part))})"), part))
    return tuple(sorted(found.items()))


def _ended(entry: Message) -> Message:
    return structs.replace(entry, status=Status.INTERRUPTED) if entry.status is Status.STREAMING else entry


def _within(connection: sqlite3.Connection, folder_id: str) -> set[str]:
    """A folder and all that lie in it."""
    found = {folder_id}
    parents = connection.execute("SELECT id, parent_id FROM folders").fetchall()
    for _ in range(_DEEPEST):
        more = {identity for identity, parent in parents if parent in found} - found
        if not more:
            break
        found |= more
    return found
