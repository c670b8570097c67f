"""The button that shows an assistant's icon, and the little window in which icon and colour are chosen."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QToolButton, QWidget

from qwen_desktop.core.assistants import COLOURS, ICONS
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.buttons import IconButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.surface import draw_rounded

_COLOURS = {
    "indigo": QT_TRANSLATE_NOOP("assistants", "Indigo"),
    "blue": QT_TRANSLATE_NOOP("assistants", "Blue"),
    "teal": QT_TRANSLATE_NOOP("assistants", "Teal"),
    "green": QT_TRANSLATE_NOOP("assistants", "Green"),
    "amber": QT_TRANSLATE_NOOP("assistants", "Amber"),
    "rose": QT_TRANSLATE_NOOP("assistants", "Rose"),
    "violet": QT_TRANSLATE_NOOP("assistants", "Violet"),
    "slate": QT_TRANSLATE_NOOP("assistants", "Grey"),
}
_ICONS = {
    "bot": QT_TRANSLATE_NOOP("assistants", "Robot"),
    "sparkles": QT_TRANSLATE_NOOP("assistants", "Sparks"),
    "brain": QT_TRANSLATE_NOOP("assistants", "Brain"),
    "code": QT_TRANSLATE_NOOP("assistants", "Code"),
    "terminal": QT_TRANSLATE_NOOP("assistants", "Terminal"),
    "sigma": QT_TRANSLATE_NOOP("assistants", "Sum"),
    "calculator": QT_TRANSLATE_NOOP("assistants", "Calculator"),
    "languages": QT_TRANSLATE_NOOP("assistants", "Languages"),
    "globe": QT_TRANSLATE_NOOP("assistants", "Globe"),
    "list-checks": QT_TRANSLATE_NOOP("assistants", "List"),
    "pen-line": QT_TRANSLATE_NOOP("assistants", "Pen"),
    "feather": QT_TRANSLATE_NOOP("assistants", "Feather"),
    "newspaper": QT_TRANSLATE_NOOP("assistants", "Newspaper"),
    "book-open": QT_TRANSLATE_NOOP("assistants", "Book"),
    "graduation-cap": QT_TRANSLATE_NOOP("assistants", "Graduation cap"),
    "flask-conical": QT_TRANSLATE_NOOP("assistants", "Flask"),
    "lightbulb": QT_TRANSLATE_NOOP("assistants", "Light bulb"),
    "search": QT_TRANSLATE_NOOP("assistants", "Magnifier"),
    "message-square": QT_TRANSLATE_NOOP("assistants", "Speech bubble"),
    "mail": QT_TRANSLATE_NOOP("assistants", "Letter"),
    "briefcase": QT_TRANSLATE_NOOP("assistants", "Briefcase"),
    "scale": QT_TRANSLATE_NOOP("assistants", "Scales"),
    "compass": QT_TRANSLATE_NOOP("assistants", "Compass"),
    "map": QT_TRANSLATE_NOOP("assistants", "Map"),
    "palette": QT_TRANSLATE_NOOP("assistants", "Palette"),
    "music": QT_TRANSLATE_NOOP("assistants", "Note"),
    "utensils": QT_TRANSLATE_NOOP("assistants", "Fork and knife"),
    "heart": QT_TRANSLATE_NOOP("assistants", "Heart"),
    "wrench": QT_TRANSLATE_NOOP("assistants", "Wrench"),
}
_ACROSS = 8


class LookButton(QToolButton):
    """Shows the look; ``changed`` carries an icon and a colour that were chosen."""

    changed = Signal(str, str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._look = ("bot", "indigo")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(self.tr("Icon and colour"))
        self.setToolTip(self.tr("Choose icon and colour"))
        self.clicked.connect(self._choose)
        theme.follow(self._fit)

    def _fit(self) -> None:
        side = self._theme.scaled("control_height") + 2
        self.setFixedSize(side, side)
        self.update()

    def show_look(self, icon: str, colour: str) -> None:
        """Show this one."""
        self._look = (icon, colour)
        self.update()

    def _choose(self) -> None:
        dialog = LookDialog(self._theme, *self._look, self.window())
        dialog.changed.connect(self._take)
        dialog.open()

    def _take(self, icon: str, colour: str) -> None:
        self.show_look(icon, colour)
        self.changed.emit(icon, colour)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        icon, colour = self._look
        radius = self._theme.radius("control")
        draw_rounded(painter, QRectF(self.rect()), radius, self._theme.color(f"{looks.tint(colour)}_soft"))
        if self.underMouse():
            painter.setPen(QPen(self._theme.color(looks.tint(colour)), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        sign = self._theme.grown(20)
        drawn = icons.pixmap(icon, self._theme.color(looks.tint(colour)), sign, self.devicePixelRatioF())
        painter.drawPixmap((self.width() - sign) // 2, (self.height() - sign) // 2, drawn)


class _Swatch(QToolButton):
    """A round patch of a colour, with a ring where it is chosen."""

    def __init__(self, theme: Theme, colour: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._colour = colour
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        name = texts.marked(_COLOURS[colour])
        self.setAccessibleName(name)
        self.setToolTip(texts.tip(name))
        side = theme.grown(30)
        self.setFixedSize(side, side)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.isChecked():
            painter.setPen(QPen(self._theme.color("text"), 2))
            painter.drawEllipse(body)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color(looks.tint(self._colour)))
        painter.drawEllipse(body.adjusted(4, 4, -4, -4))


class LookDialog(Dialog):
    """Icons and colours; each click counts at once. ``changed`` carries both."""

    changed = Signal(str, str)

    def __init__(self, theme: Theme, icon: str, colour: str, parent: QWidget) -> None:
        super().__init__(theme, translate("assistants", "Icon and colour"), "", parent, width=380)
        self._icon, self._colour = icon, colour
        colours, signs = QGridLayout(), QGridLayout()
        for grid in (colours, signs):
            grid.setSpacing(6)
            grid.setColumnStretch(_ACROSS, 1)
        for number, name in enumerate(COLOURS):
            swatch = _Swatch(theme, name, self)
            swatch.setChecked(name == colour)
            swatch.clicked.connect(partial(self._pick, "_colour", name))
            colours.addWidget(swatch, 0, number)
        self._signs = QWidget(self)
        self._signs.setLayout(signs)
        signs.setContentsMargins(0, 0, 0, 0)
        for number, name in enumerate(ICONS):
            button = IconButton(theme, name, texts.marked(_ICONS[name]), self._signs, side=34)
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setChecked(name == icon)
            button.clicked.connect(partial(self._pick, "_icon", name))
            signs.addWidget(button, number // _ACROSS, number % _ACROSS)
        first, then = (
            Label(theme, text, self, role="small", color="text_muted") for text in (self.tr("Colour"), self.tr("Icon"))
        )
        self.body.addLayout(column(first, colours, 6, then, self._signs, gap=6))
        self.add_button(self.tr("Done"), kind="primary", default=True)

    def _pick(self, what: str, name: str) -> None:
        setattr(self, what, name)
        self.changed.emit(self._icon, self._colour)
