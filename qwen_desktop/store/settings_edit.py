"""Changing one value in a TOML text that people write, and nothing else.

A value may stand in every form that TOML has: below ``[engine]``, as ``engine.context = 1`` above all sections, inside
``engine = {context = 1}``, with quoted keys. Each keeps its form: only the characters of the value are exchanged. What
must make room (``engine = 3``) becomes a comment. Whoever calls this compares the result with what was meant
(``settings_file``), since it is not this module that knows all of TOML but ``tomllib``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from qwen_desktop.core.setting import Setting
from qwen_desktop.store import settings_text

Path = tuple[str, ...]

_KEY_PART = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\r\n]*")
_BLANK = re.compile(r"[ \t]*")
_COMMA = re.compile(r"(?:[ \t]*,)?")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


class TomlEntry(Struct, frozen=True):
    """``key = value`` as a line or inside braces: ``path`` counts from the file's root for a line and from the table
    inside braces. Numbers are places in the text: the key begins at ``start``, the value covers ``value`` to ``end``.
    ``table`` is the section that the line stands in; ``inside`` are the entries of a value in braces."""

    path: Path
    start: int
    value: int
    end: int
    table: Path = ()
    inside: tuple[TomlEntry, ...] | None = None


class Head(Struct, frozen=True):
    """``[path]``, or ``[[path]]`` when ``repeated``."""

    path: Path
    start: int
    end: int
    repeated: bool


class TomlComment(Struct, frozen=True):
    """A comment with a line of its own, in the section ``table``."""

    table: Path
    start: int
    end: int
    path: Path = ()


Item = TomlEntry | Head | TomlComment


def with_value(text: str, entry: Setting, value: Any) -> str:
    """``text`` (valid TOML) with one setting changed; None takes it away. Raises ``ValueError`` and ``IndexError``
    for a text that is none."""
    section, name = entry.section, entry.name
    if not isinstance(tomllib.loads(text).get(section, {}), dict):
        if value is None:
            return text
        text = _commented(text, [item for item in _items(text) if item.path[:1] == (section,)])
    items = list(_items(text))
    here = (section, name)
    lines = [item for item in items if isinstance(item, TomlEntry)]
    for line in lines:
        if line.path == here:
            if value is not None:
                return _exchanged(text, line.start, line.value, line.end, settings_text.toml_value(value))
            key = text[line.start : line.value].partition("=")[0].rstrip()
            return _exchanged(text, line.start, line.start, line.end, f"# {key} =")
        if line.path == (section,) and line.inside is not None:
            return _in_braces(text, line, name, value)
    others = [item for item in items if item.path[:2] == here]
    if others:  # a table in the place of a value
        return with_value(_commented(text, others), entry, value)
    return text if value is None else _added(text, items, entry, value)


def _added(text: str, items: list[Item], entry: Setting, value: Any) -> str:
    """``text`` with a setting that it does not have."""
    new_line = "\r\n" if "\r\n" in text else "\n"
    section = (entry.section,)
    empty = re.compile(rf"#[ \t]*{re.escape(entry.name)}[ \t]*=[ \t]*(?=#|\r?$)")
    head = next((i for i in items if isinstance(i, Head) and i.path == section and not i.repeated), None)
    if head is not None:
        for item in items:
            if (
                isinstance(item, TomlComment)
                and item.table == section
                and (found := empty.match(text, item.start, item.end))
            ):
                # between "# name =" and "name = value" the line is exchanged, so that it stays below its explanation
                rest = text[found.end() : item.end]
                new = settings_text.line(entry, value) + (f" {rest}" if rest else "")
                return text[: item.start] + new + text[item.end :]
        below = [i for i in items if isinstance(i, TomlEntry) and i.table == section and i.start > head.start]
        last = below[-1] if below else head
        return _below(text, last, settings_text.comment(entry) + settings_text.line(entry, value), new_line)
    dotted = [
        i for i in items if isinstance(i, TomlEntry) and not i.table and len(i.path) > 1 and i.path[:1] == section
    ]
    if dotted:
        return _below(text, dotted[-1], f"{entry.section}.{settings_text.line(entry, value)}", new_line)
    words = f"\n[{entry.section}]\n{settings_text.comment(entry)}{settings_text.line(entry, value)}\n"
    if text and not text.endswith("\n"):
        text += new_line
    return text + words.replace("\n", new_line)


def _below(text: str, item: Item, words: str, new_line: str) -> str:
    """``text`` with lines more below the one where ``item`` ends."""
    place = _end_of_line(text, item.end)
    before = text[:place] if text[:place].endswith("\n") else text[:place] + new_line
    return before + words.replace("\n", new_line) + new_line + text[place:]


def _in_braces(text: str, line: TomlEntry, name: str, value: Any) -> str:
    """``text`` with one value changed inside ``section = {…}``."""
    inside = list(line.inside or ())
    written = "" if value is None else settings_text.toml_value(value)
    exact = next((entry for entry in inside if entry.path == (name,)), None)
    if exact is not None and value is not None:
        return _exchanged(text, line.start, exact.value, exact.end, written)
    for number in range(len(inside) - 1, -1, -1):
        if inside[number].path[0] == name:
            text, line = _without(text, line, number)
    if value is None:
        return text
    inside = list(line.inside or ())
    if not inside:
        return f"{text[: line.value]}{{ {name} = {written} }}{text[line.end :]}"
    last = inside[-1].end
    return f"{text[:last]}, {name} = {written}{text[last:]}"


def _without(text: str, line: TomlEntry, number: int) -> tuple[str, TomlEntry]:
    """``text`` without one entry of a value in braces, and that value's entry in it."""
    inside = line.inside or ()
    if number:
        start, end = inside[number - 1].end, inside[number].end
    elif len(inside) > 1:
        start, end = inside[0].start, inside[1].start
    else:
        start, end = inside[0].start, _skip(_COMMA, text, inside[0].end)
    text = _exchanged(text, line.start, start, end, "")
    return text, next(item for item in _items(text) if isinstance(item, TomlEntry) and item.path == line.path)


