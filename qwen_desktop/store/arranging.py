"""Where conversations stand in the list: pinned, in a folder, in the archive, and their tags. For many at once, each
function one transaction; what it gives back is what the one needs that takes it back.

Deleted conversations take part: brought back, they stand where they would.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from qwen_desktop.core.chat import Conversation, Folder
from qwen_desktop.store import folders, rows
from qwen_desktop.store.connection import transaction

T = TypeVar("T")

_THESE = "id IN (SELECT value FROM json_each(?))"
#: The tags of a row, also of a damaged one.
_TAGS = "CASE WHEN json_valid(tags) THEN tags ELSE '[]' END"


class Place(NamedTuple):
    """Where a conversation is to stand; None leaves that as it is."""

    folder_id: str | None = None
    pinned: bool | None = None
    archived: bool | None = None


class Placed(NamedTuple):
    """What ``place`` changed: each conversation with what was other before, and the folders with where they were."""

    place: Place
    before: tuple[tuple[str, Place], ...]
    folders: tuple[tuple[str, str], ...] = ()
    made: str = ""  # a folder that was made for them

    @property
    def ids(self) -> tuple[str, ...]:
        """The conversations that changed."""
        return tuple(conversation_id for conversation_id, _ in self.before)


class Tagged(NamedTuple):
    """What a conversation was given and lost."""

    id: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


def read(connection: sqlite3.Connection, ids: Sequence[str]) -> tuple[Conversation, ...]:
    """Those of these that are not deleted."""
    found = connection.execute(
        f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE deleted_at IS NULL AND {_THESE}",  # noqa: S608
        (json.dumps(list(ids)),),
    )
    return tuple(rows.conversation(row) for row in found)


def place(
    connection: sqlite3.Connection,
    ids: Sequence[str],
    where: Place,
    *,
    moved: Sequence[str] = (),
    new: Folder | None = None,
) -> Placed:
    """Let conversations stand somewhere else, and move the folders ``moved`` to the same one; with ``new``, which is
    made for them first. Raises ``UserFacing`` where the folder is gone, or would lie in itself."""
    with transaction(connection, durable=True):
        if new is not None:
            folders.insert(connection, new)
        if where.folder_id is not None:
            folders.check(connection, where.folder_id)
        before = []
        query = f"SELECT id, folder_id, pinned, archived FROM conversations WHERE {_THESE}"  # noqa: S608 - constants
        for conversation_id, folder_id, pinned, archived in connection.execute(
            query, (json.dumps(list(ids)),)
        ).fetchall():
            other = Place(
                _other(folder_id, where.folder_id),
                _other(bool(pinned), where.pinned),
                _other(bool(archived), where.archived),
            )
            if other != Place():
                before.append((conversation_id, other))
        _write(connection, [(conversation_id, where) for conversation_id, _ in before])
        there = folders.move(connection, moved, where.folder_id) if moved and where.folder_id is not None else ()
    return Placed(where, tuple(before), there, new.id if new is not None else "")


def place_back(connection: sqlite3.Connection, placed: Placed) -> tuple[str, ...]:
    """Undo ``place`` for what still stands where that put it. Returns the conversations that may have changed."""
    with transaction(connection, durable=True):
        back = []
        query = "SELECT folder_id, pinned, archived FROM conversations WHERE id = ?"
        for conversation_id, had in placed.before:
            row = connection.execute(query, (conversation_id,)).fetchone()
            if row is None:
                continue
            put = placed.place
            there = Place(
                _back(had.folder_id, row[0], put.folder_id),
                _back(had.pinned, bool(row[1]), put.pinned),
                _back(had.archived, bool(row[2]), put.archived),
            )
            back.append((conversation_id, there))
        _write(connection, back)
        folders.move_back(connection, placed.folders, placed.place.folder_id or "")
        more: tuple[str, ...] = ()
        if placed.made and folders.get(connection, placed.made) is not None:
            more = folders.dissolve(connection, placed.made).moved
    return (*placed.ids, *more)


def _other(had: T, wanted: T | None) -> T | None:
    """What is another thing than what is wanted."""
    return None if wanted is None or wanted == had else had


def _back(before: T | None, now: T, put: T | None) -> T | None:
    """What is to come back, where ``now`` is still what was put there."""
    return before if now == put else None


def _write(connection: sqlite3.Connection, places: Sequence[tuple[str, Place]]) -> None:
    connection.executemany(
        "UPDATE conversations SET folder_id = coalesce(?, folder_id), pinned = coalesce(?, pinned), "
        "archived = coalesce(?, archived) WHERE id = ?",
        [(*where, conversation_id) for conversation_id, where in places],
    )


def delete(connection: sqlite3.Connection, ids: Sequence[str], now: float) -> tuple[str, ...]:
    """Take them out of the list as ``conversations.delete`` does: those that were in it."""
    with transaction(connection, durable=True):
        found = connection.execute(
            f"UPDATE conversations SET deleted_at = ? WHERE deleted_at IS NULL AND {_THESE} RETURNING id",  # noqa: S608
            (now, json.dumps(list(ids))),
        ).fetchall()
    return tuple(row[0] for row in found)


def undelete(connection: sqlite3.Connection, ids: Sequence[str], at: float) -> None:
    """Bring those back that were deleted at that moment."""
    with transaction(connection, durable=True):
        connection.execute(
            f"UPDATE conversations SET deleted_at = NULL WHERE deleted_at = ? AND {_THESE}",  # noqa: S608 - constants
            (at, json.dumps(list(ids))),
        )


# Tags -----------------------------------------------------------------------------------------------------------------


def tags(connection: sqlite3.Connection) -> tuple[tuple[str, int], ...]:
    """All tags in alphabetical order, each with how many conversations have it, without deleted ones."""
    found = connection.execute(
        f"SELECT value, count(*) FROM conversations, json_each({_TAGS}) "  # noqa: S608 - constants
        "WHERE deleted_at IS NULL AND tags != '[]' GROUP BY value ORDER BY value"
    )
    return tuple((str(tag), int(count)) for tag, count in found)


def tag(
    connection: sqlite3.Connection, ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
) -> tuple[Tagged, ...]:
    """Give conversations tags and take others from them; each that changed."""
    with transaction(connection, durable=True):
        found = connection.execute(f"SELECT id, tags FROM conversations WHERE {_THESE}", (json.dumps(list(ids)),))  # noqa: S608
        return _tag(connection, found.fetchall(), add, remove)


def rename_tag(connection: sqlite3.Connection, old: str, new: str) -> tuple[Tagged, ...]:
    """Let a tag be called ``new`` everywhere, or with "" be no tag any more; each conversation that changed."""
    with transaction(connection, durable=True):
        found = connection.execute(
            f"SELECT id, tags FROM conversations WHERE EXISTS (SELECT 1 FROM json_each({_TAGS}) WHERE value = ?)",  # noqa: S608
            (old,),
        ).fetchall()
        return _tag(connection, found, (new,) if new else (), (old,))


def untag(connection: sqlite3.Connection, tagged: Sequence[Tagged]) -> tuple[str, ...]:
    """Undo ``tag`` or ``rename_tag``: what was given goes, and what was lost comes back, unless what was given in its
    place was taken away since. Returns the conversations that may have changed."""
    with transaction(connection, durable=True):
        values = []
        for entry in tagged:
            row = connection.execute("SELECT tags FROM conversations WHERE id = ?", (entry.id,)).fetchone()
            if row is None:
                continue
            now = set(rows.tags_of(row[0]))
            lost = set(entry.removed) if now.issuperset(entry.added) else set()
            values.append((rows.encode(sorted(now - set(entry.added) | lost)), entry.id))
        connection.executemany("UPDATE conversations SET tags = ? WHERE id = ?", values)
    return tuple(entry.id for entry in tagged)


def _tag(
    connection: sqlite3.Connection, found: Sequence[tuple[str, str]], add: Sequence[str], remove: Sequence[str]
) -> tuple[Tagged, ...]:
    changed, values = [], []
    for conversation_id, column in found:
        had = set(rows.tags_of(column))
        has = had - set(remove) | set(add)
        if has != had:
            changed.append(Tagged(conversation_id, tuple(sorted(has - had)), tuple(sorted(had - has))))
            values.append((rows.encode(sorted(has)), conversation_id))
    connection.executemany("UPDATE conversations SET tags = ? WHERE id = ?", values)
    return tuple(changed)
