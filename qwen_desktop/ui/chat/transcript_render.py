"""Makes messages ready without holding the event loop: long texts go to the job worker, the rest runs in slices.

A slice ends after ``SLICE_S`` seconds; messages on screen come first. Each part that is text is parsed by itself; what
the worker gave is kept for a while, so that scrolling back does not ask again.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import TextPart
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span, from_builtins, verbatim
from qwen_desktop.jobs.markdown.highlight import span_steps
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.operation import end_with

log = logging.getLogger(__name__)

#: Given a Markdown text, gives its blocks as plain data (the job "markdown.render").
Renderer: TypeAlias = Callable[[str], Awaitable[Any]]

SLICE_S: Final = 0.004
#: Texts longer than this, all with code, and those with more marks than prose has go to the worker.
LONG: Final = 1500
_MANY: Final = 150
_MARKS: Final = "\n[*_`~|$\\&!<>-"
#: How long the worker may take for one text, in seconds, before it is shown as it stands. It has a limit of its own
#: (``markdown_jobs.LIMIT_S``); this one is for a worker that hangs.
PATIENCE_S: Final = 40.0
_KEPT: Final = 64


class RenderQueue(QObject):
    """Turns items that are not ready into ready ones. ``finished`` gives an item whose layout is done."""

    finished = Signal(object)

    def __init__(self, markdown: MarkdownSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._renderer: Renderer | None = None
        self._jobs: OrderedDict[int, tuple[MessageItem | None, Iterator[None]]] = OrderedDict()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._kept: OrderedDict[str, tuple[Block, ...]] = OrderedDict()
        self._count = 0
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._turn)

    def set_renderer(self, renderer: Renderer | None) -> None:
        """Where long texts are rendered; None keeps everything in this process."""
        self._renderer = renderer

    def clear(self) -> None:
        """Forget all work, done and undone."""
        self._jobs.clear()
        self._timer.stop()
        for task in tuple(self._tasks):
            task.cancel()
        self._kept.clear()

    @property
    def busy(self) -> bool:
        """Whether slices are still to be done."""
        return bool(self._jobs)

    # Messages --------------------------------------------------------------------------------------------------------

    def request(self, item: MessageItem, width: float, grown: Mapping[int, Sequence[Block]] | None = None) -> None:
        """Make ``item`` ready for ``width``; ``grown`` are the blocks of its parts where they are known already (a
        growing answer)."""
        item.pending = True
        if grown is not None:
            self._start(item, grown, width)
            return
        texts = texts_of(item.message)
        if self._renderer is not None and not item.user and running_loop() is not None:
            missing = [text for text in texts.values() if text not in self._kept and for_worker(text)]
            if missing:
                self.spawn(self._render(self._renderer, item, missing, width))
                return
        self._start(item, {number: self._blocks(item, text) for number, text in texts.items()}, width)

    def _start(self, item: MessageItem, blocks: Mapping[int, Iterable[Block | None]], width: float) -> None:
        self._jobs[id(item)] = (item, item.steps(blocks, width))
        self._timer.start()

    def _blocks(self, item: MessageItem, text: str) -> Iterable[Block | None]:
        if item.user:
            return verbatim(text)
        kept = self._kept.get(text)
        if kept is None:
            return self._own(text)
        self._kept.move_to_end(text)
        return kept

    def _own(self, text: str) -> Iterator[Block | None]:
        blocks: list[Block] = []
        try:
            for block in self._markdown.get().iter_blocks(text):
                blocks.append(block)
                yield None
        except Exception as error:  # a parser's fault is no reason to show nothing
            log.warning("parse.failed length=%d %s", len(text), type(error).__name__)
            blocks = list(verbatim(text))
        for block in blocks:
            if isinstance(block, CodeBlock) and block.language and self._renderer is None:
                spans: tuple[Span, ...] = ()
                for spans in span_steps(block.text, block.language):  # noqa: B007 - the last one counts
                    yield None
                yield msgspec.structs.replace(block, spans=spans)
            else:
                yield block

    async def _render(self, renderer: Renderer, item: MessageItem, texts: Sequence[str], width: float) -> None:
        message = item.message
        found = {text: await self._asked(renderer, text) for text in texts}
        if item.pending and item.message is message:
            blocks = {
                number: found[text] if text in found else self._blocks(item, text)
                for number, text in texts_of(message).items()
            }
            self._start(item, blocks, item.width or width)

    async def _asked(self, renderer: Renderer, text: str) -> tuple[Block, ...]:
        """The worker's blocks; the text as it stands when it hangs, or crashes twice: at first another text may be to
        blame."""
        for _ in range(2):
            try:
                blocks = from_builtins(await asyncio.wait_for(renderer(text), PATIENCE_S))
            except TimeoutError:
                log.warning("render.slow length=%d", len(text))
                break
            except Exception:  # whatever happened to the worker: the window shows the text all the same
                log.warning("render.failed length=%d", len(text))
            else:
                self._kept[text] = blocks
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                return blocks
        return tuple(verbatim(text))

    def first(self, items: Sequence[MessageItem]) -> None:
        """Do these before all others, in this order."""
        for item in reversed(items):
            if id(item) in self._jobs:
                self._jobs.move_to_end(id(item), last=False)

    def drop(self, item: MessageItem) -> None:
        """Stop working on an item."""
        item.pending = False
        self._jobs.pop(id(item), None)

    # Colours of growing code -----------------------------------------------------------------------------------------

    def colour(self, code: str, language: str, done: Callable[[tuple[Span, ...]], None]) -> None:
        """Highlight some code and hand the spans to ``done`` later."""
        if self._renderer is not None and running_loop() is not None:
            self.spawn(self._colour(self._renderer, code, language, done))
            return
        self._count += 1
        self._jobs[-self._count] = (None, _colour_steps(code, language, done))
        self._timer.start()

    async def _colour(
        self, renderer: Renderer, code: str, language: str, done: Callable[[tuple[Span, ...]], None]
    ) -> None:
        longest = max((len(m) for m in re.findall("`+", code)), default=0)
        fence = "`" * max(3, longest + 1)
        spans: tuple[Span, ...] = ()
        try:
            blocks = from_builtins(await renderer(f"{fence}{language}\n{code}\n{fence}\n"))
            if blocks and isinstance(blocks[0], CodeBlock):
                spans = blocks[0].spans or ()
        except Exception:
            log.warning("colour.failed length=%d", len(code))
        done(spans)

    # Slices ----------------------------------------------------------------------------------------------------------

    def run(self, seconds: float = SLICE_S) -> bool:
        """Work for at most about ``seconds``; True when some item became ready."""
        end = time.perf_counter() + seconds
        some = False
        while self._jobs:
            key, (item, steps) = next(iter(self._jobs.items()))
            for _ in steps:
                if time.perf_counter() > end:
                    return some
            self._jobs.pop(key, None)
            if item is not None:
                item.pending = False
                some = True
                self.finished.emit(item)
            if time.perf_counter() > end:
                break
        return some

    def _turn(self) -> None:
        self.run()
        if not self._jobs:
            self._timer.stop()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work on the running loop, until all is forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        end_with(self, task)


def _colour_steps(code: str, language: str, done: Callable[[tuple[Span, ...]], None]) -> Iterator[None]:
    spans: tuple[Span, ...] = ()
    for spans in span_steps(code, language):  # noqa: B007 - the last one counts
        yield
    done(spans)


def texts_of(message: Message) -> dict[int, str]:
    """The texts of a message by the number of their part."""
    return {number: part.text for number, part in enumerate(message.parts) if isinstance(part, TextPart)}


def for_worker(text: str) -> bool:
    """Whether parsing a text could take too long for the window's own thread."""
    if len(text) > LONG or "```" in text or "~~~" in text:
        return True
    return sum(map(text.count, _MARKS)) > _MANY


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread (qasync's), or None in a plain Qt program."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
