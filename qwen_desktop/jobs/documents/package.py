"""Documents that are ZIP files of XML: opened and read within limits.

Names of members are looked up and never become names on a disk. How much comes out is counted while it comes, so that
what the archive says of itself need not be true: one that unpacks to a hundred gigabytes, or whose members share the
same bytes, ends at the same limit.
"""

from __future__ import annotations

import errno
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

import defusedxml
from defusedxml.ElementTree import XMLParser

from qwen_desktop.core import amounts
from qwen_desktop.core.documents import Limits
from qwen_desktop.jobs.documents import failures
from qwen_desktop.jobs.documents.draft import Draft, Full

_CHUNK = 65_536
#: The longest list of members, in bytes, that is read at all; Python makes an object of each.
_LARGEST_DIRECTORY = 8 << 20
#: A part that is read as a whole (a chapter of a book) is no larger than this.
_LARGEST_PART = 64 << 20
#: What zipfile and zlib raise for what is damaged or made to harm.
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, struct.error, NotImplementedError, ValueError,
    OverflowError, IndexError, KeyError, RuntimeError,
)  # fmt: skip


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a ZIP archive."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class Package:
    """The archive ``file``. Raises ``AppError`` for one that is damaged."""

    def __init__(self, file: BinaryIO, name: str, most: int = Limits().members) -> None:
        self._name = name
        _refuse_long_directory(file, name)
        try:
            self._zip = zipfile.ZipFile(file)
            self.names = frozenset(self._zip.namelist())
        except (OSError, *BROKEN) as error:
            raise self.broken(error) from error
        if len(self.names) > most:
            raise failures.members(name)

    def broken(self, error: Exception) -> Exception:
        """What is to be raised for ``error``: a disk that fails is no archive that leads nowhere."""
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            return error
        return failures.damaged(self._name, details=type(error).__name__)

    def start(self, member: str, count: int) -> bytes:
        """The first bytes of a member, b"" when there is none or it cannot be read."""
        try:
            with self._zip.open(member) as stream:
                return stream.read(count)
        except (OSError, *BROKEN):
            return b""

    def chunks(self, member: str, draft: Draft) -> Iterator[bytes]:
        """The content of a member. Raises ``AppError`` for what is encrypted or damaged, and ``Full``."""
        try:
            info = self._zip.getinfo(member)
            if info.flag_bits & 1:
                raise failures.password(self._name)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise failures.damaged(self._name, details="compression")
            with self._zip.open(info) as stream:
                while chunk := stream.read(_CHUNK):
                    draft.unpacked(len(chunk))
                    yield chunk
        except Full:
            raise
        except (OSError, *BROKEN) as error:
            raise self.broken(error) from error

    def whole(self, member: str, draft: Draft) -> bytes:
        """A member as a whole, b"" when there is none; a part of a document, none that is most of it."""
        if member not in self.names:
            return b""
        found = bytearray()
        for chunk in self.chunks(member, draft):
            found += chunk
            if len(found) > _LARGEST_PART:
                raise failures.bomb(self._name, amounts.size(_LARGEST_PART))
        return bytes(found)

    def walk(self, member: str, visitor: Visitor, draft: Draft) -> None:
        """Show ``visitor`` the XML of a member, as far as there is one. Raises ``AppError`` and ``Full``."""
        if member in self.names:
            walk(self.chunks(member, draft), visitor, draft)

    def sizes(self, prefix: str) -> int:
        """What the members below ``prefix`` say that they unpack to, in bytes. (zipfile gives no more than that.)"""
        return sum(info.file_size for info in self._zip.infolist() if info.filename.startswith(prefix))

    def encrypted(self) -> bool:
        """Whether any member needs a password."""
        return any(info.flag_bits & 1 for info in self._zip.infolist())

    def related(self, part: str, draft: Draft) -> dict[str, tuple[str, str]]:
        """What a part of an Office document refers to: id -> (the last word of its type, the name of the part)."""
        folder, base = posixpath.split(part)
        found = _Related(folder)
        self.walk(posixpath.join(folder, "_rels", f"{base}.rels"), found, draft)
        return found.targets

    def main_part(self, usual: str, draft: Draft) -> str:
        """The part with which an Office document begins."""
        named = [target for kind, target in self.related("", draft).values() if kind == "officeDocument"]
        found = next((target for target in (*named, usual) if target in self.names), "")
        if not found:
            raise failures.damaged(self._name, details="no main part")
        return found


