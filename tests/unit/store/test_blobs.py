"""Attachments: kept once, checked, and removed only when nothing can need them any more."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import FilePart, ImagePart, Role, TextPart
from qwen_desktop.store import blobs, conversations, messages
from qwen_desktop.store.blobs import GRACE_S, Blobs
from qwen_desktop.store.connection import connect
from qwen_desktop.store.database import Database

KILLED = Path(__file__).with_name("killed.py")


class Store:
    """A history with its attachments, and a clock that the test sets."""

    def __init__(self, home: Path) -> None:
        self.db = Database(home / "history.sqlite3")
        self.folder = home / "blobs"
        self.now = 1000.0
        self.blobs = Blobs(self.db, self.folder, clock=lambda: self.now)

    def files(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()} if self.folder.exists() else set()

    async def ask(self, number: int, *named: str) -> None:
        """A new conversation whose first message names these attachments."""
        parts = (TextPart("Look"), *(ImagePart(sha256, "image/png") for sha256 in named))
        entry = Message(f"m{number}", f"c{number}", None, Role.USER, parts, 1.0)
        await self.db.call(messages.add, (entry,), new=Conversation(f"c{number}", "", 1.0, 1.0))


@contextlib.asynccontextmanager
async def store(home: Path) -> AsyncIterator[Store]:
    opened = Store(home)
    await opened.db.open()
    try:
        yield opened
    finally:
        await opened.db.aclose()


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main(), 60)

    asyncio.run(bounded())


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_same_content_is_kept_once_and_for_its_owner_only(home: Path) -> None:
    async def main() -> None:
        async with store(home) as s:
            names = [await s.blobs.add(b"a picture", kind) for kind in ("image/png", "image/jpeg")]
            assert names == [sha(b"a picture")] * 2 and s.files() == {names[0]}
            assert await s.blobs.read(names[0]) == b"a picture"
            if sys.platform != "win32":
                assert stat.S_IMODE((s.folder / names[0]).stat().st_mode) == 0o600
                assert stat.S_IMODE(s.folder.stat().st_mode) == 0o700

    run(main)


def test_what_is_damaged_or_gone_says_so_and_is_mended_by_attaching_it_again(home: Path) -> None:
    async def main() -> None:
        async with store(home) as s:
            name = await s.blobs.add(b"a picture", "image/png")
            (s.folder / name).write_bytes(b"a pictura")
            with pytest.raises(Environment, match="is damaged on the disk"):
                await s.blobs.read(name)
            await s.blobs.add(b"a picture", "image/png")
            assert await s.blobs.read(name) == b"a picture"
            (s.folder / name).unlink()
            for unknown in (name, "", "../history.sqlite3", "A" * 64, "f" * 64):
                with pytest.raises(Environment, match="not there any more"):
                    await s.blobs.read(unknown)
            await s.blobs.add(b"a picture", "image/png")
            assert await s.blobs.read(name) == b"a picture"

    run(main)


def test_too_large_and_no_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "LARGEST_ATTACHMENT", 5_000_000)

    async def main() -> None:
        async with store(home) as s:
            with pytest.raises(UserFacing) as caught:
                await s.blobs.add(bytes(5_000_001), "image/png")
            assert caught.value.problem.sentence() == "An attachment may have 5 MB at most. Choose a smaller file."
            await s.blobs.add(bytes(5_000_000), "image/png")
            s.folder.rename(home / "elsewhere")
            s.folder.write_text("in the way")
            with pytest.raises(Environment):
                await s.blobs.add(b"x", "image/png")
            with pytest.raises(UserFacing, match="not there any more"):
                await s.ask(1, sha(b"x"))  # what could not be kept cannot be named

    run(main)


def test_a_message_cannot_name_what_is_not_there_but_an_answer_is_never_lost(home: Path) -> None:
    async def main() -> None:
        async with store(home) as s:
            with pytest.raises(UserFacing) as caught:
                await s.ask(1, sha(b"never added"))
            assert caught.value.problem.sentence() == "An attachment is not there any more. Attach the file again."
            assert await s.db.read(conversations.listed) == ()
            await s.ask(2)
            named = Message("q", "c2", "m2", Role.USER, (FilePart(sha(b"gone"), "text/plain", "notes.txt"),), 1.0)
            with pytest.raises(UserFacing, match=r"The attachment notes\.txt is not there any more"):
                await s.db.call(messages.add, (named,))
            answer = Message("a", "c2", "m2", Role.ASSISTANT, (), 1.0, Status.STREAMING)
            await s.db.call(messages.add, (answer,))
            parts = (TextPart("Here"), ImagePart(sha(b"lost"), "image/png"))
            ended = Message("a", "c2", "m2", Role.ASSISTANT, parts, 1.0)
            assert await s.db.call(messages.save, ended, durable=True)
            assert await s.db.read(messages.get, "a") == ended

    run(main)


def test_what_somebody_may_still_need_stays(home: Path) -> None:
    async def main() -> None:
        async with store(home) as s:
            draft, sent, document = [await s.blobs.add(data, "image/png") for data in (b"1", b"2", b"3")]
            parts = (FilePart(document, "application/pdf", "d.pdf"),)
            await s.ask(1, sent)
            await s.db.call(messages.add, (Message("a", "c1", "m1", Role.ASSISTANT, parts, 1.0),))
            assert await s.blobs.clean() == 0 and s.files() == {draft, sent, document}
            s.now += GRACE_S - 1
            await s.blobs.add(b"1", "image/png")  # attached once more: it may be sent now
            s.now += GRACE_S - 1
            assert await s.blobs.clean() == 0
            await s.db.call(conversations.delete, "c1", s.now)
            s.now += GRACE_S + 1
            assert await s.blobs.clean() == 1 and s.files() == {sent, document}
            await s.db.call(conversations.undo_delete, "c1")
            assert await s.blobs.read(sent) == b"2"
            await s.db.call(messages.save, Message("a", "c1", "m1", Role.ASSISTANT, (), 1.0), durable=True)
            assert await s.blobs.clean() == 1 and s.files() == {sent}
            await s.db.call(conversations.delete, "c1", s.now)
            assert await s.db.call(conversations.purge) == 1
            assert await s.blobs.clean() == 1 and s.files() == set()

    run(main)


@pytest.mark.parametrize("added_again", [False, True])
def test_a_clock_that_jumps_while_something_is_added(
    added_again: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process thinks that it is old and removes it; perhaps it begins to add the same itself."""
    write = blobs._write
    removed = []

    def interfere(folder: Path, sha256: str, data: bytes) -> None:
        if removed:
            write(folder, sha256, data)
            return
        with contextlib.closing(connect(home / "history.sqlite3")) as other:
            removed.append(blobs._remove(other, folder, sha256, 10 * GRACE_S))
            if added_again:
                blobs._record(other, sha256, len(data), "image/png", 10 * GRACE_S)

    monkeypatch.setattr(blobs, "_write", interfere)

    async def main() -> None:
        async with store(home) as s:
            name = await s.blobs.add(b"a picture", "image/png")
            assert removed == [True] and await s.blobs.read(name) == b"a picture"
            await s.ask(1, name)

    run(main)


