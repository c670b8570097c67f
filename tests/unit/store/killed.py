"""Ends a process at each of many points of its work on a history, and looks at what it left.

``python killed.py blobs|migration FOLDER`` prints at how many points it was ended, and fails where something is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import ImagePart, Role
from qwen_desktop.store import connection, conversations, messages, migrations
from qwen_desktop.store.blobs import GRACE_S, Blobs
from qwen_desktop.store.database import Database

V1 = Path(__file__).with_name("history_v1.sql").read_text(encoding="utf-8")


class Bomb:
    """Ends this process before the ``left``-th statement of SQL or step on the disk."""

    def __init__(self, left: int) -> None:
        self.left = left
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (os, "fdopen")):
            setattr(owner, name, self._before(getattr(owner, name)))
        real = connection.connect

        def connect(path: Path | None) -> connection.Connection:
            opened = real(path)
            opened.set_trace_callback(lambda _statement: self.tick())
            return opened

        sys.modules["qwen_desktop.store.database"].connect = connect  # type: ignore[attr-defined] # a name in it

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            os._exit(9)

    def _before(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            return step(*args, **kwargs)

        return stepped


# Attachments ----------------------------------------------------------------------------------------------------------


async def work_with_blobs(home: Path) -> None:
    now = 1000.0
    db = Database(home / "history.sqlite3")
    await db.open()
    kept = Blobs(db, home / "blobs", clock=lambda: now)
    one, two = [await kept.add(data, "image/png") for data in (b"one", b"two")]
    await send(db, 1, one, two)
    await send(db, 2, one)
    await kept.add(b"three", "image/png")
    await db.call(messages.save, message(1, two), durable=True)
    await db.call(conversations.delete, "c2", now)
    await db.call(conversations.purge)
    now += 2 * GRACE_S
    await kept.clean()
    await kept.add(b"one", "image/png")
    await db.aclose()


def message(number: int, *named: str) -> Message:
    parts = tuple(ImagePart(sha256, "image/png") for sha256 in named)
    return Message(f"m{number}", f"c{number}", None, Role.USER, parts, 1.0)


async def send(db: Database, number: int, *named: str) -> None:
    await db.call(messages.add, (message(number, *named),), new=Conversation(f"c{number}", "", 1.0, 1.0))


async def look_at_blobs(home: Path) -> None:
    db = Database(home / "history.sqlite3")
    await db.open()
    assert db.kept and not db.problems
    kept = Blobs(db, home / "blobs", clock=lambda: 10 * GRACE_S)
    for number, data in enumerate((b"one", b"two", b"three"), 5):
        with contextlib.suppress(UserFacing):  # what can be named is there
            await send(db, number, hashlib.sha256(data).hexdigest())
    named = await db.read(lambda c: {row[0] for row in c.execute("SELECT sha256 FROM message_blobs")})
    for entry in await db.read(conversations.listed):
        (first,) = await db.read(messages.tail, entry.id, 5)
        assert {part.sha256 for part in first.parts if isinstance(part, ImagePart)} <= named
    for round_ in range(2):
        for sha256 in named:
            assert hashlib.sha256(await kept.read(sha256)).hexdigest() == sha256
        await kept.clean()
        files = {file.name for file in (home / "blobs").iterdir()} if (home / "blobs").exists() else set()
        assert files == named, (round_, files, named)
    again = await kept.add(b"one", "image/png")
    await send(db, 9, again)
    assert await kept.read(again) == b"one"
    await db.aclose()


# The change of the form ----------------------------------------------------------------------------------------------


def make_old(home: Path) -> None:
    home.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(home / "history.sqlite3")) as opened:
        opened.executescript(V1)


async def migrate(home: Path) -> None:
    db = Database(home / "history.sqlite3")
    await db.open()
    await db.aclose()


async def look_at_history(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "history.sqlite3")) as opened:
        found = migrations.version(opened)
        tables = {row[0] for row in opened.execute("SELECT name FROM sqlite_master")}
        assert ("blobs" in tables) == ("search_texts" in tables) == (found > 1), found
        assert ("drafts" in tables) == ("messages_deleted" in tables) == (found > 2), found
        assert ("search_gone" in tables) == ("search_index" in tables) == (found > 4), found
        assert 1 <= found <= len(migrations.MIGRATIONS)
        assert opened.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    copies = list(home.glob("backups/*.sqlite3"))  # noqa: ASYNC240 - nobody waits
    assert len(copies) >= min(found - 1, 3)  # so many are kept
    for copy in copies:
        with contextlib.closing(sqlite3.connect(copy)) as opened:
            assert migrations.version(opened) == int(copy.name.split(".")[1].removeprefix("v"))
            assert opened.execute("SELECT count(*) FROM messages").fetchone()[0] == 6
    db = Database(home / "history.sqlite3")
    await db.open()
    assert db.kept and not db.problems
    assert len(await db.read(messages.tail, "c1", 10)) == 4
    await db.aclose()


def main(what: str, folder: Path) -> int:
    """Run the work in a child for each point, until it comes to its end."""
    blobs = what == "blobs"
    point = 0
    while True:
        home = folder / str(point)
        home.mkdir() if blobs else make_old(home)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                Bomb(point)
                asyncio.run(work_with_blobs(home) if blobs else migrate(home))
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9), f"point {point} ended with {code}"
        asyncio.run(look_at_blobs(home) if blobs else look_at_history(home))
        shutil.rmtree(home)
        if code == 0:
            print(point)
            return 0
        point += 3 if blobs else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
