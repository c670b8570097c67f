"""Makes messages ready without holding the event loop: long texts go to the job worker, the rest runs in slices.

A slice ends after ``SLICE_S`` seconds; messages on screen come first. Each part that is text is parsed by itself; what
the worker gave is kept for a while, so that scrolling back does not ask again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from PySide6.QtCore import QObject, Signal

from qwen_desktop.core import soft_switches
from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import TextPart
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span, TextBlock, TextRun, from_builtins, verbatim
from qwen_desktop.jobs.markdown.highlight import span_steps
from qwen_desktop.ui.chat.markdown_source import MarkdownSource, Recent
from qwen_desktop.ui.chat.slices import Work
from qwen_desktop.ui.chat.transcript_items import MessageItem

#: Texts longer than this, all with code, and those with more marks than prose has go to the worker.
LONG: Final = 1500
_MANY: Final = 150
_MARKS: Final = "\n[*_`~|$\\&!<>-"
#: Characters of Markdown of which the worker's blocks are kept.
_KEPT: Final = 500_000


class RenderQueue(Work):
    """Turns items that are not ready into ready ones. ``finished`` gives an item whose layout is done."""

    finished = Signal(object)

    def __init__(self, markdown: MarkdownSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._kept = Recent[tuple[Block, ...]](_KEPT)

    def clear(self) -> None:
        """Forget all work, done and undone."""
        super().clear()
        self._kept.clear()

    # Messages --------------------------------------------------------------------------------------------------------

    def request(self, item: MessageItem, width: float, grown: Mapping[int, Sequence[Block]] | None = None) -> None:
        """Make ``item`` ready for ``width``; ``grown`` are the blocks of its parts where they are known already (a
        growing answer)."""
        item.pending = True
        texts = texts_of(item.message)
        if grown is not None:
            self._start(item, grown, width)
        elif not item.user and self._markdown.elsewhere("render") and any(map(self._to_be_asked, texts.values())):
            self.spawn(self._render(item, width))
        else:
            self._start(item, {number: self._blocks(item, text) for number, text in texts.items()}, width)

    def _to_be_asked(self, text: str) -> bool:
        return text not in self._kept and for_worker(text)

    def _start(self, item: MessageItem, blocks: Mapping[int, Iterable[Block | None]], width: float) -> None:
        self.add(id(item), item.steps(blocks, width), partial(self._finish, item))

    def _finish(self, item: MessageItem) -> None:
        item.pending = False
        self.finished.emit(item)

    def _blocks(self, item: MessageItem, text: str) -> Iterable[Block | None]:
        if item.user:
            return map(_switched, verbatim(text)) if item.options.soft_switches else verbatim(text)
        return self._kept[text] if text in self._kept else self._own(text)

    def _own(self, text: str) -> Iterator[Block | None]:
        for block in self._markdown.steps(text):
            if isinstance(block, CodeBlock) and block.language and not self._markdown.elsewhere("render"):
                spans: tuple[Span, ...] = ()
                for spans in span_steps(block.text, block.language):  # noqa: B007 - the last one counts
                    yield None
                yield msgspec.structs.replace(block, spans=spans)
            else:
                yield block

    async def _render(self, item: MessageItem, width: float) -> None:
        """Ask the worker for the blocks of long texts; one that it cannot parse stands as it is."""
        message = item.message
        texts = texts_of(message)
        found: dict[str, Iterable[Block | None]] = {}
        for text in filter(self._to_be_asked, texts.values()):
            blocks = await self._markdown.ask("render", text, read=from_builtins, tries=2)
            found[text] = verbatim(text) if blocks is None else blocks
            if blocks is not None:
                self._kept[text] = blocks
        if item.pending and item.message is message:
            parts = {n: found[text] if text in found else self._blocks(item, text) for n, text in texts.items()}
            self._start(item, parts, item.width or width)

    def first(self, items: Sequence[MessageItem]) -> None:
        """Do these before all others, in this order."""
        self.hurry(map(id, reversed(items)))

    def drop(self, item: MessageItem) -> None:
        """Stop working on an item."""
        item.pending = False
        self.remove(id(item))

    # Colours of growing code -----------------------------------------------------------------------------------------

    def colour(self, code: str, language: str, done: Callable[[tuple[Span, ...]], None]) -> None:
        """Highlight some code and hand the spans to ``done`` later."""
        spans: tuple[Span, ...] = ()

        def steps() -> Iterator[None]:
            nonlocal spans
            for spans in span_steps(code, language):  # noqa: B007 - the last one counts
                yield

        if self._markdown.elsewhere("render"):
            self.spawn(self._colour(code, language, done))
        else:
            self.add(object(), steps(), lambda: done(spans))

    async def _colour(self, code: str, language: str, done: Callable[[tuple[Span, ...]], None]) -> None:
        longest = max((len(m) for m in re.findall("`+", code)), default=0)
        fence = "`" * max(3, longest + 1)
        blocks = await self._markdown.ask("render", f"{fence}{language}\n{code}\n{fence}\n", read=from_builtins)
        done((blocks[0].spans or ()) if blocks and isinstance(blocks[0], CodeBlock) else ())


def _switched(block: TextBlock) -> TextBlock:
    """What the user wrote, with the soft switches in it as code."""
    text = block.text
    borders = [0, *(at for place in soft_switches.found(text) for at in place), len(text)]
    pieces = [TextRun(text[a:b], code=n % 2 == 1) for n, (a, b) in enumerate(itertools.pairwise(borders)) if a < b]
    return msgspec.structs.replace(block, runs=tuple(pieces))


def texts_of(message: Message) -> dict[int, str]:
    """The texts of a message by the number of their part."""
    return {number: part.text for number, part in enumerate(message.parts) if isinstance(part, TextPart)}


def for_worker(text: str) -> bool:
    """Whether parsing a text could take too long for the window's own thread."""
    if len(text) > LONG or "```" in text or "~~~" in text:
        return True
    return sum(map(text.count, _MARKS)) > _MANY
