"""Buttons with an icon: the small quiet one, the round one of the composer, the one of the rail, and with words."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QPushButton, QSizePolicy, QStyle, QToolButton, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_ring, draw_rounded

#: What Qt's own gap of 4 px between icon and text lacks, in px.
_GAP = 4


def enter_presses(button: QAbstractButton, event: QKeyEvent) -> bool:
    """Press ``button`` where the key is Enter; whether it is. By itself Qt does so in dialogs and on some desktops."""
    held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if held or event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        return False
    if not event.isAutoRepeat():
        button.click()
    return True


class IconButton(QToolButton):
    """A square button of the style sheet that shows one icon; ``name`` is its tooltip and its accessible name."""

    #: Colour roles of the icon: as it is, under the mouse, checked, and off.
    inks = ("text_muted", "text", "accent", "disabled_text")

    def __init__(
        self, theme: Theme, icon: str, name: str, parent: QWidget | None = None, *, side: int = 32, icon_size: int = 18
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._sides = (side, icon_size)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoRaise(True)  # or its icon would not know of the mouse
        self.set_icon(icon, name)
        theme.follow(self._fit)

    def set_icon(self, icon: str, name: str) -> None:
        """Show another icon under another name."""
        self.icon_name = icon
        ink, over, on, off = self.inks
        self.setIcon(icons.themed(self._theme, icon, ink, over=over, on=on, off=off))
        self.setAccessibleName(name)
        self.setToolTip(texts.tip(name))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def _fit(self) -> None:
        side, sign = map(self._theme.grown, self._sides)
        self.setIconSize(QSize(sign, sign))
        self.setFixedSize(side, side)


class RoundButton(IconButton):
    """The composer's filled round button: send, or stop while an answer runs."""

    inks = ("on_accent", "on_accent", "on_accent", "text_faint")

    def __init__(self, theme: Theme, icon: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(theme, icon, name, parent, side=theme.size("control_height"))
        self.setProperty("round", True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)


class RailButton(QAbstractButton):
    """A page of the window: icon over label, tinted while its page is on show."""

    def __init__(self, theme: Theme, icon: str, label: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        #: The share shown beside the icon (0..1), None for none.
        self.progress: float | None = None
        self.setText(label)
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

        theme.changed.connect(self.updateGeometry)

    def set_progress(self, share: float | None) -> None:
        """Show a small ring filled to ``share`` (0..1) beside the icon; None takes it away."""
        if share != self.progress:
            self.progress = share
            self.update()

    def label_font(self) -> QFont:
        """The font of the label as it is now."""
        return self._font(600 if self.isChecked() else 400)

    def _font(self, weight: int) -> QFont:
        font = self._theme.font("caption", weight=weight)
        font.setPixelSize(font.pixelSize() - 1)
        return font

    def sizeHint(self) -> QSize:
        words = QFontMetrics(self._font(600))
        width = max(self._theme.size("rail_width") - 12, words.horizontalAdvance(self.text()) + 8)
        height = self._theme.grown(20) + 2 + words.height() + 16
        return QSize(width, max(self._theme.scaled("control_height") + 18, height))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._ground() != "rail":
            radius = self._theme.radius("composer") - 4
            draw_rounded(painter, QRectF(self.rect()), radius, self._theme.color(self._ground()))
        ink = self._theme.color("accent" if self.isChecked() else "text_muted")
        painter.setFont(self.label_font())
        line = painter.fontMetrics().height()
        sign = self._theme.grown(20)
        top = (self.height() - sign - 2 - line) / 2
        drawn = icons.pixmap(self._icon, ink, sign, self.devicePixelRatioF())
        painter.drawPixmap(round(self.width() / 2 - sign / 2 + 0.5), round(top + 0.5), drawn)
        painter.setPen(ink)
        painter.drawText(QRectF(0, top + sign + 2, self.width(), line), Qt.AlignmentFlag.AlignCenter, self.text())
        if self.progress is not None:
            ring = self._theme.grown(14)
            place = QRectF(self.width() / 2 + sign / 4, max(1.0, top - ring / 2 + 2), ring, ring)
            # The icon does not touch the ring; of that some can always be seen.
            draw_rounded(painter, place, ring / 2, self._theme.color(self._ground()))
            color, ground = self._theme.color("accent"), self._theme.color("border_strong")
            draw_ring(painter, place, max(self.progress, 1 / 30), color, ground, width=2.5)

    def _ground(self) -> str:
        """The colour role of what lies below now."""
        if self.isChecked():
            return "accent_soft"
        return "pressed" if self.isDown() else "hover" if self.underMouse() else "rail"


class TextButton(QPushButton):
    """A push button of the style sheet with an optional icon in its text's colour.

    ``kind`` is "" for the bordered one, "primary" for the filled one, "quiet" without border, "link" as a link,
    "segment" for one of a ``SegmentedControl``.
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
            inks = {"primary": "on_accent", "link": "accent", "segment": "text_muted", "chip": "text_muted"}
            ink = inks.get(kind, "text")
            self.setIcon(icons.themed(theme, icon, ink, on="accent"))
            theme.follow(self._fit_icon)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def _fit_icon(self) -> None:
        side = self._theme.grown(18 if self.property("kind") != "segment" else 16)
        self.setIconSize(QSize(side + _GAP, side))


class MenuButton(TextButton):
    """A button with words and a chevron, which opens a menu."""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        side = self._theme.grown(16)
        sign = icons.pixmap("chevron-down", self._theme.color("text"), side, self.devicePixelRatioF())
        place = QRect(self.width() - side - 9, (self.height() - side) // 2, side, side)
        QPainter(self).drawPixmap(QStyle.visualRect(self.layoutDirection(), self.rect(), place).topLeft(), sign)
