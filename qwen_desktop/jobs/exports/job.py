"""The jobs "history.export" and "history.copy": conversations out of a history, as files or for the clipboard.

They read the database on a connection of their own, all of an export at one moment: neither the window nor its writes
wait for it. What lives in memory only (a temporary chat, a history that cannot be written) is ``given``.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Failure, UserFacing, error_of, os_problem
from qwen_desktop.core.exchange import FORMATS, Record
from qwen_desktop.core.files import replacing
from qwen_desktop.core.packed import from_json
from qwen_desktop.core.parts import TextPart, blobs_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.jobs.exports import own_form, pdf, target
from qwen_desktop.jobs.exports.form import Look, Words, attached, title
from qwen_desktop.jobs.exports.html_form import Page, fragment
from qwen_desktop.jobs.exports.names import Names, safe
from qwen_desktop.jobs.exports.text_forms import markdown, plain
from qwen_desktop.store import blobs as kept_blobs
from qwen_desktop.store import exporting
from qwen_desktop.store.connection import connect_read_only
from qwen_desktop.store.failures import app_error

#: Progress is told so often, in seconds.
_REPORT_S = 0.05
#: So many pages go through one process for PDF at most, and so many characters of them.
_PAGES, _CHARACTERS = 40, 2_000_000
_TEXTS = frozenset({"md", "txt"})
_ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "text/plain": ".txt"}

# fmt: off
nothing = Failure(
    UserFacing, "export.nothing", "", QT_TRANSLATE_NOOP("exports", "There is no chat to export."),
    QT_TRANSLATE_NOOP("exports", "Choose a chat, or a folder with chats in it."),
)
# fmt: on


class Source(Protocol):
    """Where conversations come from."""

    ids: tuple[str, ...]

    def record(self, conversation_id: str, *, branch: bool) -> Record | None:
        """One of them."""

    def blobs(self) -> Sequence[tuple[str, str]]:
        """What is attached in them: hashes and kinds, in order."""

    def content(self, sha256: str) -> bytes | None:
        """What is attached."""


class Stored:
    """Conversations of the database. All reads see one moment."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, ids: Sequence[str] | None, place: str | None):
        connection.execute("BEGIN")
        self._connection = connection
        self._folder = folder
        self.ids = exporting.chosen(connection, ids, place)
        self._all = ids is None and place is None

    def record(self, conversation_id: str, *, branch: bool) -> Record | None:
        """See ``Source``."""
        return exporting.record(self._connection, conversation_id, branch=branch)

    def blobs(self) -> Sequence[tuple[str, str]]:
        return exporting.blobs(self._connection, None if self._all else self.ids)

    def content(self, sha256: str) -> bytes | None:
        return kept_blobs.kept(self._folder, sha256)


class Given(Struct, frozen=True):
    """Conversations that were handed over: each as our JSON, its branch on show as the ids of messages."""

    records: tuple[bytes, ...] = ()
    branches: tuple[tuple[str, ...], ...] = ()
    contents: dict[str, bytes] = {}
    media_types: dict[str, str] = {}


class Handed:
    """As ``Stored``, for what is given."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._records = {
            record.conversation.id: record for record in (from_json(each, Record) for each in given.records)
        }
        self.ids = tuple(self._records)
        self._branches = dict(zip(self.ids, given.branches, strict=True))

    def record(self, conversation_id: str, *, branch: bool) -> Record | None:
        found = self._records.get(conversation_id)
        if found is None or not branch:
            return found
        on_show = set(self._branches[conversation_id])
        return msgspec.structs.replace(found, messages=tuple(m for m in found.messages if m.id in on_show))

    def blobs(self) -> Sequence[tuple[str, str]]:
        named = {s for record in self._records.values() for m in record.messages for s in blobs_of(m.parts)}
        return [(sha256, kind) for sha256, kind in sorted(self._given.media_types.items()) if sha256 in named]

    def content(self, sha256: str) -> bytes | None:
        return self._given.contents.get(sha256)


def export(
    *,
    database: str,
    blobs: str,
    to: str,
    format: str,
    report: Callable[..., Any],
    ids: Sequence[str] | None = None,
    folder: str | None = None,
    thoughts: bool = False,
    attachments: bool = True,
    words: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The job "history.export". ``to`` is the file; of several conversations, but for JSON, a folder, or an archive
    where it ends so. Returns how many ``conversations`` were written and how many attachments were ``lost``. Raises
    ``AppError``."""
    look = Look(thoughts, attachments, msgspec.convert(dict(words or {}), Words))
    place = Path(to)
    with _opened(database, blobs, ids, folder, given) as source:
        if not source.ids:
            raise nothing()
        work = _Export(source, look, format, _Progress(report, len(source.ids)))
        try:
            if format == "json":
                work.json(place)
            elif len(source.ids) == 1 and place.suffix.lower() != ".zip":
                work.one(place)
            else:
                work.many(place)
        except sqlite3.Error as error:
            raise app_error(error, Path(database)) from error
        except OSError as error:
            error.filename = to  # not the name of a temporary file
            raise error_of(os_problem(error)) from error
    return {"conversations": work.count, "lost": len(work.lost)}


