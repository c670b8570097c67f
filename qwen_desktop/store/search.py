"""What a search looks into: the text of each message by its ``seq`` (``search_texts``), and the index of their words
(``search_index``, SQLite's FTS5).

The index has the words of ``core.words`` and no text of its own, so that it is small; what was put in must be named
again, letter for letter, to be taken out. So a row of ``search_texts`` says whether it is ``indexed``, keeps what its
words come from (``text`` and ``facts``), and a trigger puts those of a row that goes, however it goes, into
``search_gone``, from where ``catch_up`` takes their words out of the index. Who changes what ``columns`` gives for the
same row must build the index anew in a migration.

A text is written, and indexed, in the transaction in which a message becomes final; one that is still being answered
has none. Messages of before this existed come bit by bit, from the newest down: ``search_unread`` has a row, the number
below which they have none, until that is done. Where this SQLite has no FTS5 nothing is indexed, and ``searching``
reads the texts themselves, as it does for those that wait. Deleted messages keep theirs until they go for good: who
searches leaves out ``branches.DEAD``.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.packed import from_json
from qwen_desktop.core.parts import SEARCHED_IN_FILES, AudioPart, FilePart, ImagePart, Part, search_text, visible_text
from qwen_desktop.core.text import clean
from qwen_desktop.core.words import parts, shadow
from qwen_desktop.store import rows
from qwen_desktop.store.connection import transaction

log = logging.getLogger(__name__)

#: One slice of old messages: so many, or so many characters, whichever is reached first (some ten milliseconds).
SLICE, SLICE_CHARACTERS = 100, 150_000
#: The columns of the index with their weights in the order of hits: what is said, what begins inside its words,
#: names of files, and what is only asked for with a prefix (the model; the conversation and what the message has).
COLUMNS = {"text": 1.0, "parts": 0.5, "names": 2.0, "model": 0.0, "facts": 0.0}

_MAKE_INDEX = (
    f"CREATE VIRTUAL TABLE search_index USING fts5({', '.join(COLUMNS)}, content = '', tokenize = 'ascii', "
    "prefix = '2 3')"
)
_SHADOWS = {f"search_index_{name}" for name in ("data", "idx", "content", "docsize", "config")}
_LEFT = "SELECT seq, facts, text FROM search_texts WHERE indexed = 0 ORDER BY seq DESC LIMIT ?"
_ALL_UNREAD = "INSERT INTO search_unread SELECT seq + 1 FROM messages ORDER BY seq DESC LIMIT 1"
_INSERT = f"INSERT INTO search_index (rowid, {', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
_DELETE = (
    f"INSERT INTO search_index (search_index, rowid, {', '.join(COLUMNS)}) "  # noqa: S608 - constants
    "VALUES ('delete', ?, ?, ?, ?, ?, ?)"
)
_CHANGES = (
    "INSERT ON conversations",
    "DELETE ON conversations",
    "UPDATE OF title, folder_id, tags, deleted_at ON conversations",
    "UPDATE ON folders",
    "INSERT ON folders",
    "DELETE ON folders",
)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


class Facts(Struct, frozen=True, omit_defaults=True):
    """What a search knows of a message beside its text. ``names`` are those of its files and pictures, each with the
    place in the text at which its own begins (-1 where it has none); ``has`` is some of ``queries.HAS``."""

    conversation: str
    model: str = ""
    has: tuple[str, ...] = ()
    names: tuple[tuple[str, int], ...] = ()


class _Made(Struct, frozen=True):
    """What is read of a ``Provenance``."""

    model_name: str = ""


_facts = msgspec.json.Decoder(Facts)


def facts_of(column: str) -> Facts:
    """The facts as stored."""
    return _facts.decode(column)


def make_tables(connection: sqlite3.Connection) -> None:
    """Version 5 of the database: the texts are read anew behind the window, now for the index too."""
    for statement in (
        "DROP TABLE search_texts",
        # What is long comes last: SQLite reads no further than it must.
        """CREATE TABLE search_texts (
            seq INTEGER PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
            indexed INTEGER NOT NULL,
            created REAL NOT NULL,
            facts TEXT NOT NULL,
            text TEXT NOT NULL
        )""",
        "CREATE INDEX search_texts_left ON search_texts (seq) WHERE indexed = 0",
        "CREATE INDEX search_texts_created ON search_texts (created)",
        "CREATE TABLE search_gone (seq INTEGER PRIMARY KEY, facts TEXT NOT NULL, text TEXT NOT NULL)",
        """CREATE TRIGGER search_texts_gone AFTER DELETE ON search_texts WHEN old.indexed BEGIN
            INSERT OR REPLACE INTO search_gone VALUES (old.seq, old.facts, old.text);
        END""",
        # Counts what a search has to read anew of the conversations.
        "CREATE TABLE search_version (version INTEGER NOT NULL)",
        "INSERT INTO search_version VALUES (0)",
        *(
            f"CREATE TRIGGER search_version_{number} AFTER {change} BEGIN "  # noqa: S608 - constants
            "UPDATE search_version SET version = version + 1; END"
            for number, change in enumerate(_CHANGES)
        ),
        "DELETE FROM search_unread",
        _ALL_UNREAD,
    ):
        connection.execute(statement)
    _make_index(connection)


def is_index(kind: str, name: str, sql: str) -> bool:
    """Whether an object of the database is the index, or one of the tables in which FTS5 keeps it."""
    if name == "search_index":
        return sql == " ".join(_MAKE_INDEX.split())
    return kind == "table" and name in _SHADOWS


def forget(connection: sqlite3.Connection) -> None:
    """Forget all that ``catch_up`` makes again."""
    with transaction(connection, durable=False):
        connection.execute("DROP TABLE IF EXISTS search_index")
        connection.execute("UPDATE search_texts SET indexed = 0")  # none of them has words in the index any more
        for table in ("search_texts", "search_gone", "search_unread"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        connection.execute(_ALL_UNREAD)
        _make_index(connection)


def usable(connection: sqlite3.Connection) -> bool:
    """Whether there is an index that this SQLite can read and write."""
    try:
        connection.execute("SELECT 1 FROM search_index LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def _make_index(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute(_MAKE_INDEX)
    except sqlite3.OperationalError as error:  # no such module
        log.warning("search.no_index code=%s", error.sqlite_errorname)
        return False
    return True


# Writing -------------------------------------------------------------------------------------------------------------


def note(connection: sqlite3.Connection, entry: Message, *, index: bool = True) -> None:
    """Write the text of a message if it is final, inside the caller's transaction. Without ``index`` its words come
    into the index with ``catch_up``: for many at once."""
    if entry.status is not Status.STREAMING:
        row = connection.execute("SELECT seq, conversation_id FROM messages WHERE id = ?", (entry.id,)).fetchone()
        if row is not None:
            model = "" if entry.provenance is None else entry.provenance.model_name
            facts = _facts_text(row[1], model, entry.parts)
            _write(connection, row[0], entry.created, facts, entry.parts, index=index)


def copy(connection: sqlite3.Connection, seq: int, to: int, conversation_id: str, *, index: bool) -> bool:
    """Write the text of the message ``seq`` for its copy ``to``; False where it has none."""
    row = connection.execute("SELECT created, facts, text FROM search_texts WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        return False
    facts = rows.encode(msgspec.structs.replace(facts_of(row[1]), conversation=conversation_id))
    _put(connection, to, row[0], facts, row[2], index=index and usable(connection))
    return True


def _write(
    connection: sqlite3.Connection, seq: int, created: float, facts: str, said: tuple[Part, ...], *, index: bool
) -> None:
    _put(connection, seq, created, facts, clean(search_text(said)), index=index and usable(connection))


def _put(connection: sqlite3.Connection, seq: int, created: float, facts: str, text: str, *, index: bool) -> None:
    old = connection.execute("SELECT indexed, facts, text FROM search_texts WHERE seq = ?", (seq,)).fetchone()
    if old == (1, facts, text) or (not index and old == (0, facts, text)):
        return
    if old is not None and old[0]:
        connection.execute("INSERT OR REPLACE INTO search_gone VALUES (?, ?, ?)", (seq, *old[1:]))
    connection.execute(
        "INSERT INTO search_texts (seq, indexed, created, facts, text) VALUES (?, 0, ?, ?, ?) ON CONFLICT (seq) "
        "DO UPDATE SET indexed = 0, created = excluded.created, facts = excluded.facts, text = excluded.text",
        (seq, created, facts, text),
    )
    if index:
        with _mending(connection):
            _index(connection, seq, facts, text)


def _index(connection: sqlite3.Connection, seq: int, facts: str, text: str) -> None:
    """Put the words of a row into the index."""
    _take_out(connection, seq)
    connection.execute(_INSERT, (seq, *columns(facts, text)))
    connection.execute("UPDATE search_texts SET indexed = 1 WHERE seq = ?", (seq,))


def _take_out(connection: sqlite3.Connection, seq: int) -> None:
    """Take the words out that the index has for a number, if it has some that are wanted no more."""
    row = connection.execute("SELECT facts, text FROM search_gone WHERE seq = ?", (seq,)).fetchone()
    if row is not None:
        connection.execute(_DELETE, (seq, *columns(*row)))
        connection.execute("DELETE FROM search_gone WHERE seq = ?", (seq,))


@contextlib.contextmanager
def _mending(connection: sqlite3.Connection) -> Iterator[None]:
    """Changes of the index, all or none, which it writes at the end of this. Its damage never keeps a message from
    being saved: one that is damaged is made anew, empty, and ``catch_up`` fills it."""
    connection.execute("SAVEPOINT search_index")
    try:
        yield
        connection.execute("SAVEPOINT search_index_written")  # FTS5 writes now what it has gathered
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in ("SQLITE_CORRUPT_VTAB", "SQLITE_ERROR") or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO search_index")
        log.warning("search.index_broken code=%s", error.sqlite_errorname)
        connection.execute("DROP TABLE IF EXISTS search_index")
        connection.execute("UPDATE search_texts SET indexed = 0 WHERE indexed")
        connection.execute("DELETE FROM search_gone")
        _make_index(connection)
    connection.execute("RELEASE search_index")


def columns(facts: str, text: str) -> tuple[str, ...]:
    """What the index is given for a row, by ``COLUMNS``."""
    known = facts_of(facts)
    names = "\n".join(name for name, _ in known.names)
    beside = (conversation_word(known.conversation), *map(has_word, known.has))
    said = shadow(text, _breath), parts(text, _breath)
    return *said, f"{shadow(names)}\n{parts(names)}", shadow(known.model), " ".join(beside)


def _breath() -> None:
    """Let the window's thread have the interpreter, if it waits for that."""
    time.sleep(0)