def _exchanged(text: str, statement: int, start: int, end: int, new: str) -> str:
    """``text`` with ``new`` from ``start`` to ``end``. Comments between the values of a list go above the line of the
    ``statement``."""
    above = text.rfind("\n", 0, statement) + 1
    kept = ""
    place = start
    while place < end:
        if text[place] in "\"'":
            place = _string(text, place)
        elif text[place] == "#":
            kept += text[place : _end_of_line(text, place)]
            place = _end_of_line(text, place)
        else:
            place += 1
    return text[:above] + kept + text[above:start] + new + text[end:]


def _commented(text: str, items: Sequence[Item]) -> str:
    """``text`` with the lines of these items as comments."""
    for item in reversed(items):
        start, end = text.rfind("\n", 0, item.start) + 1, _end_of_line(text, item.end)
        text = text[:start] + re.sub(r"(?m)^(?=.|\n)", "# ", text[start:end]) + text[end:]
    return text


def _end_of_line(text: str, place: int) -> int:
    return text.find("\n", place) + 1 or len(text)


# Reading ------------------------------------------------------------------------------------------------------------


def _items(text: str) -> Iterator[Item]:
    """What stands in ``text``, line by line."""
    table: Path = ()
    place = 0
    while place < len(text):
        place = _skip(_BLANK, text, place)
        if place >= len(text):
            return
        start = place
        if text[place] == "#":
            place = _end_of_line(text, place)
            yield TomlComment(table, start, start + len(text[start:place].rstrip("\r\n")))
        elif text[place] == "[":
            repeated = text.startswith("[[", place)
            table, place = _key(text, place + 1 + repeated)
            place = text.index("]", place) + 1 + repeated
            yield Head(table, start, place, repeated)
            place = _end_of_line(text, place)
        elif text[place] in "\r\n":
            place += 1
        else:
            found = _entry(text, place, table)
            yield found
            place = _end_of_line(text, found.end)


def _entry(text: str, start: int, table: Path) -> TomlEntry:
    path, place = _key(text, start)
    value = _skip(_BLANK, text, text.index("=", place) + 1)
    end, inside = _value(text, value)
    return TomlEntry(table + path, start, value, end, table, inside)


def _key(text: str, start: int) -> tuple[Path, int]:
    """The parts of the key that begins at ``start``, and where it ends."""
    start = place = _skip(_BLANK, text, start)
    while True:
        place = _string(text, place) if text[place] in "\"'" else _skip(_KEY_PART, text, place)
        end = place
        place = _skip(_BLANK, text, place)
        if text[place] != ".":
            break
        place = _skip(_BLANK, text, place + 1)
    found: Any = tomllib.loads(f"{text[start:end]} = 0")
    parts: list[str] = []
    while isinstance(found, dict):
        (part,) = found
        parts.append(part)
        found = found[part]
    return tuple(parts), end


def _value(text: str, place: int) -> tuple[int, tuple[TomlEntry, ...] | None]:
    """Where the value that begins at ``place`` ends, and its entries when it stands in braces."""
    if text[place] in "\"'":
        return _string(text, place), None
    if text[place] == "[":
        place = _skip(_GAP, text, place + 1)
        while text[place] != "]":
            place, _ = _value(text, place)
            place = _next(text, place)
        return place + 1, None
    if text[place] == "{":
        inside: list[TomlEntry] = []
        place = _skip(_GAP, text, place + 1)
        while text[place] != "}":
            found = _entry(text, place, ())
            inside.append(found)
            place = _next(text, found.end)
        return place + 1, tuple(inside)
    return place + len(text[place : _skip(_BARE_VALUE, text, place)].rstrip()), None


def _next(text: str, place: int) -> int:
    """Where the next value of a list begins, or its end."""
    place = _skip(_GAP, text, place)
    return _skip(_GAP, text, place + 1) if text[place] == "," else place


def _string(text: str, place: int) -> int:
    """Where the text in quotes that begins at ``place`` ends."""
    quote = text[place]
    mark = quote * 3 if text.startswith(quote * 3, place) else quote
    place += len(mark)
    while not text.startswith(mark, place):
        place += 2 if text[place] == "\\" and quote == '"' else 1
    place += len(mark)
    for _ in range(len(mark) - 1):  # one or two quotes may stand before the three that end it
        if text.startswith(quote, place):
            place += 1
    return place


def _skip(what: re.Pattern[str], text: str, place: int) -> int:
    found = what.match(text, place)
    if found is None:
        raise ValueError("not TOML")
    return found.end()
