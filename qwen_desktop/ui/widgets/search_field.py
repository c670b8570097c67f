"""A one-line field with a magnifier, and a button that looks like one and leads to where one searches."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QDialog, QLabel, QLineEdit, QPushButton, QStyle, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, row
from qwen_desktop.ui.widgets.buttons import enter_presses
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, start_edge


class SearchField(QLineEdit):
    """Search as one types. ``left`` tells that Esc or Down wants to go on to what was found."""

    left = Signal()

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None, *, keys: str = "") -> None:
        super().__init__(parent)
        self.setPlaceholderText(name)
        self.setAccessibleName(name)
        self.setObjectName("search")
        self.setMaxLength(500)
        self._sign = IconLabel(theme, "search", self)
        self._keys = QLabel(keys, self)
        self._keys.setObjectName("keys")
        self._keys.setVisible(bool(keys))
        for label in (self._sign, self._keys):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.textChanged.connect(self._show_keys)

    def _show_keys(self) -> None:
        shown = bool(self._keys.text()) and not self.text()
        if shown is self._keys.isHidden():
            self._keys.setVisible(shown)
            self._place_labels()

    def event(self, event: QEvent) -> bool:
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # the key is the field's: as a shortcut it would stop an answer
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() == Qt.Key.Key_Escape and isinstance(self.window(), QDialog):
            event.ignore()  # it closes the dialog
        elif event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_labels()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange, QEvent.Type.LayoutDirectionChange):
            QTimer.singleShot(0, self, self._place_labels)  # once they have their new font too

    def _place_labels(self) -> None:
        room = self.rect().adjusted(11, 0, -10, 0)
        way, edge = self.layoutDirection(), Qt.AlignmentFlag
        for label, side in ((self._sign, edge.AlignLeft), (self._keys, edge.AlignRight)):
            label.ensurePolished()
            label.adjustSize()
            label.setGeometry(QStyle.alignedRect(way, side | edge.AlignVCenter, label.size(), room))
        before, after = self._sign.width() + 6, 0 if self._keys.isHidden() else self._keys.width() + 6
        left, right = (before, after) if way is Qt.LayoutDirection.LeftToRight else (after, before)
        self.setTextMargins(left, 0, right, 0)
        # Qt would put text and caret by the direction of what is typed, and nothing by that of the keyboard.
        self.setAlignment(start_edge(self))


class SearchButton(QPushButton):
    """A magnifier, a word, and the key that does the same."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None, *, keys: str = "") -> None:
        super().__init__(parent)
        self._theme = theme
        self.setProperty("kind", "search")
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        word = ElidedLabel(theme, name, self, color="text_muted")
        sign, hint = IconLabel(theme, "search", self), QLabel(keys, self)
        hint.setObjectName("keys")
        self._word, self._hint = word, hint
        for label in (sign, word, hint):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        row(sign, (word, 1), (hint, MIDDLE), on=self, gap=8, margins=(11, 0, 10, 0))
        theme.follow(self._fit)

    def _fit(self) -> None:
        """The key stands there where the word leaves room for it."""
        self._hint.ensurePolished()
        wanted = self._word.sizeHint().width() + self._hint.sizeHint().width()
        self._hint.setVisible(wanted + self._theme.grown(16) + 37 <= self.width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)