def copied(
    *,
    database: str,
    blobs: str,
    words: Mapping[str, str],
    ids: Sequence[str] | None = None,
    given: Mapping[str, Any] | None = None,
    thoughts: bool = False,
    rich: bool = False,
) -> dict[str, str]:
    """The job "history.copy": the branch on show of a conversation as Markdown (``text``) and, where ``rich``, as
    ``html``."""
    look = Look(thoughts, attachments=False, words=msgspec.convert(dict(words), Words))
    with _opened(database, blobs, ids, None, given) as source:
        record = source.record(source.ids[0], branch=True) if source.ids else None
        if record is None:
            raise nothing()
        bare = msgspec.structs.replace(
            record, conversation=msgspec.structs.replace(record.conversation, system_prompt="")
        )
        text = markdown(bare, look, {})
        text = text[text.index("\n---\n") + 5 :].strip("\n") + "\n"
        return {"text": text, "html": fragment(record.messages, look, source.content) if rich else ""}


@contextlib.contextmanager
def _opened(
    database: str, blobs: str, ids: Sequence[str] | None, folder: str | None, given: Mapping[str, Any] | None
) -> Iterator[Source]:
    if given is not None:
        yield Handed(msgspec.convert(dict(given), Given))
        return
    try:
        connection = connect_read_only(Path(database))
    except sqlite3.Error as error:
        raise app_error(error, Path(database)) from error
    with contextlib.closing(connection):
        try:
            source = Stored(connection, Path(blobs), ids, folder)
        except sqlite3.Error as error:
            raise app_error(error, Path(database)) from error
        yield source


