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

from qwen_desktop.core.drafts import Draft, Unsent
from qwen_desktop.core.parts import Part
from qwen_desktop.core.text import clean
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

log = logging.getLogger(__name__)

_unsent = msgspec.json.Decoder(Unsent)


def load(connection: sqlite3.Connection) -> dict[str, Unsent]:
    """All there are, after those of conversations that are gone for good have been removed. What cannot be read is left
    out, and left where it is."""
    with transaction(connection, durable=False):
        connection.execute(
            "DELETE FROM drafts WHERE conversation_id <> '' AND conversation_id NOT IN (SELECT id FROM conversations)"
        )
    found: dict[str, Unsent] = {}
    for conversation_id, draft in connection.execute("SELECT conversation_id, draft FROM drafts"):
        try:
            found[conversation_id] = _unsent.decode(draft)
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("draft.unreadable kind=%s", type(error).__name__)
    return found


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


def _encode(unsent: Unsent) -> str:
    """JSON, in which what is attached is written once, however often the words beside it change: to write millions of
    characters holds the interpreter."""
    queue = [{"id": queued.id, "draft": _plain(queued.draft)} for queued in unsent.queue]
    return rows.encode({"draft": _plain(unsent.draft), "queue": queue})


def _plain(draft: Draft) -> dict[str, Any]:
    return {"text": clean(draft.text), "attachments": [_raw(part) for part in draft.attachments]}


@lru_cache(maxsize=8)
def _raw(part: Part) -> msgspec.Raw:
    return msgspec.Raw(rows.encode(part).encode())
