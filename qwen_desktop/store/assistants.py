"""The user's own assistants, and which of the shipped ones are hidden: one row each. Run through ``Database.call``."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.store.connection import transaction

log = logging.getLogger(__name__)


class Kept(Struct, frozen=True, omit_defaults=True):
    """A row: an assistant of the user's, or None for one that comes with the app and is hidden."""

    assistant: Assistant | None = None
    hidden: bool = False


def load(connection: sqlite3.Connection) -> dict[str, Kept]:
    """All rows by their ids, the oldest first. What cannot be read is left out, and left where it is."""
    found: dict[str, Kept] = {}
    for identity, text in connection.execute("SELECT id, assistant FROM assistants ORDER BY rowid"):
        try:
            found[identity] = from_json(text.encode(), Kept)
        except (ValueError, RecursionError) as error:
            log.warning("assistant.unreadable kind=%s", type(error).__name__)
    return found


def load_file(path: Path) -> dict[str, Kept]:
    """As ``load``, from a history that nobody has opened here, without changing it; nothing where there is none, or it
    is of a version without assistants."""
    if not path.is_file():
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return load(connection)
    except sqlite3.Error as error:
        log.warning("assistants.unread kind=%s", type(error).__name__)
        return {}


def save(connection: sqlite3.Connection, entries: Iterable[tuple[str, Kept]]) -> None:
    """Keep these, all or none; one that is there keeps its place."""
    with transaction(connection, durable=True):
        for identity, kept in entries:
            connection.execute(
                "INSERT INTO assistants (id, assistant) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET assistant = excluded.assistant",
                (identity, to_json(kept).decode()),  # it may name files, which need not be text
            )


def delete(connection: sqlite3.Connection, identities: Iterable[str]) -> None:
    """Remove these."""
    with transaction(connection, durable=True):
        connection.executemany("DELETE FROM assistants WHERE id = ?", [(identity,) for identity in identities])
