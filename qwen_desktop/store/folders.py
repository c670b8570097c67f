"""Folders of conversations: pure functions over a connection, run through ``Database.call``, one transaction each.

A folder lies in another one or, with the parent "", beside all others; never in itself or in one that lies in it,
whoever moves folders at the same time. What a function gives back is enough for the one that takes it back: exactly
what was done, as far as nothing else has happened to it since.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

from qwen_desktop.core.chat import Folder
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store.connection import transaction

#: A folder and all that lie in it, however deep. Damaged files may have a circle: UNION ends it.
_BELOW = (
    "WITH RECURSIVE below(id) AS (SELECT value FROM json_each(?) "
    "UNION SELECT f.id FROM folders f JOIN below ON f.parent_id = below.id) "
)


class Deleted(NamedTuple):
    """What went with a folder: ``folders`` themselves; what moved up into ``parent_id``; conversations that were
    deleted with it, marked with ``at``."""

    folders: tuple[Folder, ...]
    parent_id: str = ""
    moved_folders: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    at: float = 0.0


def listed(connection: sqlite3.Connection) -> tuple[Folder, ...]:
    """All, in no order that means anything."""
    return tuple(Folder(*row) for row in connection.execute("SELECT id, name, parent_id FROM folders ORDER BY rowid"))


def get(connection: sqlite3.Connection, folder_id: str) -> Folder | None:
    """One folder, None when there is none."""
    row = connection.execute("SELECT id, name, parent_id FROM folders WHERE id = ?", (folder_id,)).fetchone()
    return None if row is None else Folder(*row)


def check(connection: sqlite3.Connection, folder_id: str) -> None:
    """Raise ``UserFacing`` where there is no such folder; "" is always there. Inside the caller's transaction."""
    if folder_id and get(connection, folder_id) is None:
        raise gone()


def insert(connection: sqlite3.Connection, folder: Folder) -> None:
    """Add one, inside the caller's transaction. Raises ``UserFacing`` where the one that it is to lie in is gone."""
    check(connection, folder.parent_id)
    connection.execute(
        "INSERT INTO folders (id, name, parent_id) VALUES (?, ?, ?)", (folder.id, folder.name, folder.parent_id)
    )


def rename(connection: sqlite3.Connection, folder_id: str, name: str, *, only: str | None = None) -> str | None:
    """Give it a name, with ``only`` where that is its name now. Returns the name before, None where nothing changed."""
    with transaction(connection, durable=True):
        found = get(connection, folder_id)
        if found is None and only is None:
            raise gone()
        if found is None or found.name == name or only not in (None, found.name):
            return None
        connection.execute("UPDATE folders SET name = ? WHERE id = ?", (name, folder_id))
    return found.name


def move(connection: sqlite3.Connection, ids: Sequence[str], parent_id: str) -> tuple[tuple[str, str], ...]:
    """Move folders into ``parent_id``, inside the caller's transaction: each that moved, with where it was. What lies
    in another one of them goes along with that. Raises ``UserFacing`` for a circle."""
    check(connection, parent_id)
    if parent_id in below(connection, ids):
        raise _circle()
    chosen = set(ids)
    moved = []
    for folder_id in ids:
        found = get(connection, folder_id)
        if found is None or found.parent_id == parent_id or _lies_in(connection, found, chosen):
            continue
        connection.execute("UPDATE folders SET parent_id = ? WHERE id = ?", (parent_id, folder_id))
        moved.append((folder_id, found.parent_id))
    return tuple(moved)


def move_back(connection: sqlite3.Connection, moved: Sequence[tuple[str, str]], parent_id: str) -> None:
    """Undo ``move``, inside the caller's transaction, for those that still lie in ``parent_id``; where they came from
    is gone or lies in them now, they stand beside all others."""
    for folder_id, before in moved:
        found = get(connection, folder_id)
        if found is None or found.parent_id != parent_id:
            continue
        there = before if get(connection, before) is not None and before not in below(connection, (folder_id,)) else ""
        connection.execute("UPDATE folders SET parent_id = ? WHERE id = ?", (there, folder_id))


def below(connection: sqlite3.Connection, ids: Collection[str]) -> set[str]:
    """These folders, and all that lie in them."""
    found = connection.execute(f"{_BELOW} SELECT id FROM below", (json.dumps(list(ids)),))  # noqa: S608
    return {row[0] for row in found}


