"""Fenced code: where it begins and where it ends, for whole texts and for growing ones.

One rule goes beyond CommonMark: in a block of Markdown, fences with a language open blocks of their own, and the bare
fence after them closes these, not the whole. Models write Markdown about code so, with three backticks all along.
"""

from __future__ import annotations

import re

from markdown_it.rules_block import StateBlock

_LINE = re.compile(r"( {0,3})(`{3,}|~{3,})[ \t]*(.*?)[ \t]*\Z")
_NESTING = ("markdown", "md")


class Fence:
    """An open code block. Ask ``ends`` for each line after the first, in their order."""

    def __init__(self, indent: int, mark: str, info: str) -> None:
        self.indent = indent
        self.mark = mark
        self.info = info
        self._inner = 0

    @property
    def language(self) -> str:
        """The first word behind the opening fence."""
        words = self.info.split(maxsplit=1)
        return words[0] if words else ""

    def ends(self, line: str) -> bool:
        """Whether ``line`` (without what its list or quotation puts before it) closes the block."""
        found = _LINE.match(line)
        if found is None or found[2][0] != self.mark[0] or len(found[2]) < len(self.mark):
            return False
        if not found[3]:
            self._inner -= 1
            return self._inner < 0
        if self.language.lower() in _NESTING and fence_of(line) is not None:
            self._inner += 1
        return False

    def part(self, line: str) -> str:
        """A line of the code: as much of its indentation as the fence has belongs to the fence."""
        column = place = 0
        while column < self.indent and line[place : place + 1] in (" ", "\t"):
            column += 4 - column % 4 if line[place] == "\t" else 1
            place += 1
        return " " * (column - self.indent) + line[place:]  # a tab may reach further than the fence


def fence_of(line: str) -> Fence | None:
    """The code block that ``line`` opens, None when it opens none."""
    found = _LINE.match(line)
    if found is None or (found[2][0] == "`" and "`" in found[3]):
        return None
    return Fence(len(found[1]), found[2], found[3])


def fence_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The block rule "fence"."""
    if state.is_code_block(start):
        return False
    fence = fence_of(state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]])
    if fence is None:
        return False
    if silent:
        return True
    line, closed = start + 1, False
    while line < end and not closed:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if text and state.sCount[line] < state.blkIndent:
            break  # the list that the block stands in has ended
        closed = not state.is_code_block(line) and fence.ends(text)
        line += 1
    state.line = line
    token = state.push("fence", "code", 0)
    token.info = fence.info
    token.markup = fence.mark
    end = line - closed
    # Behind the text's last line no line end can be kept; the library looks for its indentation there, past the text.
    more = state.eMarks[end - 1] < len(state.src)
    token.content = state.getLines(start + 1, end, state.sCount[start], more)
    token.map = [start, line]
    return True
