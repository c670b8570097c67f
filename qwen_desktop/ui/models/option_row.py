"""One of a few choices as a row: a circle, two lines of words and a chip at the end."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel, Label


class OptionRow(QRadioButton):
    """A radio button that is a card with labels; arrow keys move."""

    def __init__(self, theme: Theme, title: str, parent: QWidget | None = None, *, tag: str = "") -> None:
        super().__init__(parent)
        self.setObjectName("option")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._theme = theme
        self.title = title
        self._tag = Chip(theme, tag, self, kind="accent") if tag else None
        self._words = QVBoxLayout()
        self._note = ElidedLabel(theme, "", self, role="small", color="text_muted")
        self._end = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self._end.setMinimumWidth(72)
        self._end.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._end.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._chip = Chip(theme, "", self)
        first = QHBoxLayout()
        first.setSpacing(10)
        self._title = Label(theme, title, self, weight=600)
        first.addWidget(self._title)
        if self._tag is not None:
            self._tag.row.setContentsMargins(10, 1, 10, 1)  # no higher than the title
            first.addWidget(self._tag)
        first.addStretch(1)
        words = self._words
        words.setSpacing(2)
        words.addStretch(1)
        words.addLayout(first)
        words.addWidget(self._note)
        words.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addSpacing(42)
        row.addLayout(words, 1)
        row.addWidget(self._chip)
        row.addWidget(self._end)
        row.addSpacing(14)
        for child in self.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            child.setForegroundRole(QPalette.ColorRole.WindowText)  # the labels' own, not the button's

    def say(self, note: str, end: str = "", chip: tuple[str, str] = ("", "")) -> None:
        """The second line, a figure at the end, and the chip with its tone."""
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._end.setText(end)
        self._chip.show_word(*chip)
        self._chip.setVisible(bool(chip[0]))
        tag = self._tag.label.text() if self._tag is not None else ""
        self.setAccessibleName(", ".join(filter(None, (self.title, tag, note, end, chip[0]))))

    @property
    def chip(self) -> tuple[str, str]:
        """What the chip says, and its tone."""
        return self._chip.label.text(), self._chip.kind

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._tag is not None:
            needed = self._title.sizeHint().width() + 10 + self._tag.sizeHint().width()
            self._tag.setVisible(needed <= self._words.geometry().width())

    def hitButton(self, place: QPoint) -> bool:
        return self.rect().contains(place)

    def sizeHint(self) -> QSize:
        title, note = QFontMetrics(self._theme.font("body", weight=600)), QFontMetrics(self._theme.font("small"))
        return QSize(280, title.height() + note.height() + 18)
