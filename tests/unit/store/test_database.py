"""Opening the history in every state a disk can leave it in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.errors import AppError, Environment, UserFacing
from qwen_desktop.store import conversations, migrations
from qwen_desktop.store.connection import connect, transaction
from qwen_desktop.store.database import Database

NOBODY = 65534


def entry(number: int = 1, title: str = "A chat") -> Conversation:
    return Conversation(f"c{number}", title, float(number), float(number))


async def add(db: Database, conversation: Conversation) -> None:
    await db.call(conversations.create, conversation)


def store_one(path: Path) -> None:
    """A history with one conversation, closed."""

    async def main() -> None:
        db = Database(path)
        await db.open()
        await add(db, entry())
        await db.aclose()

    asyncio.run(main())


def titles(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT title FROM conversations ORDER BY id")]


def test_a_new_history_is_private_and_has_a_log(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "history.sqlite3"

    async def main() -> None:
        db = Database(path)
        await db.open()
        assert db.kept and db.problems == ()
        await add(db, entry())
        mode = await db.call(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0])
        assert mode == "wal"
        assert await db.call(lambda c: c.execute("PRAGMA foreign_keys").fetchone()[0]) == 1
        await db.aclose()
        await db.aclose()
        with pytest.raises(RuntimeError):
            await db.call(conversations.listed)

    asyncio.run(main())
    assert titles(path) == ["A chat"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_synchronous_follows_what_is_at_stake(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.sqlite3")
    with contextlib.closing(connection):
        for durable, level in ((True, 2), (False, 1), (True, 2)):
            with transaction(connection, durable=durable):
                assert connection.execute("PRAGMA synchronous").fetchone()[0] == level
        connection.wal = False  # without the write-ahead log a power cut could damage the file
        with transaction(connection, durable=False):
            assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_transaction_happens_wholly_or_not(tmp_path: Path) -> None:
    with contextlib.closing(connect(tmp_path / "a.sqlite3")) as connection:
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(ZeroDivisionError), transaction(connection, durable=True):
            connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 0


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to look like one" * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_file_is_kept_aside_and_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.sqlite3"

    async def main(number: int) -> None:
        db = Database(path)
        await db.open()
        assert db.kept
        (problem,) = db.problems
        kept = tmp_path / f"history.broken-{number}.sqlite3"
        assert str(problem.what) == f"The history was damaged. It is kept as {kept}, and a new one began."
        assert kept.read_bytes() == content
        await add(db, entry())
        await db.aclose()

    for number in (1, 2):
        path.write_bytes(content)
        asyncio.run(main(number))
        assert titles(path) == ["A chat"]


def test_damage_met_while_running_is_looked_for_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"

    async def fill() -> None:
        db = Database(path)
        await db.open()
        for number in range(1000):
            await add(db, entry(number, "x" * 200))
        await db.aclose()

    async def meet() -> None:
        db = Database(path)
        await db.open()
        with pytest.raises(Environment) as caught:
            await db.call(conversations.listed)
        assert "is damaged" in str(caught.value.problem.what) and caught.value.problem.hint is not None
        await db.aclose()

    async def again() -> None:
        db = Database(path)
        await db.open()
        assert db.kept and len(db.problems) == 1
        assert await db.call(conversations.listed) == ()
        await db.aclose()

    asyncio.run(fill())
    size = path.stat().st_size
    with path.open("r+b") as file:  # the schema stays readable, the rows do not
        file.seek(60 * 4096)
        file.write(b"\xa5" * (size - 60 * 4096))
    asyncio.run(meet())
    asyncio.run(again())
    assert (tmp_path / "history.broken-1.sqlite3").stat().st_size == size


def test_a_newer_history_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store_one(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    async def refused() -> None:
        db = Database(path)
        with pytest.raises(UserFacing) as caught:
            await db.open(fallback=False)
        assert caught.value.problem.sentence() == (
            f"The history {path} was written by a newer version of Qwen Desktop. "
            "Update the app, or start with another data folder (set QWEN_DESKTOP_HOME)."
        )

    async def goes_on() -> None:
        db = Database(path)
        await db.open()
        assert not db.kept and db.problems[0].kind == "user" and len(db.problems) == 2
        await add(db, entry(2))
        assert [c.id for c in await db.call(conversations.listed)] == ["c2"]
        await db.aclose()

    asyncio.run(refused())
    asyncio.run(goes_on())
    assert path.read_bytes() == before


@pytest.fixture
def no_rights(home: Path) -> Iterator[Path]:
    """A folder with a history that this process may read but not write. Root gives up its rights for the test."""
    if sys.platform == "win32":
        pytest.skip("POSIX permissions")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        store_one(folder / "history.sqlite3")
        Path(name).chmod(0o755)
        (folder / "history.sqlite3").chmod(0o444)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_read_only_home_shows_old_chats_and_keeps_new_ones_in_memory(no_rights: Path) -> None:
    path = no_rights / "history.sqlite3"

    before = path.read_bytes()

    async def main() -> None:
        with pytest.raises(Environment) as caught:
            await Database(path).open(fallback=False)
        assert str(caught.value.problem.what) == f"There is no permission to use {path}."
        db = Database(path)
        await db.open()
        assert not db.kept
        assert str(db.problems[1].what) == ("New messages are not saved: they are kept only until the app is closed.")
        await add(db, entry(2, "New"))
        assert [c.title for c in await db.call(conversations.listed)] == ["New", "A chat"]
        await db.aclose()

    asyncio.run(main())
    assert path.read_bytes() == before


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def main() -> None:
        db = Database(tmp_path / "file" / "data" / "history.sqlite3")
        await db.open()
        assert not db.kept and db.problems[0].kind == "environment"
        await add(db, entry())
        await db.aclose()

    asyncio.run(main())


def test_a_full_disk_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"

    async def main() -> None:
        db = Database(path)
        await db.open()
        await db.call(set_pages, 4)
        with pytest.raises(Environment) as caught:
            for number in range(2000):
                await add(db, entry(number, "x" * 100))
        assert caught.value.problem.sentence() == "The disk is full. Free some space, then try again."
        await db.call(set_pages, 100_000)
        await add(db, entry(9999))
        await db.aclose()

    asyncio.run(main())
    assert titles(path)[-1] == "A chat"


def set_pages(connection: sqlite3.Connection, spare: int) -> None:
    """SQLite itself says that the disk is full when the file would pass this size."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + spare}")