def conversation_word(conversation_id: str) -> str:
    """The word by which the index has the messages of a conversation."""
    plain = conversation_id.isascii() and conversation_id.isalnum()
    return f"c{conversation_id.lower()}" if plain else f"x{conversation_id.encode(errors='replace').hex()}"


def has_word(what: str) -> str:
    """The word by which the index has the messages with something (see ``queries.HAS``)."""
    return f"has{what}"


def _facts_text(conversation_id: str, model: str, said: tuple[Part, ...]) -> str:
    visible = visible_text(said)
    has, names = [], []
    place, left = len(visible) + 2 * bool(visible), SEARCHED_IN_FILES
    for part in said:
        if isinstance(part, ImagePart):
            has.append("image")
        if isinstance(part, FilePart) and (part.name or part.sha256):  # else a long paste, which is said
            has.append("file")
        here = place if isinstance(part, FilePart) and part.text and left > 0 else -1
        if isinstance(part, ImagePart | AudioPart | FilePart) and (part.name or here >= 0):
            names.append((part.name, here))
        if isinstance(part, FilePart) and part.text:
            place += len(part.text) + 2
            left -= len(part.text) + 2
    if _FENCE.search(visible):
        has.append("code")
    return rows.encode(Facts(conversation_id, model, tuple(sorted(set(has))), tuple(names)))


