"""A growing answer as blocks: what is finished stays, only the last open block is parsed again. No Qt in here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from qwen_desktop.jobs.blocks import Block, CodeBlock

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown import Markdown
    from qwen_desktop.jobs.markdown_code import Fence

#: A last line of marks only ("-", "**", "|") is still being typed: showing it would flash a heading or a rule.
_HALF_TYPED: Final = re.compile(r"(?:^|\n)[ \t]*[-=+*#>|`~_$\\]{1,3}\Z")
#: A table is text until the row of dashes below its head has come.
_HALF_TABLE: Final = re.compile(r"(?:^|\n\n)[ \t]*\|[^\n]*(?:\n[|:\- \t]*)?\Z")


class GrowingText:
    """Collects the deltas of one answer."""

    def __init__(self, markdown: Markdown, text: str = "") -> None:
        self._markdown = markdown
        self.text = ""
        self._finished: list[Block] = []
        self._tail = 0
        self._number: int | None = None
        self._fence: Fence | None = None
        self._code: list[str] = []
        self._looked = 0
        if text:
            self.add(text)

    def add(self, delta: str) -> None:
        """Append what came."""
        self.text += delta

    def blocks(self) -> tuple[list[Block], int]:
        """All blocks as of now, and how many at the front can no longer change."""
        opened = self._open_fence()
        if opened is None:
            tail = self.text[self._tail :]
            finished, open_blocks, offset, number = self._markdown.open_tail(tail, self._number)
            stable = len(self._finished)
            if finished:
                self._finished += finished
                self._tail += offset
                self._number = number
                tail = tail[offset:]
            shown = _mended(tail)
            if shown != tail:
                _, open_blocks, _, _ = self._reparsed(shown)
            if (end := tail.find("\n")) >= 0 and (fence := self._markdown.fence(tail[:end])) is not None:
                self._fence, self._code = fence, []
                self._looked = self._tail + end + 1
                opened = self._open_fence()
                if opened is not None:
                    open_blocks = [opened]
            return self._finished + open_blocks, stable
        return [*self._finished, opened], len(self._finished)

    def _reparsed(self, tail: str) -> tuple[list[Block], list[Block], int, int | None]:
        finished, open_blocks, offset, number = self._markdown.open_tail(tail, self._number)
        return finished, finished + open_blocks, offset, number

    def _open_fence(self) -> CodeBlock | None:
        """The code block that is open at the top level; looks only at what came since the last call."""
        fence = self._fence
        if fence is None:
            return None
        while (end := self.text.find("\n", self._looked)) >= 0:
            line = self.text[self._looked : end]
            if fence.ends(line):
                self._fence = None
                return None
            self._code.append(fence.part(line))
            self._looked = end + 1
        last = self.text[self._looked :]
        if not last.strip() or not last.strip().strip(fence.mark[0]):  # empty, or a closing fence that is being typed
            return CodeBlock("\n".join(self._code), fence.language)
        return CodeBlock("\n".join([*self._code, fence.part(last)]), fence.language)


def _mended(tail: str) -> str:
    """The open part as it should be shown: half-typed marks left out, open emphasis closed."""
    match = _HALF_TYPED.search(tail) or _HALF_TABLE.search(tail)
    if match is not None:
        return tail[: match.start()]
    if "```" in tail or "~~~" in tail:
        return tail
    last = tail[tail.rfind("\n\n") + 1 :] if "\n\n" in tail else tail
    if len(last) > 4000:
        return tail
    if last.count("`") % 2:
        return tail[:-1] if tail.endswith("`") else tail + "`"
    if last.count("**") % 2:
        bare = tail.rstrip()
        return bare[:-2] if bare.endswith("**") else bare.removesuffix("*") + "**"
    return tail
