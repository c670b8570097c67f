"""Conversations that come into a history from a file: all of them, or none.

They are **staged** in small transactions, as conversations that were deleted at a moment before all times (``mark``,
which is negative and each import's own): nobody sees them, and what a killed import leaves is removed behind the next
start of the window, or before the next import. One transaction at the end puts all on show.

Run in the job worker, on a connection of its own: neither the window's loop nor its writes wait for more than one of
the small transactions.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import uuid
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.chat import Conversation, Message, Provenance, new_id
from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.exchange import ImportedConversation, Record, renamed
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.store import branches, conversations, exporting, messages, rows
from qwen_desktop.store.connection import transaction

_COPIES = uuid.UUID("0c5b3a6a-5f0e-5d0f-8f43-6f3b3a1d9d57")

# fmt: off
disturbed = Failure(
    Environment, "import.disturbed", "",
    QT_TRANSLATE_NOOP("imports", "The app was started while the import ran, so nothing was imported."),
    QT_TRANSLATE_NOOP("imports", "Import the file again."),
)
# fmt: on


class Fitted(Struct, frozen=True):
    """A conversation as it comes in: None where it is ``there`` already, and whether it is a ``copy`` beside another
    one of the same id that differs."""

    entry: ImportedConversation | None
    copy: bool = False


def new_mark() -> float:
    """What an import's conversations are staged with."""
    return -1.0 - random.getrandbits(40)


def fit(connection: sqlite3.Connection, entry: ImportedConversation, mark: float) -> Fitted:
    """How a conversation comes in beside what there is.

    It is there already where its messages and instructions are: what was done with it since (a title, pins, folders)
    stays. One that differs gets ids that follow from what it says, so that it comes once however often it is imported.
    """
    taken = _taken(connection, entry, mark)
    if taken is None:
        return Fitted(entry)
    if _same(taken, entry):
        return Fitted(None)
    content = to_json(Record(entry.conversation, entry.folder, entry.messages))
    space = uuid.uuid5(_COPIES, hashlib.sha256(content).hexdigest())
    copy = with_ids(entry, {message.id: uuid.uuid5(space, message.id).hex for message in entry.messages}, space.hex)
    taken = _taken(connection, copy, mark)
    if taken is None:
        return Fitted(copy, copy=True)
    if _same(taken, copy):
        return Fitted(None)
    return Fitted(with_ids(entry, {message.id: new_id() for message in entry.messages}, new_id()), copy=True)


def with_ids(entry: ImportedConversation, ids: Mapping[str, str], conversation_id: str) -> ImportedConversation:
    """The same conversation with other ids, also wherever one of its messages names another."""
    names = dict(ids)
    conversation = structs.replace(
        entry.conversation,
        id=conversation_id,
        leaf_id=names.get(entry.conversation.leaf_id or "", entry.conversation.leaf_id),
    )
    changed = tuple(_renamed(message, names, conversation_id) for message in entry.messages)
    return structs.replace(entry, conversation=conversation, messages=changed)


def stage(
    connection: sqlite3.Connection, mark: float, pieces: Sequence[tuple[Conversation | None, tuple[Message, ...]]]
) -> None:
    """Add some that nobody sees yet: conversations with their messages, or more messages (None) of one that was staged.

    Raises ``disturbed`` where what was staged before is gone.
    """
    try:
        with transaction(connection, durable=False):
            for conversation, entries in pieces:
                if conversation is not None:
                    conversations.insert(connection, conversation)
                    connection.execute("UPDATE conversations SET deleted_at = ? WHERE id = ?", (mark, conversation.id))
                for entry in entries:
                    messages.insert(connection, entry, from_file=True)
    except sqlite3.IntegrityError as error:
        raise disturbed() from error


def folder(
    connection: sqlite3.Connection, path: tuple[str, ...], folders: dict[tuple[str, ...], tuple[str, bool]]
) -> str:
    """The id of the folder with this path of names, "" for (). ``folders`` keeps those that were asked for, and whether
    each is still to be made, by ``publish``."""
    if not path:
        return ""
    if path not in folders:
        parent = folder(connection, path[:-1], folders)
        row = connection.execute(
            "SELECT id FROM folders WHERE parent_id = ? AND name = ? ORDER BY id LIMIT 1", (parent, path[-1])
        ).fetchone()
        folders[path] = (new_id(), True) if row is None else (row[0], False)
    return folders[path][0]


