"""What a search that is being typed can go on with: prefixes, and the values that they may have. No Qt here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from qwen_desktop.core.chat import Names
from qwen_desktop.core.queries import HAS, PREFIXES, parse

#: So many are offered.
MOST = 6
#: A word of so many letters may become a prefix.
_LETTERS = 2
_DAYS = ("today", "yesterday")


class Completion(NamedTuple):
    """``text`` comes instead of what stands from ``start`` to ``end``. ``whole``: that is a prefix with its value."""

    text: str
    start: int
    end: int
    whole: bool


def completions(text: str, cursor: int, names: Names) -> tuple[Completion, ...]:
    """How what stands before the cursor may go on."""
    for found in parse(text).filters:
        if found.start < cursor <= found.end:
            values: dict[str, Iterable[str]] = {
                "folder": names.folders.values(), "tag": names.tags, "model": names.models, "has": HAS,
                "before": _DAYS, "after": _DAYS,
            }  # fmt: skip
            typed = found.value.casefold()
            fitting = [value for value in dict.fromkeys(values[found.name]) if typed in value.casefold()]
            fitting.sort(key=lambda value: not value.casefold().startswith(typed))
            return tuple(
                Completion(written(found.name, value), found.start, found.end, whole=True)
                for value in fitting[:MOST]
                if value != found.value
            )
    start = max(text.rfind(" ", 0, cursor), text.rfind("\u3000", 0, cursor)) + 1
    word = text[start:cursor].lower()
    if len(word) < _LETTERS or not word.isalpha():
        return ()
    return tuple(Completion(f"{name}:", start, cursor, whole=False) for name in PREFIXES if name.startswith(word))


def written(prefix: str, value: str) -> str:
    """A prefix with its value, as it is typed."""
    return f'{prefix}:"{value}"' if not value or any(letter.isspace() for letter in value) else f"{prefix}:{value}"
