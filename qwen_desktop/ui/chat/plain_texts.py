"""The plain text of messages: what is copied and what a screen reader says, of drawn and never drawn ones alike.

There is one idea of it, the projections of the message's parts. A message that is laid out has it; the texts of others
are parsed in the job worker, many in one call, and remembered for a while. Without a worker they are parsed here, one
at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import Role, TextPart, code_text, visible_text
from qwen_desktop.jobs.markdown.blocks import projection
from qwen_desktop.ui.chat.markdown_source import MarkdownSource, Recent
from qwen_desktop.ui.chat.slices import Work
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.chat.transcript_render import texts_of

#: Characters and texts that one call of the worker gets; one text alone may have more characters.
_BATCH: Final = 60_000
_BATCH_TEXTS: Final = 300
#: Messages that are prepared for a screen reader in one go.
_SPOKEN: Final = 100
#: Characters of Markdown of which the plain text is remembered.
_KEPT: Final = 4_000_000


class PlainTexts(Work):
    """Knows plain texts, or gets them. ``found`` gives the id of a message that ``want`` was called for."""

    found = Signal(str)

    def __init__(self, markdown: MarkdownSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._kept = Recent[str](_KEPT)
        self._wanted: dict[str, MessageItem] = {}
        self._speaking = False
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._prepare)

    def known(self, item: MessageItem, message: Message | None = None) -> str | None:
        """The plain text of a message, or of what ``item`` held when it was ``message``, where it is known."""
        message = message or item.message
        if message.role is Role.USER:
            return visible_text(message.parts)
        if item.message is message and item.ready:
            return item.projection()
        return joined(message, self._kept) if all(text in self._kept for text in texts_of(message).values()) else None

    def gather(self, items: Sequence[MessageItem], done: Callable[[Sequence[str]], None]) -> Gathering:
        """Get the plain texts of messages as they are now, and hand them to ``done`` in the same order: at once where
        they are known, else later."""
        return Gathering(self, items, done)

    def want(self, item: MessageItem) -> None:
        """Get the plain text of a message in the background; ``found`` tells when it is known."""
        self._wanted[item.message.id] = item
        if not self._speaking:
            self._soon.start(0)

    def _prepare(self) -> None:
        items = [self._wanted.pop(key) for key in tuple(self._wanted)[:_SPOKEN]]
        self._speaking = bool(items)
        if items:
            self.gather(items, partial(self._tell, items))

    def _tell(self, items: Sequence[MessageItem], _texts: Sequence[str]) -> None:
        self._speaking = False
        for item in items:
            # One that nothing could parse would be asked for again by whoever hears of it, without an end.
            if self.known(item) is not None:
                self.found.emit(item.message.id)
        if self._wanted:
            self._soon.start(0)

    # Parsing ---------------------------------------------------------------------------------------------------------

    @property
    def elsewhere(self) -> bool:
        """Whether a worker parses."""
        return self._markdown.elsewhere("plain")

    def read(self, message: Message) -> str:
        """The plain text of a message, parsed now and here where it is not known."""
        texts = texts_of(message).values()
        return joined(message, {text: self._kept[text] if text in self._kept else self.parse(text) for text in texts})

    def parse(self, source: str) -> str:
        """The plain text of a Markdown text, parsed now and here."""
        text = self._kept[source] = projection(list(filter(None, self._markdown.steps(source))))
        return text

    async def ask(self, sources: Sequence[str]) -> Sequence[str]:
        """What texts read like, from the worker; where it fails a text as it is stored, never a part of it."""
        texts: list[str] | None = await self._markdown.ask("plain", sources, read=list)
        if texts is None or len(texts) != len(sources):  # one text may be to blame for all
            return [(await self.ask([source]))[0] for source in sources] if len(sources) > 1 else sources
        for source, text in zip(sources, texts, strict=True):
            self._kept[source] = text
        return texts


def joined(message: Message, read: Mapping[str, str] | Recent[str]) -> str:
    """The plain text of an answer, its texts being as in ``read``."""
    pieces = (read[part.text] if isinstance(part, TextPart) else code_text(part) for part in message.parts)
    return "\n\n".join(filter(None, pieces))


class Gathering:
    """Gets many plain texts in short steps, so that typing and painting go on meanwhile. The first slice runs at once:
    short work is done when it has been made. What changes later changes nothing in what is handed out."""

    def __init__(self, texts: PlainTexts, items: Sequence[MessageItem], done: Callable[[Sequence[str]], None]) -> None:
        self._texts = texts
        self._todo = [(item, item.message) for item in items]
        self._done: Callable[[Sequence[str]], None] | None = done
        self._found: list[str | None] = []
        #: What the texts read like of messages of which that is not known; "" until it is.
        self._read: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        texts.add(self, self._steps(), self._rest)
        texts.hurry([self])
        texts.run()

    def cancel(self) -> None:
        """Stop; nothing is handed out any more."""
        if self._done is not None:
            self._done = None
            self._texts.remove(self)
            if self._task is not None:
                self._task.cancel()

    def _steps(self) -> Iterator[None]:
        elsewhere = self._texts.elsewhere
        for item, message in self._todo:
            text = self._texts.known(item, message)
            if text is None and elsewhere:
                self._read.update(dict.fromkeys(texts_of(message).values(), ""))
            elif text is None:
                text = self._texts.read(message)
            self._found.append(text)
            yield

    def _rest(self) -> None:
        if self._read and self._texts.elsewhere:
            self._task = self._texts.spawn(self._ask())
        else:
            self._end()

    async def _ask(self) -> None:
        try:
            for batch in _batches(tuple(self._read)):
                self._read.update(zip(batch, await self._texts.ask(batch), strict=True))
            for number, text in enumerate(self._found):
                if text is None:
                    self._found[number] = joined(self._todo[number][1], self._read)
                if number % _BATCH_TEXTS == 0:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._done = None
            raise
        self._end()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done([text or "" for text in self._found])


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """So many of the texts, in their order, as one call of the worker gets."""
    batch: list[str] = []
    room = _BATCH
    for text in texts:
        if batch and (len(text) > room or len(batch) == _BATCH_TEXTS):
            yield batch
            batch, room = [], _BATCH
        batch.append(text)
        room -= len(text)
    yield batch
