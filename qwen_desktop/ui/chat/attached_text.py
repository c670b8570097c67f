"""A dialog that shows the text of something attached, however long it is: it comes in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication, QTextCursor
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.parts import FilePart
from qwen_desktop.services.token_counts import Count
from qwen_desktop.ui.chat.attached_file import add_file_buttons
from qwen_desktop.ui.chat.attachment_chips import amount
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText

#: Characters that are shown in one go, and of one line: laying out longer ones holds everything up.
_PIECE, _LINE = 8_000, 2_000
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
        self.add_button(self.tr("Copy"), lambda: QGuiApplication.clipboard().setText(part.text), closes=False)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        self._pieces = in_pieces(part.text[:_MOST])
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
        cursor.insertText(piece)


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
