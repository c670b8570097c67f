"""Finding a text as people type it: capitals, accents and the kind of space count only where that is asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final

#: Letters that are written with signs: Latin, Greek, Cyrillic, Vietnamese.
_WRITTEN: Final = (range(0xC0, 0x250), range(0x370, 0x400), range(0x400, 0x530), range(0x1E00, 0x2000))
#: Letters of their own, though Unicode takes them apart: nobody who looks for one means the other.
_OWN: Final = frozenset("йЙ")
#: What a text may have after a letter where it writes accents as signs of their own.
_SIGNS: Final = "[\u0300-\u036f]*"
#: What may stand inside a word of a Markdown text that is not in its plain text.
_INSIDE: Final = re.compile(r"&#?\w+;|<|\w(?:[*~`\\]+|\]\()\w|\w\\\W")
#: Characters of one step.
_STEP: Final = 200_000


class TextPattern:
    """A text to be found. Without any sign but spaces it finds nothing."""

    def __init__(self, text: str, *, exact: bool = False) -> None:
        self.text = text
        self.exact = exact
        words = text.split()
        self._whole = _compiled(words, exact=exact)
        runs = (run for word in words for run in re.findall(r"[^\W_]+", word))
        self._runs = [compiled for run in runs if (compiled := _compiled([run], exact=exact)) is not None]
        self._reach = 4 * len(text) + 64

    def __bool__(self) -> bool:
        return self._whole is not None

    def ranges(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in a text, from first to last; none covers another."""
        return [found for step in self.steps(text) for found in step]

    def steps(self, text: str) -> Iterator[list[tuple[int, int]]]:
        """The same in steps that take some milliseconds each."""
        place = start = 0
        while self._whole is not None and start < len(text):
            end = start + _STEP
            found = []
            for match in self._whole.finditer(text, max(start, place), min(len(text), end + self._reach)):
                if match.start() >= end:
                    break
                found.append(match.span())
                place = match.end()
            yield found
            start = end

    def may_stand_in(self, source: str) -> bool:
        """Whether it may be in the plain text of a Markdown text; cheaper than to make that."""
        return all(run.search(source) for run in self._runs) or _INSIDE.search(source) is not None


def _compiled(words: list[str], *, exact: bool) -> re.Pattern[str] | None:
    if not words:
        return None
    letter = re.escape if exact else _loosely
    joined = r"\s+".join("".join(map(letter, word if exact else _bare(word))) for word in words)
    return re.compile(joined, re.NOFLAG if exact else re.IGNORECASE)


def _bare(word: str) -> str:
    """A word without its accents."""
    return "".join(map(_base, unicodedata.normalize("NFC", word)))


def _base(letter: str) -> str:
    if letter in _OWN:
        return letter
    first, *signs = list(unicodedata.normalize("NFD", letter))
    return first if all(map(unicodedata.combining, signs)) and not unicodedata.combining(first) else letter


def _loosely(letter: str) -> str:
    forms = _forms().get(letter.lower())
    if forms is None:
        return re.escape(letter)
    return f"[{''.join(forms)}]{_SIGNS}"


@cache
def _forms() -> dict[str, str]:
    """Each letter that can have accents, with all its forms."""
    found: dict[str, str] = {}
    for letter in (chr(code) for codes in _WRITTEN for code in codes):
        base = _base(letter).lower()
        if base != letter.lower() and len(base) == 1 and base.isalpha():
            found[base] = found.get(base, base) + letter
    return found
