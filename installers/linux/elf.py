"""What an ELF file says it needs: libraries and versions of their symbols. 64-bit, little endian, like all we build.

Read here and not by binutils, whose output changes with its version and language.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC, _VERSIONS_NEEDED = 6, 0x6FFFFFFE
_NEEDED, _SONAME, _RPATH, _RUNPATH = 1, 14, 15, 29


class Section(NamedTuple):
    """A section: its name, kind, place in the file, and the number of the section with its strings."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


class Elf(NamedTuple):
    """What one file needs. ``versions`` are pairs such as ("libc.so.6", "GLIBC_2.34")."""

    soname: str
    needed: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]


def is_elf(path: Path) -> bool:
    """Whether this is a 64-bit little-endian ELF file."""
    with path.open("rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def read(path: Path) -> Elf:
    """Read the file. Raises ``ValueError`` for one that is damaged."""
    data = memoryview(path.read_bytes())
    try:
        table = sections(data)
        soname, needed = "", []
        versions: list[tuple[str, str]] = []
        for section in table:
            if section.kind == _DYNAMIC:
                strings = _content(data, table[section.link])
                for tag, value in struct.iter_unpack("<qQ", _content(data, section)):
                    if tag == _NEEDED:
                        needed.append(_string(strings, value))
                    elif tag == _SONAME:
                        soname = _string(strings, value)
            elif section.kind == _VERSIONS_NEEDED:
                versions += _versions(_content(data, section), _content(data, table[section.link]))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is a damaged ELF file") from error
    return Elf(soname, tuple(needed), tuple(versions))


def drop_search_paths(path: Path) -> bool:
    """Take folders of the build machine out of where the loader looks for libraries; return whether there were any.

    Python's own libraries carry the folder that they were installed in. On another computer that folder is missing, or
    somebody else's, who could then put a library there. Only entries whose every path begins with ``$ORIGIN`` stay.
    """
    data = memoryview(path.read_bytes())
    try:
        table = sections(data)
        dynamic = next((section for section in table if section.kind == _DYNAMIC), None)
        if dynamic is None:
            return False
        strings = _content(data, table[dynamic.link])
        entries = list(struct.iter_unpack("<qQ", _content(data, dynamic)))
        kept = [entry for entry in entries if not _is_foreign(entry, strings)]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is a damaged ELF file") from error
    if len(kept) == len(entries):
        return False
    kept += [(0, 0)] * (len(entries) - len(kept))
    with path.open("r+b") as file:
        file.seek(dynamic.offset)
        file.write(b"".join(struct.pack("<qQ", *entry) for entry in kept))
    return True


def _is_foreign(entry: tuple[int, int], strings: memoryview) -> bool:
    tag, value = entry
    if tag not in (_RPATH, _RUNPATH):
        return False
    return not all(part.startswith("$ORIGIN") for part in _string(strings, value).split(":"))


def sections(data: memoryview) -> tuple[Section, ...]:
    """The table of sections. Raises ``struct.error`` or ``IndexError`` for a damaged file."""
    header = _HEADER.unpack_from(data)
    offset, size, count, names_at = header[6], header[11], header[12], header[13]
    rows = [_SECTION.unpack_from(data, offset + number * size) for number in range(count)]
    if not rows:
        return ()
    names = data[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    return tuple(Section(_string(names, row[0]), row[1], row[4], row[5], row[6]) for row in rows)


def _content(data: memoryview, section: Section) -> memoryview:
    return data[section.offset : section.offset + section.size]


def _string(strings: memoryview, start: int) -> str:
    return bytes(strings[start : start + 4096]).split(b"\0", 1)[0].decode("utf-8")


def _versions(data: memoryview, strings: memoryview) -> Iterator[tuple[str, str]]:
    place = 0
    while True:
        _, count, file, first, following = struct.unpack_from("<HHIII", data, place)
        entry = place + first
        for _ in range(count):
            _, _, _, name, step = struct.unpack_from("<IHHII", data, entry)
            yield _string(strings, file), _string(strings, name)
            entry += step
        if not following:
            return
        place += following
