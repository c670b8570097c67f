"""Displayed formulas between dollars, found in a time that grows with the text and not with its square.

The plugin looks from each ``$$`` through all lines below for the closing one. Without a closing one that is done
again at the next ``$$``, and again: a text of 40,000 characters took 13 seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from mdit_py_plugins.dollarmath.index import math_block_dollar

_KNOWN: Final = "lines that end a dollar block"


def bound_dollar_blocks(md: MarkdownIt, *, blank_lines: bool) -> None:
    """Put the bounded rule into the place of the plugin's "math_block", without labels and with the same results.

    ``blank_lines`` says whether a formula may hold them.
    """
    find = math_block_dollar(allow_labels=False, allow_blank_lines=blank_lines)

    def rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        first = state.bMarks[start] + state.tShift[start]
        if state.src[first : first + 2] != "$$":
            return False
        closing: list[int] | None = state.env.get(_KNOWN)
        if closing is None:
            ends = zip(state.bMarks, state.eMarks, strict=True)
            closing = [line for line, (a, b) in enumerate(ends) if state.src[a:b].rstrip().endswith("$$")]
            state.env[_KNOWN] = closing
        own = state.src[first : state.eMarks[start]].strip()
        if len(own) <= 3 or not own.endswith("$$"):
            place = bisect_right(closing, start)
            if place == len(closing) or closing[place] >= end:
                return False
        return bool(find(state, start, end, silent))

    md.block.ruler.at("math_block", rule)