# Behind the window ---------------------------------------------------------------------------------------------------


def catch_up(connection: sqlite3.Connection) -> bool:
    """Do one slice of what is left to do: texts of old messages, words that the index has not yet, and those that it
    has of messages that are gone. False when nothing is left."""
    return note_older(connection) or _index_left(connection) or _take_out_gone(connection)


def note_older(connection: sqlite3.Connection) -> bool:
    """Write the texts of one slice of old messages. False when none is left to do."""
    if connection.execute("SELECT below FROM search_unread").fetchone() is None:
        return False
    with transaction(connection, durable=False):
        row = connection.execute("SELECT below FROM search_unread").fetchone()
        if row is None:  # another process has done the rest
            return False
        found = connection.execute(
            "SELECT m.seq, m.conversation_id, m.created, m.parts, m.provenance, m.status, t.seq FROM messages m "
            "LEFT JOIN search_texts t ON t.seq = m.seq WHERE m.seq < ? ORDER BY m.seq DESC LIMIT ?",
            (row[0], SLICE),
        ).fetchall()
        below, characters = None, 0
        for below, conversation_id, created, column, provenance, status, done in found:
            if status != Status.STREAMING and done is None:
                said = _parts(column)
                facts = _facts_text(conversation_id, _model(provenance), said)
                _write(connection, below, created, facts, said, index=False)
            characters += len(column)
            if characters > SLICE_CHARACTERS:
                break
        if below is None:
            connection.execute("DELETE FROM search_unread")
        else:
            connection.execute("UPDATE search_unread SET below = ?", (below,))
            if usable(connection):
                with _mending(connection):
                    _slice(connection, _LEFT, lambda seq, facts, text: _index(connection, seq, facts, text))
    return below is not None


def _index_left(connection: sqlite3.Connection) -> bool:
    """Index one slice of the texts that are there and wait for it."""
    if connection.execute(_LEFT, (1,)).fetchone() is None:
        return False
    if not usable(connection) and not _make_index(connection):
        return False
    with transaction(connection, durable=False), _mending(connection):
        _slice(connection, _LEFT, lambda seq, facts, text: _index(connection, seq, facts, text))
    return True


def _take_out_gone(connection: sqlite3.Connection) -> bool:
    gone = "SELECT seq, facts, text FROM search_gone LIMIT ?"
    if connection.execute(gone, (1,)).fetchone() is None or not usable(connection):
        return False
    with transaction(connection, durable=False), _mending(connection):
        _slice(connection, gone, lambda seq, _facts, _text: _take_out(connection, seq))
    return True


def _slice(connection: sqlite3.Connection, query: str, work: Callable[[int, str, str], None]) -> None:
    characters = 0
    for seq, facts, text in connection.execute(query, (SLICE,)).fetchall():
        work(seq, facts, text)
        characters += len(text)
        if characters > SLICE_CHARACTERS:
            break


def _parts(column: str) -> tuple[Part, ...]:
    try:
        return rows.parts_of(column)
    except ValueError:  # damaged: it reads as an empty message that says so
        return ()


def _model(column: str | None) -> str:
    try:
        return "" if column is None else from_json(column.encode(), _Made).model_name
    except (ValueError, msgspec.MsgspecError):
        return ""
