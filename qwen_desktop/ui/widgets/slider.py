"""The slider: a line with a knob, and a mark where most leave it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QSlider, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_rounded

#: The diameter of the knob, and how near to the mark it is drawn to it, in px at normal text size.
_KNOB, _NEAR = 16, 6


class Slider(QSlider):
    """From 0 to ``most`` in steps of ``step``; under the mouse it stays at ``mark`` when it comes near. The wheel
    scrolls what the slider lies in: nobody changes a value in passing."""

    def __init__(self, theme: Theme, name: str, parent: QWidget, *, most: int, mark: int, step: int) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._theme = theme
        self._mark = mark
        self.setRange(0, most)
        self.setSingleStep(step)
        self.setPageStep(5 * step)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(self._theme.grown(120), self._theme.grown(28))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.grown(72), self._theme.grown(28))

    def x_of(self, value: int) -> float:
        """Where the knob's middle is at this value, in px."""
        knob = self._theme.grown(_KNOB)
        place = knob / 2 + (self.width() - knob) * value / self.maximum()
        return place if self.layoutDirection() is Qt.LayoutDirection.LeftToRight else self.width() - place

    def _value_at(self, x: float) -> int:
        if abs(x - self.x_of(self._mark)) <= self._theme.grown(_NEAR):
            return self._mark
        knob = self._theme.grown(_KNOB)
        x = x if self.layoutDirection() is Qt.LayoutDirection.LeftToRight else self.width() - x
        share = (x - knob / 2) / max(1, self.width() - knob)
        return max(0, min(self.maximum(), round(share * self.maximum() / self.singleStep()) * self.singleStep()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setValue(self._value_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self.setValue(self._value_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.setSliderDown(False)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, middle = self._theme, self.height() / 2
        knob, at, mark = theme.grown(_KNOB), self.x_of(self.value()), self.x_of(self._mark)
        line = QRectF(knob / 2 - 2, middle - 2, self.width() - knob + 4, 4)
        draw_rounded(painter, line, 2, theme.color("border_strong"))
        start = self.x_of(0)
        filled = QRectF(min(start, at), middle - 2, abs(at - start), 4)
        ink = theme.color("accent" if self.isEnabled() else "disabled_text")
        draw_rounded(painter, filled, 2, ink)
        draw_rounded(painter, QRectF(mark - 1, middle - 7, 2, 14), 1, theme.color("text_faint"))
        painter.setPen(QPen(ink, 2))
        painter.setBrush(theme.color("accent_soft" if self.underMouse() or self.isSliderDown() else "surface"))
        painter.drawEllipse(QPointF(at, middle), knob / 2 - 1, knob / 2 - 1)