def test_files_that_this_history_does_not_know_are_left_alone(home: Path) -> None:
    """They belong to a history that was damaged and set aside, say, and the new one is empty."""

    async def main() -> None:
        async with store(home) as s:
            await s.ask(1, await s.blobs.add(b"old", "image/png"))
        s.db.path.write_bytes(b"not a database" * 1000)  # type: ignore[union-attr] # it has a file
        async with store(home) as s:
            assert s.db.problems and await s.blobs.add(b"new", "image/png")
            s.now += 10 * GRACE_S
            assert await s.blobs.clean() == 1 and s.files() == {sha(b"old")}

    run(main)


def test_a_history_in_memory_keeps_attachments_there_and_removes_nothing(home: Path) -> None:
    async def main() -> None:
        async with store(home) as s:
            stored = await s.blobs.add(b"on the disk", "image/png")
            await s.db.call(lambda c: c.execute("PRAGMA user_version = 99"))
        async with store(home) as s:
            assert not s.db.kept
            name = await s.blobs.add(b"in memory", "image/png")
            await s.ask(1, name)
            assert await s.blobs.read(name) == b"in memory" and await s.blobs.read(stored) == b"on the disk"
            s.now += 10 * GRACE_S
            assert await s.blobs.clean() == 0 and s.files() == {stored}

    run(main)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_what_is_named_is_there(seed: int, home: Path) -> None:
    """Two processes add, send, change, delete, bring back, purge and clean at random, all at once; and the clock
    jumps."""
    chance = random.Random(seed)
    clock = [1000.0]
    contents = [bytes([number]) * 100 for number in range(8)]

    async def one_step(s: Store, number: int) -> None:
        some = sha(chance.choice(contents))
        conversation = f"c{chance.randrange(number + 1)}"
        message = conversation.replace("c", "m")
        with contextlib.suppress(UserFacing, Environment):  # an attachment that is gone cannot be sent
            match chance.randrange(9):
                case 0 | 1:
                    await s.blobs.add(chance.choice(contents), "image/png")
                case 2 | 3:
                    await s.ask(number, *{some, await s.blobs.add(chance.choice(contents), "image/png")})
                case 4:
                    parts = (ImagePart(some, "image/png"),)
                    changed = Message(message, conversation, None, Role.ASSISTANT, parts, 1.0)
                    await s.db.call(messages.save, changed, durable=False)
                case 5:
                    await s.db.call(conversations.delete, conversation, 1.0)
                case 6:
                    await s.db.call(conversations.undo_delete, conversation)
                case 7:
                    await s.db.call(conversations.purge)
                case 8:
                    clock[0] += chance.choice((1.0, GRACE_S))
                    await s.blobs.clean()

    async def main() -> None:
        async with store(home) as one, store(home) as other:
            one.blobs._clock = other.blobs._clock = lambda: clock[0]
            for round_ in range(12):
                steps = [one_step(chance.choice((one, other)), round_ * 10 + number) for number in range(10)]
                await asyncio.gather(*steps)
                named = {row[0] for row in await one.db.read(_named)}
                for sha256 in named:
                    assert sha(await one.blobs.read(sha256)) == sha256
            clock[0] += 2 * GRACE_S
            await one.blobs.clean()
            assert one.files() == named

    run(main)


def _named(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT DISTINCT sha256 FROM message_blobs").fetchall()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked to be killed")
@pytest.mark.parametrize("what", ["blobs", "migration"])
def test_killed_at_any_point_everything_is_whole(what: str) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - nothing here is about the disk itself, and that is much slower
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        ended = subprocess.run([sys.executable, KILLED, what, folder], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert int(ended.stdout) > 15  # so many points
