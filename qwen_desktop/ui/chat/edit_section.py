"""Editing a message where it stands: a box in place of its words, with what was written in it kept for the session."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QTextOption
from PySide6.QtWidgets import QBoxLayout, QWidget

from qwen_desktop.core.chat import Message
from qwen_desktop.core.commands import command
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, Role, TextPart, visible_text
from qwen_desktop.core.text import clean
from qwen_desktop.ui.actions import claims_escape, is_escape, native_keys
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.chat.section import HostedSection
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import tip
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton

#: The share of the transcript's height that the words may take, and the least of it in pixels.
_SHARE, _LEAST = 0.5, 90
#: A word of so many letters is no word.
_ENDLESS = re.compile("[!-~]{4000}")


def edited_parts(message: Message, text: str) -> tuple[Part, ...]:
    """The parts of a message with other words: thoughts, tools and what is attached stay, in their order."""
    text = clean(text).strip("\n")
    places = [number for number, part in enumerate(message.parts) if isinstance(part, TextPart)]
    last = places[-1] if places else len(message.parts)
    parts: list[Part] = []
    for number, part in enumerate((*message.parts, *(() if places else (TextPart(""),)))):
        if number == last:
            parts += [TextPart(text)] if text.strip() else []
        elif not isinstance(part, TextPart):
            parts.append(part)
    return tuple(parts)


class EditBox(QWidget):
    """The box: the words, Cancel and Send. ``saved`` and ``left`` say how it ends: with the text, or
    whether that is to be forgotten."""

    saved = Signal(str)
    left = Signal(bool)

    def __init__(self, theme: Theme, message: Message, kept: Kept | None, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._attached = tuple(part for part in message.parts if isinstance(part, FilePart | ImagePart | AudioPart))
        self._before = visible_text(message.parts)
        self.edit = MessageEdit(theme, self)
        self.edit.send_with = "ctrl_enter"
        self.edit.setAccessibleName(self.tr("Edit message"))
        self.edit.send_wanted.connect(self._save)
        self.edit.long_paste.connect(self.edit.insertPlainText)
        if _ENDLESS.search(self._before):
            self.edit.setWordWrapMode(
                QTextOption.WrapMode.WrapAnywhere
            )  # else Qt looks for a place to break for seconds
        self.edit.set_text(self._before)
        if kept is not None:
            self._bring_back(kept)
        self.edit.textChanged.connect(self._show)
        user = message.role is Role.USER
        save = self.tr("Send as a new version") if user else self.tr("Save as a new version")
        self.cancel = TextButton(theme, self.tr("Cancel"), self)
        self.cancel.clicked.connect(lambda: self.left.emit(True))
        self.save = TextButton(theme, save, self, kind="primary")
        self.save.setToolTip(tip(native_keys(command("message.save").shortcut)))
        self.save.clicked.connect(self._save)
        # What is attached are cards of their own above the box.
        self._buttons = row(None, self.cancel, self.save, gap=8)
        column(self.edit, 8, self._buttons, on=self, margins=(16, 13, 16, 12))
        theme.changed.connect(self.update)
        self._show()

    @property
    def kept(self) -> Kept:
        """What stands in it, to be brought back."""
        return Kept(self.edit.toPlainText(), self.edit.textCursor().position())

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return self.edit.toPlainText() != self._before

    def _bring_back(self, kept: Kept) -> None:
        """As one step that can be undone: the message's own words are one undo away."""
        cursor = self.edit.textCursor()
        if kept.text != self._before:
            cursor.select(cursor.SelectionType.Document)
            cursor.insertText(kept.text)
        cursor.setPosition(min(kept.cursor, self.edit.document().characterCount() - 1))
        self.edit.setTextCursor(cursor)

    def set_busy(self, busy: bool) -> None:
        """While it is being sent nothing can be changed."""
        if busy and self.isAncestorOf(self.window().focusWidget() or self):
            self.edit.setFocus()  # else Qt takes the keyboard from a button that is off to anywhere in the window
        self.edit.setReadOnly(busy)
        self.cancel.setEnabled(not busy)
        self._show()

    def _show(self) -> None:
        empty = not self._attached and not self.edit.toPlainText().strip()
        self.save.setEnabled(not empty and not self.edit.isReadOnly())

    def _save(self) -> None:
        if not self.edit.composing() and self.save.isEnabled():
            self.saved.emit(self.edit.toPlainText())

    # Qt ---------------------------------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_escape(event) and not self.edit.composing():
            self.left.emit(False)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The buttons stand one below the other where they have no room side by side."""
        super().resizeEvent(event)
        wide = self.cancel.sizeHint().width() + self.save.sizeHint().width() + self._buttons.spacing()
        folds = wide > self.contentsRect().width() - 32
        way = QBoxLayout.Direction.BottomToTop if folds else QBoxLayout.Direction.LeftToRight
        if way is not self._buttons.direction():
            self._buttons.setDirection(way)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self._theme.color("surface"))
        painter.setPen(QPen(self._theme.color("focus"), 2))
        radius = self._theme.radius("card")
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), radius, radius)


class Kept(NamedTuple):
    """A text that is being edited, and where the cursor is in it."""

    text: str
    cursor: int


class EditSection(HostedSection):
    """The box in place of the message's words, as wide as the column."""

    gap = 10.0
    full = edits = True

    widget: EditBox


