"""A growing text as blocks: what is finished stays, only the last open block is parsed again. No Qt in here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, verbatim

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.growing import Grown
    from qwen_desktop.jobs.markdown.parser import Markdown
    from qwen_desktop.jobs.markdown.rules import Fence

log = logging.getLogger(__name__)

#: An open end longer than this, or with more marks than prose has, takes too long for the window's own thread.
_LONG: Final = 3000
_MANY: Final = 200
_MARKS: Final = "[*_`$|"


class GrowingText:
    """What is known of a text that grows; the text itself, as of now, is handed in by whoever asks. ``plain`` is set
    when nothing can parse it: from then on its open end is shown as it stands."""

    def __init__(self, markdown: Markdown) -> None:
        self._markdown = markdown
        self.plain = False
        self._finished: list[Block] = []
        self._tail = 0
        self._number: int | None = None
        self._fence: Fence | None = None
        self._code: list[str] = []
        self._looked = 0

    @property
    def start(self) -> int:
        """Where the open end begins: what stands before can no longer change."""
        return self._tail

    def open_end(self, text: str) -> tuple[str, int | None]:
        """What ``grow`` needs to parse the open end."""
        return text[self._tail :], self._number

    def heavy(self, text: str) -> bool:
        """Whether parsing the open end would hold the caller's thread for too long."""
        if self.plain or self._open_fence(text) is not None:
            return False
        return len(text) - self._tail > _LONG or sum(map(text[self._tail :].count, _MARKS)) > _MANY

    def blocks(self, text: str) -> tuple[list[Block], int]:
        """All blocks as of now, and how many at the front can no longer change."""
        opened = self._open_fence(text)
        if opened is not None:
            return [*self._finished, opened], len(self._finished)
        from qwen_desktop.jobs.markdown.growing import grow  # noqa: PLC0415 - the parser is imported late, see MarkdownSource

        grown = None
        if not self.plain:
            try:
                grown = grow(self._markdown, *self.open_end(text))
            except Exception as error:  # a parser's fault is no reason to show nothing
                log.warning("grow.failed length=%d %s", len(text), type(error).__name__)
                self.plain = True
        return self.take(grown, text)

    def take(self, grown: Grown | None, text: str) -> tuple[list[Block], int]:
        """The same with an open end that was parsed elsewhere, ``start`` being what it was then; None is one
        that nothing could parse."""
        stable = len(self._finished)
        if grown is None:
            return [*self._finished, *verbatim(text[self._tail :])], stable
        self._finished += grown.finished
        self._tail += grown.offset
        self._number = grown.number
        open_blocks: list[Block] = list(grown.opened)
        tail = text[self._tail :]
        if (end := tail.find("\n")) >= 0 and (fence := self._markdown.fence(tail[:end])) is not None:
            self._fence, self._code = fence, []
            self._looked = self._tail + end + 1
            opened = self._open_fence(text)
            if opened is not None:
                open_blocks = [opened]
        return self._finished + open_blocks, stable

    def _open_fence(self, text: str) -> CodeBlock | None:
        """The code block that is open at the top level; looks only at what came since the last call."""
        fence = self._fence
        if fence is None:
            return None
        while (end := text.find("\n", self._looked)) >= 0:
            line = text[self._looked : end]
            if fence.ends(line):
                self._fence = None
                return None
            self._code.append(fence.part(line))
            self._looked = end + 1
        last = text[self._looked :]
        if not last.strip() or not last.strip().strip(fence.mark[0]):  # empty, or a closing fence that is being typed
            return CodeBlock("\n".join(self._code), fence.language)
        return CodeBlock("\n".join([*self._code, fence.part(last)]), fence.language)