class _Progress:
    """Tells it, not too often; raises ``Cancelled`` where nobody waits any more."""

    def __init__(self, report: Callable[..., Any], total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0
        self._told = 0.0

    def step(self) -> None:
        self._done += 1
        self.check()

    def check(self) -> None:
        now = time.monotonic()
        if now - self._told >= _REPORT_S:
            self._told = now
            self._report(self._done, self._total)


class _Export:
    """One export: ``count`` conversations are written, ``lost`` attachments are not there any more."""

    def __init__(self, source: Source, look: Look, form: str, progress: _Progress) -> None:
        self._source = source
        self._look = look
        self._form = form
        self._progress = progress
        self.count = 0
        self.lost: set[str] = set()

    def json(self, place: Path) -> None:
        """All in one file."""
        target.check_parent(place)
        blobs = self._source.blobs() if self._look.attachments else ()
        with replacing(place, mode=target.mode()) as file:
            own_form.write(file, self._records(branch=False), blobs, self._content)

    def one(self, place: Path) -> None:
        """One conversation as one file, and what is attached in a folder beside it."""
        target.check_parent(place)
        record = next(self._records(branch=True), None)
        if record is None:
            raise nothing()
        if self._form in _TEXTS:
            files = self._files(record)
            folder = _free(place.with_name(f"{place.stem}_files"))
            with contextlib.ExitStack() as both:
                file = both.enter_context(replacing(place, mode=target.mode()))
                if files:
                    self._add_files(both.enter_context(target.folder(folder)), files, "")
                file.write(self._text(record, _within(folder.name, files)))
        elif self._form == "html":
            with replacing(place, mode=target.mode()) as file:
                file.write(self._page(record))
        else:
            with tempfile.TemporaryDirectory() as work, replacing(place, mode=target.mode()) as file:
                file.write(self._pdfs([record], Path(work))[0])

    def many(self, place: Path) -> None:
        """Each conversation as a file of its own, in folders as in the list."""
        making = target.archive if place.suffix.lower() == ".zip" else target.folder
        names = Names()
        with making(place) as out:
            if self._form == "pdf":
                self._many_pdfs(out, names)
                return
            for record in self._records(branch=True):
                path = self._path(record, names)
                if self._form == "html":
                    out.add(path, self._page(record))
                    continue
                files = self._files(record)
                folder = f"{path.removesuffix(FORMATS[self._form])}_files"
                out.add(path, self._text(record, _within(folder.rpartition("/")[2], files)))
                self._add_files(out, files, folder)

    def _many_pdfs(self, out: target.Target, names: Names) -> None:
        batch: list[Record] = []
        size = 0
        for record in self._records(branch=True):
            batch.append(record)
            size += sum(len(part.text) for m in record.messages for part in m.parts if isinstance(part, TextPart))
            if len(batch) >= _PAGES or size > _CHARACTERS:
                self._pdf_batch(batch, out, names)
                batch, size = [], 0
        if batch:
            self._pdf_batch(batch, out, names)

    def _pdf_batch(self, batch: list[Record], out: target.Target, names: Names) -> None:
        with tempfile.TemporaryDirectory() as work:
            for record, data in zip(batch, self._pdfs(batch, Path(work)), strict=True):
                out.add(self._path(record, names), data)

    def _pdfs(self, records: Sequence[Record], work: Path) -> list[bytes]:
        pages = []
        for number, record in enumerate(records):
            self._progress.check()
            page = Page(self._look, self._content, pdf=True)
            made = page.make(record)
            name = title(record, self._look.words)
            out = str(work / f"{number}.pdf")
            pages.append(pdf.PageWork(out, name, made, self._look.words.page, tuple(page.drawings)))
        pdf.write(pages, work, self._progress.check)
        return [Path(page.out).read_bytes() for page in pages]

    def _records(self, *, branch: bool) -> Iterator[Record]:
        for identity in self._source.ids:
            self._progress.check()
            record = self._source.record(identity, branch=branch)
            if record is not None:
                self.count += 1
                yield record
            self._progress.step()

    def _path(self, record: Record, names: Names) -> str:
        folder = "/".join(safe(name, "_") for name in record.folder)
        return names.of(folder, safe(title(record, self._look.words), "chat"), FORMATS[self._form])

    def _page(self, record: Record) -> bytes:
        return Page(self._look, self._content).make(record).encode()

    def _text(self, record: Record, beside: Mapping[str, str]) -> bytes:
        return (markdown if self._form == "md" else plain)(record, self._look, beside).encode()

    def _files(self, record: Record) -> dict[str, str]:
        """The names of the files that lie beside a conversation, by the hashes of what is attached in it."""
        found: dict[str, str] = {}
        names = Names()
        for part in (part for message in record.messages for part in attached(message)):
            if not self._look.attachments or part.sha256 in found or self._content(part.sha256) is None:
                continue
            stem, dot, ending = part.name.rpartition(".")
            known = dot and re.fullmatch("[0-9A-Za-z]{1,8}", ending)
            name, ending = (stem, f".{ending}") if known else (part.name, _ENDINGS.get(part.media_type, ""))
            found[part.sha256] = names.of("", safe(name, "attachment"), ending)
        return found

    def _add_files(self, out: target.Target, files: Mapping[str, str], folder: str) -> None:
        for sha256, name in files.items():
            self._progress.check()
            data = self._source.content(sha256)
            if data is not None:
                out.add("/".join(filter(None, (folder, name))), data)

    def _content(self, sha256: str) -> bytes | None:
        data = self._source.content(sha256) if sha256 else None
        if data is None and sha256:
            self.lost.add(sha256)
        return data


def _within(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    return {sha256: f"{folder}/{name}" for sha256, name in files.items()}


def _free(place: Path) -> Path:
    """A name that nothing has yet."""
    number = 2
    free = place
    while free.exists():
        free = place.with_name(f"{place.name} ({number})")
        number += 1
    return free
