"""Every message that is final has the text that a search looks into, whatever stored it and when."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from qwen_desktop.core import parts as core_parts
from qwen_desktop.core.chat import Conversation, Message, Status
from qwen_desktop.core.parts import FilePart, Part, Role, TextPart, ThinkingPart, ToolResultPart
from qwen_desktop.services import history as history_module
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store import conversations, messages, migrations, search
from qwen_desktop.store.connection import connect
from qwen_desktop.store.database import Database


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    opened = connect(tmp_path / "history.sqlite3")
    migrations.migrate(opened, None, backups=0)
    conversations.create(opened, Conversation("c", "", 1.0, 1.0))
    return opened


def texts(opened: sqlite3.Connection) -> dict[str, str]:
    return dict(opened.execute("SELECT m.id, s.text FROM search_texts s JOIN messages m ON m.seq = s.seq"))


def answer(status: Status, *parts: Part) -> Message:
    return Message("a", "c", None, Role.ASSISTANT, parts, 1.0, status)


def test_what_is_said_and_what_stands_in_files_is_searched_but_no_thinking(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_parts, "SEARCHED_IN_FILES", 12)
    parts = (
        FilePart("", "text/plain", "a.txt", text="水 in a file, which is long"),
        TextPart("What is"),
        ThinkingPart("hm"),
        TextPart("that?"),
        ToolResultPart("1", "found"),
    )
    messages.add(connection, (Message("q", "c", None, Role.USER, parts, 1.0),))
    assert texts(connection) == {"q": "What is\n\nthat?\n\n水 in a file,"}


@pytest.mark.parametrize("end", [Status.DONE, Status.STOPPED, Status.FAILED])
def test_an_answer_is_searched_when_it_has_ended(connection: sqlite3.Connection, end: Status) -> None:
    messages.add(connection, (answer(Status.STREAMING),))
    messages.save(connection, answer(Status.STREAMING, TextPart("It is")), durable=False)
    assert texts(connection) == {}
    messages.save(connection, answer(end, TextPart("It is wet.")), durable=True)
    assert texts(connection) == {"a": "It is wet."}
    messages.save(connection, answer(end, TextPart("It is very wet.")), durable=True)  # once more, after a full disk
    assert texts(connection) == {"a": "It is very wet."}


def test_an_answer_that_a_kill_cut_off_is_searched_after_the_next_start(connection: sqlite3.Connection) -> None:
    messages.add(connection, (answer(Status.STREAMING, TextPart("It is")),))
    assert messages.recover(connection) == ("a",)
    assert texts(connection) == {"a": "It is"}


def test_what_is_removed_for_good_is_not_searched(connection: sqlite3.Connection) -> None:
    messages.add(connection, (answer(Status.DONE, TextPart("Gone")),))
    conversations.delete(connection, "c", 2.0)
    assert texts(connection) == {"a": "Gone"}
    conversations.purge(connection)
    assert connection.execute("SELECT count(*) FROM search_texts").fetchone() == (0,)


def old_history(path: Path, count: int) -> None:
    """A file as version 1 left it: one chain, of which one message is damaged and one is still being answered."""
    with contextlib.closing(connect(path)) as opened:
        migrations.migrate(opened, None, backups=0, migrations=migrations.MIGRATIONS[:1])
        opened.execute("INSERT INTO conversations (id, title, created, updated) VALUES ('c', '', 1, 1)")
        for number in range(count):
            data = "[{" if number == 3 else f'[{{"type":"text","text":"old {number}"}}]'
            opened.execute(
                "INSERT INTO messages (id, conversation_id, role, parts, created, status) VALUES (?, 'c', ?, ?, 1, ?)",
                (f"o{number}", "user", data, "streaming" if number == 5 else "done"),
            )


def test_old_messages_get_theirs_behind_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, in any order with what else happens, going on after an end in the middle; each just once."""
    monkeypatch.setattr(search, "SLICE", 7)
    monkeypatch.setattr(history_module, "BREATH_S", 0.0)
    path = tmp_path / "history.sqlite3"
    old_history(path, 40)
    chance = random.Random(5)
    expected = {f"o{number}": "" if number == 3 else f"old {number}" for number in range(40)}

    async def session(number: int, *, to_the_end: bool) -> None:
        db = Database(path)
        await db.open(fallback=False)
        history = History(db, EventBus())
        await history.recover()
        entry = Message(f"n{number}", "c", None, Role.USER, (TextPart(f"new {number}"),), 1.0)
        await db.call(messages.add, (entry,))
        expected[entry.id] = f"new {number}"
        changed = Message(f"o{chance.randrange(10, 40)}", "c", None, Role.USER, (TextPart("changed"),), 1.0)
        await db.call(messages.save, changed, durable=True)
        expected[changed.id] = "changed"
        if to_the_end:
            await history.prepare_search()
            assert await db.read(texts) == expected
            assert not await db.call(search.note_older)
        else:
            assert await db.call(search.note_older)
            found = await db.read(texts)
            assert found.items() <= expected.items() and len(found) < len(expected)
        await db.aclose()

    for number in range(4):
        asyncio.run(session(number, to_the_end=number == 3))


def test_a_new_history_has_nothing_to_catch_up_with(connection: sqlite3.Connection) -> None:
    assert not search.note_older(connection)


def test_long_old_messages_make_short_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SLICE_CHARACTERS", 60)
    old_history(tmp_path / "history.sqlite3", 40)
    with contextlib.closing(connect(tmp_path / "history.sqlite3")) as opened:
        migrations.migrate(opened, None, backups=0)
        assert search.note_older(opened)
        assert set(texts(opened)) == {"o39", "o38"}
