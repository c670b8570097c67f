"""What all chips above the message box are made of: a pressed body with icon, name and facts, its bordered ground, and
the rows that scroll."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QStyle, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import IconButton, enter_presses
from qwen_desktop.ui.widgets.labels import draw_line
from qwen_desktop.ui.widgets.scroll import ScrollArea

#: The first words of a text that a chip shows, in characters.
_BEGIN = 200
#: Width of a chip's name at most, and height of a chip, in px at normal text size.
_NAME, TALL = 180, 34
#: So many rows of prompts and of attachments are on show at once; the others are scrolled to.
_ROWS = 3
_PAD, GAP = 10, 8


def begin(text: str) -> str:
    """How a text begins, on one line."""
    return " ".join(text[:_BEGIN].split())


class ChipBody(QAbstractButton):
    """The part of a chip that is pressed: icon or a word before it, name and quiet facts, on one line."""

    def __init__(self, theme: Theme, parent: QWidget, *, icon: str = "", wide: bool = False) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = icon
        self._wide = wide
        self._before = self._facts = ""
        #: Colour roles of the name and of the facts, and the widest name in px at normal text size.
        self.ink, self.facts_ink, self.widest = "text", "text_muted", _NAME
        #: Where there is no room for both, the name is cut short and not the facts.
        self.facts_first = False
        #: What stands before others' names: all begin at one place.
        self.before_like = ""
        self.setProperty("ownFocus", True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        across = QSizePolicy.Policy.Ignored if wide else QSizePolicy.Policy.Preferred
        self.setSizePolicy(across, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)

    def set_icon(self, icon: str) -> None:
        """Show another icon."""
        self._icon = icon
        self.updateGeometry()
        self.update()

    def say(self, name: str, facts: str = "", *, before: str = "") -> None:
        """Show these words."""
        self._before, self._facts = before, facts
        self.setText(name)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        name, facts = self._metrics()
        left = self._theme.grown(16) + GAP if self._icon else 0
        width = left + min(name.horizontalAdvance(self.text()) + 1, self._theme.grown(self.widest))
        if self._facts:
            width += GAP + facts.horizontalAdvance(self._facts) + 1
        return QSize(_PAD + width + GAP, self._theme.grown(TALL))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.grown(80), self._theme.grown(TALL))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        way, room = self.layoutDirection(), self.rect()
        name, facts = self._metrics()
        left, right = _PAD, self.width() - GAP

        def place(x: int, width: int) -> QRect:
            return QStyle.visualRect(way, room, QRect(x, 0, width, self.height()))

        if self._icon:
            side = self._theme.grown(16)
            spot = place(left, side).adjusted(0, (self.height() - side) // 2, 0, 0)
            ink = "text_muted" if self.ink == "text" else self.ink
            sign = icons.pixmap(self._icon, self._theme.color(ink), side, self.devicePixelRatioF())
            painter.drawPixmap(spot.topLeft(), sign)
            left += side + GAP
        for words, take in ((self._before, True), (self._facts, False)):
            if not words:
                continue
            width = facts.horizontalAdvance(words) + 1
            painter.setFont(self._theme.font("small", tabular=True))
            painter.setPen(self._theme.color("text_muted" if take else self.facts_ink))
            if take:
                width = max(width, facts.horizontalAdvance(self.before_like) + 1)
                draw_line(painter, QRectF(place(left, width)), words)
                left += width + GAP
            else:
                name_width = min(name.horizontalAdvance(self.text()) + 1, self._theme.grown(self.widest)) + GAP
                if self.facts_first:
                    width = min(width, right - left - min(name_width, self._theme.grown(60)))
                else:
                    width = min(width, max((right - left) // 2, right - left - name_width))
                draw_line(painter, QRectF(place(right - width, width)), words)
                right -= width + GAP
        painter.setFont(self._theme.font("small", weight=400 if self._wide else 500))
        painter.setPen(self._theme.color(self.ink))
        draw_line(painter, QRectF(place(left, max(0, right - left))), self.text())

    def _metrics(self) -> tuple[QFontMetrics, QFontMetrics]:
        return QFontMetrics(self._theme.font("small", weight=500)), QFontMetrics(
            self._theme.font("small", tabular=True)
        )


class ChipFrame(QWidget):
    """The bordered ground of a chip; it shows that its body has the keyboard."""

    def __init__(self, theme: Theme, body: ChipBody, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        #: The colour role of its border, and the share of it that is done (0..1), which a line at its foot shows.
        self.edge, self.fraction = "border", -1.0
        self.body = body
        body.setParent(self)
        body.installEventFilter(self)
        theme.changed.connect(self.update)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        kinds = (QEvent.Type.FocusIn, QEvent.Type.FocusOut, QEvent.Type.Enter, QEvent.Type.Leave)
        if event.type() in kinds:
            self.update()
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.body.hasFocus()
        wide = 2.0 if focused else 1.0
        painter.setPen(QPen(self._theme.color("focus" if focused else self.edge), wide))
        painter.setBrush(self._theme.color("hover" if self.body.underMouse() else "surface"))
        edge = wide / 2
        radius = self._theme.radius("control")
        outline = QRectF(self.rect()).adjusted(edge, edge, -edge, -edge)
        painter.drawRoundedRect(outline, radius, radius)
        if self.fraction >= 0:
            clip = QPainterPath()
            clip.addRoundedRect(outline, radius, radius)
            painter.setClipPath(clip)
            done = QRect(0, self.height() - 3, max(8, round(self.width() * self.fraction)), 3)
            painter.fillRect(QStyle.visualRect(self.layoutDirection(), self.rect(), done), self._theme.color("accent"))


def small_button(theme: Theme, icon: str, name: str, parent: QWidget) -> IconButton:
    """One of the buttons in a chip."""
    return IconButton(theme, icon, name, parent, side=28, icon_size=16)


class Scrolled(ScrollArea):
    """Rows of chips on the ground that is there, as high as they are up to so many."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.body.setObjectName("chips")

    def fit(self, height: int, gap: int, room: int) -> None:
        """Take the height of what is in it, in whole rows and where there is room for more than one not more than
        ``room``."""
        row = self._theme.grown(TALL) + gap
        most = max(1, min(_ROWS, (room + gap) // row)) * row - gap
        bar = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if height <= most else Qt.ScrollBarPolicy.ScrollBarAlwaysOn
        self.setVerticalScrollBarPolicy(bar)
        self.setFixedHeight(min(height, most))
