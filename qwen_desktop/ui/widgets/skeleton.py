"""What stands where content is about to appear: grounds and bars, nothing that moves."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QStyle, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row, set_margins
from qwen_desktop.ui.widgets.surface import SHADOW, FloatingFrame, draw_rounded

#: Room for the tools in the message box and for the status line below it, in px.
_TOOLS, _STATUS = 56, 28


class Skeleton(QWidget):
    """The chat page's grounds, with a list of ``list_width`` px, unless that is 0 or the window is narrower than
    ``narrow``.

    Its ``box`` stands where the message box comes and takes what is typed before that is there.
    """

    def __init__(
        self, theme: Theme, box: QPlainTextEdit, parent: QWidget | None = None, *, list_width: int, narrow: int
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._list_width = list_width
        self._narrow = narrow
        self.box = box
        frame = FloatingFrame(theme, self)
        frame.setMaximumWidth(theme.size("text_column") + 2 * SHADOW)
        column(box, _TOOLS, on=frame, margins=(17, 13, 12, 10))
        self._layout = column(None, row(None, (frame, 1000), None), on=self)

    def take(self) -> str:
        """What was typed so far; the box is left empty."""
        QGuiApplication.inputMethod().commit()
        typed = self.box.toPlainText().rstrip()
        self.box.clear()
        return typed

    def _listed(self) -> int:
        """The width of the list in px, 0 where there is none."""
        return self._list_width if self.window().width() >= self._narrow else 0

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        listed = self._listed()
        set_margins(self._layout, (listed + 1 if listed else 0) + 18, 0, 18, _STATUS)  # the line, too

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("window"))
        if not self._list_width:
            return
        width = self._listed()
        border = self._theme.color("border")
        whole = self.rect()
        start = QRect(0, 0, width, whole.height())
        line = QRect(width, 0, 1 if width else 0, whole.height())
        header = QRect(line.right() + 1, self._theme.scaled("control_height") + 17, whole.width(), 1)
        for rect, color in ((start, self._theme.color("sidebar")), (line, border), (header, border)):
            painter.fillRect(QStyle.visualRect(self.layoutDirection(), whole, rect), color)


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
            wide = self.width() * share
            left = self.width() - wide if self.isRightToLeft() else 0
            draw_bar(painter, self._theme, QRectF(left, place * 24 + 6, wide, 12))


def draw_bar(painter: QPainter, theme: Theme, rect: QRectF) -> None:
    """Paint one bar of a skeleton."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw_rounded(painter, rect, 4, theme.color("pressed" if theme.dark else "hover"))
    painter.restore()
