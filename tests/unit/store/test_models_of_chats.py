"""The model, and the adapters, that a conversation names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Message, Setup
from qwen_desktop.core.drafts import Unsent
from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions, ModelRef
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.services.events import ConversationChanged, EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import conversations, drafts
from qwen_desktop.store.database import Database


def with_history(path: Path, main: Callable[[History, Database, list[ConversationChanged]], Awaitable[None]]) -> None:
    async def run() -> None:
        db = Database(path)
        await db.open()
        bus = EventBus()
        changes: list[ConversationChanged] = []
        bus.subscribe(ConversationChanged, changes.append)
        await main(History(db, bus), db, changes)
        await db.aclose()

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize(
    "model",
    [
        None,
        GuideRef(),
        FileRef("/models/q.gguf"),
        FileRef("/models/q.gguf", LoadOptions(context=4096, threads=3, flash_attention="on", kv_type="q8_0")),
        FileRef(os.fsdecode(b"/models/\xff.gguf")),
    ],
)
def test_it_is_stored_with_the_chat(home: Path, model: ModelRef | None) -> None:
    async def first(history: History, _db: Database, changes: list[ConversationChanged]) -> None:
        made = history.fresh(model=model, conversation_id="new")
        await history.add((Message("m", "new", None, Role.USER, (TextPart("Hi"),), 1.0),), new=made)
        other = await history.create("Other")
        await history.set_model(other.id, model)
        assert changes[-1].conversation.id == other.id and changes[-1].conversation.model == model

    async def again(history: History, _db: Database, _changes: list[ConversationChanged]) -> None:
        found = await history.list()
        assert [entry.model for entry in found] == [model, model]
        await history.set_model("new", None)
        kept = await history.get("new")
        assert kept is not None and kept.model is None
        with pytest.raises(UserFacing, match="does not exist any more"):
            await history.set_model("nowhere", model)

    with_history(home / "history.sqlite3", first)
    with_history(home / "history.sqlite3", again)


@pytest.mark.parametrize("column", ['{"type":"endpoint","url":"https://a.example"}', '{"type":"file"}', "[", "", "7"])
def test_one_that_cannot_be_read_is_the_apps_choice(home: Path, column: str) -> None:
    async def main(history: History, db: Database, _changes: list[ConversationChanged]) -> None:
        made = await history.create("A chat")
        await db.call(lambda c: c.execute("UPDATE conversations SET model = ?", (column,)))
        found = await history.get(made.id)
        assert found is not None and found.title == "A chat" and found.model is None
        await history.models_moved(lambda path: path + "x")
        assert await db.read(lambda c: c.execute("SELECT model FROM conversations").fetchone()) == (column,)

    with_history(home / "history.sqlite3", main)


def test_it_goes_along_when_the_models_move(home: Path) -> None:
    options = LoadOptions(context=2048)

    async def main(history: History, db: Database, changes: list[ConversationChanged]) -> None:
        refs = (FileRef("/old/a.gguf", options), FileRef("/elsewhere/b.gguf"), GuideRef(), None, FileRef("/old/c.gguf"))
        made = [(await history.create(str(number))).id for number in range(5)]
        for conversation_id, ref in zip(made, refs, strict=True):
            await history.set_model(conversation_id, ref)
        await history.delete(made[4])
        changes.clear()
        await history.models_moved(lambda path: path.replace("/old/", "/new/"))
        assert [(c.conversation.id, c.conversation.model) for c in changes] == [
            (made[0], FileRef("/new/a.gguf", options))
        ]
        await history.undo_delete(made[4])  # it can be brought back, and finds its model
        found = [await db.read(conversations.get, conversation_id) for conversation_id in made]
        assert [entry.model for entry in found if entry is not None] == [
            FileRef("/new/a.gguf", options),
            *refs[1:4],
            FileRef("/new/c.gguf"),
        ]

    with_history(home / "history.sqlite3", main)


ADAPTERS = (Adapter(os.fsdecode(b"/old/\xff.gguf"), 0.25), Adapter("/elsewhere/b.gguf", sha256="0f" * 32))


def test_adapters_are_stored_and_go_along_whatever_their_files_are_called(home: Path) -> None:
    async def first(history: History, db: Database, changes: list[ConversationChanged]) -> None:
        made = await history.create("A chat")
        await history.set_adapters(made.id, ADAPTERS)
        assert changes[-1].conversation.adapters == ADAPTERS
        await history.models_moved(lambda path: path.replace("/old/", "/new/"))
        moved = (Adapter(os.fsdecode(b"/new/\xff.gguf"), 0.25), ADAPTERS[1])
        assert changes[-1].conversation.adapters == moved
        await db.call(drafts.save, {"": Unsent(setup=Setup(adapters=ADAPTERS))}, durable=True)
        with pytest.raises(UserFacing, match="does not exist any more"):
            await history.set_adapters("nowhere", ())

    async def again(history: History, db: Database, _changes: list[ConversationChanged]) -> None:
        (found,) = await history.list()
        assert [adapter.scale for adapter in found.adapters] == [0.25, 1.0]
        assert (await db.call(drafts.load))[""].setup.adapters == ADAPTERS
        for column in ("[", "", "7", '[{"scale":1}]', '[{"path":1}]'):
            await db.call(lambda c, column=column: c.execute("UPDATE conversations SET adapters = ?", (column,)))
            damaged = await history.get(found.id)
            assert damaged is not None and damaged.title == "A chat" and damaged.adapters == ()

    with_history(home / "history.sqlite3", first)
    with_history(home / "history.sqlite3", again)
