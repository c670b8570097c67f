"""Drafts on the disk: whole or as before, whatever is killed when; gone with their conversation."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.drafts import Draft, QueuedPrompt, Unsent, pasted
from qwen_desktop.core.parts import ImagePart
from qwen_desktop.store import conversations, drafts
from qwen_desktop.store.blobs import GRACE_S, Blobs
from qwen_desktop.store.database import Database

#: A machine on which other tests run is slower by so much, in seconds.
LOADED_S = 0.4
UNSENT = Unsent(
    Draft("half \udcff a word", (pasted("x" * 5000), ImagePart("ab" * 32, "image/png", name="sea.png"))),
    (QueuedPrompt("1", Draft("next")), QueuedPrompt("2", Draft("then", (pasted("y" * 5000),)))),
)


async def opened(path: Path) -> Database:
    db = Database(path)
    await db.open()
    return db


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        db = await opened(tmp_path / "history.sqlite3")
        await db.call(conversations.create, Conversation("c1", "", 1.0, 1.0))
        await db.call(drafts.save, {"c1": UNSENT, "": Unsent(Draft("new"))}, durable=False)
        kept = await db.call(drafts.load)
        assert kept["c1"].queue == UNSENT.queue
        assert kept["c1"].draft.attachments == UNSENT.draft.attachments
        assert kept["c1"].draft.text.startswith("half ")
        await db.call(drafts.save, {"c1": Unsent()}, durable=True)
        assert await db.call(drafts.load) == {"": Unsent(Draft("new"))}
        await db.aclose()

    asyncio.run(main())


def test_it_goes_with_its_conversation_and_a_damaged_one_harms_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        db = await opened(tmp_path / "history.sqlite3")
        for name in ("c1", "c2", "c3"):
            await db.call(conversations.create, Conversation(name, "", 1.0, 1.0))
        await db.call(drafts.save, {name: Unsent(Draft(name)) for name in ("c1", "c2", "c3")}, durable=True)
        await db.call(conversations.delete, "c1", 5.0)
        assert "c1" in await db.call(drafts.load)  # it can still be brought back
        await db.call(conversations.purge)
        await db.call(lambda c: c.execute("UPDATE drafts SET draft = '{' WHERE conversation_id = 'c2'").rowcount)
        assert await db.call(drafts.load) == {"c3": Unsent(Draft("c3"))}
        await db.aclose()

    asyncio.run(main())


def test_what_a_draft_names_is_not_swept(tmp_path: Path) -> None:
    async def main() -> None:
        now = 1000.0
        db = await opened(tmp_path / "history.sqlite3")
        kept = Blobs(db, tmp_path / "blobs", clock=lambda: now)
        named, queued, free = [await kept.add(data, "image/png") for data in (b"named", b"queued", b"free")]
        unsent = Unsent(
            Draft("", (ImagePart(named, "image/png"),)),
            (QueuedPrompt("1", Draft("", (ImagePart(queued, "image/png"),))),),
        )
        await db.call(drafts.save, {"": unsent}, durable=True)
        now += 10 * GRACE_S
        assert await kept.clean() == 1
        assert await kept.read(named) == b"named"
        assert await kept.read(queued) == b"queued"
        assert free not in {file.name for file in (tmp_path / "blobs").iterdir()}
        await db.call(drafts.save, {"": Unsent()}, durable=True)
        assert await kept.clean() == 2
        await db.aclose()

    asyncio.run(main())


_TYPES = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from qwen_desktop.core.drafts import Draft
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.events import EventBus
from qwen_desktop.store.database import Database

async def main():
    db = Database(Path({file!r}))
    await db.open()
    kept = Drafts(db, EventBus())
    await kept.load()
    for number in range(100_000):
        kept.put("", Draft("x" * number))
        print(number, flush=True)
        await asyncio.sleep(0.002)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_killed_process_loses_a_second_of_typing_at_most(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite3"
    source = _TYPES.format(root=str(Path(__file__).resolve().parents[3]), file=str(file))
    child = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    typed: list[tuple[float, int]] = []
    while len(typed) < 2 or typed[-1][0] - typed[0][0] < 2.0:
        typed.append((time.monotonic(), int(child.stdout.readline())))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with closing(sqlite3.connect(file)) as look:
        assert look.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        kept = json.loads(look.execute("SELECT draft FROM drafts").fetchone()[0])["draft"]["text"]
    before = next(number for when, number in typed if when > typed[-1][0] - 1.0 - LOADED_S)
    assert len(kept) >= before > 0
