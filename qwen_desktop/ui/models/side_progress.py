"""The line under the list of chats that shows how far the downloads are; a click leads to them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.row_paint import draw_words
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.meter import draw_meter


class SideProgress(QAbstractButton):
    """A button that is hidden while nothing is fetched."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._share = 0.0
        self._figures = ""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(self.tr("Show the downloads"))
        theme.changed.connect(self.updateGeometry)
        self.hide()

    def show_downloads(self, active: Sequence[Download], share: float) -> None:
        """Show these, ``share`` of their bytes being there."""
        self.setVisible(bool(active))
        if not active:
            return
        self._share = share
        running = next((item for item in active if item.status is DownloadStatus.RUNNING), active[0])
        name = model_texts.title(running)
        if len(active) > 1:
            name = texts.fill(self.tr("{name} and {n} more"), name=name, n=len(active) - 1)
        figures = [texts.percent(share)]
        speed = sum(item.speed for item in active)
        if speed > 0:
            figures.append(texts.rate(speed))
        if len(active) == 1 and running.seconds_left is not None:
            figures.append(texts.left(running.seconds_left))
        elif speed > 0:
            missing = sum(max(0, item.total_bytes - item.done_bytes) for item in active)
            figures.append(texts.left(missing / speed))
        self.setText(name)
        self._figures = " · ".join(figures)
        self.setAccessibleName(f"{name}, {self._figures}")
        self.update()

    @property
    def figures(self) -> str:
        """The second line."""
        return self._figures

    def sizeHint(self) -> QSize:
        name = QFontMetrics(self._theme.font("small", weight=600)).height()
        return QSize(160, name + QFontMetrics(self._theme.font("caption")).height() + 28)

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.isDown():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("pressed" if self.isDown() else "hover"))
            painter.drawRoundedRect(QRectF(self.rect()), theme.radius("control"), theme.radius("control"))
        room = QRectF(self.rect()).adjusted(10, 7, -10, -7)
        painter.setFont(theme.font("small", weight=600))
        painter.setPen(theme.color("text"))
        line = painter.fontMetrics().height()
        draw_words(painter, QRectF(room.left(), room.top(), room.width(), line), self.text())
        painter.setFont(theme.font("caption", tabular=True))
        painter.setPen(theme.color("text_muted"))
        low = painter.fontMetrics().height()
        draw_words(painter, QRectF(room.left(), room.top() + line + 1, room.width(), low), self._figures)
        draw_meter(painter, theme, QRectF(room.left(), room.bottom() - 6, room.width(), 6), self._share, "accent")
