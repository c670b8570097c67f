"""The list is arranged and taken back from two sides: what stands where is what a simple model says."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.chat import Conversation, Folder, Message, new_id
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.tags import ordered, tag_of, tags_of
from qwen_desktop.services.arranging import Arranging, folder_name
from qwen_desktop.services.changes import Change
from qwen_desktop.services.events import ConversationChanged, ConversationRemoved, EventBus, FoldersChanged
from qwen_desktop.services.history import History
from qwen_desktop.store.arranging import Place
from qwen_desktop.store.database import Database
from tests.app import run

CHATS = [f"c{number}" for number in range(12)]
TAGS = ["work", "home", "python"]


class Side:
    """One of two apps over one file, and what it has been told."""

    def __init__(self, db: Database) -> None:
        self.bus = EventBus()
        self.history = History(db, self.bus)
        self.arranging = Arranging(db, self.bus, self.history)
        self.told: dict[str, Conversation] = {}
        self.folders: tuple[Folder, ...] = ()
        self.bus.subscribe(
            ConversationChanged, lambda event: self.told.update({event.conversation.id: event.conversation})
        )
        self.bus.subscribe(ConversationRemoved, self._forget)
        self.bus.subscribe(FoldersChanged, lambda event: setattr(self, "folders", event.folders))

    async def add_chats(self) -> None:
        for chat in CHATS:
            await self.history.add(
                (Message(new_id(), chat, None, Role.USER, (TextPart(chat),), 1.0),),
                new=self.history.fresh(conversation_id=chat),
            )

    def _forget(self, event: ConversationRemoved) -> None:
        self.told.pop(event.conversation_id, None)


@asynccontextmanager
async def sides(folder: Path, count: int = 2) -> AsyncIterator[list[Side]]:
    databases = [Database(folder / "history.sqlite3") for _ in range(count)]
    for db in databases:
        await db.open(fallback=False)
    try:
        yield [Side(db) for db in databases]
    finally:
        for db in databases:
            await db.aclose()


async def state(side: Side) -> dict[Any, Any]:
    """All that is kept, as a flat table."""
    found: dict[Any, Any] = {}
    for chat in await side.history.list():
        found["folder", chat.id] = chat.folder_id
        found["pinned", chat.id] = chat.pinned
        found["archived", chat.id] = chat.archived
        for tag in chat.tags:
            found["tag", chat.id, tag] = True
        assert chat.tags == ordered(chat.tags)
    for folder in await side.arranging.folders():
        found["name", folder.id] = folder.name
        found["in", folder.id] = folder.parent_id
    return found


def check_whole(found: dict[Any, Any]) -> None:
    """Folders are a tree, and nothing lies in one that is not there."""
    parents = {key[1]: parent for key, parent in found.items() if key[0] == "in"}
    for folder in parents:
        seen, above = set(), folder
        while above:
            assert above not in seen, "a circle"
            seen.add(above)
            above = parents[above]


def inside(found: dict[Any, Any], folder: str) -> bool:
    return ("in", folder) in found


def check_undone(was: dict[Any, Any], became: dict[Any, Any], before: dict[Any, Any], after: dict[Any, Any]) -> None:
    """The step made ``became`` of ``was``, and its undo ``after`` of ``before``."""
    living = {key[1] for key in before if key[0] == "folder"}
    made = {key[1] for key in became.keys() - was.keys() if key[0] == "in"}
    for key in sorted(before.keys() | after.keys() | was.keys() | became.keys()):
        kind, name, *_ = key
        if kind == "folder" and key in was and key not in became:
            assert key in after, "what it deleted is there again"
        if kind == "name" and key in was and key not in became:
            assert key in after
        if kind not in ("folder", "pinned", "archived", "tag") or name not in living or before.get(key) in made:
            continue
        if ("folder", name) not in was or ("folder", name) not in became:
            continue
        changed, still = was.get(key) != became.get(key), before.get(key) == became.get(key)
        if changed and still and (kind != "tag" or key in became):
            assert after.get(key) == was.get(key), key
        elif not changed:
            assert after.get(key) == before.get(key), key


def ways(chance: random.Random, side: Side, folders: list[str]) -> Callable[[], Any]:
    some = chance.sample(CHATS, chance.randint(1, 5))
    folder = chance.choice(["", *folders])
    a, b = chance.choice([*folders, "gone"]), chance.choice([*folders, "gone"])
    arranging = side.arranging
    return chance.choice(
        [
            lambda: arranging.pin(some, pinned=chance.random() < 0.6),
            lambda: arranging.archive(some, archived=chance.random() < 0.6),
            lambda: arranging.move(some, folder),
            lambda: arranging.move(some, folder, moved=[a, b]),
            lambda: arranging.move([], folder, moved=[a]),
            lambda: arranging.create_folder(
                f"folder {len(folders)}", folder, holding=some if chance.random() < 0.5 else ()
            ),
            lambda: arranging.create_folder(f"folder {len(folders)}", folder),
            lambda: arranging.rename_folder(a, chance.choice(["x", "y"])),
            lambda: arranging.delete_folder(a),
            lambda: arranging.delete_folder(a, contents=True),
            lambda: arranging.delete(some),
            lambda: arranging.tag(some, add=chance.sample(TAGS, 1), remove=chance.sample(TAGS, 1)),
            lambda: arranging.rename_tag(chance.choice(TAGS), chance.choice(TAGS)),
            lambda: arranging.delete_tag(chance.choice(TAGS)),
        ]
    )


@pytest.mark.parametrize("seed", range(6))
def test_undo_takes_back_exactly_what_was_done_whatever_else_was_done_since(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        async with sides(tmp_path) as (one, two):
            await one.add_chats()
            done: list[tuple[Change, dict[Any, Any], dict[Any, Any]]] = []
            refused = 0
            for _ in range(90):
                side = chance.choice((one, two))
                before = await state(side)
                if done and chance.random() < 0.4:
                    change, was, became = done.pop(chance.randrange(len(done)))
                    await change.undo()
                    after = await state(chance.choice((one, two)))
                    check_undone(was, became, before, after)
                    if before == became:  # nothing has happened since
                        assert after == was
                    await change.undo()
                    assert await state(one) == after, "a second time it does nothing"
                else:
                    folders = [key[1] for key in before if key[0] == "in"]
                    try:
                        made = await ways(chance, side, folders)()
                    except UserFacing:
                        refused += 1
                        assert await state(side) == before
                        continue
                    change = made[1] if isinstance(made, tuple) else made
                    after = await state(one)
                    assert change.count > 0 or after == before
                    done.append((change, before, after))
                check_whole(await state(two))
            assert refused < 60

    run(main())


@pytest.mark.parametrize("seed", range(4))
def test_taken_back_in_order_everything_is_as_it_was_and_who_listens_knows(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        async with sides(tmp_path, 1) as (side,):
            await side.add_chats()
            states = [await state(side)]
            done: list[Change] = []
            while len(done) < 40:
                folders = [key[1] for key in states[-1] if key[0] == "in"]
                try:
                    made = await ways(chance, side, folders)()
                except UserFacing:
                    continue
                done.append(made[1] if isinstance(made, tuple) else made)
                states.append(await state(side))
                assert side.told == {chat.id: chat for chat in await side.history.list()}
                assert set(side.folders) == set(await side.arranging.folders())
            while done:
                states.pop()
                await done.pop().undo()
                assert await state(side) == states[-1]
                assert side.told == {chat.id: chat for chat in await side.history.list()}
                assert set(side.folders) == set(await side.arranging.folders())

    run(main())


def test_what_was_moved_or_deleted_since_stays_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with sides(tmp_path) as (one, two):
            ids = [(await one.history.create(name)).id for name in ("stays", "moved", "deleted")]
            work, _ = await one.arranging.create_folder("Work")
            home, _ = await one.arranging.create_folder("Home")
            moved = await one.arranging.move(ids, work.id)
            assert moved.count == 3
            await two.arranging.move(ids[1:2], home.id)
            gone = await two.arranging.delete(ids[2:])
            await moved.undo()
            where = {chat.title: chat.folder_id for chat in await one.history.list()}
            assert where == {"stays": "", "moved": home.id}
            await gone.undo()
            where = {chat.title: chat.folder_id for chat in await one.history.list()}
            assert where["deleted"] == "", "brought back, it stands where it stood before it was moved"

    run(main())


def test_a_folder_goes_alone_or_with_all_that_lies_in_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with sides(tmp_path, 1) as (side,):
            arranging, history = side.arranging, side.history
            top, _ = await arranging.create_folder("  Top \n folder ")
            assert top.name == "Top folder"
            mid, _ = await arranging.create_folder("Mid", top.id)
            low, _ = await arranging.create_folder("Low", mid.id)
            chats = [(await history.create(name)).id for name in "abc"]
            for chat, folder in zip(chats, (top, mid, low), strict=True):
                await arranging.move([chat], folder.id)
            assert set(await arranging.held(top.id)) == set(chats)
            before = await state(side)
            alone = await arranging.delete_folder(mid.id)
            after = await state(side)
            assert after["folder", chats[1]] == top.id and after["in", low.id] == top.id and not inside(after, mid.id)
            await alone.undo()
            assert await state(side) == before
            whole = await arranging.delete_folder(top.id, contents=True)
            assert whole.count == 4 and await state(side) == {} and side.told == {}
            await whole.undo()
            assert await state(side) == before
            for folder, into in ((top, top), (top, low), (mid, low)):
                with pytest.raises(UserFacing, match="cannot lie in itself"):
                    await arranging.move([], into.id, moved=[folder.id])
            for wrong in ("", " \n ", "\u202e"):
                with pytest.raises(UserFacing, match="needs a name"):
                    await arranging.create_folder(wrong)
            with pytest.raises(UserFacing, match="does not exist"):
                await arranging.move(chats, "nowhere")
            assert await state(side) == before

    run(main())


def test_a_fork_lies_where_its_chat_lies_and_a_pin_leaves_the_archive(tmp_path: Path) -> None:
    async def main() -> None:
        async with sides(tmp_path, 1) as (side,):
            chat = (await side.history.create("a")).id
            await side.arranging.place([chat], Place(pinned=True, archived=True))
            await side.arranging.pin([chat])
            found = await side.history.get(chat)
            assert found is not None and found.pinned and not found.archived
            fresh = side.history.fresh(folder_id="f")
            assert fresh.folder_id == "f"

    run(main())


def test_a_tag_has_one_form() -> None:
    assert tags_of(" #Work,  Deep  Learning ;work、日本,  ,#") == ("deep-learning", "work", "日本")
    assert tag_of("Cafe\u0301") == "café"
    assert tag_of('"a"\x00\u202e') == "a"
    chance = random.Random(3)
    for _ in range(3000):
        text = "".join(
            chr(chance.choice((chance.randrange(0x3000), chance.randrange(128)))) for _ in range(chance.randrange(60))
        )
        tag = tag_of(text)
        assert tag_of(tag) == tag and len(tag) <= 40 and not set(tag) & set(' ,"\n')
        assert ordered([tag, text]) == ((tag,) if tag else ())
    with pytest.raises(UserFacing):
        folder_name("\u202e")


_CHILD = """
import asyncio, random, sys
from pathlib import Path
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.services.arranging import Arranging
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database

