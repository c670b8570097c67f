"""Finding messages and conversations: what ``Database.scan`` runs for the search. ``store.search`` says what is there.

The newest ``CANDIDATES`` messages that have all words are compared, by how well they fit (SQLite's bm25) and how new
they are; what is older than so many is not looked at, so that a word of every message costs no more than another.
"""
# ruff: noqa: S608 - only constants are put into queries

from __future__ import annotations

import heapq
import json
import sqlite3
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.parts import Role
from qwen_desktop.core.queries import Found, Hit, Query, Term, spans
from qwen_desktop.core.snippets import Snippet, as_typed, beginning, snippet
from qwen_desktop.core.words import Folded, words_of
from qwen_desktop.store import branches, rows, search

#: So many messages are compared.
CANDIDATES = 400
#: So many that have the words are looked at whether they are where the prefixes ask for.
LOOKED_AT = 50_000
#: Conversations that a prefix leaves are asked for in the index when they are not more than this.
FEW = 200
#: Messages of a time are looked up by their numbers when they are not more than this.
MANY = 20_000
#: Hits in one conversation, where others have some too.
IN_ONE = 5
#: Texts that are not in the index are read for so long, in seconds.
READING_S = 1.5
#: A message of this age is half as new as one of now, in seconds.
HALF_S = 30 * 24 * 3600.0
#: How much fitting and being new count; a title counts as the best of messages, and a little more.
_FITS, _NEW, _TITLE = 0.65, 0.35, 0.8

_tags = msgspec.json.Decoder(tuple[str, ...])


class _Candidate(Struct, frozen=True):
    conversation: str
    created: float
    score: float
    seq: int = 0
    message: str = ""
    role: str = ""


class _Known(Struct, frozen=True):
    """A conversation's title, folder and tags (as stored), and when it was begun."""

    title: str
    folder: str
    tags: str
    created: float


class Conversations:
    """What a search knows of the conversations, read anew when something of it has changed."""

    def __init__(self) -> None:
        self._version = -1
        self._ids: list[str] = []
        self._starts: list[int] = []
        self._titles = Folded("")
        self.known: dict[str, _Known] = {}

    def look(self, connection: sqlite3.Connection) -> None:
        """Know what is there now."""
        version = connection.execute("SELECT version FROM search_version").fetchone()[0]
        if version == self._version:
            return
        found = connection.execute(
            "SELECT id, title, folder_id, tags, created FROM conversations WHERE deleted_at IS NULL"
        )
        self.known = {row[0]: _Known(*row[1:]) for row in found}
        self._ids, self._starts, place = list(self.known), [], 0
        for entry in self.known.values():
            self._starts.append(place)
            place += len(entry.title) + 1
        self._titles = Folded("\n".join(entry.title for entry in self.known.values()))
        self._version = version

    def titled(self, query: Query) -> list[str]:
        """Those whose title has all words."""
        near = {bisect_right(self._starts, start) - 1 for start, _ in spans(query.wanted[0], self._titles)}
        found = [self._ids[index] for index in sorted(near)]
        if len(query.wanted) == 1 and not query.unwanted:
            return found
        return [identity for identity in found if query.accepts(self.known[identity].title)]


def find(connection: sqlite3.Connection, query: Query, limit: int, now: float, about: Conversations) -> Found:
    """Find what is asked for, the best first."""
    preparing = connection.execute("SELECT 1 FROM search_unread").fetchone() is not None
    if not query:
        return Found(preparing=preparing)
    about.look(connection)
    living = _conversations(connection, query, about)
    of_messages = bool(query.values("has") or query.values("model"))
    found: list[_Candidate] = []
    more = False
    if query.wanted or of_messages:
        found, more, late = _messages(connection, query, living, now)
        preparing |= late and search.usable(connection)
    count, conversations = len(found), {entry.conversation for entry in found}
    if not of_messages:
        titled = _titles(connection, query, living, about)
        conversations.update(titled)
        found += _newest(titled, limit, now)
    found.sort(key=lambda entry: (-entry.score, -entry.seq, entry.conversation))
    chosen = _spread(found, limit)
    return Found(
        tuple(_hits(connection, query, chosen)),
        count,
        len(conversations),
        more,
        preparing,
    )


