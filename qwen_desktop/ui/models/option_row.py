"""One of a few choices as a row: a circle, two lines of words and a chip at the end."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPalette, QResizeEvent
from PySide6.QtWidgets import QRadioButton, QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel, Label, Paragraph


class OptionRow(QRadioButton):
    """A radio button that is a card with labels; arrow keys move."""

    def __init__(self, theme: Theme, title: str, parent: QWidget | None = None, *, tag: str = "") -> None:
        super().__init__(parent)
        self.setObjectName("option")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._theme = theme
        self.title = title
        self._tag = Chip(theme, tag, self, kind="accent", thin=True)  # no higher than the title
        self._title = ElidedLabel(theme, title, self, weight=600)
        self._note = Paragraph(theme, "", self, role="small", color="text_muted")
        self._note.setMinimumWidth(1)  # it gives way to the title
        self._end = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self._end.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._end.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.chip = Chip(theme, "", self)
        words = column(None, row(self._title, self._tag, None, gap=10), self._note, None)
        self._row = row(42, (words, 1), self.chip, self._end, 14, on=self, gap=12, margins=(0, 8, 0, 8))
        for child in self.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            child.setForegroundRole(QPalette.ColorRole.WindowText)  # the labels' own, not the button's

    def say(self, note: str, end: str = "", chip: tuple[str, str] = ("", "")) -> None:
        """The second line, a figure at the end, and the chip with its tone."""
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._end.setText(end)
        self._end.setMinimumWidth(max(72, self._end.sizeHint().width()))
        self.chip.show_word(*chip)
        self.chip.setVisible(bool(chip[0]))
        self.setAccessibleName(", ".join(filter(None, (self.title, self._tag.text(), note, end, chip[0]))))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """The tag stands where everything else has its room; the note takes a second line where it needs one."""
        self.setMinimumHeight(self.sizeHint().height())
        wide = self._tag.sizeHint().width() + 10
        least = self._row.minimumSize().width() - (0 if self._tag.isHidden() else wide)
        least += self._title.sizeHint().width() - self._title.minimumSizeHint().width()  # it is not cut for a tag
        self._tag.setVisible(bool(self._tag.text()) and least + wide <= self.width())

    def hitButton(self, place: QPoint) -> bool:
        return self.rect().contains(place)

    def sizeHint(self) -> QSize:
        title, note = QFontMetrics(self._theme.font("body", weight=600)), QFontMetrics(self._theme.font("small"))
        return QSize(280, title.height() + note.height() + 18)


def fold(options: QWidget, *, away: bool) -> None:
    """Hide the options that lie in this widget, or show them; the chosen one stays on show.

    Each is hidden by itself: to those in something hidden the arrow keys would go, and choose what nobody sees.
    """
    rows = options.findChildren(OptionRow)
    for each in rows:
        each.setVisible(not away or each.isChecked())
    options.setVisible(not away or any(each.isChecked() for each in rows))
