"""Answers that are being written: deltas are collected and shown at most thirty times a second.

Of a text that grows what is finished stays; only its open end is parsed again, in the job worker when that is long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.parts import PartBegun, PartEvent, PartsBuilder, PartWasThinking, TextPart
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, verbatim
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat.code_colours import GrowingColours
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import RenderQueue, texts_of

if TYPE_CHECKING:
    from qwen_desktop.jobs.markdown.parser import Grown, Markdown
    from qwen_desktop.jobs.markdown.references import Footnote, References, Waiting
    from qwen_desktop.jobs.markdown.rules import Fence

log = logging.getLogger(__name__)

#: Milliseconds between two updates of the picture.
FRAME_MS = 33
#: A frame that took this long (seconds) is followed by a pause of ten times that.
_SLOW = 0.006
#: How long the worker may take for an open end, in seconds, before the answer grows on as plain text.
_PATIENCE_S: Final = 10.0
#: An open end longer than this, or with more marks than prose has, takes too long for the window's own thread.
_LONG: Final = 3000
_MANY: Final = 200
_MARKS: Final = "[*_`$|"
#: Characters of finished text that are read again in one frame, since what they refer to has been defined; where there
#: are more, they are when the answer has ended.
_AGAIN: Final = 3000


class GrowingText:
    """What is known of a text that grows; the text itself, as of now, is handed in by whoever asks. ``plain`` is set
    when nothing can parse it: from then on its open end is shown as it stands."""

    def __init__(self, markdown: Markdown) -> None:
        self._markdown = markdown
        self.plain = False
        self._finished: list[Block] = []
        self._footnotes: list[list[Block]] = []
        self._known: References | None = None
        self._waiting: list[Waiting] = []
        self._defined = 0
        self._tail = 0
        self._number: int | None = None
        self._fence: Fence | None = None
        self._code: list[str] = []
        self._looked = 0

    @property
    def start(self) -> int:
        """Where the open end begins: what stands before can no longer change."""
        return self._tail

    def open_end(self, text: str) -> tuple[str, int | None, References]:
        """What ``grow`` needs to parse the open end."""
        from qwen_desktop.jobs.markdown.references import References  # noqa: PLC0415 - the parser is imported late

        text = _as_read(text)
        return text[self._tail :], self._number, self._known or References(growing=True)

    def heavy(self, text: str) -> bool:
        """Whether parsing the open end would hold the caller's thread for too long."""
        text = _as_read(text)
        if self.plain or self._open_fence(text) is not None:
            return False
        return len(text) - self._tail > _LONG or sum(map(text[self._tail :].count, _MARKS)) > _MANY

    def blocks(self, text: str) -> tuple[list[Block], int]:
        """All blocks as of now, and how many at the front can no longer change."""
        text = _as_read(text)
        opened = self._open_fence(text)
        if opened is not None:
            return [*self._finished, opened, *self._below()], len(self._finished)
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
        text, stable = _as_read(text), len(self._finished)
        if grown is None:
            return [*self._finished, *verbatim(text[self._tail :]), *self._below()], stable
        added = [
            replace(each, footnote=each.footnote + len(self._footnotes))
            if each.footnote is not None
            else replace(each, index=each.index + stable)
            for each in grown.waiting
        ]
        self._finished += grown.finished
        self._footnotes += [list(footnote.blocks) for footnote in grown.finished_footnotes]
        self._tail += grown.offset
        self._number = grown.number
        self._known = grown.known
        self._waiting += added
        stable = min(stable, self._read_again())
        open_blocks: list[Block] = list(grown.opened)
        tail = text[self._tail :]
        if (end := tail.find("\n")) >= 0 and (fence := self._markdown.fence(tail[:end])) is not None:
            self._fence, self._code = fence, []
            self._looked = self._tail + end + 1
            opened = self._open_fence(text)
            if opened is not None:
                open_blocks = [opened]
        opened_footnotes = grown.footnotes[len(grown.finished_footnotes) :]
        return [*self._finished, *open_blocks, *self._below(opened_footnotes, grown.remarks)], stable

    def _read_again(self) -> int:
        """Read what refers to something that has been defined since; the first block that is another one now."""
        known, first, left = self._known, len(self._finished), _AGAIN
        count = 0 if known is None else len(known.links) + len(known.footnotes)
        if known is None or count == self._defined:
            return first
        still: list[Waiting] = []
        defined = known.keys()
        self._defined = count
        for each in self._waiting:
            cost = sum(map(len, each.sources))
            if defined.isdisjoint(each.missing) or cost > _AGAIN:
                still.append(each)
                continue
            if cost > left:  # the next frame goes on
                self._defined = 0
                still.append(each)
                continue
            left -= cost
            blocks = self._finished if each.footnote is None else self._footnotes[each.footnote]
            part = slice(each.index, each.index + each.size)
            blocks[part], missing = self._markdown.again(blocks[part], each.sources, known)
            if missing:
                still.append(replace(each, missing=missing))
            first = first if each.footnote is not None else min(first, each.index)
        self._waiting = still
        return first

    def _below(self, opened: Sequence[Footnote] = (), remarks: dict[str, str] | None = None) -> list[Block]:
        """The footnotes; some may be ``opened``, and so may ``remarks``."""
        if self._known is None or not (self._footnotes or opened or remarks or self._known.remarks):
            return []
        known = self._known.copy()
        known.remarks = dict(known.remarks if remarks is None else remarks)
        blocks = [block for footnote in self._footnotes for block in footnote]
        return list(
            self._markdown.below([*blocks, *(block for footnote in opened for block in footnote.blocks)], known)
        )

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


