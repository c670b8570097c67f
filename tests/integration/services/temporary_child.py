"""Uses chats at random, with a word in all that is said, written and attached, until it is killed.

``python temporary_child.py HOME SEED STEPS temporary|kept``: after so many steps it says "ready" and goes on. Without a
kill the test calls ``use`` itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.parts import FilePart, Part, TextPart
from qwen_desktop.services.changes import Change
from qwen_desktop.store.blobs import Blobs
from tests.app import App, running_app
from tests.scripted_engine import Script, ScriptedEngine

#: What must not be found anywhere afterwards.
WORD = "Quetzalcoatlus-7193"


class Use:
    """One chat after another is begun, and all is done in them that can be."""

    def __init__(self, app: App, chance: random.Random, *, temporary: bool) -> None:
        self.app = app
        self.chance = chance
        self.temporary = temporary
        self.blobs = Blobs(app.db, app.paths.blobs, temporary=app.temporary)
        self.chats: list[str] = []
        self.changes: list[Change] = []
        self.done: set[str] = set()

    async def step(self) -> None:
        if not self.chats or self.chance.random() < 0.05:
            await self._begin()
        name = self.chance.choice(sorted(kind for kind in vars(Use) if kind.startswith("do_")))
        where = self.chance.choice(self.chats)
        with contextlib.suppress(AppError, IndexError):
            await getattr(self, name)(where)
            self.done.add(name)

    async def _begin(self) -> None:
        if self.temporary:
            self.chats.append((await self.app.history.create_temporary(ThinkingMode.AUTO, f"Say {WORD}.")).id)
        else:
            self.chats.append((await self.app.history.create(system_prompt=f"Say {WORD}.")).id)

    def _words(self) -> str:
        return f"{WORD} {self.chance.random()}"

    async def _message(self, where: str) -> str:
        return self.chance.choice(await self.app.history.tree(where)).id

    async def do_send(self, where: str) -> None:
        parts: tuple[Part, ...] = (TextPart(self._words()),)
        if self.chance.random() < 0.4:
            data = self._words().encode()
            sha256 = await self.blobs.add(data, "text/plain", conversation_id=where)
            parts = (FilePart(sha256, "text/plain", f"{WORD}.txt", len(data), data.decode()), *parts)
        async with self.app.drafts.leaving(where, Draft(self._words())) as message_id:
            await self.app.chat.send(parts, conversation_id=where, thinking=ThinkingMode.AUTO, message_id=message_id)
        if self.chance.random() < 0.7:
            await self.app.chat.idle()

    async def do_edit(self, where: str) -> None:
        self.changes.append(await self.app.chat.edit(await self._message(where), (TextPart(self._words()),)))

    async def do_regenerate(self, where: str) -> None:
        self.changes.append(await self.app.chat.regenerate(await self._message(where)))

    async def do_go_on(self, where: str) -> None:
        self.changes.append(await self.app.chat.continue_answer(await self._message(where)))

    async def do_select(self, where: str) -> None:
        self.changes.append(await self.app.history.select_version(await self._message(where)))

    async def do_delete(self, where: str) -> None:
        self.changes.append(await self.app.history.delete_message(await self._message(where)))

    async def do_fork(self, where: str) -> None:
        made, change = await self.app.history.fork(await self._message(where), self._words())
        self.chats.append(made.id)
        self.changes.append(change)

    async def do_undo(self, _where: str) -> None:
        await self.changes.pop().undo()

    async def do_rename(self, where: str) -> None:
        await self.app.history.rename(where, self._words())

    async def do_instruct(self, where: str) -> None:
        await self.app.history.set_system_prompt(where, self._words())
        await self.app.history.set_sampling(where, Sampling(temperature=0.5))

    async def do_write(self, where: str) -> None:
        self.app.drafts.put(where, Draft(self._words()))
        await self.app.drafts.save(durable=True)

    async def do_queue(self, where: str) -> None:
        self.app.queue.add(where, Draft(self._words()))

    async def do_stop(self, where: str) -> None:
        await self.app.queue.stop(where)

    async def do_remove(self, where: str) -> None:
        await self.app.history.delete(where)
        if self.chance.random() < 0.8:
            await self.app.history.undo_delete(where)
        else:
            self.chats.remove(where)


def engine(chance: random.Random) -> ScriptedEngine:
    def script(_request: object) -> Script:
        text = f"I say {WORD}. " * chance.randint(1, 20)
        return Script(text, f"They want {WORD}.", rate=chance.choice((0, 400)))

    return ScriptedEngine(script, parallel=4)


async def use(chance: random.Random, steps: int, *, temporary: bool, on: bool = False) -> Use:
    """So many steps; with ``on`` it says "ready" then, and goes on."""
    async with running_app(lambda: engine(chance)) as app:
        await app.preferences.set("chat.system_prompt", "")
        used = Use(app, chance, temporary=temporary)
        for number in range(10_000_000 if on else steps):
            await used.step()
            if on and number == steps:
                print("ready", flush=True)
        await app.stop_all()
        if temporary:
            assert await app.history.list() == ()
        return used


if __name__ == "__main__":
    os.environ["QWEN_DESKTOP_HOME"] = sys.argv[1]
    asyncio.run(use(random.Random(int(sys.argv[2])), int(sys.argv[3]), temporary=sys.argv[4] == "temporary", on=True))
