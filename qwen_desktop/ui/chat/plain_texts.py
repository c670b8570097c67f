"""The plain text of messages: what is copied and what a screen reader says, of drawn and never drawn ones alike.

There is one idea of it, the projections of the message's parts. A message that is laid out has it; the texts of others
are parsed in the job worker, many in one call, and remembered for a while. Without a worker they are parsed here, one
at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.chat import Message
from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.parts import Role, TextPart, code_text, visible_text
from qwen_desktop.jobs.markdown.blocks import projection
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import PATIENCE_S, running_loop, texts_of
from qwen_desktop.ui.operation import end_with

log = logging.getLogger(__name__)

#: Given Markdown texts, gives what each reads like (the job "markdown.plain").
Plainer: TypeAlias = Callable[[Sequence[str]], Awaitable[Sequence[str]]]

#: The longest step in this thread, in seconds; one message may add its own time.
_STEP_S: Final = 0.003
#: Characters and texts that one call of the worker gets; one text alone may have more characters.
_BATCH: Final = 60_000
_BATCH_TEXTS: Final = 300
#: Messages that are prepared for a screen reader in one go.
_SPOKEN: Final = 100
#: Characters of plain text that are remembered.
_KEPT: Final = 4_000_000


class PlainTexts(QObject):
    """Knows plain texts, or gets them. ``found`` gives the id of a message that ``want`` was called for."""

    found = Signal(str)

    def __init__(self, markdown: MarkdownSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._plainer: Plainer | None = None
        self._kept: dict[str, str] = {}
        self._size = 0
        self._wanted: dict[str, MessageItem] = {}
        self._speaking: Gathering | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._prepare)

    def set_plainer(self, plainer: Plainer | None) -> None:
        """Where messages that were never drawn are parsed; None keeps everything in this process."""
        self._plainer = plainer

    def known(self, item: MessageItem) -> str | None:
        """The plain text of a message, where it is known."""
        return self.known_of(item, item.message)

    def known_of(self, item: MessageItem, message: Message) -> str | None:
        """The plain text of what ``item`` held when its message was ``message``, where it is known."""
        if message.role is Role.USER:
            return visible_text(message.parts)
        if item.message is message and item.ready:
            return item.projection()
        return _joined(message, self._kept) if all(text in self._kept for text in texts_of(message).values()) else None

    def gather(self, items: Sequence[MessageItem], done: Callable[[Sequence[str]], None]) -> Gathering:
        """Get the plain texts of messages as they are now, and hand them to ``done`` in the same order: at once where
        they are known, else later."""
        gathering = Gathering(self, items, done)
        gathering.begin()
        return gathering

    def want(self, item: MessageItem) -> None:
        """Get the plain text of a message in the background; ``found`` tells when it is known."""
        self._wanted[item.message.id] = item
        if self._speaking is None:
            self._soon.start(0)

    def _prepare(self) -> None:
        ids = list(self._wanted)[:_SPOKEN]
        items = [self._wanted.pop(key) for key in ids]

        def done(_texts: Sequence[str]) -> None:
            self._speaking = None
            for item in items:
                # One that nothing could parse would be asked for again by whoever hears of it, without an end.
                if self.known(item) is not None:
                    self.found.emit(item.message.id)
            if self._wanted:
                self._soon.start(0)

        if items:
            self._speaking = Gathering(self, items, done)
            self._speaking.begin()

    # Parsing ---------------------------------------------------------------------------------------------------------

    @property
    def elsewhere(self) -> bool:
        """Whether a worker parses."""
        return self._plainer is not None and running_loop() is not None

    def read(self, message: Message) -> str:
        """The plain text of a message, parsed now and here where it is not known."""
        texts = texts_of(message).values()
        return _joined(message, {text: self._kept[text] if text in self._kept else self.parse(text) for text in texts})

    def parse(self, source: str) -> str:
        """The plain text of a Markdown text, parsed now and here."""
        try:
            text = projection(self._markdown.get().blocks(source))
        except Exception as error:  # a parser's fault is no reason to copy nothing
            log.warning("plain.failed length=%d %s", len(source), type(error).__name__)
            return source
        self._keep(source, text)
        return text

    async def ask(self, sources: Sequence[str]) -> list[str]:
        """What texts read like, from the worker; where it fails a text as it is stored, never a part of it."""
        plainer = self._plainer
        texts = None if plainer is None else await self._asked(plainer, sources)
        if texts is None and plainer is not None and len(sources) > 1:  # one text may be to blame for all
            return [(await self.ask([source]))[0] for source in sources]
        if texts is None:
            return list(sources)
        for source, text in zip(sources, texts, strict=True):
            self._keep(source, text)
        return texts

    @staticmethod
    async def _asked(plainer: Plainer, sources: Sequence[str]) -> list[str] | None:
        try:
            texts = list(await asyncio.wait_for(plainer(sources), PATIENCE_S))
        except Cancelled:  # the app is closing
            raise
        except Exception as error:  # the worker may crash on a text
            log.warning("plain.failed texts=%d %s", len(sources), type(error).__name__)
            return None
        return texts if len(texts) == len(sources) else None

    def _keep(self, source: str, text: str) -> None:
        self._size += len(text) - len(self._kept.pop(source, ""))
        self._kept[source] = text
        while self._size > _KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.pop(next(iter(self._kept))))


def _joined(message: Message, read: Mapping[str, str]) -> str:
    """The plain text of an answer, its texts being as in ``read``."""
    pieces = (read[part.text] if isinstance(part, TextPart) else code_text(part) for part in message.parts)
    return "\n\n".join(filter(None, pieces))


class Gathering(QObject):
    """Gets many plain texts in short steps, so that typing and painting go on meanwhile. The first step runs at once:
    short work is done when ``begin`` returns. What changes later changes nothing in what is handed out."""

    def __init__(self, texts: PlainTexts, items: Sequence[MessageItem], done: Callable[[Sequence[str]], None]) -> None:
        super().__init__(texts)
        self._texts = texts
        self._todo = [(item, item.message) for item in items]
        self._done: Callable[[Sequence[str]], None] | None = done
        self._found: list[str] = []
        self._missing: list[int] = []
        #: What the texts of those messages read like; "" until that is known.
        self._read: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._work = self._steps()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    @property
    def running(self) -> bool:
        """Whether something is still to be done."""
        return self._done is not None

    def begin(self) -> None:
        """Start."""
        self._timer.start()
        self._step()

    def cancel(self) -> None:
        """Stop; nothing is handed out any more."""
        if self._done is not None:
            self._done = None
            self._timer.stop()
            if self._task is not None:
                self._task.cancel()
            self.deleteLater()

    def _steps(self) -> Iterator[None]:
        elsewhere = self._texts.elsewhere
        for number, (item, message) in enumerate(self._todo):
            text = self._texts.known_of(item, message)
            if text is None and elsewhere:
                self._missing.append(number)
                self._read.update(dict.fromkeys(texts_of(message).values(), ""))
            elif text is None:
                text = self._texts.read(message)
            self._found.append(text or "")
            yield

    def _step(self) -> None:
        if self._done is None:
            return
        until = time.perf_counter() + _STEP_S
        for _ in self._work:
            if time.perf_counter() > until and len(self._found) < len(self._todo):
                return
        self._timer.stop()
        loop = running_loop()
        if self._missing and loop is not None:
            self._task = loop.create_task(self._ask())
            end_with(self, self._task)
        else:
            self._end()

    async def _ask(self) -> None:
        batch: list[str] = []
        size = 0
        try:
            for text in tuple(self._read):
                if batch and (size + len(text) > _BATCH or len(batch) == _BATCH_TEXTS):
                    self._read.update(zip(batch, await self._texts.ask(batch), strict=True))
                    batch, size = [], 0
                batch.append(text)
                size += len(text)
            self._read.update(zip(batch, await self._texts.ask(batch), strict=True))
        except Cancelled:
            self.cancel()
            return
        for count, number in enumerate(self._missing):
            self._found[number] = _joined(self._todo[number][1], self._read)
            if count % _BATCH_TEXTS == _BATCH_TEXTS - 1:
                await asyncio.sleep(0)
        self._end()

    def _end(self) -> None:
        done, self._done = self._done, None
        found, self._found, self._todo = self._found, [], []
        if done is not None:
            done(found)
            self.deleteLater()
