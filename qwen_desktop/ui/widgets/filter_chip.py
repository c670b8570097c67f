"""A rounded button that narrows a list: on or off, or one choice of a menu."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.select import Menu


class FilterChip(QAbstractButton):
    """Tinted while it narrows the list. ``changed`` carries the chosen value: "" for any, "on" of a plain one."""

    changed = Signal(str)

    def __init__(self, theme: Theme, text: str, parent: QWidget | None = None, *, menu: bool = False) -> None:
        super().__init__(parent)
        self._theme = theme
        self._name = text
        self._value = ""
        self._menu: Menu | None = Menu(self) if menu else None
        self._group: QActionGroup | None = None
        self.setText(text)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCheckable(not menu)
        self.clicked.connect(self._clicked)
        theme.changed.connect(self._dressed)
        self._dressed()

    # What it stands for -----------------------------------------------------------------------------------------------

    @property
    def value(self) -> str:
        """The chosen value, "" for any."""
        return self._value

    def set_value(self, value: str) -> None:
        """Choose without telling."""
        if self._menu is None:
            self.setChecked(bool(value))
        self._value = value
        shown = ""
        for action in self._actions():
            action.setChecked(action.data() == value)
            if value and action.data() == value:
                shown = action.text().replace("&&", "&")
        self.setText(shown or self._name)
        self.setAccessibleName(f"{self._name}: {shown}" if shown else self._name)
        self.updateGeometry()
        self.update()

    def set_choices(self, choices: Sequence[tuple[str, str]], any_label: str) -> None:
        """Offer (value, label) pairs below the entry that takes the filter away."""
        if self._menu is None:
            return
        self._menu.clear()
        self._group = QActionGroup(self)
        for value, label in (("", any_label), *choices):
            action = QAction(label.replace("&", "&&"), self._menu)
            action.setCheckable(True)
            action.setData(value)
            action.triggered.connect(lambda _checked=False, v=value: self._choose(v))
            self._group.addAction(action)
            self._menu.addAction(action)
            if not value:
                self._menu.addSeparator()
        self.set_value(self._value if self._value in {value for value, _ in choices} else "")

    def _actions(self) -> list[QAction]:
        return [] if self._menu is None else [a for a in self._menu.actions() if not a.isSeparator()]

    def _clicked(self) -> None:
        if self._menu is None:
            self._value = "on" if self.isChecked() else ""
            self.update()
            self.changed.emit(self._value)
        else:
            self._menu.popup(self.mapToGlobal(QPoint(0, self.height() + 4)))

    def _choose(self, value: str) -> None:
        if value != self._value:
            self.set_value(value)
            self.changed.emit(value)

    # Looks ------------------------------------------------------------------------------------------------------------

    def _dressed(self) -> None:
        self.setFont(self._theme.font("small", weight=600))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.text()) + 22 + (22 if self._menu is not None else 0)
        return QSize(width, max(28, self._theme.scaled("control_height") - 6))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = bool(self._value)
        ground = "accent_soft" if on else "sunken"
        if self.isDown():
            ground = "pressed"
        elif self.underMouse() and not on:
            ground = "hover"
        body = QRectF(self.rect()).adjusted(0.5, 1.5, -0.5, -1.5)
        painter.setBrush(self._theme.color(ground))
        # A border that only high contrast and dark grounds need is drawn everywhere, in the ground's own tone.
        painter.setPen(QPen(self._theme.color("border" if self._theme.dark and not on else ground), 1))
        painter.drawRoundedRect(body, body.height() / 2, body.height() / 2)
        ink = self._theme.color("accent" if on else "text_muted")
        painter.setPen(ink)
        painter.setFont(self._theme.font("small", weight=600 if on else 400))
        words = painter.fontMetrics().horizontalAdvance(self.text())
        room = self.width() - (22 if self._menu is not None else 0)
        left = (room - words) / 2 if self._menu is None else 11.0
        painter.drawText(QRectF(left, 0, words + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())
        if self._menu is not None:
            sign = icons.pixmap("chevron-down", ink, 14, self.devicePixelRatioF())
            painter.drawPixmap(self.width() - 25, (self.height() - 14) // 2, sign)
