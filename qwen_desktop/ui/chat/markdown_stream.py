"""A growing answer as blocks: what is finished stays, only the last open block is parsed again. No Qt in here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from qwen_desktop.jobs.blocks import Block, CodeBlock, verbatim

if TYPE_CHECKING:
    from qwen_desktop.jobs.growing import Grown
    from qwen_desktop.jobs.markdown import Markdown

#: An open end longer than this, or with more marks than prose has, takes too long for the window's own thread.
_LONG: Final = 3000
_MANY: Final = 200
_MARKS: Final = "[*_`$|"
_FENCE: Final = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^`\n]*)\n")


class GrowingText:
    """Collects the deltas of one answer."""

    def __init__(self, markdown: Markdown, text: str = "") -> None:
        self._markdown = markdown
        self.text = ""
        self._finished: list[Block] = []
        self._tail = 0
        self._number: int | None = None
        self._fence: tuple[str, str, int] | None = None
        self._looked = 0
        if text:
            self.add(text)

    def add(self, delta: str) -> None:
        """Append what came."""
        self.text += delta

    @property
    def start(self) -> int:
        """Where the open end begins: what stands before can no longer change."""
        return self._tail

    @property
    def open_end(self) -> tuple[str, int | None]:
        """What ``grow`` needs to parse the open end."""
        return self.text[self._tail :], self._number

    @property
    def heavy(self) -> bool:
        """Whether parsing the open end would hold the caller's thread for too long."""
        if self._open_fence() is not None:
            return False
        return len(self.text) - self._tail > _LONG or sum(map(self.text[self._tail :].count, _MARKS)) > _MANY

    def blocks(self) -> tuple[list[Block], int]:
        """All blocks as of now, and how many at the front can no longer change."""
        opened = self._open_fence()
        if opened is not None:
            return [*self._finished, opened], len(self._finished)
        from qwen_desktop.jobs.growing import grow  # noqa: PLC0415 - the parser is imported late, see MarkdownSource

        return self.take(grow(self._markdown, *self.open_end))

    def take(self, grown: Grown) -> tuple[list[Block], int]:
        """The same with an open end that was parsed elsewhere; ``start`` must be what it was then."""
        stable = len(self._finished)
        self._finished += grown.finished
        self._tail += grown.offset
        self._number = grown.number
        open_blocks: list[Block] = list(grown.opened)
        tail = self.text[self._tail :]
        if (match := _FENCE.match(tail)) is not None:
            self._fence = (match[2], match[3].split(maxsplit=1)[0] if match[3].strip() else "", match.end())
            self._looked = match.end()
            opened = self._open_fence()
            if opened is not None:
                open_blocks = [opened]
        return self._finished + open_blocks, stable

    def take_plain(self) -> tuple[list[Block], int]:
        """The same with the open end as it stands, for one that nothing could parse."""
        return [*self._finished, *verbatim(self.text[self._tail :])], len(self._finished)

    def _open_fence(self) -> CodeBlock | None:
        """The code block that is open at the top level; looks only at what came since the last call."""
        if self._fence is None:
            return None
        mark, language, body = self._fence
        start = self._tail + self._looked
        while (end := self.text.find("\n", start)) >= 0:
            if _closes(self.text[start:end], mark):
                self._fence = None
                return None
            start = end + 1
        self._looked = start - self._tail
        last = self.text[start:]
        code = self.text[self._tail + body : start]
        if _closes(last, mark):  # complete, but the line may still go on: the parser knows
            return CodeBlock(code.removesuffix("\n"), language)
        if not last or last.strip() in (mark[:1], mark[:2]):
            return CodeBlock(code.removesuffix("\n"), language)
        return CodeBlock(code + last, language)


def _closes(line: str, mark: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(mark) and set(bare) == {mark[0]} and len(line) - len(line.lstrip(" ")) < 4
