"""What stands where content is about to appear: grounds and bars, nothing that moves."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame

#: Room for the tools in the message box and for the status line below it, in px.
_TOOLS, _STATUS = 56, 28


class Skeleton(QWidget):
    """The chat page's grounds, or the plain page where the welcome comes.

    Its ``box`` stands where the message box comes and takes what is typed before that is there.
    """

    def __init__(self, theme: Theme, box: QPlainTextEdit, parent: QWidget | None = None, *, with_list: bool) -> None:
        super().__init__(parent)
        self._theme = theme
        self._with_list = with_list
        self.box = box
        frame = FloatingFrame(theme, self)
        frame.setMaximumWidth(theme.size("text_column") + 2 * SHADOW)
        column(box, _TOOLS, on=frame, margins=(17, 13, 12, 10))
        left = 18 + (theme.size("sidebar_width") if with_list else 0)
        column(None, row(None, (frame, 1000), None), on=self, margins=(left, 0, 18, _STATUS))

    def take(self) -> str:
        """What was typed so far; the box is left empty."""
        QGuiApplication.inputMethod().commit()
        typed = self.box.toPlainText().rstrip()
        self.box.clear()
        return typed

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("window"))
        if not self._with_list:
            return
        width = self._theme.size("sidebar_width")
        painter.fillRect(QRect(0, 0, width, self.height()), self._theme.color("sidebar"))
        painter.fillRect(QRect(width, 0, 1, self.height()), self._theme.color("border"))
        header = self._theme.scaled("control_height") + 17
        painter.fillRect(QRect(width + 1, header, self.width(), 1), self._theme.color("border"))


class SkeletonBars(QWidget):
    """Bars in the place of some lines of text; ``shares`` of the width, one bar a line."""

    def __init__(self, theme: Theme, shares: tuple[float, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shares = shares
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(160, len(self._shares) * 24)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        for place, share in enumerate(self._shares):
            draw_bar(painter, self._theme, QRectF(0, place * 24 + 6, self.width() * share, 12))


def draw_bar(painter: QPainter, theme: Theme, rect: QRectF) -> None:
    """Paint one bar of a skeleton."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("pressed" if theme.dark else "hover"))
    painter.drawRoundedRect(rect, 4, 4)
    painter.restore()
