"""A dialog that shows the text of something attached, however long it is: it comes in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit, QWidget

from qwen_desktop.core.commands import command
from qwen_desktop.core.parts import FilePart
from qwen_desktop.services.token_counts import Count
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import pressed
from qwen_desktop.ui.chat.attached_file import add_file_buttons
from qwen_desktop.ui.chat.attachment_chips import amount
from qwen_desktop.ui.chat.finding import Pattern
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText

#: Characters that are shown in one go, and of one line: laying out longer ones holds everything up.
_PIECE, _LINE = 8_000, 2_000
#: So many places of what is looked for are marked.
_MARKS = 500
#: No more is shown than this; it can be copied whole.
_MOST = 1_000_000


class AttachedText(Dialog):
    """Read only; all of it is copied by its button, and the file itself can be saved and opened. With ``choose`` other
    parts of it can be chosen."""

    def __init__(
        self,
        ui: UiContext,
        part: FilePart,
        parent: QWidget | None,
        *,
        pattern: Pattern | None = None,
        tokens: Count | None = None,
        choose: Callable[[], None] | None = None,
    ) -> None:
        theme = ui.theme
        title = part.name or self.tr("Pasted text")
        note = amount(part, tokens)
        if len(part.text) > _MOST:
            note += "\n" + self.tr("The first %n character(s) are shown; all can be copied.", "", _MOST)
        super().__init__(theme, title, note, parent, width=640)
        self.view = ReadOnlyText("", title, self)
        self.view.setFont(theme.font("code"))
        self.view.setMinimumHeight(theme.grown(320))
        self.body.addWidget(self.view)
        add_file_buttons(ui, self, part)
        if choose is not None:
            self.add_button(self.tr("Choose parts"), choose)
        self._pattern = pattern
        #: Where in the document what is looked for stands.
        self._found: list[tuple[int, int]] = []
        self._current = -1
        if pattern is not None:
            self.add_button(texts.marked(command("find.next").title), self._next, closes=False)
            theme.changed.connect(self._mark)
        self.add_button(self.tr("Copy"), lambda: QGuiApplication.clipboard().setText(part.text), closes=False)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        self._pieces = in_pieces(part.text[:_MOST].replace("\r\n", "\n"))
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._more)
        self._more()
        self._timer.start()

    def _more(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._timer.stop()
            return
        cursor = QTextCursor(self.view.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        start = cursor.position()
        cursor.insertText(piece)
        if self._pattern is not None and len(self._found) < _MARKS:
            ranges = [each for step in self._pattern.steps(piece) for each in step]
            self._found += [(start + _units(piece[:a]), start + _units(piece[:b])) for a, b in ranges]
            if ranges and self._current < 0:
                self._next()
            elif ranges:
                self._mark()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if pressed(event, "find.next"):
            self._next()
        else:
            super().keyPressEvent(event)

    def _next(self) -> None:
        """Go to the next place of what is looked for, after the last one to the first."""
        if self._found:
            self._current = (self._current + 1) % len(self._found)
            cursor = QTextCursor(self.view.document())
            cursor.setPosition(self._found[self._current][0])
            self.view.setTextCursor(cursor)
            self.view.centerCursor()
            self._mark()

    def _mark(self) -> None:
        marks: list[QTextEdit.ExtraSelection] = []
        for number, (start, end) in enumerate(self._found):
            mark = QTextEdit.ExtraSelection()
            cursor = QTextCursor(self.view.document())
            cursor.setPosition(start)
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            look = QTextCharFormat()
            look.setBackground(self._theme.color("current_match" if number == self._current else "match"))
            look.setForeground(self._theme.color("text"))
            mark.cursor, mark.format = cursor, look
            marks.append(mark)
        self.view.setExtraSelections(marks)


def _units(text: str) -> int:
    """How many units Qt counts in a text."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def in_pieces(text: str) -> Iterator[str]:
    """The text in pieces, with breaks in lines that are too long to be laid out."""
    piece: list[str] = []
    size = start = 0
    while start < len(text):
        end = text.find("\n", start, start + _LINE) + 1
        line = text[start:end] if end else text[start : start + _LINE]
        start += len(line)
        piece.append(line if end or start >= len(text) else line + "\n")
        size += len(line)
        if size >= _PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)
