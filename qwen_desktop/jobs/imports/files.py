"""Files and folders of other programs: JSON values one by one, archives with bounds, folders without circles."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.exchange import Source
from qwen_desktop.core.files import open_file, read_file
from qwen_desktop.core.parts import LARGEST_ATTACHMENT
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.imports.elements import elements
from qwen_desktop.jobs.imports.forms import damaged

#: An archive unpacks to so much at most, and has so many members; a folder so many files, so deep.
MOST_UNPACKED, MOST_MEMBERS = 16_000_000_000, 500_000
_MOST_FILES, _DEEPEST = 100_000, 8
#: One conversation as a file of its own, in bytes.
LARGEST_FILE = 200_000_000

# fmt: off
too_much = Failure(
    UserFacing, "import.bomb", "name",
    QT_TRANSLATE_NOOP("imports", "{name} unpacks to more than any export has."),
    QT_TRANSLATE_NOOP("imports", "If it is one all the same, unpack it and import the folder."),
)
locked = Failure(
    UserFacing, "import.locked", "name",
    QT_TRANSLATE_NOOP("imports", "{name} is protected by a password."),
    QT_TRANSLATE_NOOP("imports", "Unpack it, then import the folder."),
)
# fmt: on


def decoded(data: bytes) -> Any:
    """A JSON value; halves of characters in it are told from others later. Raises ``ValueError``."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(data.decode("utf-8", "replace"), strict=False)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def entries(file: BinaryIO, source: Source, *keys: str, share: float = 1.0, before: int = 0) -> Iterator[Any]:
    """The entries of a file's list, or of the lists that it has under ``keys``; those that are no JSON are skipped.
    A file of one object with none of ``keys`` is that object, of its lists the first entries. ``share`` is how many
    bytes of the source a byte is."""
    lone: dict[str, Any] = {}
    listed = False
    number = 0
    for key, value, done in elements(file):
        source.at(before + int(done * share))
        if key and key not in keys:
            if not listed and key not in lone and len(lone) < 1000:
                lone[key] = decoded(value)
            continue
        listed = True
        number += 1
        try:
            yield decoded(value)
        except ValueError:
            source.skip(unreadable(number))
    if lone and not listed:
        yield lone


def whole(path: Path) -> Any:
    """The one JSON value of a small file. Raises ``ValueError`` and ``OSError``."""
    data = read_file(path, LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError("too long")
    return decoded(data.removeprefix(b"\xef\xbb\xbf"))


def unreadable(number: int) -> Text:
    """An entry of a file is no JSON, or nothing that a conversation is."""
    return Text(
        "import.conversation",
        QT_TRANSLATE_NOOP("imports", "Chat {number} of the file is damaged."),
        {"number": number},
    )


def file_unreadable(name: str) -> Text:
    """A file of a folder is damaged."""
    return Text("import.file", QT_TRANSLATE_NOOP("imports", "{name} is damaged."), {"name": name})


def files_under(folder: Path) -> list[Path]:
    """The files of a folder and those in it, in order; links to folders are not followed."""
    found: list[Path] = []
    waiting = [(folder, 0)]
    while waiting and len(found) < _MOST_FILES:
        at, depth = waiting.pop()
        try:
            inside = sorted(at.iterdir())
        except OSError:
            continue
        found += [entry for entry in inside if entry.is_file()]
        if depth < _DEEPEST:
            waiting += [(e, depth + 1) for e in reversed(inside) if e.is_dir() and not e.is_symlink()]
    return found


class Archive:
    """A ZIP, or a folder that one was unpacked to: its files by their names, each read with bounds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(open_file(path)) if not path.is_dir() else None
        self._unpacked = 0
        if self._zip is not None:
            members = self._zip.infolist()
            if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > MOST_UNPACKED:
                raise too_much(path.name)
            self.sizes = {m.filename: m.file_size for m in members if not m.is_dir()}
        else:
            self.sizes = {str(f.relative_to(path)): f.stat().st_size for f in files_under(path)}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def open(self, name: str) -> BinaryIO:
        """A member, for reading."""
        if self._zip is None:
            return open_file(self._path / name)
        try:
            return self._zip.open(name)  # type: ignore[return-value] # it reads bytes
        except RuntimeError as error:  # a password
            raise locked(self._path.name) from error
        except (NotImplementedError, zipfile.BadZipFile, OSError) as error:  # OSError: it leads to nowhere
            raise damaged(self._path.name) from error

    def read(self, name: str) -> bytes:
        """A member that is attached somewhere; b"" for one that is too large or damaged."""
        try:
            with self.open(name) as file:
                data = file.read(LARGEST_ATTACHMENT + 1)
        except (OSError, EOFError, zipfile.BadZipFile, ValueError):
            return b""
        self._unpacked += len(data)
        if self._unpacked > MOST_UNPACKED:
            raise too_much(self._path.name)
        return data if len(data) <= LARGEST_ATTACHMENT else b""
