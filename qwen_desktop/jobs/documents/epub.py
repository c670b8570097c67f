"""EPUB: the chapters of a book in the order of its spine, each a section with the title that the contents give it."""

from __future__ import annotations

import posixpath
import re
from typing import BinaryIO
from urllib.parse import unquote

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import failures
from qwen_desktop.jobs.documents.draft import Draft
from qwen_desktop.jobs.documents.html import convert, decoded
from qwen_desktop.jobs.documents.package import Package, Visitor, joined

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
#: What only makes fonts unusable elsewhere; the text of such a book is open.
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_HEADING = re.compile(r"<h([1-3])\b[^>]{0,500}>(.{1,2000}?)</h\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def read_epub(file: BinaryIO, size: int, draft: Draft) -> None:
    """A book."""
    package = Package(file, draft.name, draft.limits.members)
    locks = _Encryption()
    package.walk(_ENCRYPTION, locks, draft)
    if locks.locked:
        raise failures.protected(draft.name)
    container = _Container()
    package.walk(_CONTAINER, container, draft)
    if container.opf not in package.names:
        raise failures.damaged(draft.name, details="no contents")
    book = _Book(posixpath.dirname(container.opf))
    package.walk(container.opf, book, draft)
    titles = _titles(package, book, draft)
    heads = [f"Title: {book.title}"] if book.title else []
    if book.authors:
        heads.append(f"Author: {', '.join(book.authors)}")
    draft.block("\n".join(heads))
    missing = 0
    for number, part in enumerate(book.spine, 1):
        draft.check(number - 1, len(book.spine))
        if part not in package.names:
            missing += 1
            continue
        text, _ = decoded(package.whole(part, draft), "utf-8")
        draft.section(titles.get(part) or _heading(text) or f"Chapter {number}")
        convert(text, draft)
    if missing:
        draft.note(
            Text(
                "document.chapters",
                QT_TRANSLATE_NOOP("documents", "%n chapter(s) (is|are) missing from the file."),
                {"n": missing},
            )
        )


class _Encryption(Visitor):
    locked = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "EncryptionMethod" and attributes.get("Algorithm") not in _FONTS:
            self.locked = True


class _Container(Visitor):
    opf = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "rootfile" and not self.opf:
            self.opf = joined("", attributes.get("full-path", ""))


class _Book(Visitor):
    """Title, authors, and the parts in their order."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._text: list[str] | None = None
        self._items: dict[str, tuple[str, str]] = {}
        self._order: list[str] = []
        self._about: dict[str, list[str]] = {"title": [], "creator": []}
        self._in_metadata = False
        self.contents: list[str] = []

    @property
    def title(self) -> str:
        return self._about["title"][0] if self._about["title"] else ""

    @property
    def authors(self) -> list[str]:
        return self._about["creator"][:20]

    @property
    def spine(self) -> list[str]:
        """The parts that are pages, each once."""
        found = [self._items[key][0] for key in self._order if key in self._items and self._items[key][1] in _PAGES]
        return list(dict.fromkeys(found))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "item":
            part = joined(self._folder, unquote(attributes.get("href", "").partition("#")[0]))
            kind = attributes.get("media-type", "")
            self._items[attributes.get("id", "")] = (part, kind)
            if kind == "application/x-dtbncx+xml" or "nav" in attributes.get("properties", "").split():
                self.contents.append(part)
        elif tag == "itemref":
            self._order.append(attributes.get("idref", ""))
        elif tag == "metadata":
            self._in_metadata = True
        elif tag in self._about and self._in_metadata:
            self._text = []

    def end(self, tag: str) -> None:
        if tag == "metadata":
            self._in_metadata = False
        elif tag in self._about and self._text is not None:
            if words := " ".join("".join(self._text).split())[:500]:
                self._about[tag].append(words)
            self._text = None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


class _Contents(Visitor):
    """Titles of parts, from either kind of table of contents: the first that names a part counts."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._text: list[str] | None = None
        self._words = ""
        self._href = ""
        self.titles: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("text", "a"):
            self._text, self._href = [], attributes.get("href", "")
        elif tag == "content" and self._words:
            self._name(attributes.get("src", ""), self._words)

    def end(self, tag: str) -> None:
        if tag in ("text", "a") and self._text is not None:
            self._words, self._text = " ".join("".join(self._text).split()), None
            if tag == "a" and self._href:
                self._name(self._href, self._words)

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _name(self, href: str, words: str) -> None:
        if words:
            self.titles.setdefault(joined(self._folder, unquote(href.partition("#")[0])), words)


def _titles(package: Package, book: _Book, draft: Draft) -> dict[str, str]:
    for part in book.contents:
        contents = _Contents(posixpath.dirname(part))
        try:
            package.walk(part, contents, draft)
        except UserFacing:  # a table of contents that is broken is no reason not to read the book
            continue
        if contents.titles:
            return contents.titles
    return {}


def _heading(text: str) -> str:
    found = _HEADING.search(text[:100_000])
    return " ".join(_TAG.sub("", found[2]).split()) if found else ""
