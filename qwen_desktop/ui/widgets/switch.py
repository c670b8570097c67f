"""The on/off switch and the segmented control."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, QVariantAnimation, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme


class Switch(QAbstractButton):
    """On or off. 38 x 22 px drawn inside a target of 38 x 30."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._place = 0.0
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._slide = QVariantAnimation(self)
        self._slide.valueChanged.connect(self._moved)
        self.toggled.connect(self._go)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(38, 30)

    def _go(self, on: bool) -> None:
        end = 1.0 if on else 0.0
        self._slide.stop()
        if not self.isVisible() or self._theme.motion_ms() == 0:
            self._moved(end)
            return
        self._slide.setDuration(self._theme.motion_ms())
        self._slide.setStartValue(self._place)
        self._slide.setEndValue(end)
        self._slide.start()

    def _moved(self, place: float) -> None:
        self._place = place
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(0, 4, 38, 22)
        quiet = self._theme.color("text_faint" if self.isEnabled() else "disabled_text")
        on = self._theme.color("accent") if self.isEnabled() else quiet
        painter.setPen(QPen(_between(quiet, on, self._place), 1.5))
        painter.setBrush(_between(self._theme.color("surface"), on, self._place))
        painter.drawRoundedRect(track.adjusted(0.75, 0.75, -0.75, -0.75), 10.25, 10.25)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_between(quiet, self._theme.color("on_accent"), self._place))
        side = 12 + 6 * self._place
        painter.drawEllipse(QRectF(5 + 13 * self._place, 15 - side / 2, side, side))


class _Segment(QAbstractButton):
    def __init__(self, theme: Theme, text: str, icon: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        self.setText(text)
        self.setAccessibleName(text)
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        self.setFont(self._theme.font("small", weight=600))
        width = self.fontMetrics().horizontalAdvance(self.text()) + 22 + self._sign_room()
        return QSize(width, self._theme.scaled("control_height") - 4)

    def _sign_room(self) -> int:
        return self._theme.grown(16) + 6 if self._icon else 0

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        checked = self.isChecked()
        if checked or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("accent_soft" if checked else "hover"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 7, 7)
        ink = self._theme.color("accent" if checked else "text_muted")
        painter.setFont(self._theme.font("small", weight=600 if checked else 400))
        words = painter.fontMetrics().horizontalAdvance(self.text())
        left = (self.width() - words - self._sign_room()) / 2
        if self._icon:
            side = self._theme.grown(16)
            sign = icons.pixmap(self._icon, ink, side, self.devicePixelRatioF())
            painter.drawPixmap(round(left), (self.height() - side) // 2, sign)
            left += self._sign_room()
        painter.setPen(ink)
        painter.drawText(QRectF(left, 0, words + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())


class SegmentedControl(QWidget):
    """One of a few: (value, label, icon) each. Arrow keys move; ``chosen`` tells the value after a user's choice."""

    chosen = Signal(str)

    def __init__(
        self, theme: Theme, name: str, options: Sequence[tuple[str, str, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        self._segments: dict[str, _Segment] = {}
        for value, label, icon in options:
            segment = _Segment(theme, label, icon, self)
            segment.setAccessibleDescription(name)
            segment.clicked.connect(lambda _checked=False, v=value: self.chosen.emit(v))
            self._group.addButton(segment)
            self._segments[value] = segment
            row.addWidget(segment)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self._resized)

    def _resized(self) -> None:
        for segment in self._segments.values():
            segment.updateGeometry()
        self.update()

    @property
    def value(self) -> str:
        """The chosen value, empty before one is set."""
        return next((value for value, segment in self._segments.items() if segment.isChecked()), "")

    def set_value(self, value: str) -> None:
        """Choose without telling."""
        if value in self._segments:
            self._segments[value].setChecked(True)

    def cycle(self) -> None:
        """Choose the next one, as if the user had."""
        values = list(self._segments)
        position = values.index(self.value) if self.value else -1
        self._segments[values[(position + 1) % len(values)]].click()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        values = list(self._segments)
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if not step or not self.value:
            super().keyPressEvent(event)
            return
        target = self._segments[values[(values.index(self.value) + step) % len(values)]]
        target.setFocus(Qt.FocusReason.TabFocusReason)
        target.click()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        radius = self._theme.radius("control")
        path.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.fillPath(path, self._theme.color("surface"))
        painter.setPen(self._theme.color("border"))
        painter.drawPath(path)


def _between(first: QColor, second: QColor, share: float) -> QColor:
    def mix(a: int, b: int) -> int:
        return round(a + (b - a) * share)

    return QColor(mix(first.red(), second.red()), mix(first.green(), second.green()), mix(first.blue(), second.blue()))