def _as_read(text: str) -> str:
    """A text with the line ends that the parser counts. It still only grows: "\\r" is one, and "\\r\\n" the same."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@dataclass(slots=True)
class LiveText:
    """A part of a growing answer that is text: how much of it is parsed and coloured, and whether the worker has it."""

    item: MessageItem
    number: int
    growing: GrowingText
    colours: GrowingColours = field(init=False)
    asking: bool = False

    @property
    def source(self) -> str:
        """The text as of now."""
        return texts_of(self.item.message).get(self.number, "")

    @property
    def section(self) -> TextSection | None:
        """What shows it."""
        section = self.item.part(self.number)
        return section if isinstance(section, TextSection) else None


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
                part, section = parts[number], item.part(number)
                # A section of text is given its blocks below.
                if section is None or not (section.kind is TextPart is type(part) or section.take(part)):
                    item.refresh()
                    section = item.part(number)
                if isinstance(section, TextSection) and isinstance(part, TextPart):
                    text = self._text(live, number)
                    if not self._elsewhere(text, part.text):
                        blocks, stable = text.growing.blocks(part.text)
                        top = min(top, section.y + section.set_blocks(blocks, stable))
                        text.colours.ask(max(0, stable - 1))
                    elif not text.asking:
                        text.asking = True
                        self._queue.spawn(self._ask(text))
                elif section is not None:
                    top = min(top, section.y + section.fresh)
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
            text.colours.ask()
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
            text = LiveText(live.item, number, GrowingText(self._markdown.get()))
            text.colours = GrowingColours(
                self._queue, partial(self._section, text), partial(self.changed.emit, live.item)
            )
            live.texts[number] = text
        return live.texts[number]

    def _section(self, text: LiveText) -> TextSection | None:
        """What shows a text; None when the message has ended or the text has become a thought."""
        return text.section if self._follows(text) else None

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
            text.colours.forget()
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
            blocks, stable = text.growing.take(grown, text.source)
            top = section.y + section.set_blocks(blocks, stable)
            text.colours.ask(max(0, stable - 1))
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

        *given, known = text.growing.open_end(source)
        grown = await self._markdown.ask(
            "grow", *given, msgspec.to_builtins(known), read=as_grown, patience=_PATIENCE_S
        )
        text.growing.plain = text.growing.plain or grown is None
        return grown
