"""Whoever types on gives up what was typed before."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.queries import Found
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.search import Search
from qwen_desktop.store import messages, searching
from qwen_desktop.store.database import Database


def test_a_newer_query_gives_the_older_up_and_a_writer_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    find = searching.find

    def slow(connection: Any, query: Any, *rest: Any) -> Found:
        if query.text == "slow":
            begun.set()
            connection.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
            ).fetchone()
        return find(connection, query, *rest)

    monkeypatch.setattr(searching, "find", slow)

    async def main() -> None:
        db = Database(tmp_path / "history.sqlite3")
        await db.open(fallback=False)
        entry = Message("m", "c", None, Role.USER, (TextPart("fast words"),), 1.0)
        await db.call(messages.add, (entry,), new=Conversation("c", "", 1.0, 1.0))
        search = Search(db, EventBus())
        older = asyncio.create_task(search.find("slow"))
        await asyncio.to_thread(begun.wait)
        release = threading.Event()
        writing = asyncio.create_task(db.call(lambda _connection: release.wait()))
        found = await search.find("fast")  # though something is being written all the time
        assert [hit.message_id for hit in found.hits] == ["m"]
        with pytest.raises(Cancelled):
            await older
        begun.clear()
        given_up = asyncio.create_task(search.find("slow"))
        await asyncio.to_thread(begun.wait)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert (await search.find("words")).messages == 1
        release.set()
        await writing
        await db.aclose()

    asyncio.run(main())
