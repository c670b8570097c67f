"""The message box: grows with its text, sends on the chosen key, never on a key that confirms an input method."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QFocusEvent, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QWidget

from qwen_desktop.core.drafts import fits_box, is_long
from qwen_desktop.core.text import clean
from qwen_desktop.ui.local_files import local_files
from qwen_desktop.ui.theme import Theme

#: Between the text and the scroll bar, where lines may begin, in px.
_AIR = 4
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class MessageEdit(QPlainTextEdit):
    """Plain text only. ``limit`` (px) caps its height; then it scrolls."""

    send_wanted = Signal()
    recall_wanted = Signal()
    long_paste = Signal(str)
    #: Paths of files, and a picture, from the clipboard; taken only where ``takes_files``.
    files_pasted = Signal(object)
    picture_pasted = Signal(object)
    focus_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, tabChangesFocus=True)
        self._theme = theme
        self._limit = 300
        self._hint = ""
        self.takes_files = False
        self.send_with: Literal["enter", "ctrl_enter"] = "enter"
        self.setObjectName("message")
        self.setProperty("ownFocus", True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.document().setDocumentMargin(0)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.viewport().setAutoFillBackground(False)
        self.textChanged.connect(self._turn)
        self.textChanged.connect(self._fit)
        # Of a long line that comes at once it is known later in how many it breaks.
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._turn()
        theme.changed.connect(self._dress)
        self._dress()

    def set_limit(self, pixels: int) -> None:
        """Set the largest height."""
        if pixels != self._limit:
            self._limit = pixels
            self._fit()

    def set_hint(self, text: str) -> None:
        """Show what can be written while the box is empty; cut short where it has no room on one line."""
        self._hint = text
        self._fit()

    def composing(self) -> bool:
        """Whether an input method has uncommitted text in the box."""
        layout = self.textCursor().block().layout()
        return bool(layout is not None and layout.preeditAreaText())

    def set_text(self, text: str) -> None:
        """Replace the text, with the cursor at its end; undo does not reach over it."""
        self.setPlainText(text)
        cursor = self.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.setTextCursor(cursor)

    # Qt ---------------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier  # macOS sets it for arrows, too
        if event.key() in _ENTER and self.composing():
            event.ignore()  # it confirms what the input method shows, and nothing else
        elif event.key() in _ENTER and not self.isReadOnly():
            plain = self.send_with == "enter" and modifiers == Qt.KeyboardModifier.NoModifier
            if plain or modifiers == Qt.KeyboardModifier.ControlModifier:
                self.send_wanted.emit()
            else:
                self.textCursor().insertBlock()
                self.ensureCursorVisible()
        elif event.key() == Qt.Key.Key_Up and not (modifiers or self.composing()) and self.document().isEmpty():
            self.recall_wanted.emit()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.matches(QKeySequence.StandardKey.Undo)
            and not self.document().isUndoAvailable()
        ):
            event.ignore()  # nothing to undo here: the key belongs to the window (undo of a deletion)
            return False
        return super().event(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or (self.takes_files and event.mimeData().hasImage()):
            event.ignore()  # files belong to the window
        else:
            super().dragEnterEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return source.hasText() or (self.takes_files and (source.hasImage() or bool(local_files(source))))

    def insertFromMimeData(self, source: QMimeData) -> None:
        files = local_files(source) if self.takes_files else ()
        if files:
            self.files_pasted.emit(files)
            return
        if self.takes_files and source.hasImage() and not source.text().strip():
            self.picture_pasted.emit(source.imageData())
            return
        text = clean(source.text()).replace("\r\n", "\n").replace("\r", "\n")
        if is_long(text) or not fits_box(text):
            self.long_paste.emit(text)
        elif text:
            self.textCursor().insertText(text)
            self.ensureCursorVisible()

    # Inside -----------------------------------------------------------------------------------------------------------

    def _dress(self) -> None:
        self.setFont(self._theme.font("message"))
        self._fit()

    def _turn(self) -> None:
        """Put the text where its first line begins, and the caret of an empty box where the hint stands: left to itself
        Qt puts all at the left."""
        document = self.document()
        way = self.layoutDirection() if document.isEmpty() else document.firstBlock().textDirection()
        rtl = way is Qt.LayoutDirection.RightToLeft
        edge = Qt.AlignmentFlag.AlignRight if rtl else Qt.AlignmentFlag.AlignLeft
        option = document.defaultTextOption()
        if option.alignment() != edge:
            option.setAlignment(edge)
            document.setDefaultTextOption(option)
            document.setDocumentMargin(1 if rtl else 0)  # for the caret at the edge

    def _fit(self, _size: object = None) -> None:
        room = self.viewport().width() - 2
        hint = self.fontMetrics().elidedText(self._hint, Qt.TextElideMode.ElideRight, room)
        if hint != self.placeholderText():
            self.setPlaceholderText(hint)
            self.viewport().update()  # Qt does so only where one comes or goes
        # A QPlainTextEdit's document measures its height in lines.
        rows = max(1, int(self.document().documentLayout().documentSize().height()))
        height = min(self._limit, rows * self.fontMetrics().lineSpacing() + 2)
        scrolls = height >= self._limit
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if scrolls else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if self.verticalScrollBarPolicy() != policy:
            self.setVerticalScrollBarPolicy(policy)
            margins, side = [0, 0, 0, 0], 0 if self.layoutDirection() is Qt.LayoutDirection.RightToLeft else 2
            margins[side] = _AIR if scrolls else 0
            self.setViewportMargins(*margins)
        self.setFixedHeight(height)
