"""A one-line field with a magnifier, a clear button and, while empty, the key that leads here."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme


class SearchField(QLineEdit):
    """Search as one types. ``left`` tells that Esc or Down wants to go on to what was found."""

    left = Signal()

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None, *, keys: str = "") -> None:
        super().__init__(parent)
        self._theme = theme
        self.setPlaceholderText(name)
        self.setAccessibleName(name)
        self.setObjectName("search")
        self.setMaxLength(500)
        self.setTextMargins(22, 0, 0, 0)
        self._keys = QLabel(keys, self)
        self._keys.setObjectName("keys")
        self._keys.setVisible(bool(keys))
        self._keys.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.textChanged.connect(lambda text: self._keys.setVisible(bool(self._keys.text()) and not text))
        theme.changed.connect(self.update)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        sign = icons.pixmap("search", self._theme.color("text_muted"), 16, self.devicePixelRatioF())
        QPainter(self).drawPixmap(11, (self.height() - 16) // 2, sign)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_keys()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            QTimer.singleShot(0, self, self._place_keys)  # once the label has its new font too

    def _place_keys(self) -> None:
        self._keys.ensurePolished()
        self._keys.adjustSize()
        self._keys.move(self.width() - self._keys.width() - 10, (self.height() - self._keys.height()) // 2)