def held(connection: sqlite3.Connection, ids: Collection[str]) -> tuple[str, ...]:
    """The conversations that lie in these folders, however deep, without deleted ones."""
    found = connection.execute(
        f"{_BELOW} SELECT c.id FROM conversations c JOIN below ON c.folder_id = below.id "  # noqa: S608 - constants
        "WHERE c.deleted_at IS NULL",
        (json.dumps(list(ids)),),
    )
    return tuple(row[0] for row in found)


def delete(connection: sqlite3.Connection, folder_id: str) -> Deleted:
    """Delete one; what lies in it moves up to where it was, deleted conversations too."""
    with transaction(connection, durable=True):
        return dissolve(connection, folder_id)


def dissolve(connection: sqlite3.Connection, folder_id: str) -> Deleted:
    """As ``delete``, inside the caller's transaction."""
    found = get(connection, folder_id)
    if found is None:
        raise gone()
    chats = _ids(connection, "SELECT id FROM conversations WHERE folder_id = ?", folder_id)
    inner = _ids(connection, "SELECT id FROM folders WHERE parent_id = ?", folder_id)
    there = found.parent_id if found.parent_id != folder_id and get(connection, found.parent_id) is not None else ""
    connection.execute("UPDATE conversations SET folder_id = ? WHERE folder_id = ?", (there, folder_id))
    connection.execute("UPDATE folders SET parent_id = ? WHERE parent_id = ?", (there, folder_id))
    connection.execute("DELETE FROM folders WHERE id = ?", (folder_id,))
    return Deleted((found,), there, inner, chats)


def delete_all(connection: sqlite3.Connection, folder_id: str, now: float) -> Deleted:
    """Delete one with everything in it: the folders, and their conversations as ``conversations.delete`` does."""
    with transaction(connection, durable=True):
        if get(connection, folder_id) is None:
            raise gone()
        inside = below(connection, (folder_id,))
        gone_folders = tuple(folder for folder in listed(connection) if folder.id in inside)
        chats = held(connection, (folder_id,))
        places = json.dumps(list(chats))
        mark = "UPDATE conversations SET deleted_at = ? WHERE id IN (SELECT value FROM json_each(?))"
        connection.execute(mark, (now, places))
        connection.executemany("DELETE FROM folders WHERE id = ?", [(folder.id,) for folder in gone_folders])
    return Deleted(gone_folders, removed=chats, at=now)


def restore(connection: sqlite3.Connection, deleted: Deleted) -> None:
    """Undo ``delete`` or ``delete_all``: the folders are there again, and in them what was not moved since."""
    with transaction(connection, durable=True):
        known = {folder.id for folder in listed(connection)} | {folder.id for folder in deleted.folders}
        for folder in deleted.folders:
            parent = folder.parent_id if folder.parent_id in known else ""
            connection.execute("INSERT OR IGNORE INTO folders VALUES (?, ?, ?)", (folder.id, folder.name, parent))
        (top, *_) = deleted.folders
        if not deleted.removed:
            # What it lay in may have been moved into what lay in it: it then comes back beside all others.
            if top.parent_id in below(connection, deleted.moved_folders):
                connection.execute("UPDATE folders SET parent_id = '' WHERE id = ?", (top.id,))
            for table, column, ids in (
                ("conversations", "folder_id", deleted.moved),
                ("folders", "parent_id", deleted.moved_folders),
            ):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {column} = ? AND id IN (SELECT value FROM json_each(?))",  # noqa: S608
                    (top.id, deleted.parent_id, json.dumps(ids)),
                )
        connection.execute(
            "UPDATE conversations SET deleted_at = NULL "
            "WHERE deleted_at = ? AND id IN (SELECT value FROM json_each(?))",
            (deleted.at, json.dumps(deleted.removed)),
        )


def _lies_in(connection: sqlite3.Connection, folder: Folder, others: set[str]) -> bool:
    seen = {folder.id}
    above = folder.parent_id
    while above and above not in seen:
        if above in others:
            return True
        seen.add(above)
        found = get(connection, above)
        above = found.parent_id if found is not None else ""
    return False


def _ids(connection: sqlite3.Connection, query: str, value: str) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute(query, (value,)))


def gone() -> UserFacing:
    """There is no such folder any more."""
    return UserFacing(
        Text("folder.gone", QT_TRANSLATE_NOOP("history", "This folder does not exist any more.")),
        Text("folder.gone.hint", QT_TRANSLATE_NOOP("history", "Choose another one.")),
    )


def _circle() -> UserFacing:
    return UserFacing(
        Text(
            "folder.circle", QT_TRANSLATE_NOOP("history", "A folder cannot lie in itself, or in one that lies in it.")
        ),
        Text("folder.circle.hint", QT_TRANSLATE_NOOP("history", "Choose another place for it.")),
    )
