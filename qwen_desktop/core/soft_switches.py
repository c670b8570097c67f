"""The words ``/think`` and ``/no_think`` in a message, which the hybrid Qwen3 models obey. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

THINK, NO_THINK = "/think", "/no_think"
#: In the order in which they are offered.
SWITCHES = (THINK, NO_THINK)

#: A word of so many characters is none of them.
_FAR = 12
_WORDS = re.compile(r"(?<!\S)/(?:no_)?think(?![\w/])")
_BEGUN = re.compile(r"(?<!\S)/\w*\Z")


def found(text: str) -> Iterator[tuple[int, int]]:
    """Where they stand, as words of their own."""
    return (match.span() for match in _WORDS.finditer(text))


def last(text: str) -> str:
    """The one that counts, "" where there is none."""
    return next((text[start:end] for start, end in reversed([*found(text)])), "")


def begun(before: str) -> tuple[str, tuple[str, ...]]:
    """The beginning of a word that stands at the end of ``before``, and the switches that it may become; one that is
    whole becomes nothing else."""
    match = _BEGUN.search(before[-_FAR:])
    word = match[0] if match is not None else ""
    return word, tuple(switch for switch in SWITCHES if word and switch != word and switch.startswith(word))