class Visitor:
    """Sees XML as it is read: tags are "prefix:name" with the prefixes of ``PREFIXES``, or a name alone."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins. Names of attributes have prefixes as tags do."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Text between tags; what belongs together may come in pieces."""


#: Ends of the namespaces that are told apart, in the transitional and the strict form of Office documents.
PREFIXES = {
    "/wordprocessingml/main": "w",
    "/wordprocessingml/2006/main": "w",
    "/markup-compatibility/2006": "mc",
    "/officeDocument/2006/math": "m",
    "/officeDocument/math": "m",
    "/drawingml/main": "a",
    "/drawingml/2006/main": "a",
    "/presentationml/main": "p",
    "/presentationml/2006/main": "p",
    "/officeDocument/2006/relationships": "r",
    "/officeDocument/relationships": "r",
    ":office:1.0": "office",
    ":text:1.0": "text",
    ":table:1.0": "table",
    ":style:1.0": "style",
    ":drawing:1.0": "draw",
}


def walk(chunks: Iterator[bytes], visitor: Visitor, draft: Draft) -> None:
    """Show ``visitor`` the XML that ``chunks`` are: no tree is made of it, no entity is taken and nothing fetched.

    Raises ``AppError`` for what is no XML, is nested too deeply or defines entities, and ``Full``.
    """
    parser = XMLParser(target=_Named(visitor, draft), forbid_dtd=False, forbid_entities=True, forbid_external=True)
    try:
        for chunk in chunks:
            parser.feed(chunk)
            draft.check()
        parser.close()
    except defusedxml.DefusedXmlException as error:
        raise failures.entities(draft.name) from error
    except (ParseError, ExpatError, LookupError, UnicodeError, ValueError) as error:
        raise failures.damaged(draft.name, details=type(error).__name__) from error


class _Named:
    """Between the parser and a visitor: names without namespaces, and a limit of depth."""

    def __init__(self, visitor: Visitor, draft: Draft) -> None:
        self._visitor = visitor
        self._draft = draft
        self._known: dict[str, str] = {}
        self._depth = 0
        self.data = visitor.data

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._draft.limits.depth:
            raise failures.deep(self._draft.name)
        self._visitor.start(self._short(tag), {self._short(key): value for key, value in attributes.items()})

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._visitor.end(self._short(tag))

    def close(self) -> None:
        """The parser asks for what was made; nothing was."""

    def _short(self, name: str) -> str:
        short = self._known.get(name)
        if short is None:
            space, _, local = name[1:].rpartition("}") if name.startswith("{") else ("", "", name)
            prefix = next((prefix for end, prefix in PREFIXES.items() if space.endswith(end)), "")
            short = f"{prefix}:{local}" if prefix else local
            if len(self._known) < 10_000:
                self._known[name] = short
        return short


class _Related(Visitor):
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.targets: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.targets[attributes.get("Id", "")] = (kind, joined(self._folder, attributes.get("Target", "")))


def joined(folder: str, target: str) -> str:
    """The name of the member that ``target``, written in a member of ``folder``, means."""
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def _refuse_long_directory(file: BinaryIO, name: str) -> None:
    """``zipfile`` reads the whole list of members at once, however long it says to be."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise failures.damaged(name, details="no end of the archive")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length == 0xFFFFFFFF:
        wide = tail.rfind(b"PK\x06\x06", 0, at)
        length = int.from_bytes(tail[wide + 40 : wide + 48], "little") if wide >= 0 else 0
    file.seek(0)
    if length > _LARGEST_DIRECTORY:
        raise failures.members(name)