def _conversations(connection: sqlite3.Connection, query: Query, about: Conversations) -> Collection[str]:
    """The ids of the conversations in which is searched."""
    wanted = _wanted_conversations(connection, query)
    if wanted is None:
        return about.known.keys()
    return {identity for identity, entry in about.known.items() if wanted(entry.folder, entry.tags)}


def _wanted_conversations(connection: sqlite3.Connection, query: Query) -> Callable[[str, str], bool] | None:
    """Whether a conversation with this folder and these tags is one that ``folder:`` and ``tag:`` ask for; None where
    they ask for nothing."""
    tags, folders = [_key(value) for value in query.values("tag")], query.values("folder")
    if not tags and not folders:
        return None
    inside = _folders(connection, folders) if folders else None

    def wanted(folder: str, column: str) -> bool:
        if inside is not None and folder not in inside:
            return False
        try:
            has = [_key(tag) for tag in _tags.decode(column)] if tags else []
        except (ValueError, msgspec.MsgspecError):  # damaged
            has = []
        return all(any(tag.startswith(value) for tag in has) for value in tags)

    return wanted


def _ways(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """For each folder it and those around it, from inside: ids with names."""
    known = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, name, parent_id FROM folders")}

    def way(folder: str) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        while folder in known and folder not in found:
            found[folder] = known[folder][0]
            folder = known[folder][1]
        return list(found.items())

    return {folder: way(folder) for folder in known}


def folder_paths(connection: sqlite3.Connection) -> dict[str, str]:
    """The folders by their ids, each as the names from the outermost one on, with "/" between them."""
    return {folder: "/".join(name for _, name in reversed(way)) for folder, way in _ways(connection).items()}


def _folders(connection: sqlite3.Connection, values: Sequence[str]) -> set[str]:
    """The folders that are called so, or begin so where none is, each with those inside it."""
    ways = _ways(connection)
    paths = {folder: "/" + "/".join(_key(name) for _, name in reversed(way)) for folder, way in ways.items()}
    inside: set[str] = set()
    for value in values:
        key = "/" + "/".join(filter(None, map(_key, value.split("/"))))
        called = {folder for folder, path in paths.items() if path.endswith(key)}
        called = called or {
            folder for folder, path in paths.items() if key in path and "/" not in path[path.rindex(key) + len(key) :]
        }
        inside |= {folder for folder, way in ways.items() if called & {identity for identity, _ in way}}
    return inside


def _key(name: str) -> str:
    return " ".join(words_of(name))


# Messages ------------------------------------------------------------------------------------------------------------


def _messages(
    connection: sqlite3.Connection, query: Query, living: Collection[str], now: float
) -> tuple[list[_Candidate], bool, bool]:
    """What was found in messages, whether there is more, and whether too many are not in the index yet to read them."""
    scored: list[tuple[int, str, str, str, float, float]] = []
    more = late = False
    if living:
        for row in _in_order(_indexed(connection, query, living), _not_indexed(connection, query)):
            if row is None:
                more = True
            elif row is _LATE:
                more = late = True
            elif row[2] in living:
                if len(scored) == CANDIDATES:
                    more = True
                    break
                scored.append(row)
    best = max((row[5] for row in scored), default=0.0) or 1.0
    return (
        [
            _Candidate(
                conversation,
                rows.when(created),
                _FITS * max(0.0, fits) / best + _NEW * _newness(created, now),
                seq,
                message,
                role,
            )
            for seq, message, conversation, role, created, fits in scored
        ],
        more,
        late,
    )


def _newness(created: float, now: float) -> float:
    return HALF_S / (HALF_S + max(0.0, now - created))


_Row = tuple[int, str, str, str, float, float]
#: Stands behind the rows where there was no time for all.
_LATE: _Row = (0, "", "", "", 0.0, 0.0)


def _in_order(one: Iterator[_Row | None], other: Iterator[_Row | None]) -> Iterator[_Row | None]:
    """The texts that wait for the index are few, or all."""
    yield from other
    yield from one


def _indexed(connection: sqlite3.Connection, query: Query, living: Collection[str]) -> Iterator[_Row | None]:
    """Messages that the index has, the newest first; None at the end where not all were looked at."""
    if not search.usable(connection):
        return
    few: Sequence[str] = ()
    near, values = _near(connection, query)
    if query.values("folder") or query.values("tag"):
        if len(living) <= FEW:
            few = list(living)
        else:
            # What begins with "+" is not asked of the index, which would look for each number by itself.
            near += (
                " AND +i.rowid IN (SELECT seq FROM messages WHERE conversation_id IN (SELECT value FROM json_each(?)))"
            )
            values = (*values, json.dumps(list(living)))
    weights = ", ".join(map(str, search.COLUMNS.values()))
    found = connection.execute(
        f"""SELECT m.seq, m.id, m.conversation_id, m.role, t.created, -bm25(search_index, {weights})
        FROM search_index i CROSS JOIN search_texts t ON t.seq = i.rowid CROSS JOIN messages m ON m.seq = i.rowid
        WHERE search_index MATCH ? AND t.indexed AND m.seq NOT IN {branches.DEAD}{near}
        ORDER BY i.rowid DESC LIMIT {LOOKED_AT}""",
        (expression(query, few), *values),
    )
    left = LOOKED_AT
    for row in found:
        left -= 1
        yield row
    if not left:
        yield None


def _near(connection: sqlite3.Connection, query: Query) -> tuple[str, tuple[float | str, ...]]:
    """What ``before:`` and ``after:`` ask of a row, with the part of the index in which it must be: numbers grow with
    the time, but for what was imported."""
    times, when = _times(query)
    if not when:
        return "", ()
    within = f"FROM search_texts t WHERE TRUE{times}"
    first, last, count = connection.execute(f"SELECT min(seq), max(seq), count(*) {within}", when).fetchone()
    near = f"{times} AND i.rowid BETWEEN ? AND ?"
    if count < MANY and last is not None and count * 4 < last - first:
        return f"{near} AND +i.rowid IN (SELECT seq {within})", (*when, first, last, *when)
    return near, (*when, first or 0, last or 0)


def _not_indexed(connection: sqlite3.Connection, query: Query) -> Iterator[_Row | None]:
    """Messages of which only the text is there; ``_LATE`` at the end where there was no time for all."""
    times, values = _times(query)
    found = connection.execute(
        f"""SELECT m.seq, m.id, m.conversation_id, m.role, t.created, t.facts, t.text
        FROM search_texts t CROSS JOIN messages m ON m.seq = t.seq
        WHERE t.indexed = 0 AND m.seq NOT IN {branches.DEAD}{times} ORDER BY t.seq DESC""",
        values,
    )
    deadline = time.monotonic() + READING_S
    for seq, message, conversation, role, created, facts, text in found:
        known = search.facts_of(facts)
        beside = "\n".join(name for name, _ in known.names)
        if _has(query, known) and query.accepts(text, beside):
            yield seq, message, conversation, role, created, 1.0
        if time.monotonic() > deadline:
            yield _LATE
            return


def _has(query: Query, known: search.Facts) -> bool:
    model = Folded(known.model)
    return all(what in known.has for what in query.values("has")) and all(
        next(spans(_name(value), model), None) is not None for value in query.values("model")
    )


def _times(query: Query) -> tuple[str, tuple[float, ...]]:
    times = [(" AND t.created >= ?", query.after), (" AND t.created < ?", query.before)]
    given = [(condition, when) for condition, when in times if when is not None]
    return "".join(condition for condition, _ in given), tuple(when for _, when in given)


def expression(query: Query, conversations: Sequence[str] = ()) -> str:
    """What FTS5 is asked. Words have letters and digits alone, so that nothing in them is its syntax."""
    wanted = [_asked(term) for term in query.wanted]
    wanted += [f'facts : "{search.has_word(what)}"' for what in query.values("has")]
    wanted += [_fts("model", _name(value)) for value in query.values("model")]
    if conversations:
        wanted.append(_any(f'facts : "{search.conversation_word(identity)}"' for identity in conversations))
    unwanted = list(dict.fromkeys(_asked(term) for term in query.unwanted))
    return "(" + " AND ".join(wanted) + ")" + (f" NOT {_any(unwanted)}" if unwanted else "")


def _asked(term: Term) -> str:
    # What begins inside a word stands alone: words that follow each other are not looked for there.
    return _fts("{text parts names}" if len(term.words) == 1 and not term.phrase else "{text names}", term)


def _fts(columns: str, term: Term) -> str:
    return f'{columns} : "{" ".join(term.words)}"{" *" if term.prefix else ""}'


def _name(value: str) -> Term:
    words = words_of(value)
    return Term(words, prefix=len(words[-1]) > 1, phrase=True, without=False, start=0, end=0)


def _any(expressions: Iterable[str]) -> str:
    return "(" + " OR ".join(expressions) + ")"


# Titles and hits -----------------------------------------------------------------------------------------------------


def _titles(
    connection: sqlite3.Connection, query: Query, living: Collection[str], about: Conversations
) -> dict[str, float]:
    """When those changed last whose titles fit."""
    found = [identity for identity in (about.titled(query) if query.wanted else living) if identity in living]
    wanted = f" WHERE id IN ({', '.join('?' * len(found))})" if len(found) <= branches.CHUNK else ""
    among, after, before = set(found), query.after, query.before
    return {
        identity: rows.when(updated)
        for identity, updated in connection.execute(
            f"SELECT id, updated FROM conversations{wanted}", found if wanted else ()
        )
        if identity in among
        and (after is None or rows.when(updated) >= after)
        and (before is None or about.known[identity].created < before)
    }


def _newest(titled: Mapping[str, float], limit: int, now: float) -> list[_Candidate]:
    """Of titles none but the newest are among the hits."""
    newest = heapq.nsmallest(limit, titled, key=lambda identity: (-titled[identity], identity))
    return [
        _Candidate(identity, updated, _TITLE + _NEW * _newness(updated, now))
        for identity, updated in ((identity, titled[identity]) for identity in newest)
    ]


def _spread(found: list[_Candidate], limit: int) -> list[_Candidate]:
    """The best, not too many of one conversation where there are others."""
    if len({entry.conversation for entry in found}) == 1:
        return found[:limit]
    count: Counter[str] = Counter()
    chosen = []
    for entry in found:
        count[entry.conversation] += 1
        if count[entry.conversation] <= IN_ONE:
            chosen.append(entry)
            if len(chosen) == limit:
                break
    return chosen


def _hits(connection: sqlite3.Connection, query: Query, chosen: list[_Candidate]) -> Iterator[Hit]:
    known: dict[str, Conversation] = {}
    for entry in chosen:
        if entry.conversation not in known:
            row = connection.execute(
                f"SELECT {rows.CONVERSATION_COLUMNS} FROM conversations WHERE id = ?", (entry.conversation,)
            ).fetchone()
            known[entry.conversation] = rows.conversation(row)
        conversation = known[entry.conversation]
        if not entry.message:
            line = " ".join(conversation.title.split())
            yield Hit(conversation, "", None, line, line, query.ranges(line), entry.created, "", entry.score)
            continue
        facts, text = connection.execute("SELECT facts, text FROM search_texts WHERE seq = ?", (entry.seq,)).fetchone()
        said, attachment = _shown(query, search.facts_of(facts), text)
        role = Role(entry.role) if entry.role in tuple(Role) else None
        yield Hit(
            conversation, entry.message, role, conversation.title, said.text, said.marks, entry.created, attachment,
            entry.score,
        )  # fmt: skip


def _shown(query: Query, facts: search.Facts, text: str) -> tuple[Snippet, str]:
    """What is shown of a message, and the file that it is from."""
    named = next(
        ((name, start) for name, start in facts.names if name and (not query.wanted or query.ranges(name))), None
    )
    if named is None or as_typed(query, text) >= 0:
        said = snippet(query, text)
        if said.place >= 0:
            inside = [name for name, start in facts.names if 0 <= start <= said.place]
            return said, inside[-1] if inside else ""
        if named is None:
            return said, ""
    name, start = named
    return beginning(text[max(0, start) :]), name
