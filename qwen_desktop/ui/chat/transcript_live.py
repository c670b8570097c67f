"""Answers that are being written: deltas are collected and shown at most thirty times a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.parts import PartEvent, PartsBuilder
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.markdown_stream import GrowingText
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import RenderQueue, running_loop
from qwen_desktop.ui.operation import end_with

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.growing import Grown

log = logging.getLogger(__name__)

#: Given an open end and its list's number, gives what the job "markdown.grow" returns (``jobs.markdown.growing``).
Grower: TypeAlias = Callable[[str, int | None], Awaitable[Any]]

_Around: TypeAlias = tuple[bool, bool, bool]

#: Milliseconds between two updates of the picture.
FRAME_MS = 33
#: A frame that took this long (seconds) is followed by a pause of ten times that.
_SLOW = 0.006
#: How long the worker may take for an open end, in seconds, before the answer grows on as plain text.
_PATIENCE_S: Final = 10.0
_COLOUR_MOST = 6000
_COLOUR_KEEP = 1500


@dataclass(slots=True)
class _Colouring:
    """How far a growing code block is coloured: final up to ``safe``, asked up to ``done``."""

    safe: int = 0
    done: int = 0
    waiting: bool = False


@dataclass(slots=True)
class LiveAnswer:
    """One growing answer."""

    item: MessageItem
    parts: PartsBuilder
    growing: GrowingText
    thinking_since: float | None = None
    dirty: bool = False
    asking: bool = False
    plain: bool = False
    colouring: dict[int, _Colouring] = field(default_factory=dict)


class LiveAnswers(QObject):
    """Feeds deltas into items. ``changed`` gives an item and the y inside it from which it looks different."""

    changed = Signal(object, float)

    def __init__(self, markdown: MarkdownSource, queue: RenderQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._queue = queue
        self._live: dict[str, LiveAnswer] = {}
        self._grower: Grower | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.timeout.connect(self._show)
        self._seconds = QTimer(self)
        self._seconds.setInterval(250)
        self._seconds.timeout.connect(self._tick)

    def set_grower(self, grower: Grower | None) -> None:
        """Where open ends are parsed that are too long for this thread; None keeps everything in this process."""
        self._grower = grower

    def clear(self) -> None:
        """Forget all."""
        self._live.clear()
        self._frame.stop()
        self._seconds.stop()

    def begin(self, item: MessageItem) -> None:
        """Follow an answer; what it has so far is taken over."""
        live = LiveAnswer(item, PartsBuilder(item.message.parts), GrowingText(self._markdown.get(), item.source))
        self._live[item.message.id] = live
        self._watch(live)

    def get(self, message_id: str) -> LiveAnswer | None:
        """The growing answer with this id."""
        return self._live.get(message_id)

    def end(self, message_id: str) -> LiveAnswer | None:
        """Stop following; the last deltas are shown first."""
        live = self._live.pop(message_id, None)
        if live is not None and live.dirty:
            self._update(live)
        return live

    def take(self, message_id: str, event: PartEvent) -> None:
        """Take what came."""
        live = self._live.get(message_id)
        if live is None:
            return
        live.parts.take(event)
        live.dirty = True
        if not self._frame.isActive():
            self._frame.start(FRAME_MS)

    def _watch(self, live: LiveAnswer) -> None:
        """Have the seconds counted while it thinks."""
        if live.item.thinks and live.thinking_since is None:
            live.thinking_since = time.monotonic()
            self._seconds.start()

    def _show(self) -> None:
        started = time.perf_counter()
        for live in tuple(self._live.values()):
            if live.dirty:
                self._update(live)
        took = time.perf_counter() - started
        if took > _SLOW and any(live.dirty for live in self._live.values()):
            self._frame.start(int(took * 10_000))

    def _tick(self) -> None:
        thinking = [live for live in self._live.values() if live.item.thinks]
        for live in thinking:
            row = live.item.thinking
            if row is not None and row.running and live.thinking_since is not None:
                row.seconds = time.monotonic() - live.thinking_since
                self.changed.emit(live.item, -1.0)
        if not thinking:
            self._seconds.stop()

    def _update(self, live: LiveAnswer) -> None:
        live.dirty = False
        item = live.item
        had = _around(live)
        item.message = msgspec.structs.replace(item.message, parts=live.parts.parts())
        self._watch(live)
        text = item.source
        if not text.startswith(live.growing.text):  # it was a thought, or a call of a tool has become another one
            live.growing = GrowingText(self._markdown.get())
            live.colouring.clear()
        live.growing.text = text
        if item.body is None or not item.ready:
            item.height = max(item.height, item.estimate(item.width)) if item.width else 0.0
            self.changed.emit(item, 0.0)
            return
        if self._elsewhere(live):
            self._take(live, had, item.body.blocks, len(item.body.blocks))
            if not live.asking and self._live.get(item.message.id) is live:  # else all of it is parsed next
                live.asking = True
                self._spawn(self._ask(live))
        else:
            self._take(live, had, *self._parsed(live))

    def _take(self, live: LiveAnswer, had: _Around, blocks: Sequence[Block], stable: int) -> None:
        item = live.item
        assert item.body is not None  # noqa: S101 - callers have looked
        # From the old last block on: what was open may have turned into something else.
        item.body.set_blocks(blocks, item.body_width(item.width), stable)
        item.finish(item.width)
        from_y = item.body_y(stable - 1)
        if item.thinking is not None and item.thinking.running and live.thinking_since is not None:
            item.thinking.seconds = time.monotonic() - live.thinking_since
        now = _around(live)
        self._colour(live, max(0, stable - 1))
        self.changed.emit(item, from_y if now == had and not now[2] else 0.0)

    # Open ends that are parsed elsewhere -----------------------------------------------------------------------------

    def request(self, live: LiveAnswer, width: float) -> None:
        """Make a growing answer ready for ``width`` after it had no layout."""
        live.item.pending = True
        if self._elsewhere(live):
            self._spawn(self._ask_all(live, width))
        else:
            self._queue.request(live.item, width, self._parsed(live)[0])

    def _elsewhere(self, live: LiveAnswer) -> bool:
        return not live.plain and self._grower is not None and live.growing.heavy and running_loop() is not None

    def _parsed(self, live: LiveAnswer) -> tuple[list[Block], int]:
        """What there is to show as of now, parsed here."""
        if not live.plain:
            try:
                return live.growing.blocks()
            except Exception as error:  # a parser's fault is no reason to show nothing
                log.warning("grow.failed length=%d %s", len(live.growing.text), type(error).__name__)
                live.plain = True
        return live.growing.take_plain()

    async def _ask(self, live: LiveAnswer) -> None:
        """Show the open end as of now when the worker has parsed it, and ask again if it grew meanwhile."""
        growing, before, length = live.growing, live.growing.start, len(live.growing.text)
        grown = await self._grown(live, growing)
        live.asking = False
        item = live.item
        if self._live.get(item.message.id) is not live:
            return
        if live.growing is growing and growing.start == before and item.body is not None and item.ready:
            had = _around(live)
            self._take(live, had, *(growing.take_plain() if grown is None else growing.take(grown)))
        if live.growing is not growing or len(growing.text) > length:
            live.dirty = True
            if not self._frame.isActive():
                self._frame.start(FRAME_MS)

    async def _ask_all(self, live: LiveAnswer, width: float) -> None:
        while True:
            growing, before = live.growing, live.growing.start
            grown = await self._grown(live, growing)
            if not live.item.pending or self._live.get(live.item.message.id) is not live:
                return
            if live.growing is growing and growing.start == before:
                break  # else an answer to an earlier question has come in between
        blocks, _ = growing.take_plain() if grown is None else growing.take(grown)
        self._queue.request(live.item, width, blocks)

    async def _grown(self, live: LiveAnswer, growing: GrowingText) -> Grown | None:
        from qwen_desktop.jobs.markdown.growing import as_grown  # noqa: PLC0415 - the parser is imported late: MarkdownSource

        text, number = growing.open_end
        grower = self._grower
        try:
            if grower is not None:
                return as_grown(await asyncio.wait_for(grower(text, number), _PATIENCE_S))
        except Exception as error:  # the worker may crash on a text
            log.warning("grow.failed length=%d %s", len(text), type(error).__name__)
        live.plain = True
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        loop = running_loop()
        assert loop is not None  # noqa: S101 - callers have looked
        task = loop.create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        end_with(self, task)

    # Colours ---------------------------------------------------------------------------------------------------------

    def _colour(self, live: LiveAnswer, first: int) -> None:
        """Ask for the colours of code blocks that grew by a line since they were last asked for."""
        body = live.item.body
        if body is None:
            return
        for number in range(first, len(body.layouts)):
            layout = body.layouts[number]
            block = layout.block
            if not isinstance(layout, CodeLayout) or not isinstance(block, CodeBlock) or not block.language:
                continue
            state = live.colouring.setdefault(number, _Colouring())
            closed = number + 1 < len(body.layouts)
            end = len(block.text) if closed else block.text.rfind("\n") + 1
            if state.waiting or end <= state.done:
                continue
            end = min(end, state.safe + _COLOUR_MOST)
            state.waiting = True
            start = state.safe
            code = block.text[start:end]
            self._queue.colour(code, block.language, partial(self._coloured, live, number, state, code))

    def _coloured(self, live: LiveAnswer, number: int, state: _Colouring, code: str, spans: tuple[Span, ...]) -> None:
        start = state.safe
        if live.colouring.get(number) is not state:
            return  # the text has become a thought meanwhile
        state.waiting = False
        state.done = start + len(code)
        body = live.item.body
        layout = body.layouts[number] if body is not None and number < len(body.layouts) else None
        if not isinstance(layout, CodeLayout) or self._live.get(live.item.message.id) is not live:
            return  # the message has ended, or its layout was thrown away
        layout.set_spans(start, tuple(Span(span.start + start, span.length, span.role) for span in spans))
        if len(code) >= _COLOUR_KEEP:
            state.safe = start + safe_border(code, spans)
            if state.safe == start and len(code) >= _COLOUR_MOST:
                state.safe = start + len(code)  # one endless string: go on without knowing
        self.changed.emit(live.item, 0.0)
        self._colour(live, number)


def _around(live: LiveAnswer) -> _Around:
    """Which parts of an item there are, and whether it thinks: where that changes, all of it is painted again."""
    thinking = live.item.thinking
    return thinking is not None, bool(live.growing.text), thinking is not None and thinking.running


def safe_border(code: str, spans: tuple[Span, ...]) -> int:
    """The last line start that is not inside a string or comment and begins in the first column; 0 when there is none.

    Lexing may begin anew there and gives the same colours as from the start, but for the rarest of languages.
    """
    inside = [(s.start, s.start + s.length) for s in spans if s.role in ("code_string", "code_comment")]
    place = len(code)
    while (place := code.rfind("\n", 0, place)) > 0:
        after = place + 1
        if after < len(code) and not code[after].isspace() and code[after] not in ")]}\"'*":
            touching = any(a <= place < b or a == after for a, b in inside)
            if not touching:
                return after
    return 0
