"""Several ask at once, beside a slow disk: whatever comes between whichever steps, the tree is whole, nothing that was
said is lost, and who follows the events sees what is on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from qwen_desktop.core.chat import Message
from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import FinishReason, GenerateRequest, ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import TextPart, visible_text
from qwen_desktop.services.changes import Change, to_its_end
from qwen_desktop.services.events import BranchChanged, MessageAdded, MessageChanged
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine
from tests.tree_walk import RECIPE

#: Some are asked for more often than others.
KINDS = {
    "send": 1, "write": 2, "branch": 1, "queue": 1, "edit": 1, "regenerate": 1, "again": 1, "go on": 2, "select": 2,
    "delete": 1, "fork": 1, "undo": 3, "stop": 1, "now": 1,
}  # fmt: skip


def slow(app: App, pause: Callable[[], float], after: Callable[[], None] = lambda: None) -> None:
    """From now on the database takes so long for each call, in seconds, and ``after`` follows on it."""
    told = app.db._told

    def slowly(work: Callable[[], Any]) -> Any:
        time.sleep(pause())
        try:
            return told(work)
        finally:
            after()

    app.db._told = slowly  # type: ignore[method-assign]


async def until(done: Callable[[], object]) -> None:
    while not done():  # noqa: ASYNC110 - what is waited for says nothing
        await asyncio.sleep(0)


async def write(app: App, where: str, text: str) -> None:
    """What a pane does with a draft that is sent."""
    draft = Draft(text)
    leaving = app.drafts.leaving(where, draft)

    async def sent() -> None:
        async with leaving as message_id:
            await app.chat.send(draft.parts, conversation_id=where, thinking=ThinkingMode.AUTO, message_id=message_id)

    await to_its_end(sent(), "sent")


class Reader:
    """Somebody who follows a conversation as the window does."""

    def __init__(self, app: App, where: str) -> None:
        self.messages: list[Message] = []
        self._app, self._where = app, where
        self._reading: asyncio.Task[None] | None = None
        self._again = False
        app.bus.subscribe(MessageAdded, self._on_added)
        app.bus.subscribe(MessageChanged, self._on_changed)
        app.bus.subscribe(BranchChanged, self._on_branch)

    def _now(self, where: str) -> bool:
        loading = self._reading is not None and not self._reading.done()
        self._again |= where == self._where and loading
        return where == self._where and not loading

    def _on_added(self, event: MessageAdded) -> None:
        if self._now(event.message.conversation_id):
            if event.message.parent_id == (self.messages[-1].id if self.messages else None):
                self.messages.append(event.message)
            else:
                self._reading = asyncio.create_task(self.read())

    def _on_changed(self, event: MessageChanged) -> None:
        if self._now(event.message.conversation_id):
            self.messages = [event.message if m.id == event.message.id else m for m in self.messages]

    def _on_branch(self, event: BranchChanged) -> None:
        if self._now(event.conversation_id):
            self._reading = asyncio.create_task(self.read())

    async def settled(self) -> None:
        """Wait until it has read what it wants to."""
        while self._reading is not None and not self._reading.done():
            await self._reading

    async def read(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            self.messages = list(await self._app.history.tail(self._where, 999))


def whole(app: App) -> None:
    """What must be true of any history in which nothing is going on."""
    with contextlib.closing(sqlite3.connect(app.paths.database_file)) as look:
        rows = {
            row[0]: row
            for row in look.execute("SELECT id, parent_id, conversation_id, status, deleted_at FROM messages")
        }
        leaves = dict(look.execute("SELECT id, leaf_id FROM conversations"))

    def lives(key: str | None) -> bool:
        while key is not None:
            if rows[key][4] is not None:
                return False
            key = rows[key][1]
        return True

    living = {key for key in rows if lives(key)}
    above = {rows[key][1] for key in living}
    assert "streaming" not in {row[3] for row in rows.values()}, rows
    for where, leaf in leaves.items():
        ends = {key for key in living if rows[key][2] == where} - above
        assert leaf in ends if ends else leaf is None, (where, leaf)


def several(seed: int, rounds: int, *, full: float = 0.0) -> None:
    """Three who ask in one conversation, and two who follow it; the disk is ``full`` for that share of the calls."""
    rng = random.Random(seed)

    def script(_: GenerateRequest) -> Script:
        reason = rng.choice([FinishReason.STOP, FinishReason.LENGTH])
        return Script("word " * rng.choice([1, 5, 60]), rate=rng.choice([0, 2000]), reason=reason, recipe=RECIPE)

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(script, parallel=4)) as app:
            where = await app.ask("0")
            readers = [Reader(app, where) for _ in range(2)]
            await asyncio.gather(*(reader.read() for reader in readers))
            share = 0.0

            def refuse(_: sqlite3.Connection, *_args: Any, **_more: Any) -> None:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error

            written = app.db.call

            async def write_there(function: Any, *args: Any, **more: Any) -> Any:
                return await written(refuse if rng.random() < share else function, *args, **more)

            app.db.call = write_there  # type: ignore[method-assign]
            slow(app, lambda: rng.choice([0, 0, 0.002, 0.006]))
            changes: list[Change] = []
            said: list[str] = []
            numbers = iter(range(1, 10_000))

            async def ask() -> None:  # noqa: PLR0912 - the same
                nodes = await app.history.tree(where)
                key = rng.choice(nodes[-8:]).id if nodes else ""
                kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
                text = f"<{next(numbers)}>"
                parent = {"parent_id": key} if kind == "branch" and key else {}
                match kind:
                    case "send" | "branch":
                        await app.send(text, where, **parent)
                        said.append(text)
                    case "write":
                        text = "\n\n".join(filter(None, (app.drafts.of(where).text, text)))
                        app.drafts.put(where, Draft())
                        said.append(text.rpartition("\n")[2])
                        operation = asyncio.create_task(write(app, where, text))
                        if rng.random() < 0.3:  # its pane goes
                            await asyncio.sleep(rng.choice([0, 0.002, 0.005]))
                            operation.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            await operation
                    case "queue" if app.chat.running():
                        app.queue.add(where, Draft(text))
                        said.append(text)
                    case "now" if app.queue.of(where):
                        await app.queue.send_now(where, rng.choice(app.queue.of(where)).id)
                    case "edit":
                        changes.append(await app.chat.edit(key, (TextPart(text),)))
                        said.append(text)
                    case "regenerate":
                        changes.append(await app.chat.regenerate(key))
                    case "again":
                        changes.append(await app.chat.run_again(key))
                    case "go on":
                        changes.append(await app.chat.continue_answer(key))
                    case "select":
                        changes.append(await app.history.select_version(key))
                    case "delete":
                        changes.append(await app.history.delete_message(key))
                    case "fork":
                        changes.append((await app.history.fork(key))[1])
                    case "undo" if changes:
                        await rng.choice(changes[-4:]).undo()
                    case "stop":
                        await app.queue.stop(where)

            async def somebody() -> None:
                for _ in range(25):
                    with contextlib.suppress(UserFacing, Environment):
                        await ask()
                    await asyncio.sleep(rng.choice([0, 0, 0.003]))

            for _ in range(rounds):
                share = full
                await asyncio.gather(*(somebody() for _ in range(3)))
                share = 0.0
                await app.queue.stop(where)
                await app.chat.idle()
                await until(lambda: not app.chat._saver._kept)
                whole(app)
                shown = list(await app.history.tail(where, 999))
                for reader in readers:
                    await reader.settled()
                    assert reader.messages == shown, (reader.messages, shown)
            with contextlib.closing(sqlite3.connect(app.paths.database_file)) as look:
                rows = look.execute("SELECT parts FROM messages WHERE conversation_id = ?", (where,)).fetchall()
            waiting = app.drafts.of(where).text + " ".join(
                visible_text(queued.draft.parts) for queued in app.queue.of(where)
            )
            for text in said:
                assert sum(text in row[0] for row in rows) + waiting.count(text) == 1, text

    run(main(), seconds=60)
