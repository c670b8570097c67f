"""What a tag looks like: one word in small letters, so that two people who mean the same write the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from qwen_desktop.core.text import clean

#: Longest tag, in characters.
LONGEST = 40
#: What ends a tag where several are written in one line.
_BETWEEN = ",;，；、"
_LEFT_OUT = dict.fromkeys(map(ord, '"“”„«»' + _BETWEEN))


def tag_of(text: str) -> str:
    """A tag in its normal form, "" where nothing is left: without the # before it, in small letters, with a hyphen for
    each space, at most 40 characters."""
    text = unicodedata.normalize("NFC", clean(text).lower()).translate(_LEFT_OUT)
    text = "".join(sign if sign.isprintable() or sign.isspace() else "" for sign in text)
    text = unicodedata.normalize("NFC", "-".join(text.split())).lstrip("#-")[:LONGEST]
    return text.rstrip("-")


def tags_of(text: str) -> tuple[str, ...]:
    """The tags of a line in which commas stand between them, in alphabetical order, each once."""
    for sign in _BETWEEN[1:]:
        text = text.replace(sign, _BETWEEN[0])
    return ordered(text.split(_BETWEEN[0]))


def ordered(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their normal form, in alphabetical order, each once."""
    return tuple(sorted({tag for text in tags if (tag := tag_of(text))}))