async def main(folder, seed):
    db = Database(Path(folder) / "history.sqlite3")
    await db.open(fallback=False)
    bus = EventBus()
    arranging = Arranging(db, bus, History(db, bus))
    chance, done = random.Random(seed), []
    for _ in range(60):
        names = [f.id for f in await arranging.folders()]
        try:
            if done and chance.random() < 0.4:
                await done.pop(chance.randrange(len(done))).undo()
            elif chance.random() < 0.15:
                done.append(await arranging.delete_folder(chance.choice(names)))
            else:
                done.append(await arranging.move([], chance.choice(["", *names]), moved=chance.sample(names, 2)))
        except UserFacing:
            pass
    await db.aclose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_two_processes_that_move_folders_never_make_a_circle(tmp_path: Path) -> None:
    async def main() -> None:
        async with sides(tmp_path, 1) as (side,):
            for number in range(8):
                await side.arranging.create_folder(f"folder {number}")
            children = [_child(tmp_path, seed) for seed in (1, 2)]
            while any(child.poll() is None for child in children):
                check_whole(await state(side))
            assert [child.returncode for child in children] == [0, 0]
            check_whole(await state(side))

    run(main(), seconds=60)


def _child(folder: Path, seed: int) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen([sys.executable, "-c", _CHILD, str(folder), str(seed)], cwd=root)


def test_damaged_tags_are_none_and_are_mended_by_the_next_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with sides(tmp_path, 1) as (side,):
            chats = [(await side.history.create(name)).id for name in "ab"]
            for value in ("{not json", json.dumps({"a": 1})):
                await side.history._db.call(_damage, chats[0], value)
                assert (await side.history.list())[1].tags == ()
                change = await side.arranging.tag(chats, add=["New"])
                assert change.count == 2 and await side.arranging.tag_counts() == (("new", 2),)
                assert (await side.arranging.rename_tag("new", "newer")).count == 2
                assert await side.arranging.tags() == ("newer",)
                await side.arranging.delete_tag("newer")

    run(main())


def _damage(connection: sqlite3.Connection, chat: str, value: str) -> None:
    connection.execute("UPDATE conversations SET tags = ? WHERE id = ?", (value, chat))
