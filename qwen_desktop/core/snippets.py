"""The few words of a text around what was searched for, on one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from qwen_desktop.core.queries import Query, spans
from qwen_desktop.core.words import Folded, is_own, own_count

#: How long a snippet is, in characters; where most of them are as wide as two, it is half as long.
LENGTH = 180
#: So much of it stands before what was found, and so near to each other words are best shown together.
BEFORE, NEAR = 40, 120
#: A cut is moved by so many characters at most, so that it falls between words.
_CUT = 20
#: A text is looked through in pieces of so many characters, and so many places in one are compared.
_PIECE, _OVERLAP, _PLACES = 8_000, 200, 60
#: Of a single word the first place is the best: a shorter piece mostly has it.
_SHORT_PIECE = 1_000
_LOOKED_AHEAD = 200_000


class Snippet(Struct, frozen=True):
    """``marks`` are ranges in ``text``; ``place`` is where in the whole text the first word stands, -1 for none."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()
    place: int = -1


def snippet(query: Query, text: str) -> Snippet:
    """The best place of a text: where most of the words stand near each other, the first of those (of a long text
    mostly). Its beginning, and no marks, where none is found."""
    piece, places = (_PIECE, _PLACES) if len(query.wanted) > 1 else (_SHORT_PIECE, 1)
    for start, length in _pieces(query, text, piece):
        first = max(0, start - 1)  # what stands before tells whether a word begins here
        folded = Folded(text[first : start + length + _OVERLAP])
        found = sorted(
            (begin, number)
            for number, term in enumerate(query.wanted)
            for begin, _ in islice((span for span in spans(term, folded) if span[0] >= start - first), places)
        )
        if found:
            place = first + _best(found)
            line = _line(text, max(0, place - BEFORE))
            return Snippet(line, query.ranges(line), place)
    return beginning(text)


def beginning(text: str) -> Snippet:
    """How a text begins, without marks."""
    return Snippet(_line(text, 0))


def as_typed(query: Query, text: str) -> int:
    """The best place among those where wanted words stand as they were typed, or nearly; -1 where none does."""
    text = text[:_LOOKED_AHEAD]
    found = _typed(query, text)
    missing = len({number for _, number in found}) < len(query.wanted)
    if missing and (not found or text.isascii()):  # of other texts it takes as long as to fold a piece
        found = _typed(query, text.lower()) or found
    return _best(sorted(found)) if found else -1


def _typed(query: Query, text: str) -> list[tuple[int, int]]:
    found = []
    for number, term in enumerate(query.wanted):
        word, place = term.words[0], -1
        for _ in range(_PLACES):
            place = text.find(word, place + 1)
            if place < 0:
                break
            if place == 0 or not text[place - 1].isalnum() or is_own(word):
                found.append((place, number))
    return found


def _pieces(query: Query, text: str, piece: int) -> Iterator[tuple[int, int]]:
    """Where the pieces of a text begin, and how long they are, in the order in which they are looked through: to fold
    letters that are not ASCII takes time, so that a short one comes first in which words stand as they were typed."""
    if not query.wanted:
        return
    if len(text) > _SHORT_PIECE and (place := as_typed(query, text)) >= 0:
        yield place, _SHORT_PIECE
    for start in range(0, len(text), piece):
        yield start, piece


def _best(found: list[tuple[int, int]]) -> int:
    best, most, end = found[0][0], 0, 0
    near: Counter[int] = Counter()
    for begin, number in found:
        while end < len(found) and found[end][0] < begin + NEAR:
            near[found[end][1]] += 1
            end += 1
        if len(near) > most:
            best, most = begin, len(near)
        near[number] -= 1
        if not near[number]:
            del near[number]
    return best


def _line(text: str, start: int) -> str:
    raw = text[start : start + LENGTH]
    length = LENGTH if 2 * own_count(raw) < len(raw) else LENGTH // 2
    end = start + length
    if start > 0:
        start += next((n + 1 for n, c in enumerate(text[start : start + _CUT]) if c.isspace()), 0)
    if end < len(text):
        end -= next((n for n, c in enumerate(reversed(text[end - _CUT : end + 1])) if c.isspace()), 0)
    words = " ".join(text[start:end].split())
    before, behind = text[max(0, start - _CUT) : start].strip(), text[end : end + _CUT].strip()
    return f"{'…' if before else ''}{words}{'…' if behind else ''}"
