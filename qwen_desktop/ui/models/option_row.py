"""One of a few choices as a row: a circle, two lines of words and a chip at the right."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from qwen_desktop.ui.models.row_paint import chip_width, draw_chip, draw_words, width_of
from qwen_desktop.ui.theme import Theme


class OptionRow(QAbstractButton):
    """Checkable and exclusive among its siblings; arrow keys move."""

    def __init__(self, theme: Theme, title: str, parent: QWidget | None = None, *, tag: str = "") -> None:
        super().__init__(parent)
        self._theme = theme
        self._tag = tag
        self._note = ""
        self._right = ""
        self._chip: tuple[str, str] = ("", "")
        self.setText(title)
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)
        self._name()

    def say(self, note: str, right: str = "", chip: tuple[str, str] = ("", "")) -> None:
        """The second line, a figure at the right, and the chip with its tone."""
        self._note, self._right, self._chip = note, right, chip
        self._name()
        self.update()

    @property
    def chip(self) -> tuple[str, str]:
        """What the chip says, and its tone."""
        return self._chip

    def _name(self) -> None:
        said = (self.text(), self._tag, self._note, self._right, self._chip[0])
        self.setAccessibleName(", ".join(filter(None, said)))

    def sizeHint(self) -> QSize:
        lines = QFontMetrics(self._theme.font("body", weight=600)).height()
        lines += QFontMetrics(self._theme.font("small")).height()
        return QSize(280, lines + 18)

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(0.75, 0.75, -0.75, -0.75)
        checked = self.isChecked()
        painter.setPen(QPen(theme.color("accent" if checked else "border"), 1.5 if checked else 1))
        painter.setBrush(theme.color("hover" if self.underMouse() and not checked else "surface"))
        painter.drawRoundedRect(rect, theme.radius("control"), theme.radius("control"))
        circle = QRectF(rect.left() + 14, rect.center().y() - 8, 16, 16)
        painter.setPen(QPen(theme.color("accent" if checked else "text_faint"), 1.5))
        painter.setBrush(theme.color("surface"))
        painter.drawEllipse(circle)
        if checked:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent"))
            painter.drawEllipse(circle.adjusted(4, 4, -4, -4))
        self._paint_words(painter, rect.adjusted(42, 0, -14, 0))

    def _paint_words(self, painter: QPainter, room: QRectF) -> None:
        theme = self._theme
        right = room.right()
        if self._right:
            font = theme.font("small", tabular=True)
            width = max(72.0, width_of(font, self._right))
            painter.setFont(font)
            painter.setPen(theme.color("text_muted"))
            draw_words(painter, QRectF(right - width, room.top(), width, room.height()), self._right, right=True)
            right -= width + 12
        if self._chip[0]:
            width = chip_width(theme, self._chip[0], bold=bool(self._chip[1]))
            draw_chip(painter, theme, QRectF(right - width, room.top(), width, room.height()), *self._chip)
            right -= width + 12
        bold = theme.font("body", weight=600)
        upper, lower = QFontMetrics(bold).height(), QFontMetrics(theme.font("small")).height()
        top = room.center().y() - (upper + 2 + (lower if self._note else -2)) / 2
        painter.setFont(bold)
        painter.setPen(theme.color("text"))
        wide = width_of(bold, self.text())
        draw_words(painter, QRectF(room.left(), top, min(wide + 2, right - room.left()), upper), self.text())
        if self._tag:
            tag = chip_width(theme, self._tag, bold=True)
            if room.left() + wide + 10 + tag < right:
                draw_chip(painter, theme, QRectF(room.left() + wide + 10, top - 3, tag, upper + 6), self._tag, "accent")
        if self._note:
            painter.setFont(theme.font("small"))
            painter.setPen(theme.color("text_muted"))
            draw_words(painter, QRectF(room.left(), top + upper + 2, right - room.left(), lower), self._note)
