"""How Qwen's models mark their thoughts, and how a mark is found in a text that is still coming. Pure."""

from __future__ import annotations

from collections.abc import Sequence

OPEN, CLOSE = "<think>", "</think>"


def beginning(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of ``text`` could be the beginning of one of ``marks``."""
    longest = 0
    for mark in marks:
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest


def in_code(text: str) -> bool:
    """Whether what comes after ``text`` stands in code."""
    return text.count("```") % 2 == 1 or text[text.rfind("\n") + 1 :].count("`") % 2 == 1
