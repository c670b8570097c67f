"""What is written and not sent, one row a conversation ("" for a new chat). Run through ``Database.call``.

Attachments that a row names are kept (``blobs``); a row goes with its conversation.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core.drafts import Draft, Unsent
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.parts import Part
from qwen_desktop.core.text import clean
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

log = logging.getLogger(__name__)


def load(connection: sqlite3.Connection) -> dict[str, Unsent]:
    """All there are, without what became a message before it could be removed here. What was written in a conversation
    that came to nothing is the next new chat's. What cannot be read is left out, and left where it is."""
    kept: dict[str, Unsent] = {}
    for conversation_id, draft in connection.execute("SELECT conversation_id, draft FROM drafts"):
        try:
            kept[conversation_id] = from_json(draft.encode(), Unsent)
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("draft.unreadable kind=%s", type(error).__name__)
    found = {name: unsent.without(_stored(connection, unsent)) for name, unsent in kept.items()}
    for lost in [name for name in found if name and not _there(connection, "conversations", name)]:
        draft, found[lost] = found[lost].all, Unsent()
        found[""] = structs.replace(of := found.get("", Unsent()), draft=draft.before(of.draft))
    changed = {name: unsent for name, unsent in found.items() if unsent != kept.get(name)}
    if changed:
        save(connection, changed, durable=True)
    return {name: unsent for name, unsent in found.items() if unsent}


def save(connection: sqlite3.Connection, changed: Mapping[str, Unsent], *, durable: bool) -> None:
    """Keep these as they are now; an empty one has no row."""
    with transaction(connection, durable=durable):
        for conversation_id, unsent in changed.items():
            if unsent:
                connection.execute(
                    "INSERT OR REPLACE INTO drafts (conversation_id, draft) VALUES (?, ?)",
                    (conversation_id, _encode(unsent)),
                )
            else:
                connection.execute("DELETE FROM drafts WHERE conversation_id = ?", (conversation_id,))


def _stored(connection: sqlite3.Connection, unsent: Unsent) -> set[str]:
    """Which of the prompts are messages already."""
    return {prompt.id for prompt in (*unsent.queue, *unsent.leaving) if _there(connection, "messages", prompt.id)}


def _there(connection: sqlite3.Connection, table: str, identity: str) -> bool:
    found = connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (identity,))  # noqa: S608 - one of two names
    return found.fetchone() is not None


def _encode(unsent: Unsent) -> str:
    """JSON, in which what is attached is written once, however often the words beside it change: to write millions of
    characters holds the interpreter."""
    prompts = {
        name: [{"id": prompt.id, "draft": _plain(prompt.draft)} for prompt in getattr(unsent, name)]
        for name in ("queue", "leaving")
    }
    return rows.encode({"draft": _plain(unsent.draft), **prompts, "setup": msgspec.Raw(to_json(unsent.setup))})


def _plain(draft: Draft) -> dict[str, Any]:
    return {"text": clean(draft.text), "attachments": [_raw(part) for part in draft.attachments]}


@lru_cache(maxsize=8)
def _raw(part: Part) -> msgspec.Raw:
    return msgspec.Raw(rows.encode(part).encode())
