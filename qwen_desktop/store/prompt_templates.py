"""Prompt templates of the user's own: pure functions over a connection, run through ``Database.call``."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

import msgspec

from qwen_desktop.core.prompt_templates import PromptTemplate
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

log = logging.getLogger(__name__)

_template = msgspec.json.Decoder(PromptTemplate)


def listed(connection: sqlite3.Connection) -> tuple[PromptTemplate, ...]:
    """All there are. One that cannot be read is left out, and left where it is."""
    found: list[PromptTemplate] = []
    for (column,) in connection.execute("SELECT template FROM prompt_templates ORDER BY rowid"):
        try:
            found.append(_template.decode(column))
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("template.unreadable kind=%s", type(error).__name__)
    return tuple(found)


def save(connection: sqlite3.Connection, templates: Sequence[PromptTemplate]) -> None:
    """Keep these as they are now: all of them or none."""
    with transaction(connection, durable=True):
        connection.executemany(
            "INSERT INTO prompt_templates (id, template) VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET template = excluded.template",
            [(template.id, rows.encode(template)) for template in templates],
        )


def delete(connection: sqlite3.Connection, template_id: str) -> bool:
    """Remove one; False when it is not there."""
    with transaction(connection, durable=True):
        return connection.execute("DELETE FROM prompt_templates WHERE id = ?", (template_id,)).rowcount > 0
