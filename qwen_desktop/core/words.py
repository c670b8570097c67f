"""How texts are cut into words for a search, the same for the index, for what is typed and for what is marked.

A word is a run of letters and digits, compared without case and accents (also "ё" as "е", full-width letters, "ß" as
"ss"). A character of a script that writes no spaces between words (Han, kana, Hangul, Thai …) is a word of its own, so
that words of two of them are found inside a sentence. A part of an identifier is found by its beginning: those between
``_`` are words anyway, those of ``camelCase`` are ``parts``.

All of it follows from characters alone, in pieces that hold the interpreter for some hundred microseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

#: Scripts whose characters are words of their own, as ranges of a regular expression's class.
_OWN = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff"
    "\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_OWN_CHARACTER = re.compile(f"[{_OWN}]")
#: A letter or digit of a folded text that is no word of its own.
LETTER = f"[^ {_OWN}]"
#: So many characters are folded at a time.
_PIECE = 4_096
#: The beginning of a later part of a ``camelCase`` word, with the rest of the word, which is not longer than this.
LONGEST_PART = 64
_PART = re.compile(
    "(?:(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]))" rf"(?=([A-Za-z0-9]{{2,{LONGEST_PART}}})(?![A-Za-z0-9]))"
)


def _dropped(character: str) -> bool:
    """Whether a character only decorates the one before it (accents, points of Hebrew and Arabic), or is not seen."""
    category = unicodedata.category(character)
    if category in ("Cf", "Me"):
        return True
    if category != "Mn":
        return False
    combining = unicodedata.combining(character)
    return (
        combining == 1
        or 10 <= combining <= 36
        or combining >= 200
        or "\u0300" <= character <= "\u036f"
        or "\ufe00" <= character <= "\ufe0f"
        or character >= "\U000e0100"
    )


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _fold(character: str) -> str:
    if _dropped(character):
        return ""
    if _OWN_CHARACTER.match(character):
        full = unicodedata.normalize("NFKC", character)
        character = full if len(full) == 1 else character
        return character if _is_letter(character) else " "
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    kept = "".join(c for c in plain if not _dropped(c))
    if kept and all(map(_is_letter, kept)):
        return kept
    return character.lower() if _is_letter(character) and len(character.lower()) == 1 else " "


class _Folds(dict[int, str]):
    """Characters as they are compared, each found out once. ``spaced``: words of their own stand between spaces."""

    def __init__(self, *, spaced: bool) -> None:
        super().__init__()
        self._spaced = spaced
        #: characters that do not become exactly one
        self.uneven: set[str] = set()

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(folded) != 1:
            self.uneven.add(chr(code))
        if self._spaced and folded:
            folded = _OWN_CHARACTER.sub(r" \g<0> ", folded)
        self[code] = folded
        return folded


_plain, _spaced = _Folds(spaced=False), _Folds(spaced=True)


def shadow(text: str, breath: Callable[[], object] | None = None) -> str:
    """``text`` as its words with spaces between them: what the index is given. ``breath`` is called now and then."""
    pieces = []
    for start in range(0, len(text), _PIECE):
        pieces.append(text[start : start + _PIECE].translate(_spaced))
        if breath is not None:
            breath()
    return "".join(pieces)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, as they are compared."""
    return tuple(shadow(text).split())


def is_own(word: str) -> bool:
    """Whether a word is one character of a script without spaces."""
    return len(word) == 1 and _OWN_CHARACTER.match(word) is not None


def own_count(text: str) -> int:
    """How many characters of a text are of scripts without spaces, most of which are as wide as two others."""
    return len(_OWN_CHARACTER.findall(text))


def parts(text: str, breath: Callable[[], object] | None = None) -> str:
    """What begins inside the ``camelCase`` words of a text: "mergeSortedFiles" has "sortedfiles" and "files"."""
    found: list[str] = []
    for start in range(0, len(text), _PIECE):  # a part that begins before the end of a piece is read beyond it
        end = min(start + _PIECE, len(text))
        found += [
            match[1].lower()
            for match in _PART.finditer(text, start, min(end + LONGEST_PART + 1, len(text)))
            if match.start() < end
        ]
        if breath is not None:
            breath()
    return " ".join(found)


def part_at(text: str, place: int) -> str:
    """The part of a ``camelCase`` word that begins at ``place``, "" where none does."""
    found = _PART.match(text, place)
    return found[1].lower() if found is not None else ""


class Folded:
    """A text as it is compared, and where its characters stood."""

    __slots__ = ("original", "places", "text")

    def __init__(self, original: str) -> None:
        self.original = original
        pieces = [original[start : start + _PIECE].translate(_plain) for start in range(0, len(original), _PIECE)]
        self.text = "".join(pieces)
        self.places: list[int] | None = None
        if any(character in original for character in _plain.uneven):
            self.places = []
            for place, character in enumerate(original):
                self.places += [place] * len(_plain[ord(character)])
            self.places.append(len(original))

    def place(self, index: int) -> int:
        """Where in the original the character ``index`` stands."""
        return index if self.places is None else self.places[index]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original that became ``start`` to ``end``, with the accents behind it."""
        if self.places is None:
            return start, end
        stop = self.places[end - 1] + 1
        while stop < len(self.original) and not _plain[ord(self.original[stop])]:
            stop += 1
        return self.places[start], stop
