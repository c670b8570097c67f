"""Reading beside writing: neither waits for the other, and answers stand in the order of what happened."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.errors import AppError, Cancelled
from qwen_desktop.store import connection, conversations, database
from qwen_desktop.store.database import Database

#: Counts for hours unless it is interrupted.
ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


class Gate:
    """Work for a database's thread that holds it until the test lets go."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, opened: sqlite3.Connection) -> int:
        found = len(conversations.listed(opened))
        self.entered.set()
        assert self.open.wait(20)
        return found

    async def holds(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 20)


@contextlib.asynccontextmanager
async def opened(path: Path | None) -> AsyncIterator[Database]:
    db = Database(path)
    await db.open()
    try:
        yield db
    finally:
        await db.aclose()


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main(), 30)

    asyncio.run(bounded())


async def add(db: Database, number: int) -> None:
    await db.call(conversations.create, Conversation(f"c{number}", "A chat", 1.0, 1.0))


def count(opened: sqlite3.Connection) -> int:
    return len(conversations.listed(opened))


def endless(opened: sqlite3.Connection) -> int:
    return int(opened.execute(ENDLESS).fetchone()[0])


@pytest.fixture(params=["a log", "a rollback journal", "no second connection", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Where the history lies, in each of the ways in which one is read."""
    if request.param == "memory":
        return None
    if request.param == "a rollback journal":
        real = connection._journal
        monkeypatch.setattr(
            connection, "_journal", lambda c: real(c) and c.execute("PRAGMA journal_mode=TRUNCATE") and ""
        )
    if request.param == "no second connection":

        def refuse(_path: Path) -> sqlite3.Connection:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorname = "SQLITE_CANTOPEN"
            raise error

        monkeypatch.setattr(database, "connect_reader", refuse)
    return tmp_path / "history.sqlite3"


def test_a_long_read_does_not_hold_up_a_save(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "history.sqlite3") as db:
            for method in (db.scan, db.read):
                gate = Gate()
                reading = asyncio.create_task(method(gate))
                await gate.holds()
                before = await db.call(count)
                await add(db, before)
                gate.open.set()
                assert await reading == before + (method == db.read)  # what is shown is read again

    run(main)


def test_a_search_does_not_hold_up_opening_a_chat(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "history.sqlite3") as db:
            gate = Gate()
            searching = asyncio.create_task(db.scan(gate))
            await gate.holds()
            assert await db.read(count) == 0
            gate.open.set()
            await searching

    run(main)


def test_a_save_that_hangs_does_not_hold_up_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.02)

    async def main() -> None:
        async with opened(tmp_path / "history.sqlite3") as db:
            await add(db, 1)
            gate = Gate()
            saving = asyncio.create_task(db.call(gate))
            await gate.holds()
            assert await db.read(count) == 1 and await db.scan(count) == 1
            gate.open.set()
            await saving

    run(main)


def test_what_was_asked_for_before_is_seen(place: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 20)  # no write hangs here, however busy the disk is

    async def main() -> None:
        async with opened(place) as db:
            for method in (db.read, db.scan):
                before = await db.call(count)
                adding = [asyncio.create_task(add(db, before + number)) for number in range(20)]
                await asyncio.sleep(0)  # they have asked, none was answered
                assert await method(count) == before + 20
                await asyncio.gather(*adding)

    run(main)


def test_reading_and_writing_are_answered_in_order(place: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a read is answered it shows just the changes that have been told by then, in every schedule."""
    monkeypatch.setattr(database, "PATIENCE_S", 20)  # no write hangs here, however busy the disk is

    async def main() -> None:
        async with opened(place) as db:
            chance = random.Random(11)
            told = 0

            async def write(number: int) -> None:
                nonlocal told
                await asyncio.sleep(chance.random() * 0.05)
                await add(db, number)
                told += 1

            async def read() -> None:
                await asyncio.sleep(chance.random() * 0.05)
                assert await db.read(count) == told

            work = [*map(write, range(60)), *(read() for _ in range(120))]
            chance.shuffle(work)
            await asyncio.gather(*work)
            assert told == 60

    run(main)


def test_a_read_that_is_not_wanted_any_more_is_interrupted(place: Path | None) -> None:
    async def main() -> None:
        async with opened(place) as db:
            entered = threading.Event()

            def search(opened: sqlite3.Connection) -> int:
                entered.set()
                return endless(opened)

            searching = [asyncio.create_task(db.scan(search)) for _ in range(3)]
            assert await asyncio.to_thread(entered.wait, 20)
            for task in searching:
                task.cancel()
            assert await db.read(count) == 0
            await add(db, 1)
            assert await db.read(count) == 1
            assert all(
                isinstance(end, asyncio.CancelledError)
                for end in await asyncio.gather(*searching, return_exceptions=True)
            )

    run(main)


def test_closing_gives_up_what_is_read_and_finishes_what_is_written(place: Path | None) -> None:
    async def main() -> None:
        db = Database(place)
        await db.open()
        searching = [asyncio.create_task(db.scan(endless)) for _ in range(2)]
        await asyncio.sleep(0)
        adding = [asyncio.create_task(add(db, number)) for number in range(5)]
        await asyncio.sleep(0)
        await db.aclose()
        assert await asyncio.gather(*adding) == [None] * 5
        assert all(isinstance(end, Cancelled) for end in await asyncio.gather(*searching, return_exceptions=True))
        with pytest.raises(RuntimeError):
            await db.read(count)
        if place is not None:
            async with opened(place) as again:
                assert await again.read(count) == 5

    run(main)


def test_what_is_asked_for_during_the_opening_waits_for_it(place: Path | None) -> None:
    async def main() -> None:
        db = Database(place)
        opening = asyncio.create_task(db.open())
        await asyncio.sleep(0)
        assert await asyncio.gather(add(db, 1), db.read(count), opening) == [None, 1, None]
        await db.aclose()

    run(main)


def test_closing_during_the_opening(tmp_path: Path) -> None:
    async def main() -> None:
        db = Database(tmp_path / "history.sqlite3")
        opening = asyncio.create_task(db.open())
        await asyncio.sleep(0)
        await db.aclose()
        await opening
        with pytest.raises(RuntimeError):
            await db.read(count)

    run(main)


def test_several_reads_see_one_moment(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "history.sqlite3") as db:
            gate = Gate()

            def twice(opened: sqlite3.Connection) -> tuple[int, int]:
                return gate(opened), count(opened)

            reading = asyncio.create_task(db.scan(twice))
            await gate.holds()
            await add(db, 1)
            gate.open.set()
            assert await reading == (0, 0)

    run(main)


def test_who_reads_cannot_write(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "history.sqlite3") as db:
            with pytest.raises(AppError):
                await db.read(lambda c: c.execute("DELETE FROM conversations"))

    run(main)


def test_a_history_without_a_file_is_one_in_memory(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(None) as db:
            assert not db.kept and db.problems == ()
            await add(db, 1)
            assert await db.read(count) == 1
            with pytest.raises(AppError) as caught:
                await db.call(lambda c: c.execute("SELECT nonsense FROM nowhere"))
            assert caught.value.problem.kind == "bug"

    run(main)
    assert list(tmp_path.rglob("*.sqlite3")) == []
