"""Choosing parts of a document's text: what can be chosen, the text that comes of it, and what a text has. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

#: A part has so many characters at most; a longer section is cut at the end of a paragraph, line or sentence.
LONGEST_PART = 4_000
#: Of words that stand for a title, in characters.
_TITLE = 80
#: What stands in the place of text that was left out: "[…]", with the title of what follows where that begins there.
GAP = "[…]"
_GAPS = re.compile(r"\n*^\[…(?: [^\n]*)?\]$\n*", re.MULTILINE)
_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s*"), re.compile(r"\s"))


class Choice(Struct, frozen=True):
    """A part that can be chosen: characters ``start`` to ``end`` of the text. ``titled``: the document calls it so;
    else ``title`` is how it begins. ``piece`` counts the parts of one long section from 1, 0 for a whole one."""

    title: str
    start: int
    end: int
    titled: bool = True
    piece: int = 0


def choices(text: str, sections: Sequence[tuple[str, int, int]]) -> tuple[Choice, ...]:
    """The parts of a text, without gaps: its sections (title, start, end), long ones in pieces; where there are none,
    pieces alone. What is blank belongs to what stands before it."""
    found: list[Choice] = []
    place = 0
    bounds = sorted((max(0, start), min(len(text), end), title) for title, start, end in sections)
    for start, end, title in bounds:
        if start > place:
            found += _pieces(text, "", place, start)
        if end > max(start, place):
            found += _pieces(text, title, max(start, place), end)
            place = end
    if place < len(text):
        found += _pieces(text, "", place, len(text))
    whole: list[Choice] = []
    for choice in found:
        blank = not text[choice.start : choice.end].strip()
        if whole and blank:
            last = whole.pop()
            choice = Choice(last.title, last.start, choice.end, last.titled, last.piece)  # noqa: PLW2901 - joined
        elif blank:
            continue
        whole.append(choice)
    return tuple(whole)


def chosen_text(text: str, parts: Sequence[Choice], chosen: Sequence[int]) -> str:
    """The text of the parts with these numbers, in order; what is left out is marked, with the title of what follows.
    All of them are the text itself."""
    numbers = sorted({number for number in chosen if 0 <= number < len(parts)})
    if len(numbers) == len(parts):
        return text
    said: list[str] = []
    before = -1
    for number in numbers:
        part = parts[number]
        piece = text[part.start : part.end].strip("\n")
        if number == before + 1 and said:
            # As they stand in the text, with the blank lines between them.
            gap = text[parts[before].end - _tail(text, parts[before]) : part.start + _head(text, part)]
            said.append(gap + piece)
        else:
            mark = f"[… {_line(part.title)}]" if part.titled and part.title and part.piece <= 1 else GAP
            said.append(("\n\n" if said else "") + (f"{mark}\n\n" if number > 0 else "") + piece)
        before = number
    if numbers and numbers[-1] < len(parts) - 1:
        said.append(f"\n\n{GAP}")
    return "".join(said)


def found_again(text: str, parts: Sequence[Choice], chosen: str) -> frozenset[int]:
    """The numbers of the parts of which ``chosen`` was put together, as far as they can be found."""
    found: set[int] = set()
    begins = {part.start + _head(text, part) for part in parts}
    place = 0
    for piece in filter(None, (piece.strip("\n") for piece in _GAPS.split(chosen))):
        first = start = text.find(piece, place)
        while start >= 0 and start not in begins:  # the same words may stand elsewhere
            start = text.find(piece, start + 1)
        start = first if start < 0 else start
        if start < 0:
            continue
        place = start + len(piece)
        found |= {number for number, part in enumerate(parts) if part.start < place and part.end > start}
    return frozenset(found)


def touched(parts: Sequence[Choice], start: int, end: int) -> frozenset[int]:
    """The numbers of the parts that characters ``start`` to ``end`` are in."""
    return frozenset(number for number, part in enumerate(parts) if part.start < end and part.end > start)


def _tail(text: str, part: Choice) -> int:
    said = text[part.start : part.end]
    return len(said) - len(said.rstrip("\n"))


def _head(text: str, part: Choice) -> int:
    said = text[part.start : part.end]
    return len(said) - len(said.lstrip("\n"))


def _pieces(text: str, title: str, start: int, end: int) -> list[Choice]:
    """A section, in pieces where it is long."""
    cuts = [start]
    while end - cuts[-1] > LONGEST_PART:
        cuts.append(_cut(text, cuts[-1]))
    several = len(cuts) > 1
    found: list[Choice] = []
    for number, (first, last) in enumerate(zip(cuts, [*cuts[1:], end], strict=True), 1):
        named = title or _line(text[first : min(last, first + 4 * _TITLE)])
        found.append(Choice(named, first, last, bool(title), number if several and title else 0))
    return found


def _cut(text: str, start: int) -> int:
    """Where a piece that begins at ``start`` ends: at the last good place of its second half."""
    half, most = start + LONGEST_PART // 2, start + LONGEST_PART
    for ends in _ENDS:
        last = max((found.end() for found in ends.finditer(text, half, most)), default=0)
        if last > half:
            return last
    return most


def _line(title: str) -> str:
    words = " ".join(title.split())
    return words if len(words) <= _TITLE else words[: _TITLE - 1].rstrip() + "…"
