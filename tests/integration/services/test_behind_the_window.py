"""What the history has left to do is done soon after the window is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.parts import ImagePart, Role, TextPart
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services import services as assembly
from qwen_desktop.services.events import ConversationsImported
from qwen_desktop.store import conversations, messages
from tests.app import run


async def nothing(*_: Any) -> None:
    """Instead of what asks processes and networks."""


def test_old_messages_become_searchable_and_what_nothing_names_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "RESTORE_AFTER_S", 0.0)

    async def session() -> assembly.Services:
        services = assembly.Services(find_paths())
        for part, step in (
            ("machines", "machine"),
            ("catalogue", "load"),
            ("library", "restore"),
            ("downloads", "restore"),
        ):
            monkeypatch.setattr(getattr(services, part), step, nothing)
        await services.open()
        return services

    async def main() -> None:
        services = await session()
        kept, unwanted = [await services.blobs.add(data, "image/png") for data in (b"kept", b"unwanted")]
        for number, sha256 in enumerate((kept, unwanted)):
            entry = Message(
                f"m{number}", f"c{number}", None, Role.USER, (TextPart("Look"), ImagePart(sha256, "image/png")), 1.0
            )
            await services.history.add((entry,), new=Conversation(f"c{number}", "", 1.0, 1.0))
        await services.history.delete("c1")
        await services.database.call(lambda c: c.execute("DELETE FROM search_texts"))
        await services.database.call(lambda c: c.execute("INSERT INTO search_unread VALUES (9)"))
        await services.database.call(lambda c: c.execute("UPDATE blobs SET wanted_until = 0"))  # a day later
        await services.aclose()
        services = await session()  # what was deleted in the last session is gone for good now
        assert services._restoring is not None
        await services._restoring
        assert [file.name for file in services.paths.blobs.iterdir()] == [kept]
        assert await services.database.read(lambda c: c.execute("SELECT text FROM search_texts").fetchall()) == [
            ("Look",)
        ]
        assert [c.id for c in await services.database.read(conversations.listed)] == ["c0"]
        assert await services.database.read(messages.get, "m1") is None
        await services.aclose()

    run(main())


def test_closing_after_several_imports_ends_what_is_still_to_be_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "RESTORE_AFTER_S", 60.0)  # the imports wait for it, and for each other

    async def main() -> None:
        services = assembly.Services(find_paths())
        await services.open()
        for _ in range(3):
            services.bus.publish(ConversationsImported(("c",)))
            await asyncio.sleep(0)
        behind = [
            task for task in asyncio.all_tasks() if task.get_name() == "search.imported" or task is services._restoring
        ]
        assert len(behind) == 3
        await services.aclose()
        await asyncio.sleep(0)
        assert all(task.done() for task in behind)
        assert all(task.cancelled() or task.exception() is None for task in behind)

    run(main())
