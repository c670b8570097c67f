"""A backup is whole whenever it is made; what is no good backup changes nothing, whatever is wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.parts import ImagePart, Role, TextPart
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.queries import parse
from qwen_desktop.services.backup import Backups
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import backup, branches, conversations, messages, migrations, searching
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.database import Database
from tests.unit.store.killed_restore import NOW, fill, look, make, place


def files(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in sorted(home.rglob("*")) if file.is_file()}


def restored(source: Path, home: Path) -> Path | None:
    prepared = backup.prepare(source, place(home), now=NOW, progress=lambda _done, _all: None)
    return backup.finish(prepared, place(home), app="1", now=NOW, progress=lambda _done, _all: None)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup, of a history beside it in ``new``."""
    folder = tmp_path_factory.mktemp("good")
    asyncio.run(fill(folder / "new", "new", b"two", b"three" * 1000))
    return make(folder / "new", folder / "good.zip").path


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "home", "old", b"one", b"two"))
    return tmp_path / "home"


@pytest.mark.skipif(sys.platform == "win32", reason="os.fork")
def test_killed_at_any_point_there_is_the_old_history_or_the_new_one() -> None:
    memory = Path("/dev/shm")  # noqa: S108 - thousands of fsyncs
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        child = [sys.executable, str(Path(__file__).with_name("killed_restore.py")), folder]
        ended = subprocess.run(child, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert int(ended.stdout.split()[0]) >= 20, ended.stdout


def test_a_backup_taken_in_mid_stream_is_sound_and_has_all_that_was_said_before(tmp_path: Path) -> None:
    home = tmp_path / "home"

    async def main() -> list[str]:
        db = Database(home / "history.sqlite3")
        await db.open(fallback=False)
        kept = Blobs(db, home / "blobs")
        sha256 = await kept.add(b"picture", "image/png")
        question = Message("q", "c", None, Role.USER, (ImagePart(sha256, "image/png"), TextPart("What?")), NOW)
        answer = Message("a", "c", "q", Role.ASSISTANT, (TextPart(""),), NOW, Status.STREAMING)
        await db.call(messages.add, (question, answer), new=Conversation("c", "Talk", NOW, NOW))
        for chat in ("gone", "pruned"):
            entry = Message(chat, chat, None, Role.USER, (TextPart("secret"),), NOW)
            await db.call(messages.add, (entry,), new=Conversation(chat, chat, NOW, NOW))
        await db.call(conversations.delete, "gone", NOW)
        await db.call(branches.delete, "pruned", NOW)
        streaming = True

        async def stream() -> None:
            number = 0
            while streaming:
                number += 1
                parts = (TextPart("word " * number),)
                await db.call(
                    messages.save, Message("a", "c", "q", Role.ASSISTANT, parts, NOW, Status.STREAMING), durable=False
                )

        writer = asyncio.create_task(stream())
        backups = Backups(db, find_paths({"QWEN_DESKTOP_HOME": str(home)}))
        made = [await backups.make(tmp_path / f"{number}.zip") for number in range(5)]
        streaming = False
        await writer
        await db.aclose()
        return [str(entry.path) for entry in made]

    for source in asyncio.run(main()):
        target = tmp_path / "restored" / Path(source).stem
        target.mkdir(parents=True)
        assert restored(Path(source), target) is None

        async def read(target: Path = target) -> None:
            db = Database(target / "history.sqlite3")
            await db.open(fallback=False)
            history = History(db, EventBus())
            assert await history.recover() == 1
            assert {entry.id for entry in await history.list()} == {"c", "pruned"}
            question, answer = await history.tail("c", 5)
            assert answer.status is Status.INTERRUPTED and isinstance(question.parts[0], ImagePart)
            assert await Blobs(db, target / "blobs").read(question.parts[0].sha256) == b"picture"
            await history.prepare_search()
            about = searching.Conversations()
            assert (await db.scan(searching.find, parse("what"), 5, NOW, about)).messages == 1
            await db.aclose()

        asyncio.run(read())
        assert b"secret" not in (target / "history.sqlite3").read_bytes()


def test_the_present_is_kept_and_can_be_had_again(filled: Path, good: Path) -> None:
    kept = restored(good, filled)
    assert asyncio.run(look(filled)) == "new"
    assert kept is not None and kept.parent == filled / "backups"
    restored(kept, filled)
    assert asyncio.run(look(filled)) == "old"


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
def test_an_older_form_is_brought_to_this_one(tmp_path: Path, version: int) -> None:
    old = tmp_path / "old"
    old.mkdir()
    with contextlib.closing(sqlite3.connect(old / "history.sqlite3", isolation_level=None)) as opened:
        migrations.migrate(opened, None, backups=0, migrations=migrations.MIGRATIONS[:version])
        opened.execute("INSERT INTO conversations (id, title, created, updated) VALUES ('c', 'Old', 1, 1)")
        opened.execute(
            "INSERT INTO messages (id, conversation_id, role, parts, created) VALUES ('m', 'c', 'user', ?, 1)",
            ('[{"type":"text","text":"hello"}]',),
        )
        data = tmp_path / "copy.sqlite3"
        with contextlib.closing(sqlite3.connect(data)) as copy:
            opened.backup(copy)
    content = data.read_bytes()
    manifest = backup.Manifest(
        backup.FORMAT, 1, "0", 1.0, version, backup._File(len(content), hashlib.sha256(content).hexdigest()), {}
    )
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        archive.writestr("history.sqlite3", content)
        archive.writestr("manifest.json", backup.msgspec.json.encode(manifest))
    target = tmp_path / "home"
    target.mkdir()
    restored(tmp_path / "old.zip", target)
    with contextlib.closing(sqlite3.connect(target / "history.sqlite3")) as opened:
        assert migrations.version(opened) == len(migrations.MIGRATIONS)
        assert opened.execute("SELECT title FROM conversations").fetchall() == [("Old",)]


# What is wrong with it ------------------------------------------------------------------------------------------------


def packed(good: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The backup with something changed inside, and the manifest as it was unless that was changed."""
    with zipfile.ZipFile(good) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    change(inside)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in inside.items():
            archive.writestr(name, data)
    return target


def manifest(change: Callable[[dict[str, object]], object]) -> Callable[[dict[str, bytes]], None]:
    def changed(inside: dict[str, bytes]) -> None:
        said = json.loads(inside["manifest.json"])
        change(said)
        inside["manifest.json"] = json.dumps(said).encode()

    return changed


def database(statement: str) -> Callable[[dict[str, bytes]], None]:
    """The database with a change, and the sums as they must be then."""

    def changed(inside: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x")
            path.write_bytes(inside["history.sqlite3"])
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
                opened.execute(statement)
            data = inside["history.sqlite3"] = path.read_bytes()
        said = json.loads(inside["manifest.json"])
        said["database"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        inside["manifest.json"] = json.dumps(said).encode()

    return changed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda inside: inside.pop("manifest.json"), "backup.none"),
        (manifest(lambda said: said.update(format="else")), "backup.none"),
        (manifest(lambda said: said.update(form=2)), "backup.newer"),
        (manifest(lambda said: said.update(database_version=99)), "backup.newer"),
        (manifest(lambda said: said.update(database_version=3)), "backup.damaged"),
        (manifest(lambda said: said.update(blobs={"../../evil": 3})), "backup.damaged"),
        (manifest(lambda said: said.update(blobs=[])), "backup.damaged"),
        (lambda inside: inside.update({"manifest.json": b"[" * 100_000}), "backup.damaged"),
        (lambda inside: inside.update({"history.sqlite3": b"x" * len(inside["history.sqlite3"])}), "backup.damaged"),
        (lambda inside: inside.update({"history.sqlite3": bytes(10_000_000)}), "backup.damaged"),  # a small bomb
        (lambda inside: inside.update({"../evil": b"x"}), "backup.damaged"),
        (lambda inside: inside.pop(next(name for name in inside if name.startswith("blobs/"))), "backup.damaged"),
        (database("CREATE TRIGGER evil AFTER INSERT ON messages BEGIN DELETE FROM messages; END"), "backup.damaged"),
        (database("CREATE TRIGGER search_index_evil AFTER INSERT ON messages BEGIN SELECT 1; END"), "backup.damaged"),
        (database("DROP TABLE drafts"), "backup.damaged"),
        (database("UPDATE messages SET conversation_id = 'none'"), "backup.damaged"),
        (database("PRAGMA user_version = 0"), "backup.damaged"),
        (database("UPDATE conversations SET title = x'ff00'"), "backup.damaged"),
        (database("UPDATE conversations SET title = CAST(x'ff41' AS TEXT)"), "backup.damaged"),
        (database("UPDATE conversations SET updated = 'yesterday'"), "backup.damaged"),
        (database("UPDATE conversations SET context = 'many'"), "backup.damaged"),
        (database("UPDATE messages SET parts = x'5b5d'"), "backup.damaged"),
        (database("INSERT INTO drafts VALUES ('x', x'35')"), "backup.damaged"),
        (database("INSERT INTO folders VALUES ('x', x'41', '')"), "backup.damaged"),
    ],
)
def test_a_bad_backup_is_refused_and_nothing_changes(
    filled: Path, good: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], object], code: str
) -> None:
    before = files(filled)
    bad = packed(good, tmp_path / "bad.zip", change)
    with pytest.raises(UserFacing) as caught:
        restored(bad, filled)
    assert caught.value.problem.what.code == code and caught.value.problem.hint is not None
    assert files(filled) == before


def test_an_encrypted_one_is_refused_in_a_sentence(filled: Path, good: Path, tmp_path: Path) -> None:
    data = bytearray(good.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:  # the flag in each entry of the directory
        data[start + 8] |= 1
        start += 4
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(UserFacing, match="is encrypted"):
        restored(tmp_path / "locked.zip", filled)


def test_whatever_byte_is_changed_it_is_refused_or_the_same(filled: Path, good: Path, tmp_path: Path) -> None:
    chance = random.Random(3)
    content = good.read_bytes()
    before = files(filled)
    for _ in range(60):
        data = bytearray(content)
        for _ in range(chance.choice([1, 1, 4])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        (tmp_path / "bad.zip").write_bytes(data)
        try:
            prepared = backup.prepare(tmp_path / "bad.zip", place(filled), now=NOW, progress=lambda _done, _all: None)
        except AppError as error:
            assert error.problem.kind == "user" and error.problem.what.code.startswith("backup.")
        else:
            with contextlib.closing(sqlite3.connect(prepared.folder / "history.sqlite3")) as opened:
                assert opened.execute("SELECT count(*) FROM messages").fetchone() == (30,)
            backup.discard(prepared)
        assert files(filled) == before


def test_nobody_restores_over_a_history_that_is_open(filled: Path, good: Path) -> None:
    async def main() -> None:
        db = Database(filled / "history.sqlite3")
        await db.open(fallback=False)
        await db.read(conversations.listed)
        with pytest.raises(UserFacing, match="The chats are in use"):
            await asyncio.to_thread(restored, good, filled)
        await db.aclose()

    asyncio.run(main())
    assert asyncio.run(look(filled)) == "old"


def test_a_full_disk_leaves_nothing_of_a_backup(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "there"
    target.mkdir()
    (target / "mine.zip").write_bytes(b"mine")

    async def main() -> None:
        db = Database(filled / "history.sqlite3")
        await db.open(fallback=False)
        backups = Backups(db, find_paths({"QWEN_DESKTOP_HOME": str(filled)}))
        with pytest.raises(UserFacing, match="There is a file"):
            await backups.make(target / "mine.zip")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(AppError) as caught:
                await backups.make(target / "mine.zip", replace=True)
        assert "full" in str(caught.value.problem.what)
        with pytest.raises(AppError) as caught:
            await backups.make(tmp_path / "nowhere" / "x.zip")
        assert caught.value.problem.hint is not None
        await db.aclose()

    asyncio.run(main())
    assert files(target) == {"mine.zip": b"mine"}
    assert not list(filled.glob(".backup-*"))


def test_cancelled_nothing_is_left(filled: Path, good: Path, tmp_path: Path) -> None:
    before = files(filled)

    def cancel(_done: int, _all: int) -> None:
        raise backup.given_up()

    with pytest.raises(AppError):
        backup.prepare(good, place(filled), now=NOW, progress=cancel)
    assert files(filled) == before
    with contextlib.closing(sqlite3.connect(filled / "history.sqlite3")) as source, pytest.raises(AppError):
        backup.make(source, place(filled), tmp_path / "x.zip", app="1", now=NOW, progress=cancel)
    assert not (tmp_path / "x.zip").exists() and not list(tmp_path.glob("*.partial"))


def test_an_attachment_that_is_missing_is_told_and_the_rest_restored(filled: Path, tmp_path: Path) -> None:
    (filled / "blobs" / hashlib.sha256(b"one").hexdigest()).unlink()
    made = make(filled, tmp_path / "made.zip")
    assert made.missing == 1
    target = tmp_path / "target"
    target.mkdir()
    restored(made.path, target)
    assert (target / "blobs" / hashlib.sha256(b"two").hexdigest()).read_bytes() == b"two"


def test_a_place_that_cannot_be_written_is_named_as_it_was_asked_for(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserFacing, match=r"The folder .*nowhere does not exist\."):
        make(filled, tmp_path / "nowhere" / "a.zip")
    opened = Path.open

    def read_only(path: Path, mode: str = "r") -> object:
        if mode == "xb":
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(OSError, match="Read-only") as told:
        make(filled, tmp_path / "a.zip")
    assert told.value.filename == str(tmp_path / "a.zip")
    assert [file.name for file in tmp_path.iterdir()] == ["home"]
