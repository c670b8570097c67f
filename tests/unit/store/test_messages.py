"""The tree of messages."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from pathlib import Path

import pytest

from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import Problem, UserFacing
from qwen_desktop.core.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from qwen_desktop.core.text import Text
from qwen_desktop.core.titles import title_of
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import blobs, branches, conversations, messages
from qwen_desktop.store.connection import Connection, connect, transaction

LONG = 10_000


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    from qwen_desktop.store.migrations import migrate  # noqa: PLC0415 - only this fixture needs it

    opened = connect(tmp_path / "history.sqlite3")
    migrate(opened, None, backups=0)
    return opened


def long_branch(connection: sqlite3.Connection, count: int = LONG) -> None:
    """A conversation "c" whose messages m0, m1, … are one chain."""
    conversations.create(connection, Conversation("c", "Long", 1.0, 1.0, leaf_id=f"m{count - 1}"))
    with transaction(connection, durable=False):
        for number in range(count):
            messages.insert(connection, message(number, number - 1 if number else None))


def message(number: int, parent: int | None, text: str = "") -> Message:
    return Message(
        f"m{number}",
        "c",
        None if parent is None else f"m{parent}",
        Role.ASSISTANT if number % 2 else Role.USER,
        (TextPart(text or f"text {number}"),),
        float(number),
    )


def stored_blob(connection: sqlite3.Connection, data: bytes) -> str:
    """As ``Blobs.add`` leaves it in the database."""
    sha256 = hashlib.sha256(data).hexdigest()
    blobs._record(connection, sha256, len(data), "text/plain", 1.0, whole=True)
    return sha256


def ids(found: tuple[Message, ...]) -> list[str]:
    return [entry.id for entry in found]


def test_every_kind_of_part_comes_back_as_it_was(connection: Connection) -> None:
    kept = {name: stored_blob(connection, name.encode()) for name in ("picture", "sound", "document")}
    parts: tuple[Part, ...] = (
        TextPart("# 标题 \U0001f600\r\n\ttab"),
        ThinkingPart("hm", 1.5, 12),
        ImagePart(kept["picture"], "image/png", 3, 4, "a.png"),
        AudioPart(kept["sound"], "audio/wav", 1.0, "b.wav"),
        FilePart(kept["document"], "application/pdf", "c.pdf", 12, "text"),
        ToolCallPart("1", "search", '{"q": 1}'),
        ToolResultPart("1", "found", failed=True),
    )
    long_branch(connection, 1)
    entry = Message("x", "c", "m0", Role.ASSISTANT, parts, 5.0, context_cut="m0")
    messages.add(connection, (entry,))
    assert messages.get(connection, "x") == entry


def test_a_long_branch_is_read_from_its_end_and_upwards(connection: Connection) -> None:
    long_branch(connection)
    assert ids(messages.tail(connection, "c", 3)) == ["m9997", "m9998", "m9999"]
    assert ids(messages.before(connection, "m9997", 2)) == ["m9995", "m9996"]
    assert ids(messages.before(connection, "m1", 50)) == ["m0"]
    assert messages.before(connection, "m0", 50) == ()
    assert len(messages.tail(connection, "c", LONG * 2)) == LONG
    assert messages.tail(connection, "c", 0) == () and messages.tail(connection, "nowhere", 5) == ()


def test_a_long_conversation_can_be_removed_for_good(connection: Connection) -> None:
    long_branch(connection)
    assert conversations.delete(connection, "c", 9.0) and not conversations.delete(connection, "c", 9.0)
    assert conversations.purge(connection) == 1
    assert connection.execute("SELECT count(*) FROM messages").fetchone()[0] == 0
    assert conversations.undo_delete(connection, "c") is None


def test_reading_stops_where_the_text_is_enough(connection: Connection) -> None:
    long_branch(connection, 1000)
    found, left_out = messages.recent_text(connection, "m999", 10, page=100)
    assert ids(found)[0] == "m900" and left_out == 900
    pasted = Message("long", "c", "m999", Role.USER, (FilePart("", "text/plain", "", text="x" * 5000),), 1.0)
    messages.add(connection, (pasted,))
    assert messages.recent_text(connection, "long", 4000, page=100)[1] == 901  # what is attached is read, too
    found, left_out = messages.recent_text(connection, "m999", 10**9, page=100)
    assert ids(found)[0] == "m0" and len(found) == 1000 and left_out == 0


def test_versions_at_every_depth(connection: Connection) -> None:
    long_branch(connection, 4)
    messages.add(connection, (message(101, 0),))
    messages.add(connection, (message(103, 0), message(104, 103), message(105, 104)))
    messages.add(connection, (message(200, None),))
    found = branches.versions(connection, ["m0", "m1", "m101", "m103", "m2", "m105", "m200", "unknown"])
    assert found["m1"].ids == ("m1", "m101", "m103") and found["m103"].index == 2
    assert found["m0"].ids == ("m0", "m200") and found["m200"].index == 1  # first messages are versions too
    assert set(found) == {"m0", "m1", "m101", "m103", "m200"}
    chosen = branches.select_version(connection, "m1")
    assert chosen is not None and chosen[0].leaf_id == "m3"
    assert ids(messages.tail(connection, "c", 9)) == ["m0", "m1", "m2", "m3"]
    chosen = branches.select_version(connection, "m0")  # the newest of all below it
    assert chosen is not None and chosen[0].leaf_id == "m105"
    assert branches.select_version(connection, "unknown") is None


def test_versions_of_more_messages_than_one_query_takes(connection: Connection) -> None:
    long_branch(connection, 2000)
    messages.add(connection, (message(5001, 0),))
    messages.add(connection, (message(5003, 1998),))
    found = branches.versions(connection, [f"m{number}" for number in range(2000)])
    assert set(found) == {"m1", "m1999"}


def test_a_tree_that_bites_its_tail_is_read_to_an_end(connection: Connection) -> None:
    long_branch(connection, 4)
    connection.execute("UPDATE messages SET parent_id = 'm3' WHERE id = 'm0'")
    assert ids(messages.tail(connection, "c", 100)) == ["m0", "m1", "m2", "m3"]
    assert branches.select_version(connection, "m0") is not None
    assert ids(messages.recent_text(connection, "m3", 10**6, page=2)[0]) == ["m0", "m1", "m2", "m3"]


def test_a_damaged_row_says_so_and_the_others_are_read(connection: Connection) -> None:
    long_branch(connection, 4)
    connection.execute("UPDATE messages SET parts = '[{\"type\": \"text\"' WHERE id = 'm1'")
    connection.execute("UPDATE messages SET role = 'king' WHERE id = 'm2'")
    found = messages.tail(connection, "c", 9)
    assert ids(found) == ["m0", "m1", "m2", "m3"]
    assert [entry.problem is not None for entry in found] == [False, True, True, False]
    assert found[1].problem is not None and str(found[1].problem.what) == "This message is damaged on the disk."


def test_what_no_text_can_hold_is_replaced_in_problems_too(connection: Connection) -> None:
    long_branch(connection, 2)
    problem = Problem("user", Text("x", "Bad {path}.", {"path": "/models/\udcff"}), details="\ud800")
    entry = message(1, 0)
    failed = Message(entry.id, "c", "m0", entry.role, (TextPart("ok"),), 1.0, Status.FAILED, problem=problem)
    assert messages.save(connection, failed, durable=True)
    found = messages.get(connection, "m1")
    assert found is not None and found.problem is not None and str(found.problem.what) == "Bad /models/\ufffd."
    assert not messages.save(connection, message(777, None), durable=True)


def test_adding_is_all_or_nothing(connection: Connection) -> None:
    long_branch(connection, 2)
    with pytest.raises(sqlite3.IntegrityError):
        messages.add(connection, (message(50, 1), message(0, None)))
    assert messages.get(connection, "m50") is None
    assert messages.add(connection, (Message("z", "gone", None, Role.USER, (), 1.0),)) is None
    assert messages.get(connection, "z") is None


def test_the_list_has_pinned_ones_first_then_the_newest(connection: Connection) -> None:
    for number in range(4):
        conversations.create(connection, Conversation(f"c{number}", "", 1.0, float(number), pinned=number == 1))
    assert [c.id for c in conversations.listed(connection)] == ["c1", "c3", "c2", "c0"]
    changed = conversations.set_thinking(connection, "c0", ThinkingMode.DIRECT)
    assert changed is not None and changed.thinking is ThinkingMode.DIRECT


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  Two   words \nmore", "Two words"),
        ("", ""),
        ("x" * 80, "x" * 59 + "…"),
        ("水" * 80, "水" * 59 + "…"),
        ("word " * 11 + "12345", "word " * 11 + "12345"),
        ("word " * 11 + "123456", ("word " * 11).strip() + "…"),
        ("a, " * 40, "a, " * 19 + "a…"),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title_of(text)) <= 60


def test_unknown_conversations_read_as_empty_and_refuse_changes(home: Path) -> None:
    from qwen_desktop.store.database import Database  # noqa: PLC0415 - only this test needs it

    async def main() -> None:
        db = Database(home / "history.sqlite3")
        await db.open()
        history = History(db, EventBus())
        assert await history.get("x") is None and await history.tail("x", 5) == ()
        assert await history.message("x") is None and await history.plain_text("x") == ""
        for change in (
            history.rename("x", "y"),
            history.undo_delete("x"),
            history.set_thinking("x", ThinkingMode.AUTO),
        ):
            with pytest.raises(UserFacing, match="does not exist any more"):
                await change
        await history.delete("x")
        made = await history.create()
        with pytest.raises(UserFacing, match="needs a title"):
            await history.rename(made.id, " \x00\n ")
        await db.aclose()

    asyncio.run(main())
