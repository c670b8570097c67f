"""What is searched for is found: the same that reading every message would find, whatever was done before."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Conversation, Folder, Message, Provenance, Status, new_id
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.parts import FilePart, ImagePart, Part, Role, TextPart, search_text
from qwen_desktop.core.queries import Found, Query, parse
from qwen_desktop.store import branches, conversations, folders, forks, messages, migrations, rows, search, searching
from qwen_desktop.store.connection import connect, transaction
from qwen_desktop.store.database import Database

NOW = 1_800_000_000.0
PIECES = (
    "merge sorted files", "test_merge_keeps_order", "mergeSortedFiles", "HTTPServer", "天空",
    "为什么天空是蓝色的", "東京タワー", "かき氷", "План поездки", "Ёлка", "ёлочный", "café", "cafe\u0301",
    "naïve", "Straße", "사과나무", "สวัสดีครับ", "हिन्दी", "x", "the", "thermal", "c++", "a.b/c-d",
    "2024-11-12", "merge, of", "ﬁle", "\n```py\nprint()\n```\n", "İstanbul",
)  # fmt: skip
TYPED = (
    "merge", "mer", "sort", "files", "keeps", "test_merge", '"merge sorted"', '"sorted merge"', "天空",
    "空是", "天色", "東京", "タワ", "かき", "план", "елк", "ёлка", "CAFE", "naive", "strasse", "사과",
    "สวัส", "हिन्दी", "x", "th", "the -thermal", "merge -files", "c++", "a.b", "2024", "2024-11", "server",
    "http", "file", "merge 天空", "has:code", "has:file merge", "has:image", "notes", "notes.txt", '"notes',
    "model:qwen", "model:qwen3 the", "istanbul", "of", "-merge the", "py print",
)  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    return opened(tmp_path / "history.sqlite3")


def opened(path: Path) -> sqlite3.Connection:
    made = connect(path)
    migrations.migrate(made, None, backups=0)
    return made


def ask(connection: sqlite3.Connection, typed: str | Query, limit: int = 1000) -> Found:
    query = parse(typed) if isinstance(typed, str) else typed
    return searching.find(connection, query, limit, NOW, searching.Conversations())


def ids(found: Found) -> set[str]:
    return {hit.message_id for hit in found.hits if hit.message_id}


def add(connection: sqlite3.Connection, chat: str, text: str, *parts: Part, identity: str = "") -> str:
    entry = Message(identity or new_id(), chat, None, Role.USER, (*parts, TextPart(text)), NOW)
    new = None if conversations.get(connection, chat) else Conversation(chat, "", NOW, NOW)
    messages.add(connection, (entry,), new=new)
    return entry.id


def brute(connection: sqlite3.Connection, typed: str) -> set[str]:
    """The living messages that have what is typed, each looked at."""
    query = parse(typed)
    found = rows.fetch_messages(
        connection,
        f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id "  # noqa: S608
        f"WHERE c.deleted_at IS NULL AND m.seq NOT IN {branches.DEAD} AND m.status <> 'streaming'",
    )
    return {entry.id for entry in found if query and (query.wanted or query.asked) and _fits(entry, query)}


def _fits(entry: Message, query: Query) -> bool:
    names = "\n".join(part.name for part in entry.parts if isinstance(part, ImagePart | FilePart))
    made_by = "" if entry.provenance is None else entry.provenance.model_name
    has = {
        "code": "```" in "".join(part.text for part in entry.parts if isinstance(part, TextPart)),
        "file": any(isinstance(part, FilePart) and bool(part.name) for part in entry.parts),
        "image": any(isinstance(part, ImagePart) for part in entry.parts),
    }
    models = all(parse(f'"{value}').ranges(made_by) for value in query.values("model"))
    return (
        models and all(has[value] for value in query.values("has")) and query.accepts(search_text(entry.parts), names)
    )


class World:
    """A history to which everything happens that can."""

    def __init__(self, connection: sqlite3.Connection, seed: int) -> None:
        self.connection, self.chance = connection, random.Random(seed)
        self.undo: list[Callable[[], object]] = []
        self.time = NOW - 1e6

    def parts(self) -> tuple[Part, ...]:
        text = " ".join(self.chance.choices(PIECES, k=self.chance.randrange(1, 6)))
        parts: list[Part] = [TextPart(text)] if self.chance.random() < 0.9 else []
        if self.chance.random() < 0.3:
            said = " ".join(self.chance.choices(PIECES, k=3))
            parts.insert(
                0, FilePart("", "text/plain", self.chance.choice(["notes.txt", "mergeTool.py", ""]), text=said)
            )
        if self.chance.random() < 0.1:
            parts.append(ImagePart("", "image/png", name=self.chance.choice(["天空.png", "cafe.png"])))
        return tuple(parts)

    def message(self, chat: str, parent: str | None) -> Message:
        role = self.chance.choice([Role.USER, Role.ASSISTANT])
        made_by = Provenance("", self.chance.choice(["Qwen3 4B", "Qwen2.5", "Other"]), "", "", Sampling(), 1,
                             ThinkingMode.AUTO, "x") if role is Role.ASSISTANT else None  # fmt: skip
        self.time += 1
        status = self.chance.choice([Status.DONE] * 5 + [Status.STREAMING])
        return Message(new_id(), chat, parent, role, self.parts(), self.time, status, provenance=made_by)

    def some(self) -> Message | None:
        found = rows.fetch_messages(
            self.connection,
            f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m ORDER BY random() LIMIT 1",  # noqa: S608 - constants
        )
        return found[0] if found else None

    def step(self) -> None:
        connection, chance = self.connection, self.chance
        some = self.some()
        match chance.randrange(10) if some is not None else 0:
            case 0:
                chat = new_id()
                messages.add(connection, (self.message(chat, None),), new=Conversation(chat, "", 1.0, 1.0))
            case 1 | 2 | 3 if branches.living(connection, some.id):
                messages.add(connection, (self.message(some.conversation_id, some.id),))
            case 4:  # it goes on, ends, or is edited
                messages.save(connection, structs.replace(some, parts=self.parts(), status=Status.DONE), durable=False)
            case 5 if (gone := branches.delete(connection, some.id, NOW)) is not None:
                self.undo.append(lambda: branches.restore(connection, some.id, gone[1]))
            case 6 if conversations.delete(connection, some.conversation_id, NOW):
                self.undo.append(lambda: conversations.undo_delete(connection, some.conversation_id))
            case 7 if (source := conversations.get(connection, some.conversation_id)) is not None:
                forks.fork(connection, some.id, structs.replace(source, id=new_id(), leaf_id=None), {})
            case 8 if chance.random() < 0.3:
                conversations.purge(connection)
                branches.purge(connection)
                self.undo.clear()
            case 9 if self.undo:
                try:
                    self.undo.pop(chance.randrange(len(self.undo)))()
                except Exception as error:
                    assert type(error).__name__ == "UserFacing"
            case _:
                search.catch_up(connection)


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_reading_everything_would_whatever_happened(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "INDEXED", 1)
    monkeypatch.setattr(searching, "IN_ONE", 10_000)
    connection = opened(tmp_path / "history.sqlite3")
    world = World(connection, seed)
    for number in range(240):
        world.step()
        if number % 40 == 39:
            for typed in TYPED:
                assert ids(ask(connection, typed)) == brute(connection, typed), typed
    while search.catch_up(connection):
        pass
    assert connection.execute("SELECT count(*) FROM search_texts WHERE indexed = 0").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM search_gone").fetchone() == (0,)
    for typed in TYPED:
        found = ask(connection, typed)
        assert ids(found) == brute(connection, typed), typed
        for hit in found.hits:
            assert hit.marks or not parse(typed).wanted or hit.attachment, (typed, hit)
    connection.execute("INSERT INTO search_index (search_index) VALUES ('integrity-check')")


def test_nothing_is_left_in_the_index_of_what_went_for_good(connection: sqlite3.Connection) -> None:
    add(connection, "a", "secret merge")
    add(connection, "b", "secret 天空")
    conversations.delete(connection, "a", NOW)
    assert ids(ask(connection, "secret")) and len(ask(connection, "secret").hits) == 1
    conversations.purge(connection)
    while search.catch_up(connection):
        pass
    count = "SELECT count(*) FROM search_index WHERE search_index MATCH ?"
    assert connection.execute(count, ("merge",)).fetchone() == (0,)
    assert connection.execute(count, ("secret",)).fetchone() == (1,)


def test_a_number_that_is_used_again_finds_its_new_message_alone(connection: sqlite3.Connection) -> None:
    add(connection, "a", "old words")
    conversations.delete(connection, "a", NOW)
    conversations.purge(connection)
    new = add(connection, "b", "new words")  # SQLite gives it the same number
    assert ids(ask(connection, "old")) == set()
    assert ids(ask(connection, "words")) == {new}


def test_where_it_stands_is_told(connection: sqlite3.Connection) -> None:
    files = (
        FilePart("", "text/plain", "", text="a long paste about rivers"),
        FilePart("", "text/plain", "parser.py", text="def test_merge_keeps_order(): ..."),
        FilePart("", "text/plain", "other.py", text="nothing " * 40 + "oceans"),
    )
    add(connection, "a", "Look at this.", *files)
    told = {typed: ask(connection, typed).hits[0] for typed in ("look", "rivers", "merge", "oceans", "parser.py")}
    assert {typed: hit.attachment for typed, hit in told.items()} == {
        "look": "", "rivers": "", "merge": "parser.py", "oceans": "other.py", "parser.py": "parser.py"
    }  # fmt: skip
    hit = told["merge"]
    assert [hit.snippet[a:b] for a, b in hit.marks] == ["merge"]
    assert "oceans" in told["oceans"].snippet and "test_merge" in told["parser.py"].snippet


def test_titles_folders_tags_and_times(connection: sqlite3.Connection) -> None:
    with transaction(connection, durable=False):
        for folder in (Folder("w", "Work"), Folder("x", "Wörter", "w"), Folder("h", "Home")):
            connection.execute("INSERT INTO folders VALUES (?, ?, ?)", (folder.id, folder.name, folder.parent_id))
        day = 86_400.0
        for chat in (
            Conversation("a", "Merge in Python", NOW, NOW, folder_id="w", tags=("Code", "übung")),
            Conversation("b", "План поездки", NOW - 400 * day, NOW - 400 * day, folder_id="x", archived=True),
            Conversation("c", "Letter", NOW, NOW, folder_id="h", tags=("code",)),
        ):
            conversations.insert(connection, chat)
    for chat in "abc":
        add(connection, chat, f"heap in {chat}")

    def chats(typed: str) -> str:
        return "".join(sorted({hit.conversation.id for hit in ask(connection, typed).hits}))

    expected = {
        "heap": "abc", "folder:work heap": "ab", "folder:Worter": "b", "folder:Work/Wörter heap": "b", "folder:w": "ab",
        "folder:nothing heap": "", "tag:code heap": "ac", "tag:CODE tag:Ub": "a", "план": "b", "merge": "a",
        "folder:": "", "folder: heap": "abc", "letter heap": "", "before:2026 heap": "", "after:2026 heap": "abc",
        "before:2026": "b", "tag:code before:2020-01-01": "", "folder:home letter": "c",
    }  # fmt: skip
    assert {typed: chats(typed) for typed in expected} == expected
    title = ask(connection, "python").hits[0]
    assert title.message_id == "" and title.title[slice(*title.marks[0])] == "Python"
    conversations.rename(connection, "a", "Другое")
    assert chats("python") == "" and chats("другое") == "a"


@pytest.mark.parametrize(("few", "many"), [(0, 0), (0, 1000), (1000, 0)])
def test_filters_leave_the_same_however_they_are_looked_up(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, few: int, many: int
) -> None:
    """Also where times and numbers do not grow together, as after an import."""
    monkeypatch.setattr(searching, "FEW", few)
    monkeypatch.setattr(searching, "MANY", many)
    chance = random.Random(few + many)
    folders.insert(connection, Folder("w", "Work"))
    made: list[tuple[Message, bool]] = []
    for number in range(40):
        inside = chance.random() < 0.5
        chat = Conversation(f"c{number}", "", NOW, NOW, folder_id="w" if inside else "")
        for place in range(4):
            when = NOW - chance.randrange(1000) * 86_400.0
            entry = Message(f"{number}-{place}", chat.id, None, Role.USER, (TextPart("merge of files"),), when)
            messages.add(connection, (entry,), new=None if place else chat)
            made.append((entry, inside))
    for typed in ("after:2026", "before:2026 ", "before:2026 after:2025-06", "before:2010", "after:2026 folder:work",
                  "folder:work", "before:2025-06 folder:work"):  # fmt: skip
        query = parse(f"{typed} merge")
        wanted = {
            entry.id
            for entry, inside in made
            if (inside or not query.values("folder")) and (query.after or 0) <= entry.created < (query.before or 1e12)
        }
        assert ids(ask(connection, query)) == wanted, typed


def test_what_a_filter_leaves_out_is_not_read(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in steps of SQLite's: a few old messages behind many new ones with the same word."""
    monkeypatch.setattr(searching, "FEW", 1)
    folders.insert(connection, Folder("w", "Work"))
    for chat in range(20):
        old = chat < 3
        new = Conversation(f"c{chat}", "", NOW, NOW, folder_id="w" if old else "")
        when = NOW - (1e8 if old else 0)
        some = [Message(f"{chat}-{n}", f"c{chat}", None, Role.USER, (TextPart("merge"),), when) for n in range(60)]
        messages.add(connection, some, new=new)

    def steps(typed: str) -> int:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        about = searching.Conversations()
        about.look(connection)
        connection.set_progress_handler(step, 10)
        found = searching.find(connection, parse(typed), 50, NOW, about)
        connection.set_progress_handler(None, 0)
        assert found.messages == 180, typed
        return count

    monkeypatch.setattr(searching, "CANDIDATES", 180)
    each = steps("merge")  # the newest 180, and no more
    assert steps("before:2025 merge") < 3 * each  # else more than six times as many
    assert steps("folder:work merge") < 3 * each