class Editing(QObject):
    """The messages of a transcript that are being edited. What was written outlives the box: it is there again when the
    message is, or when it is edited once more.

    ``send`` gets a message, its new parts, and calls for its end: one when that is done, one when it failed.
    """

    #: The keyboard has nowhere to be: an edit has ended.
    left = Signal()

    def __init__(self, canvas: TranscriptCanvas, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._kept: dict[str, Kept] = {}
        self._open: dict[str, EditSection] = {}
        self.send: Callable[[Message, tuple[Part, ...], Callable[[], None], Callable[[], None]], None]
        canvas.options.came = self._came
        canvas.focus_lost.connect(self.left)
        canvas.viewport().installEventFilter(self)

    def open(self, message_id: str) -> bool:
        """Edit a message that is on show, and give its box the keyboard; False where there is nothing to edit."""
        item = self._canvas.item(message_id)
        if item is None or item.streaming:
            return False
        if not item.edited:
            top = self._canvas.top_of(item)
            self._canvas.host(item, self._section(item))
            # Of a long message the beginning may be out of view, and the box is shorter than it was.
            self._canvas.hold(item, 0.0, max(8.0, top), room=True)
        section = self._open[message_id]
        self._canvas.make_visible(item, QRectF(section.x, section.y, section.width, section.height))
        section.widget.edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._canvas.stay()
        return True

    def close(self, message_id: str, *, forget: bool = False) -> None:
        """Take the box away; with ``forget`` what was written in it, too."""
        section, item = self._shown(message_id), self._canvas.item(message_id)
        self._open.pop(message_id, None)
        if forget or (section is not None and not section.widget.changed):
            self._kept.pop(message_id, None)
        if section is None or item is None:
            return
        top = self._canvas.top_of(item)
        here = section.widget.isAncestorOf(self._canvas.window().focusWidget() or self._canvas)
        self._canvas.unhost(item, section.name)
        self._canvas.hold(item, 0.0, top)
        if here:
            self.left.emit()

    # Inside -----------------------------------------------------------------------------------------------------------

    def _shown(self, message_id: str) -> EditSection | None:
        """The box of a message that is on show; the widget of another one may be gone."""
        section = self._open.get(message_id)
        return section if section is not None and self._canvas.item(message_id) is section.item else None

    def _came(self, item: MessageItem) -> None:
        """A message is on show again: so is what is being written in its place."""
        if item.message.id in self._open:
            self._canvas.carry(item, self._section(item))

    def _section(self, item: MessageItem) -> EditSection:
        message = item.message
        box = EditBox(self._canvas.theme, message, self._kept.get(message.id), self._canvas.viewport())
        number = next((n for n, part in enumerate(message.parts) if isinstance(part, TextPart)), None)
        name = "edit." if number is None else f"part{number}."
        section = self._open[message.id] = EditSection(item, name, box)
        self._limit(section)
        box.edit.textChanged.connect(lambda: self._kept.update({message.id: box.kept}))
        box.left.connect(lambda forget: self.close(message.id, forget=forget))
        box.saved.connect(lambda text: self._save(message.id, box, text))
        return section

    def _save(self, message_id: str, box: EditBox, text: str) -> None:
        item = self._canvas.item(message_id)
        if item is None:
            return
        if not box.changed:
            self.close(message_id)
            return
        box.set_busy(True)

        def done() -> None:
            self._kept.pop(message_id, None)
            self.close(message_id, forget=True)

        def failed() -> None:
            section = self._shown(message_id)
            if section is not None:
                section.widget.set_busy(False)

        self.send(item.message, edited_parts(item.message, text), done, failed)

    def _limit(self, section: EditSection) -> None:
        section.widget.edit.set_limit(max(_LEAST, int(self._canvas.viewport().height() * _SHARE)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize:
            for section in filter(None, map(self._shown, self._open)):
                self._limit(section)
        return super().eventFilter(watched, event)
