"""Buttons with an icon: the small quiet one, the round one of the composer, and the one of the rail."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QEnterEvent, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QPushButton, QSizePolicy, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme

#: What Qt's own gap of 4 px between icon and text lacks, in px.
_GAP = 4


class _Painted(QAbstractButton):
    """What the painted buttons share: repaint on hover and theme, keyboard focus, an accessible name."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        theme.changed.connect(self._theme_changed)

    def _theme_changed(self) -> None:
        self.updateGeometry()
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.update()
        super().leaveEvent(event)

    def _ground(self) -> str | None:
        """The colour role of the background now, None for none."""
        if not self.isEnabled():
            return None
        if self.isDown():
            return "pressed"
        return "hover" if self.underMouse() else None


class IconButton(_Painted):
    """A square button that shows one icon; ``name`` is its tooltip and its accessible name."""

    def __init__(
        self, theme: Theme, icon: str, name: str, parent: QWidget | None = None, *, side: int = 32, icon_size: int = 18
    ) -> None:
        super().__init__(theme, name, parent)
        self._icon = icon
        self._side = side
        self._icon_size = icon_size
        self.setToolTip(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_icon(self, icon: str, name: str) -> None:
        """Show another icon under another name."""
        self._icon = icon
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.update()

    def sizeHint(self) -> QSize:
        side = self._theme.grown(self._side)
        return QSize(side, side)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = self._ground() or ("accent_soft" if self.isChecked() else None)
        if ground is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color(ground))
            radius = self._theme.radius("control")
            painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        role = "text_muted" if self.isEnabled() else "disabled_text"
        if self.isEnabled() and (self.underMouse() or self.isChecked()):
            role = "accent" if self.isChecked() else "text"
        drawn = (self._icon, self._theme.color(role), self._theme.grown(self._icon_size))
        _draw_icon(painter, self, drawn, QPointF(self.rect().center()))


class RoundButton(_Painted):
    """The composer's filled round button: send, or stop while an answer runs."""

    def __init__(self, theme: Theme, icon: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(theme, name, parent)
        self._icon = icon
        self.setToolTip(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_icon(self, icon: str, name: str) -> None:
        """Show another icon under another name."""
        self._icon = icon
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.update()

    @property
    def icon_name(self) -> str:
        """The icon on show."""
        return self._icon

    def sizeHint(self) -> QSize:
        side = self._theme.scaled("control_height")
        return QSize(side, side)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = self._theme.color("accent" if self.isEnabled() else "hover")
        if self.isEnabled() and (self.isDown() or self.underMouse()):
            ground = ground.darker(118 if self.isDown() else 108)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawEllipse(QRectF(self.rect()))
        ink = self._theme.color("on_accent" if self.isEnabled() else "text_faint")
        centre = QPointF(self.width() / 2, self.height() / 2)
        if self._icon == "square":
            painter.setBrush(ink)
            half = self._theme.grown(11) / 2
            painter.drawRoundedRect(QRectF(centre.x() - half, centre.y() - half, 2 * half, 2 * half), 2, 2)
        else:
            _draw_icon(painter, self, (self._icon, ink, self._theme.grown(18)), QPointF(self.rect().center()))


class RailButton(_Painted):
    """A page of the window: icon over label, tinted while its page is on show."""

    def __init__(self, theme: Theme, icon: str, label: str, parent: QWidget | None = None) -> None:
        super().__init__(theme, label, parent)
        self._icon = icon
        self._progress: float | None = None
        self.setText(label)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def progress(self) -> float | None:
        """The share shown beside the icon, None for none."""
        return self._progress

    def set_progress(self, share: float | None) -> None:
        """Show a small ring filled to ``share`` (0..1) beside the icon; None takes it away."""
        if share != self._progress:
            self._progress = share
            self.update()

    def label_font(self) -> QFont:
        """The font of the label as it is now."""
        font = self._theme.font("caption", weight=600 if self.isChecked() else 400)
        font.setPixelSize(font.pixelSize() - 1)
        return font

    def sizeHint(self) -> QSize:
        font = self._theme.font("caption", weight=600)
        font.setPixelSize(font.pixelSize() - 1)
        words = QFontMetrics(font)
        width = max(self._theme.size("rail_width") - 12, words.horizontalAdvance(self.text()) + 8)
        height = self._theme.grown(20) + 2 + words.height() + 16
        return QSize(width, max(self._theme.scaled("control_height") + 18, height))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = "accent_soft" if self.isChecked() else self._ground()
        if ground is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color(ground))
            radius = self._theme.radius("composer")
            painter.drawRoundedRect(QRectF(self.rect()), radius - 4, radius - 4)
        ink = self._theme.color("accent" if self.isChecked() else "text_muted")
        painter.setFont(self.label_font())
        line = painter.fontMetrics().height()
        sign = self._theme.grown(20)
        top = (self.height() - sign - 2 - line) / 2
        _draw_icon(painter, self, (self._icon, ink, sign), QPointF(self.width() / 2, top + sign / 2))
        painter.setPen(ink)
        painter.drawText(QRectF(0, top + sign + 2, self.width(), line), Qt.AlignmentFlag.AlignCenter, self.text())
        if self._progress is not None:
            ring = self._theme.grown(14)
            place = QRectF(self.width() / 2 + sign / 4, max(1.0, top - ring / 2 + 2), ring, ring)
            self._draw_ring(painter, place, self._progress)

    def _draw_ring(self, painter: QPainter, room: QRectF, share: float) -> None:
        """A disc in the ground's colour, so that the icon does not touch the ring, then the ring."""
        ground = "accent_soft" if self.isChecked() else self._ground() or "rail"
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color(ground))
        painter.drawEllipse(room)
        ring = room.adjusted(2.5, 2.5, -2.5, -2.5)
        pen = QPen(self._theme.color("border_strong"), 2.5)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen)
        painter.drawEllipse(ring)
        pen.setColor(self._theme.color("accent"))
        painter.setPen(pen)
        painter.drawArc(ring, 90 * 16, -max(16 * 12, round(share * 360 * 16)))


class TextButton(QPushButton):
    """A push button of the style sheet with an optional icon in its text's colour.

    ``kind`` is "" for the bordered one, "primary" for the filled one, "quiet" without border, "link" as a link.
    """

    def __init__(
        self, theme: Theme, text: str, parent: QWidget | None = None, *, icon: str = "", kind: str = ""
    ) -> None:
        super().__init__(text, parent)
        self._theme = theme
        if kind:
            self.setProperty("kind", kind)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if icon:
            self.setIcon(icons.themed(theme, icon, {"primary": "on_accent", "link": "accent"}.get(kind, "text")))
            theme.changed.connect(self._fit_icon)
            self._fit_icon()

    def _fit_icon(self) -> None:
        side = self._theme.grown(18)
        self.setIconSize(QSize(side + _GAP, side))


def _draw_icon(painter: QPainter, widget: QWidget, drawn: tuple[str, QColor, int], centre: QPointF) -> None:
    name, color, size = drawn
    sign = icons.pixmap(name, color, size, widget.devicePixelRatioF())
    # QRect.center() lies half a pixel left of the true middle, so widgets of even size get whole pixels.
    painter.drawPixmap(QPointF(round(centre.x() - size / 2 + 0.5), round(centre.y() - size / 2 + 0.5)), sign)