def test_another_program_may_write_beside_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.sqlite3"

    async def main() -> None:
        window, command = Database(path), Database(path)
        await window.open()
        await command.open()
        await asyncio.gather(*(add(db, entry(n)) for n, db in enumerate([window, command] * 10)))
        assert len(await window.call(conversations.listed)) == 20

        def hold(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")

        def let_go(connection: sqlite3.Connection) -> None:
            connection.execute("COMMIT")

        await command.call(hold)
        await window.call(lambda c: c.execute("PRAGMA busy_timeout = 50"))
        with pytest.raises(Environment) as caught:
            await add(window, entry(99))
        assert str(caught.value.problem.what) == f"Another program is using the history {path}."
        await command.call(let_go)
        await add(window, entry(99))
        await window.aclose()
        await command.aclose()

    asyncio.run(main())


def test_what_fails_after_its_caller_was_cancelled_leaves_no_complaint(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def refuse(_connection: sqlite3.Connection) -> None:
        cancelled.wait(5)
        raise sqlite3.OperationalError("database or disk is full")

    async def main() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        db = Database(tmp_path / "history.sqlite3")
        await db.open()
        for asked in (db.call, db.read):
            task = asyncio.create_task(asked(refuse))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            cancelled.set()
        await db.aclose()
        del task, asked, db
        gc.collect()
        assert not complaints

    asyncio.run(main())


def test_what_was_asked_for_is_written_even_when_the_caller_is_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        db = Database(tmp_path / "history.sqlite3")
        await db.open()
        task = asyncio.create_task(add(db, entry()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await db.call(conversations.listed)) == 1
        await db.aclose()

    asyncio.run(main())


# Migrations -----------------------------------------------------------------------------------------------------------


def grow(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE conversations ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'")


def fail_half_way(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM conversations")
    connection.execute("this is no SQL")


def test_each_step_has_a_backup_and_only_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store_one(path)
    steps = [*migrations.MIGRATIONS]
    known = len(steps)
    with contextlib.closing(connect(path)) as connection:
        for _ in range(5):
            steps.append(lambda c: grow(c) if len(steps) == known + 1 else None)
            assert migrations.migrate(connection, path, backups=3, migrations=steps) == 1
            assert migrations.migrate(connection, path, backups=3, migrations=steps) == 0
        assert migrations.version(connection) == known + 5
        assert connection.execute("SELECT title, colour FROM conversations").fetchone() == ("A chat", "blue")
    by_number = {int(copy.name.split(".")[1][1:]): copy for copy in (tmp_path / "backups").iterdir()}
    assert sorted(by_number) == [known + number for number in (2, 3, 4)]
    copies = list(by_number.values())
    assert titles(copies[0]) == ["A chat"]
    if sys.platform != "win32":
        assert all(stat.S_IMODE(copy.stat().st_mode) == 0o600 for copy in copies)


def test_a_step_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store_one(path)
    with contextlib.closing(connect(path)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(connection, path, backups=3, migrations=[*migrations.MIGRATIONS, grow, fail_half_way])
        assert migrations.version(connection) == len(migrations.MIGRATIONS) + 1
        assert connection.execute("SELECT title, colour FROM conversations").fetchone() == ("A chat", "blue")
    assert len(list((tmp_path / "backups").iterdir())) == 2


def test_a_new_file_needs_no_backup(tmp_path: Path) -> None:
    store_one(tmp_path / "history.sqlite3")
    assert not (tmp_path / "backups").exists()


def test_no_backup_no_step(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    store_one(path)
    (tmp_path / "backups").write_text("a file where the folder should be")
    with contextlib.closing(connect(path)) as connection:
        with pytest.raises(OSError, match="exists"):
            migrations.migrate(connection, path, backups=3, migrations=[*migrations.MIGRATIONS, grow])
        assert migrations.version(connection) == len(migrations.MIGRATIONS)


def test_errors_carry_no_traceback_to_people(tmp_path: Path) -> None:
    async def main() -> None:
        db = Database(tmp_path / "history.sqlite3")
        await db.open()
        with pytest.raises(AppError) as caught:
            await db.call(lambda c: c.execute("SELECT nonsense FROM nowhere"))
        assert caught.value.problem.kind == "bug" and "nowhere" not in caught.value.problem.sentence()
        await db.aclose()

    asyncio.run(main())


def test_another_connection_of_this_process_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Else another program believes that it is the last one, and takes the write-ahead log away from those that write
    into it."""
    path = tmp_path / "history.sqlite3"
    first = connect(path)
    first.execute("CREATE TABLE t (x)")
    connect(path).close()
    second = connect(path)
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM t').fetchall(); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert Path(f"{path}-wal").exists()
    first.execute("INSERT INTO t VALUES (1)")
    second.close()
    first.close()
    with contextlib.closing(sqlite3.connect(path)) as opened:
        assert opened.execute("SELECT x FROM t").fetchall() == [(1,)]