def test_of_titles_alone_the_newest_are_shown_and_all_counted(connection: sqlite3.Connection) -> None:
    with transaction(connection, durable=False):
        for number in range(30):
            conversations.insert(connection, Conversation(f"c{number:02}", "Merge", NOW, NOW - number * 1e5))
    for typed in ("merge", "after:2020"):
        found = ask(connection, typed, 5)
        assert [hit.conversation.id for hit in found.hits] == [f"c{number:02}" for number in range(5)]
        assert (found.messages, found.conversations) == (0, 30)


def test_the_newer_and_the_better_fitting_come_first_and_no_chat_drowns_the_others(
    connection: sqlite3.Connection,
) -> None:
    for number in range(30):
        add(connection, "loud", f"merge merge merge {number}")
    old = Message("old", "q", None, Role.USER, (TextPart("merge of files"),), NOW - 1e8)
    messages.add(connection, (old,), new=Conversation("q", "", 1.0, 1.0))
    new = add(connection, "r", "merge of files")
    found = ask(connection, "merge files")
    assert [hit.message_id for hit in found.hits] == [new, "old"]
    found = ask(connection, "merge", 50)
    assert (found.messages, found.conversations, found.more) == (32, 3, False)
    assert len(found.hits) == searching.IN_ONE + 2
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_so_many_that_not_all_are_counted(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CANDIDATES", 5)
    for number in range(8):
        add(connection, f"c{number}", f"merge {number}")
    found = ask(connection, "merge")
    assert (
        found.more
        and found.messages == 5
        and {hit.conversation.id for hit in found.hits} == {f"c{number}" for number in range(3, 8)}
    )


def test_without_fts5_the_texts_themselves_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.sqlite3"
    with monkeypatch.context() as without:
        without.setattr(search, "_MAKE_INDEX", "CREATE VIRTUAL TABLE search_index USING no_such_module(text)")
        connection = opened(path)
        one = add(connection, "a", "天空 merge", FilePart("", "text/plain", "notes.txt", text="Ёлка"))
        fork = conversations.get(connection, "a")
        assert fork is not None
        assert forks.fork(connection, one, structs.replace(fork, id="b", leaf_id=None), {}) is not None
        assert not search.catch_up(connection)
        for typed, count in (("天空", 2), ("mer", 2), ("елк has:file", 2), ("has:image", 0), ("-merge 天空", 0)):
            assert len(ids(ask(connection, typed))) == count, typed
    while search.catch_up(connection):  # another SQLite, which has it
        pass
    assert search.usable(connection) and len(ids(ask(connection, "елк"))) == 2
    assert connection.execute("SELECT count(*) FROM search_texts WHERE indexed").fetchone() == (2,)


def test_where_too_many_wait_for_the_index_to_be_read_it_is_said(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [add(connection, new_id(), f"word {number}") for number in range(5)]
    search.forget(connection)  # as after an import of many by a command
    while search.note_older(connection):
        pass
    connection.execute("UPDATE search_texts SET indexed = 0")
    monkeypatch.setattr(searching, "READING_S", -1.0)
    found = ask(connection, "word")
    assert len(ids(found)) < 5
    assert found.more and found.preparing
    search.forget(connection)
    while search.catch_up(connection):
        pass
    found = ask(connection, "word")
    assert ids(found) == set(wanted)
    assert not found.preparing


def test_a_damaged_index_never_keeps_a_message_from_being_saved(connection: sqlite3.Connection) -> None:
    for number in range(20):
        add(connection, "a", f"merge {number}")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE search_index_data SET block = x'ffffffffffffffff'")
    connection.execute("PRAGMA writable_schema = OFF")
    add(connection, "a", "another merge", identity="new")
    assert messages.get(connection, "new") is not None
    while search.catch_up(connection):
        pass
    assert len(ids(ask(connection, "merge"))) == 21


def test_it_is_found_in_the_moment_in_which_it_is_final(tmp_path: Path) -> None:
    async def main() -> None:
        db = Database(tmp_path / "history.sqlite3")
        await db.open(fallback=False)
        about = searching.Conversations()

        async def count(typed: str) -> int:
            return (await db.scan(searching.find, parse(typed), 10, NOW, about)).messages

        entry = Message("a", "c", None, Role.ASSISTANT, (TextPart("half"),), NOW, Status.STREAMING)
        await db.call(messages.add, (entry,), new=Conversation("c", "", 1.0, 1.0))
        assert await count("half") == 0
        whole = structs.replace(entry, parts=(TextPart("half and whole"),), status=Status.DONE)
        await db.call(messages.save, whole, durable=True)
        assert await count("half wh") == 1
        await db.aclose()

    asyncio.run(main())
