"""The form of the database, by number (``PRAGMA user_version``).

Changing the form: append one function to ``MIGRATIONS``; never edit an old one, since files of that number exist. Each
runs in one transaction, after a backup copy. Statements run one by one: ``executescript`` would commit before.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from qwen_desktop.store import search
from qwen_desktop.store.connection import transaction
from qwen_desktop.store.failures import newer

Migration: TypeAlias = Callable[[sqlite3.Connection], None]


def _conversations_and_messages(connection: sqlite3.Connection) -> None:
    """Version 1. ``seq`` is the order in which messages came; ``parts`` and the other JSON columns are msgspec's.

    ``parent_id`` has no ON DELETE CASCADE: a long chat is a chain, and SQLite cascades 1,000 levels at most.
    """
    for statement in (
        """CREATE TABLE conversations (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            leaf_id TEXT,
            titled INTEGER NOT NULL DEFAULT 0,
            thinking TEXT NOT NULL DEFAULT 'auto',
            system_prompt TEXT NOT NULL DEFAULT '',
            pinned INTEGER NOT NULL DEFAULT 0,
            deleted_at REAL
        )""",
        """CREATE TABLE messages (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            parent_id TEXT,
            role TEXT NOT NULL,
            parts TEXT NOT NULL,
            created REAL NOT NULL,
            status TEXT NOT NULL DEFAULT 'done',
            finish_reason TEXT,
            provenance TEXT,
            stats TEXT,
            problem TEXT,
            context_cut TEXT
        )""",
        "CREATE INDEX conversations_list ON conversations (pinned, updated) WHERE deleted_at IS NULL",
        "CREATE INDEX messages_tree ON messages (conversation_id, parent_id, seq)",
        "CREATE INDEX messages_parent ON messages (parent_id, seq)",
        "CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming'",
    ):
        connection.execute(statement)


def _models_blobs_and_search(connection: sqlite3.Connection) -> None:
    """Version 2. The model of a conversation (JSON), what is attached to messages (``blobs`` says how), and the text
    that a search looks into (``search`` says how; old messages get theirs behind the window, not here)."""
    for statement in (
        "ALTER TABLE conversations ADD COLUMN model TEXT",
        """CREATE TABLE blobs (
            sha256 TEXT PRIMARY KEY,
            size INTEGER NOT NULL,
            media_type TEXT NOT NULL,
            created REAL NOT NULL,
            wanted_until REAL NOT NULL,
            whole INTEGER NOT NULL DEFAULT 0
        )""",
        """CREATE TABLE message_blobs (
            message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            sha256 TEXT NOT NULL REFERENCES blobs (sha256),
            PRIMARY KEY (message_id, sha256)
        ) WITHOUT ROWID""",
        "CREATE INDEX message_blobs_used ON message_blobs (sha256)",
        """CREATE TABLE search_texts (
            seq INTEGER PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
            text TEXT NOT NULL
        )""",
        "CREATE TABLE search_unread (below INTEGER NOT NULL)",
        "INSERT INTO search_unread SELECT seq + 1 FROM messages ORDER BY seq DESC LIMIT 1",
    ):
        connection.execute(statement)


def _branches_and_drafts(connection: sqlite3.Connection) -> None:
    """Version 3. A conversation's own longest thought; messages that were deleted with all below them (only the topmost
    one is marked, and goes for good at the next start); what was being written where (JSON, "" for a new chat)."""
    for statement in (
        "ALTER TABLE conversations ADD COLUMN thinking_budget INTEGER",
        "ALTER TABLE messages ADD COLUMN deleted_at REAL",
        "CREATE INDEX messages_deleted ON messages (deleted_at) WHERE deleted_at IS NOT NULL",
        "CREATE TABLE drafts (conversation_id TEXT PRIMARY KEY, draft TEXT NOT NULL) WITHOUT ROWID",
    ):
        connection.execute(statement)


def _folders_and_assistants(connection: sqlite3.Connection) -> None:
    """Version 4. Folders, tags (a JSON list), the archive; assistants and prompt templates (each one JSON) and what a
    conversation takes from its assistant: how tokens are chosen (JSON) and how many the model is to remember."""
    for statement in (
        "ALTER TABLE conversations ADD COLUMN folder_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE conversations ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE conversations ADD COLUMN assistant_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE conversations ADD COLUMN sampling TEXT",
        "ALTER TABLE conversations ADD COLUMN context INTEGER",
        "CREATE TABLE folders (id TEXT PRIMARY KEY, name TEXT NOT NULL, parent_id TEXT NOT NULL DEFAULT '')",
        "CREATE TABLE assistants (id TEXT PRIMARY KEY, assistant TEXT NOT NULL)",
        "CREATE TABLE prompt_templates (id TEXT PRIMARY KEY, template TEXT NOT NULL)",
    ):
        connection.execute(statement)


def _adapters(connection: sqlite3.Connection) -> None:
    """Version 6. The adapters that a conversation's next answers are made with (a JSON list)."""
    connection.execute("ALTER TABLE conversations ADD COLUMN adapters TEXT NOT NULL DEFAULT '[]'")


MIGRATIONS: tuple[Migration, ...] = (
    _conversations_and_messages,
    _models_blobs_and_search,
    _branches_and_drafts,
    _folders_and_assistants,
    search.make_tables,
    _adapters,
)


def version(connection: sqlite3.Connection) -> int:
    """The number of the form that the file has; 0 is an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection,
    path: Path | None,
    *,
    backups: int,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Bring the database to the newest form and return how many steps were made.

    ``path`` None (in memory) makes no backups; else the newest ``backups`` copies stay in ``backups/`` beside it.
    Raises ``UserFacing`` for a file of a newer version, ``sqlite3.Error`` and ``OSError`` when a step fails; the
    database then has the form before that step.
    """
    steps = 0
    new = version(connection) == 0
    while (found := version(connection)) < len(migrations):
        if path is not None and not new:
            back_up(connection, path, found, backups)
        with transaction(connection, durable=True):
            if version(connection) != found:  # another process was faster
                continue
            migrations[found](connection)
            connection.execute(f"PRAGMA user_version = {found + 1}")
        steps += 1
    if found > len(migrations):
        raise newer(str(path or ""))
    return steps


def back_up(connection: sqlite3.Connection, path: Path, number: int, keep: int) -> Path:
    """Copy the database to ``backups/`` beside ``path`` and drop all but the newest ``keep`` copies.

    The copy gets its name only when it is whole and on the disk.
    """
    folder = path.parent / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    target = folder / f"{path.stem}.v{number}.{stamp}.sqlite3"
    attempt = 1
    while target.exists():
        attempt += 1
        target = folder / f"{path.stem}.v{number}.{stamp}-{attempt}.sqlite3"
    partial = target.with_suffix(".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
        copy = sqlite3.connect(partial)
        try:
            connection.backup(copy)
        finally:
            copy.close()
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    copies = sorted(folder.glob(f"{path.stem}.v*.sqlite3"), key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True)
    for old in copies[max(1, keep) :]:
        with contextlib.suppress(OSError):  # kept a little longer; it harms nobody
            old.unlink()
    return target
