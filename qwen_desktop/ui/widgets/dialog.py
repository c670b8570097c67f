"""A dialog of the house: title, sentence, content, buttons. Opened with ``open``, never ``exec``."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QDialog, QPlainTextEdit, QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Paragraph

#: Wider than any line, in px.
_UNWRAPPED = 100_000
#: Kept free between a dialog that grows and its window's lower edge, in px.
_AIR = 16


class ReadOnlyText(QPlainTextEdit):
    """A longer text to read and to copy from, with its own scroll bar; ``name`` is for screen readers. It is as tall as
    its text, at most ``tallest`` px; without that it takes the room there is."""

    def __init__(self, text: str, name: str, parent: QWidget, *, tallest: int = 0) -> None:
        super().__init__(text, parent)
        self._tallest = tallest
        self.setObjectName("details")
        self.setAccessibleName(name)
        self.setReadOnly(True)
        if tallest:
            self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
            self.textChanged.connect(self.updateGeometry)

    def hasHeightForWidth(self) -> bool:
        return self._tallest > 0

    def heightForWidth(self, width: int) -> int:
        around = self.contentsMargins()
        text = QTextDocument()  # the own one counts its height in lines, and only at its own width
        text.setDefaultFont(self.document().defaultFont())
        text.setDefaultTextOption(self.document().defaultTextOption())
        text.setPlainText(self.toPlainText())
        text.setTextWidth(max(1, width - around.left() - around.right()))
        height = math.ceil(text.size().height()) + 2 + around.top() + around.bottom()  # 2: else it scrolls
        return min(self._tallest, height)

    def sizeHint(self) -> QSize:
        size = super().sizeHint()
        return QSize(size.width(), self.heightForWidth(_UNWRAPPED)) if self._tallest else size

    def minimumSizeHint(self) -> QSize:
        size = super().minimumSizeHint()
        return QSize(size.width(), min(size.height(), self.sizeHint().height())) if self._tallest else size


class Dialog(QDialog):
    """Window-modal, deleted when closed. Add content to ``body``, then buttons from left to right.

    ``inset`` px of the left margin belong to ``body``: a body that scrolls cuts focus rings off at its edge.
    """

    def __init__(
        self, theme: Theme, title: str, text: str, parent: QWidget | None, *, width: int = 440, inset: int = 0
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        # Wider for larger text, but never wider than the screen.
        self._width = max(width, min(theme.grown(width), self.screen().availableGeometry().width() - 48))
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(self._width)
        head = column(Paragraph(theme, title, self, role="message", weight=600), gap=8, margins=(inset, 0, 0, 0))
        if text:
            head.addWidget(Paragraph(theme, text, self, color="text_muted"))
        self.setAccessibleDescription(text)
        self.body = column(gap=8)
        self._row = row(None)
        self._layout = column(head, self.body, None, 12, self._row, on=self, gap=8, margins=(24 - inset, 20, 24, 20))

    def open(self) -> None:
        for child in self.findChildren(QWidget):
            child.ensurePolished()
        self.adjustSize()
        super().open()

    def adjustSize(self) -> None:
        """Take the height that its texts need at its width (Qt would take the height of a wider one)."""
        self._layout.activate()
        least = self._layout.totalMinimumSize()
        width = max(self._width, least.width())
        self.resize(width, max(self._layout.totalHeightForWidth(width), least.height()))
        # Where it has grown over its window's lower edge, it goes up as far as there is room.
        window = self.parentWidget()
        if window is not None and self.isVisible():
            room = window.window().geometry() & self.screen().availableGeometry()
            frame = self.frameGeometry()
            lowest = max(room.top(), room.bottom() + 1 - _AIR - frame.height())
            if frame.top() > lowest:
                self.move(frame.left(), lowest)

    def fold(self, title: str, content: QWidget) -> TextButton:
        """Add ``content`` under a link that shows and hides it."""
        content.hide()
        link = TextButton(self._theme, title, self, kind="link")
        link.setProperty("flush", True)
        link.clicked.connect(lambda: content.setVisible(content.isHidden()))
        link.clicked.connect(self.adjustSize)
        self.body.addWidget(link)
        self.body.addWidget(content)
        return link

    def add_button(
        self,
        text: str,
        act: Callable[[], None] | None = None,
        *,
        kind: str = "",
        default: bool = False,
        closes: bool = True,
    ) -> TextButton:
        """Add a button that closes the dialog, unless it is one that ``closes`` not, and then calls ``act``. Without
        ``act`` it only closes."""
        button = TextButton(self._theme, text, self, kind=kind)
        button.setAutoDefault(default)
        button.setDefault(default)
        if closes:
            button.clicked.connect(self.accept if act is not None else self.reject)
        if act is not None:
            button.clicked.connect(act)
        self._row.addWidget(button)
        if default:
            button.setFocus()
        return button
