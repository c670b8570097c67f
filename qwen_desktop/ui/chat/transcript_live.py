"""Answers that are being written: deltas are collected and shown at most thirty times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.parts import PartBegun, PartEvent, PartsBuilder, PartWasThinking, TextPart
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat.blocks import Layout
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.markdown_stream import GrowingText
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import RenderQueue, texts_of

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.growing import Grown

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

    item: MessageItem
    number: int
    growing: GrowingText
    asking: bool = False
    colouring: dict[int, _Colouring] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The text as of now."""
        return texts_of(self.item.message).get(self.number, "")

    @property
    def section(self) -> TextSection | None:
        """What shows it."""
        section = self.item.part(self.number)
        return section if isinstance(section, TextSection) else None

    @property
    def layouts(self) -> list[Layout]:
        """Its blocks on show."""
        return [] if self.section is None else self.section.layouts


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
        self._not_before = 0.0
        self._frame = QTimer(self, singleShot=True)
        self._frame.timeout.connect(self._show)
        self._seconds = QTimer(self, interval=250)
        self._seconds.timeout.connect(self._tick)
        queue.finished.connect(self._on_ready)

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
                    if not self._elsewhere(text, part.text):
                        top = min(top, self._set(text, section, *text.growing.blocks(part.text)))
                    elif not text.asking:
                        text.asking = True
                        self._queue.spawn(self._ask(text))
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
            self._colour(text, 0)
        if live.dirty:
            self._wait()

    def _set(self, text: LiveText, section: TextSection, blocks: list[Block], stable: int) -> float:
        """Show the blocks of a text; the y from which its message looks different."""
        top = section.y + section.set_blocks(blocks, stable)
        self._colour(text, max(0, stable - 1))
        return top

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
            live.texts[number] = LiveText(live.item, number, GrowingText(self._markdown.get()))
        return live.texts[number]

    # Open ends that are parsed elsewhere -----------------------------------------------------------------------------

    def request(self, item: MessageItem, width: float) -> None:
        """Make a message ready for ``width`` that has no layout, be it a growing answer or not."""
        live = self._live.get(item.message.id)
        if live is None:
            self._queue.request(item, width)
            return
        item.pending = True
        texts = [self._text(live, number) for number in texts_of(item.message)]
        for text in texts:
            text.colouring.clear()
        if any(self._elsewhere(text, text.source) for text in texts):
            self._queue.spawn(self._ask_all(live, width))
        else:
            self._queue.request(item, width, {text.number: text.growing.blocks(text.source)[0] for text in texts})

    def _elsewhere(self, text: LiveText, source: str) -> bool:
        return text.growing.heavy(source) and self._markdown.elsewhere("grow")

    def _follows(self, text: LiveText) -> bool:
        live = self._live.get(text.item.message.id)
        return live is not None and live.texts.get(text.number) is text

    async def _ask(self, text: LiveText) -> None:
        """Show the open end as of now when the worker has parsed it, and ask again if it grew meanwhile."""
        if not self._follows(text):
            return
        item, before, asked = text.item, text.growing.start, text.source
        grown = await self._grown(text, asked)
        text.asking = False
        if not self._follows(text):
            return
        section = text.section
        if item.ready and section is not None and text.growing.start == before:
            top = self._set(text, section, *text.growing.take(grown, text.source))
            item.place()
            self.changed.emit(item, top)
        if len(text.source) > len(asked):
            self._live[item.message.id].dirty.add(text.number)
            self._wait()

    async def _ask_all(self, live: LiveAnswer, width: float) -> None:
        item = live.item
        blocks: dict[int, list[Block]] = {}
        while missing := texts_of(item.message).keys() - blocks.keys():
            text = self._text(live, min(missing))
            source = text.source
            if not self._elsewhere(text, source):
                blocks[text.number] = text.growing.blocks(source)[0]
                continue
            before = text.growing.start
            grown = await self._grown(text, source)
            if not item.pending or self._live.get(item.message.id) is not live:
                return
            if live.texts.get(text.number) is text and text.growing.start == before:  # else it is another one by now
                blocks[text.number] = text.growing.take(grown, source)[0]
        self._queue.request(item, width, blocks)

    async def _grown(self, text: LiveText, source: str) -> Grown | None:
        from qwen_desktop.jobs.markdown.growing import as_grown  # noqa: PLC0415 - the parser is imported late: MarkdownSource

        given = text.growing.open_end(source)
        grown = await self._markdown.ask("grow", *given, read=as_grown, patience=_PATIENCE_S)
        text.growing.plain = text.growing.plain or grown is None
        return grown

    # Colours ---------------------------------------------------------------------------------------------------------

    def _colour(self, text: LiveText, first: int) -> None:
        """Ask for the colours of code blocks, from ``first`` on, that grew by a line since they were last asked for."""
        layouts = text.layouts
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
            self._queue.colour(code, block.language, partial(self._coloured, text, state, code))

    def _coloured(self, text: LiveText, state: _Colouring, code: str, spans: tuple[Span, ...]) -> None:
        start = state.safe
        state.waiting = False
        state.done = start + len(code)
        if text.colouring.get(state.place) is not state or not self._follows(text):
            return  # the message has ended, the text has become a thought or is laid out anew
        section, layout = text.section, next(iter(text.layouts[state.place :]), None)
        if section is None or not isinstance(layout, CodeLayout):
            return
        layout.set_spans(start, tuple(Span(span.start + start, span.length, span.role) for span in spans))
        if len(code) >= _COLOUR_KEEP:
            state.safe = start + safe_border(code, spans)
            if state.safe == start and len(code) >= _COLOUR_MOST:
                state.safe = start + len(code)  # one endless string: go on without knowing
        self.changed.emit(text.item, section.y)
        self._colour(text, state.place)


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
