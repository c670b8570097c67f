"""Kills a process at each of many points of a restore, and looks at what it left.

``python killed_restore.py FOLDER`` prints at how many points it was killed, and fails where something is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.parts import ImagePart, Role, TextPart
from qwen_desktop.store import backup, conversations, messages
from qwen_desktop.store.blobs import GRACE_S, Blobs
from qwen_desktop.store.database import Database

NOW = 1_700_000_000.0


def place(home: Path) -> backup.Place:
    return backup.Place(home, home / "history.sqlite3", home / "blobs")


async def fill(home: Path, title: str, *attached: bytes) -> None:
    """A history of many messages, each with something attached."""
    db = Database(home / "history.sqlite3")
    await db.open(fallback=False)
    kept = Blobs(db, home / "blobs", clock=lambda: NOW)
    new: Conversation | None = Conversation(title, title, 1.0, 1.0)
    for number in range(30):
        sha256 = await kept.add(attached[number % len(attached)], "image/png")
        parts = (TextPart(f"{title} {number} " * 20), ImagePart(sha256, "image/png"))
        await db.call(messages.add, (Message(f"{title}{number}", title, None, Role.USER, parts, 1.0),), new=new)
        new = None
    await db.aclose()


def make(home: Path, target: Path) -> backup.Made:
    with contextlib.closing(sqlite3.connect(home / "history.sqlite3")) as source:
        return backup.make(source, place(home), target, app="1", now=NOW, progress=lambda _done, _all: None)


async def look(home: Path) -> str:
    """The title of the one conversation that is there, after all of it was read."""
    db = Database(home / "history.sqlite3")
    await db.open(fallback=False)
    try:
        assert await db.call(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
        (chat,) = await db.read(conversations.listed)
        found = await db.read(lambda c: c.execute("SELECT id FROM messages").fetchall())
        assert len(found) == 30 and all(identity.startswith(chat.title) for (identity,) in found), (chat.title, found)
        kept = Blobs(db, home / "blobs", clock=lambda: NOW + 3 * GRACE_S)
        await kept.clean()
        for (sha256,) in await db.read(lambda c: c.execute("SELECT DISTINCT sha256 FROM message_blobs").fetchall()):
            assert await kept.read(sha256)
        return chat.title
    finally:
        await db.aclose()


def restore(home: Path, source: Path, tick: Callable[[], None]) -> None:
    """As a command does; every other time as a window does, at its next start."""

    def progress(_done: int, _all: int) -> None:
        tick()

    prepared = backup.prepare(source, place(home), now=NOW, progress=progress, pending="pending" in home.name)
    backup.finish(prepared, place(home), app="1", now=NOW, progress=progress)


class Bomb:
    """Kills this process before the ``left``-th statement of SQL or step on the disk."""

    def __init__(self, left: int) -> None:
        self.left = left
        for owner, name in (
            (os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (os, "fdopen"), (shutil, "copyfile")
        ):  # fmt: skip
            setattr(owner, name, self._before(getattr(owner, name)))
        connect = sqlite3.connect

        def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            opened = connect(*args, **kwargs)
            if args[0] != ":memory:":
                opened.set_trace_callback(lambda _statement: self.tick())
            return opened

        sqlite3.connect = connected  # type: ignore[assignment]

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _before(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            return step(*args, **kwargs)

        return stepped


def main(folder: Path) -> int:
    """Restore in a child for each point, until it comes to its end."""
    asyncio.run(fill(folder / "new", "new", b"two", b"three"))
    asyncio.run(fill(folder / "old", "old", b"one", b"two"))
    made = make(folder / "new", folder / "new.zip")
    backup._PAGES = 8
    seen: dict[str, int] = {}
    point, step = 0, 5
    while True:
        home = folder / f"{point}{'pending' if point % 2 else ''}"
        shutil.copytree(folder / "old", home)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                bomb = Bomb(point)
                restore(home, made.path, bomb.tick)
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), f"point {point} ended with {code}"
        waits = backup.is_pending(place(home))
        found = asyncio.run(look(home))
        if waits:  # the window starts
            assert backup.finish_pending(place(home), app="1", now=NOW)
            assert asyncio.run(look(home)) == "new", point
            assert not backup.is_pending(place(home))
        seen[found] = seen.get(found, 0) + 1
        if code == 0:
            assert found == "new"
            kept = list((home / "backups").glob("before-restore.*"))
            assert len(kept) == 1 and not list(home.glob(".restore-*")) and not (home / "restore").exists()
            again = backup.prepare(kept[0], place(home), now=NOW, progress=lambda _done, _all: None)
            backup.finish(again, place(home), app="1", now=NOW + 60, progress=lambda _done, _all: None)
            assert asyncio.run(look(home)) == "old"
            shutil.rmtree(home)
            print(point // step, seen)
            return 0
        shutil.rmtree(home)
        point += step


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