def publish(
    connection: sqlite3.Connection,
    mark: float,
    folders: Mapping[tuple[str, ...], tuple[str, bool]],
    expected: int,
) -> None:
    """Put all that was staged on show, with the ``folders`` that are to be made. Raises ``disturbed`` where not all
    ``expected`` are there any more."""
    with transaction(connection, durable=True):
        for path, (identity, missing) in folders.items():  # outer ones come first
            if missing:
                parent = folders[path[:-1]][0] if path[1:] else ""
                connection.execute(
                    "INSERT INTO folders (id, name, parent_id) VALUES (?, ?, ?)", (identity, path[-1], parent)
                )
            else:  # it may have been deleted meanwhile
                connection.execute(
                    "UPDATE conversations SET folder_id = '' WHERE deleted_at = ?1 AND folder_id = ?2 "
                    "AND NOT EXISTS (SELECT 1 FROM folders WHERE id = ?2)",
                    (mark, identity),
                )
        shown = connection.execute("UPDATE conversations SET deleted_at = NULL WHERE deleted_at = ?", (mark,))
        if shown.rowcount != expected:
            raise disturbed()


def discard(connection: sqlite3.Connection, mark: float, most: int = 100) -> bool:
    """Remove some of what was staged; False when nothing is left of it."""
    with transaction(connection, durable=False):
        gone = connection.execute(
            "DELETE FROM conversations WHERE id IN (SELECT id FROM conversations WHERE deleted_at = ? LIMIT ?)",
            (mark, most),
        )
    return gone.rowcount > 0


def discard_left(connection: sqlite3.Connection, most: int = 20) -> bool:
    """Remove some of what killed imports have left; False when nothing is. Not while an import runs."""
    row = connection.execute("SELECT deleted_at FROM conversations WHERE deleted_at < 0 LIMIT 1").fetchone()
    return row is not None and discard(connection, row[0], most)


def hide(connection: sqlite3.Connection, ids: Sequence[str], now: float) -> int:
    """Take imported conversations out of the list again, for good at the next start; returns how many."""
    count = 0
    with transaction(connection, durable=True):
        for start in range(0, len(ids), branches.CHUNK):
            part = tuple(ids[start : start + branches.CHUNK])
            places = ", ".join("?" * len(part))
            count += connection.execute(
                f"UPDATE conversations SET deleted_at = ? WHERE deleted_at IS NULL AND id IN ({places})",  # noqa: S608
                (now, *part),
            ).rowcount
    return count


def _taken(connection: sqlite3.Connection, entry: ImportedConversation, mark: float) -> Record | str | None:
    """What has this conversation's id, or one of its messages': the conversation, or "" for what cannot be compared;
    None where nothing has."""
    identity = entry.conversation.id
    row = connection.execute("SELECT deleted_at FROM conversations WHERE id = ?", (identity,)).fetchone()
    if row is not None:
        if row[0] is None:
            return exporting.record(connection, identity) or ""
        return _staged(connection, identity) if row[0] == mark else ""
    ids = [message.id for message in entry.messages]
    for start in range(0, len(ids), branches.CHUNK):
        part = ids[start : start + branches.CHUNK]
        places = ", ".join("?" * len(part))
        if connection.execute(f"SELECT 1 FROM messages WHERE id IN ({places}) LIMIT 1", part).fetchone():  # noqa: S608
            return ""
    return None


def _staged(connection: sqlite3.Connection, identity: str) -> Record | str:
    """One that this file had before."""
    row = connection.execute(
        f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE id = ?",  # noqa: S608 - constants
        (identity,),
    ).fetchone()
    found = rows.fetch_messages(
        connection,
        f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ? ORDER BY m.seq",  # noqa: S608
        identity,
    )
    return Record(rows.conversation(row), (), found)


def _same(taken: Record | str, entry: ImportedConversation) -> bool:
    if isinstance(taken, str):
        return False
    return taken.messages == entry.messages and taken.conversation.system_prompt == entry.conversation.system_prompt


def _renamed(message: Message, names: dict[str, str], conversation_id: str) -> Message:
    made = message.provenance
    if made is not None and ((made.again is not None) or (made.recipe is not None)):
        made = msgspec.convert(renamed(msgspec.to_builtins(made), names), Provenance)
    return structs.replace(
        message,
        id=names[message.id],
        conversation_id=conversation_id,
        parent_id=names.get(message.parent_id or "", message.parent_id),
        context_cut=names.get(message.context_cut or "", message.context_cut),
        provenance=made,
    )
