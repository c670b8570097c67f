"""Answers that are being written: deltas are collected and shown at most thirty times a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.parts import PartBegun, PartEvent, PartsBuilder, PartWasThinking, TextPart
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.markdown_stream import GrowingText
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import RenderQueue, running_loop, texts_of

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.growing import Grown

log = logging.getLogger(__name__)

#: Given an open end and its list's number, gives what the job "markdown.grow" returns (``jobs.markdown.growing``).
Grower: TypeAlias = Callable[[str, int | None], Awaitable[Any]]

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
    """How far growing code block number ``place`` is coloured: final up to ``safe``, asked up to ``done``."""

    place: int
    safe: int = 0
    done: int = 0
    waiting: bool = False


@dataclass(slots=True)
class LiveText:
    """A part of a growing answer that is text: how much of it is parsed and coloured, and whether the worker has it."""

    number: int
    growing: GrowingText
    asking: bool = False
    colouring: dict[int, _Colouring] = field(default_factory=dict)


@dataclass(slots=True)
class LiveAnswer:
    """One growing answer; ``dirty`` are the parts of which not all is on show."""

    item: MessageItem
    parts: PartsBuilder
    texts: dict[int, LiveText] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)


class LiveAnswers(QObject):
    """Feeds deltas into items. ``changed`` gives an item and the y inside it from which it looks different."""

    changed = Signal(object, float)

    def __init__(self, markdown: MarkdownSource, queue: RenderQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._queue = queue
        self._live: dict[str, LiveAnswer] = {}
        self._grower: Grower | None = None
        self._not_before = 0.0
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.timeout.connect(self._show)
        self._seconds = QTimer(self)
        self._seconds.setInterval(250)
        self._seconds.timeout.connect(self._tick)
        queue.finished.connect(self._on_ready)

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
        live = self._live[item.message.id] = LiveAnswer(item, PartsBuilder(item.message.parts))
        self._watch(live)

    def forget(self, message_id: str) -> None:
        """Stop following; nothing is shown any more."""
        self._live.pop(message_id, None)

    def get(self, message_id: str) -> LiveAnswer | None:
        """The growing answer with this id."""
        return self._live.get(message_id)

    def end(self, message_id: str) -> None:
        """Stop following; the last deltas are shown first."""
        if message_id in self._live:
            self._show()
            del self._live[message_id]

    def take(self, told: AnswerEvent) -> None:
        """Some more of an answer: shown with the next frame. What is none of those followed is passed over."""
        live, event = self._live.get(told.message_id), told.event
        if live is None or not isinstance(event, PartEvent):
            return
        live.parts.take(event)
        live.dirty.add(event.index)
        if isinstance(event, PartBegun):
            live.dirty.add(event.index - 1)  # it grows no more
        elif isinstance(event, PartWasThinking):
            live.texts.pop(event.index, None)
        self._wait()

    # Frames ----------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        if not self._frame.isActive():
            self._frame.start(max(FRAME_MS, int((self._not_before - time.perf_counter()) * 1000)))

    def _show(self) -> None:
        """Bring what has come to the sections of its parts."""
        started = time.perf_counter()
        for live in [live for live in self._live.values() if live.dirty]:
            item = live.item
            item.message = msgspec.structs.replace(item.message, parts=live.parts.parts())
            self._watch(live)
            if not item.ready:  # what came is shown when it is
                item.height = max(item.height, item.estimate(item.width)) if item.width else 0.0
                self.changed.emit(item, 0.0)
                continue
            parts, top = item.message.parts, item.height
            dirty, live.dirty = sorted(live.dirty.intersection(range(len(parts)))), set()
            for number in dirty:
                section = item.part(number)
                if section is None or not section.take(parts[number]):
                    item.refresh()
                    section = item.part(number)
                if isinstance(section, TextSection) and isinstance(part := parts[number], TextPart):
                    text = self._text(live, number)
                    if self._elsewhere(text, part.text):
                        if not text.asking:
                            text.asking = True
                            self._queue.spawn(self._ask(live, text))
                        continue
                    blocks, stable = text.growing.blocks(part.text)
                    top = min(top, section.y + section.set_blocks(blocks, stable))
                    self._colour(live, text, max(0, stable - 1))
                elif section is not None:
                    top = min(top, section.y)
            item.place()
            self.changed.emit(item, top)
        took = time.perf_counter() - started
        self._not_before = started + took * 11 if took > _SLOW else 0.0

    def _on_ready(self, item: MessageItem) -> None:
        """A growing answer has got its layout: what came meanwhile, and colours, are still missing."""
        live = self._live.get(item.message.id)
        if live is None or live.item is not item:
            return
        for text in live.texts.values():
            self._colour(live, text, 0)
        if live.dirty:
            self._wait()

    def _watch(self, live: LiveAnswer) -> None:
        """Have the seconds counted while it thinks."""
        if live.item.thinks is not None and not self._seconds.isActive():
            self._seconds.start()

    def _tick(self) -> None:
        thinking = [live.item for live in self._live.values() if live.item.thinks is not None]
        for item in thinking:
            item.stale()
            self.changed.emit(item, -1.0)
        if not thinking:
            self._seconds.stop()

    def _text(self, live: LiveAnswer, number: int) -> LiveText:
        if number not in live.texts:
            live.texts[number] = LiveText(number, GrowingText(self._markdown.get()))
        return live.texts[number]

    # Open ends that are parsed elsewhere -----------------------------------------------------------------------------

    def request(self, live: LiveAnswer, width: float) -> None:
        """Make a growing answer ready for ``width`` after it had no layout."""
        live.item.pending = True
        texts = {number: (self._text(live, number), text) for number, text in texts_of(live.item.message).items()}
        for growing, _ in texts.values():
            growing.colouring.clear()
        if any(self._elsewhere(*entry) for entry in texts.values()):
            self._queue.spawn(self._ask_all(live, width))
        else:
            blocks = {number: growing.growing.blocks(text)[0] for number, (growing, text) in texts.items()}
            self._queue.request(live.item, width, blocks)

    def _elsewhere(self, text: LiveText, source: str) -> bool:
        return self._grower is not None and text.growing.heavy(source) and running_loop() is not None

    def _follows(self, live: LiveAnswer, text: LiveText) -> bool:
        return self._live.get(live.item.message.id) is live and live.texts.get(text.number) is text

    async def _ask(self, live: LiveAnswer, text: LiveText) -> None:
        """Show the open end as of now when the worker has parsed it, and ask again if it grew meanwhile."""
        if not self._follows(live, text):
            return
        item, growing, number = live.item, text.growing, text.number
        before, asked = growing.start, texts_of(item.message)[number]
        grown = await self._grown(growing, asked)
        text.asking = False
        if not self._follows(live, text):
            return
        source = texts_of(item.message).get(number, "")
        section = item.part(number)
        if item.ready and isinstance(section, TextSection) and growing.start == before:
            blocks, stable = growing.take(grown, source)
            top = section.y + section.set_blocks(blocks, stable)
            item.place()
            self._colour(live, text, max(0, stable - 1))
            self.changed.emit(item, top)
        if len(source) > len(asked):
            live.dirty.add(number)
            self._wait()

    async def _ask_all(self, live: LiveAnswer, width: float) -> None:
        item = live.item
        blocks: dict[int, list[Block]] = {}
        while missing := {n: text for n, text in texts_of(item.message).items() if n not in blocks}:
            number, source = next(iter(missing.items()))
            text = self._text(live, number)
            if not self._elsewhere(text, source):
                blocks[number] = text.growing.blocks(source)[0]
                continue
            before = text.growing.start
            grown = await self._grown(text.growing, source)
            if not item.pending or self._live.get(item.message.id) is not live:
                return
            if live.texts.get(number) is text and text.growing.start == before:  # else it is another one by now
                blocks[number] = text.growing.take(grown, source)[0]
        self._queue.request(item, width, blocks)

    async def _grown(self, growing: GrowingText, source: str) -> Grown | None:
        from qwen_desktop.jobs.markdown.growing import as_grown  # noqa: PLC0415 - the parser is imported late: MarkdownSource

        grower = self._grower
        try:
            if grower is not None:
                return as_grown(await asyncio.wait_for(grower(*growing.open_end(source)), _PATIENCE_S))
        except Exception as error:  # the worker may crash on a text
            log.warning("grow.failed length=%d %s", len(source), type(error).__name__)
        growing.plain = True
        return None

    # Colours ---------------------------------------------------------------------------------------------------------

    def _colour(self, live: LiveAnswer, text: LiveText, first: int) -> None:
        """Ask for the colours of code blocks, from ``first`` on, that grew by a line since they were last asked for."""
        section = live.item.part(text.number)
        layouts = section.layouts if isinstance(section, TextSection) else []
        for place in range(first, len(layouts)):
            block = layouts[place].block
            if not isinstance(block, CodeBlock) or not block.language:
                continue
            state = text.colouring.setdefault(place, _Colouring(place))
            closed = place + 1 < len(layouts)
            end = len(block.text) if closed else block.text.rfind("\n") + 1
            if state.waiting or end <= state.done:
                continue
            state.waiting = True
            code = block.text[state.safe : min(end, state.safe + _COLOUR_MOST)]
            self._queue.colour(code, block.language, partial(self._coloured, live, text, state, code))

    def _coloured(
        self, live: LiveAnswer, text: LiveText, state: _Colouring, code: str, spans: tuple[Span, ...]
    ) -> None:
        start = state.safe
        state.waiting = False
        state.done = start + len(code)
        section = live.item.part(text.number)
        if text.colouring.get(state.place) is not state or not self._follows(live, text):
            return  # the message has ended, the text has become a thought or is laid out anew
        layouts = section.layouts if isinstance(section, TextSection) else []
        layout = layouts[state.place] if state.place < len(layouts) else None
        if section is None or not isinstance(layout, CodeLayout):
            return
        layout.set_spans(start, tuple(Span(span.start + start, span.length, span.role) for span in spans))
        if len(code) >= _COLOUR_KEEP:
            state.safe = start + safe_border(code, spans)
            if state.safe == start and len(code) >= _COLOUR_MOST:
                state.safe = start + len(code)  # one endless string: go on without knowing
        self.changed.emit(live.item, section.y)
        self._colour(live, text, state.place)


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
