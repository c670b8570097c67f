"""The on/off switch and the segmented control."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, QVariantAnimation, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QSizePolicy, QWidget

from qwen_desktop.ui.texts import tip
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import TextButton

#: A segment is never narrower, in px.
_TARGET = 28


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
        self.setFixedSize(38, 30)
        self._slide = QVariantAnimation(self)
        self._slide.valueChanged.connect(self._moved)
        self.toggled.connect(self._go)
        theme.changed.connect(self.update)

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


class SegmentedControl(QWidget):
    """One of a few: (value, label, icon) each. Arrow keys move; ``chosen`` tells the value after a user's choice."""

    chosen = Signal(str)

    def __init__(
        self, theme: Theme, name: str, options: Sequence[tuple[str, str, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("segments")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self._segments: dict[str, TextButton] = {}
        self._labels = {value: label for value, label, _ in options}
        self._widths: dict[str, int] = {}
        self._room = 0  # until it has a place
        for value, label, icon in options:
            self._segments[value] = segment = TextButton(theme, label, self, icon=icon, kind="segment")
            segment.setCheckable(True)
            segment.setAutoDefault(False)
            segment.setAccessibleName(label)
            segment.setAccessibleDescription(name)
            segment.clicked.connect(lambda _checked=False, v=value: self.chosen.emit(v))
            self._group.addButton(segment)
        row(*self._segments.values(), on=self, gap=0, margins=(1, 1, 1, 1))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.follow(self._fit)

    def _fit(self) -> None:
        """As wide as each would be while it is the chosen one, whose words are bold."""
        bold, plain = (QFontMetrics(self._theme.font("small", weight=weight)) for weight in (600, 400))
        for value, segment in self._segments.items():
            words = bold.horizontalAdvance(self._labels[value])
            if not segment.icon().isNull():
                # Beside an icon Qt begins bold words where plain ones would begin, which it puts in the middle.
                words += segment.iconSize().width() + 2 + words - plain.horizontalAdvance(self._labels[value])
            self._widths[value] = words + 22
        self.updateGeometry()
        self._share()

    def sizeHint(self) -> QSize:
        return QSize(sum(self._widths.values()) + 2, super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._room = event.size().width()
        self._share()

    def _share(self) -> None:
        """Where there is too little room each gets less of it, and its words are cut short."""
        bold = QFontMetrics(self._theme.font("small", weight=600))
        natural = self.sizeHint().width()
        lacks = max(0, natural - (self._room or natural))
        for value, segment in self._segments.items():
            wide = max(_TARGET, self._widths[value] - -(-lacks // len(self._segments)))
            label = self._labels[value]
            signs = self._widths[value] - bold.horizontalAdvance(label)
            segment.setText(bold.elidedText(label, Qt.TextElideMode.ElideRight, wide - signs) if lacks else label)
            segment.setToolTip(tip(label if lacks else ""))
            segment.setFixedWidth(wide)

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


def _between(first: QColor, second: QColor, share: float) -> QColor:
    return QColor.fromRgbF(*(a + (b - a) * share for a, b in zip(_parts(first), _parts(second), strict=True)))


def _parts(color: QColor) -> tuple[float, float, float]:
    return color.redF(), color.greenF(), color.blueF()
