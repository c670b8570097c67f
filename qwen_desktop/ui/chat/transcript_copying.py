"""Copying from the transcript: the selection, one message, and what X11's middle click takes.

A text that is not known yet takes a while. The last wish wins: whatever is copied meanwhile, here or in another
program, stays on the clipboard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from PySide6.QtCore import QMimeData, QObject, QTimer
from PySide6.QtGui import QClipboard, QGuiApplication

from qwen_desktop.core.chat import Message
from qwen_desktop.core.drafts import pasted_texts
from qwen_desktop.core.parts import TextPart, thinking_text
from qwen_desktop.jobs.markdown.blocks import TableBlock
from qwen_desktop.jobs.markdown.tables import COPIED, as_html
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.interaction import NOWHERE, Spot
from qwen_desktop.ui.chat.plain_texts import Gathering
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.widgets.select import Menu

_COPIED_MS: Final = 1500
#: A text of so many characters is put together in one turn of the event loop and handed to Qt, which copies it, in the
#: next.
_LONG: Final = 1_000_000
#: A table of so many cells is put together in a thread.
_LARGE: Final = 3000
#: Messages and characters of which, selected with the mouse, X11's selection is made. A program that asks for it waits
#: for the answer, so it must be there; and making it after each drag must cost next to nothing.
_PRIMARY_MESSAGES: Final = 1000
_PRIMARY_CHARACTERS: Final = 200_000
_CLIPBOARD: Final = QClipboard.Mode.Clipboard
_PRIMARY: Final = QClipboard.Mode.Selection


def put_text(text: str, rich: str = "") -> None:
    """Put a text onto the clipboard, and what ``rich`` is as HTML for programs that want more."""
    data = QMimeData()
    data.setText(text)
    if rich:
        data.setHtml(rich)
    QGuiApplication.clipboard().setMimeData(data)


class Copying(QObject):
    """Puts the texts of a canvas's messages onto the clipboard."""

    def __init__(self, canvas: TranscriptCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._gathered: dict[QClipboard.Mode, Gathering] = {}
        self._told = QTimer(self, singleShot=True, interval=_COPIED_MS)
        self._told.timeout.connect(lambda: setattr(canvas.interaction, "copied", frozenset()))
        self._long = ""
        self._table: object = None
        #: makes the rich text of a message; whoever shows the transcript sets it
        self.rich: Callable[[Message], Awaitable[tuple[str, str]]] | None = None
        QGuiApplication.clipboard().changed.connect(self.forget)

    def text(self, text: str, feedback: Spot = NOWHERE) -> None:
        """Copy a text; the button ``feedback`` shows a check for a moment."""
        self.forget()
        QGuiApplication.clipboard().setText(text)
        self._tell(feedback)

    def _tell(self, feedback: Spot) -> None:
        if feedback != NOWHERE:
            self._canvas.interaction.copied = frozenset({feedback})
            self._told.start()

    def table(self, table: TableBlock, form: str, feedback: Spot) -> None:
        """Copy a table in a form of ``COPIED``; one with tabs also as HTML, for programs that want more than text."""
        self.forget()
        self._table = wish = object()

        def put(text: str, rich: str) -> None:
            if self._table is not wish:
                return
            if not rich:
                self.text(text, feedback)
                return
            self.forget()
            put_text(text, rich)
            self._tell(feedback)

        def made() -> tuple[str, str]:
            return COPIED[form](table), as_html(table) if form == "table_copy" else ""

        async def later() -> None:
            put(*await asyncio.to_thread(made))

        if sum(map(len, table.rows)) < _LARGE or not self._canvas.markdown.elsewhere("render"):
            put(*made())
        else:
            self._canvas.queue.spawn(later())

    def as_rich(self, item: MessageItem) -> None:
        """Copy a message as rich text; its clean text for programs that want no more."""
        self.forget()
        self._table = wish = object()
        make = self.rich

        async def later() -> None:
            rich = (await make(item.message))[1] if make is not None else ""

            def put(texts: Sequence[str]) -> None:
                put_text("\n\n".join(filter(None, texts)), rich)

            if self._table is wish:
                self._gather([item], put, _CLIPBOARD)

        self._canvas.queue.spawn(later())

    def selection(self) -> None:
        """Copy what is selected, if anything is."""
        self._gather_selected(self._take, _CLIPBOARD)

    def _take(self, text: str) -> None:
        if len(text) < _LONG:
            self.text(text)
            return
        self._long = text
        QTimer.singleShot(0, self, lambda: self.text(text) if self._long is text else None)

    def message(self, item: MessageItem, feedback: Spot = NOWHERE, told: Callable[[], object] | None = None) -> None:
        """Copy the clean text of a message; ``told`` is called when that is done."""

        def put(texts: Sequence[str]) -> None:
            self.text("\n\n".join(filter(None, (*pasted_texts(item.message.parts), texts[0]))), feedback)
            if told is not None:
                told()

        self._gather([item], put, _CLIPBOARD)

    def to_primary(self) -> None:
        """Put the selection where X11's middle click takes it from, unless it is long."""
        ends = self._canvas.interaction.selection.ends()
        clipboard = QGuiApplication.clipboard()
        if ends is None or not clipboard.supportsSelection() or ends[1][0] - ends[0][0] >= _PRIMARY_MESSAGES:
            return
        length = 0
        for item in self._canvas.items[max(0, ends[0][0]) : ends[1][0] + 1]:
            length += sum(len(part.text) for part in item.message.parts if isinstance(part, TextPart))
            if length > _PRIMARY_CHARACTERS:
                return
        self._gather_selected(lambda text: clipboard.setText(text, _PRIMARY), _PRIMARY)

    def forget(self, mode: QClipboard.Mode = _CLIPBOARD) -> None:
        """Something else was copied: what is still being put together comes too late."""
        if mode in self._gathered:
            self._gathered.pop(mode).cancel()
        if mode is _CLIPBOARD:
            self._long, self._table = "", None

    def _gather(
        self, items: Sequence[MessageItem], put: Callable[[Sequence[str]], None], mode: QClipboard.Mode
    ) -> None:
        self.forget(mode)
        self._gathered[mode] = self._canvas.texts.gather(items, put)

    def _gather_selected(self, put: Callable[[str], object], mode: QClipboard.Mode) -> None:
        """Hand the selected text to ``put``, messages separated by blank lines; nothing when it is empty."""
        ends = self._canvas.interaction.selection.ends()
        if ends is None:
            return
        (first, start), (last, stop) = ends

        def cut(texts: Sequence[str]) -> None:
            pieces = list(texts)
            if pieces:
                pieces[-1] = pieces[-1][:stop]
                pieces[0] = pieces[0][start:] if first >= 0 else pieces[0]
            text = "\n\n".join(filter(None, pieces))
            if text:
                put(text)

        self._gather(self._canvas.items[max(0, first) : last + 1], cut, mode)

    def with_thoughts(self, item: MessageItem) -> None:
        """Copy a message together with what its model thought."""

        def put(texts: Sequence[str]) -> None:
            said = self.tr("Thoughts:\n{thoughts}\n\nAnswer:\n{answer}")
            thoughts = thinking_text(item.message.parts).strip()
            # Not ``fill``: a text that is copied is not isolated from anything.
            before, _, rest = said.partition("{thoughts}")
            between, _, after = rest.partition("{answer}")
            self.text("".join((before, thoughts, between, texts[0], after)))

        self._gather([item], put, _CLIPBOARD)

    def menu(self, all_: Callable[[], object], target: Target | None, formula: str = "") -> Menu:
        """The context menu, with what there is to do with a selection, a link and a formula (its LaTeX)."""
        menu = Menu(self._canvas)
        copy = menu.addAction(self.tr("Copy"), self.selection)
        copy.setEnabled(not self._canvas.interaction.selection.empty)
        menu.addAction(self.tr("Select all"), all_)
        if target is not None and target.action == "link":
            menu.addAction(self.tr("Copy link address"), lambda: self.text(target.value))
        if formula:
            menu.addAction(self.tr("Copy formula as LaTeX"), lambda: self.text(formula))
        menu.addSeparator()
        return menu

    def fill(self, menu: Menu, item: MessageItem) -> None:
        """Add the ways in which a message is copied."""
        menu.addAction(self.tr("Copy message"), lambda: self.message(item))
        if not item.user:
            menu.addAction(self.tr("Copy as Markdown"), lambda: self.text(item.source))
            if self.rich is not None:
                menu.addAction(self.tr("Copy as rich text"), lambda: self.as_rich(item))
            if thinking_text(item.message.parts).strip():
                menu.addAction(self.tr("Copy with thoughts"), lambda: self.with_thoughts(item))
