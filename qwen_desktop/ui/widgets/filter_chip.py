"""A rounded button that narrows a list: on or off, or one choice of a menu."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QActionGroup, QFontMetrics, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.buttons import enter_presses
from qwen_desktop.ui.widgets.select import Menu


class FilterChip(QPushButton):
    """Tinted while it narrows the list. ``changed`` carries the chosen value: "" for any, "on" of a plain one."""

    changed = Signal(str)

    def __init__(self, theme: Theme, text: str, parent: QWidget | None = None, *, menu: bool = False) -> None:
        super().__init__(text, parent)
        self._theme = theme
        self._name = text
        self._menu = Menu(self)
        self._group = QActionGroup(self._menu)
        self.setProperty("kind", "chip")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCheckable(not menu)
        self.setAutoDefault(False)
        self.clicked.connect(self._clicked)
        if menu:  # the chevron is an icon that stands behind the words
            self._menu.setLayoutDirection(self.layoutDirection())
            ltr = QGuiApplication.layoutDirection() is Qt.LayoutDirection.LeftToRight
            self.setLayoutDirection(Qt.LayoutDirection.RightToLeft if ltr else Qt.LayoutDirection.LeftToRight)
            self.setIconSize(QSize(18, 14))
        self.set_value("")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not enter_presses(self, event):
            super().keyPressEvent(event)

    def set_value(self, value: str) -> None:
        """Choose without telling."""
        self.value = value
        for action in self._group.actions():
            action.setChecked(action.data() == value)
        chosen = self._group.checkedAction()
        shown = chosen.text() if chosen is not None and value else ""
        self.setText(shown or self._name)
        self.setAccessibleName(f"{self._name}: {shown.replace('&&', '&')}" if shown else self._name)
        if self.isCheckable():
            self.setChecked(bool(value))
        else:
            role = "accent" if value else "text_muted"
            self.setIcon(icons.themed(self._theme, "chevron-down", role, behind=True))
        mark(self, "on", bool(value))

    def sizeHint(self) -> QSize:
        """A chip that goes on and off has room for its bold words always, so that its neighbours stay."""
        hint = super().sizeHint()
        if self.isCheckable():
            bold, now = (
                metrics.size(Qt.TextFlag.TextShowMnemonic, self.text()).width()
                for metrics in (QFontMetrics(self._theme.font("small", weight=600)), self.fontMetrics())
            )
            hint.setWidth(hint.width() + bold - now)
        return hint

    def set_choices(self, choices: Sequence[tuple[str, str]], any_label: str) -> None:
        """Offer (value, label) pairs below the entry that takes the filter away."""
        self._menu.clear()
        self._group = QActionGroup(self._menu)
        for value, label in (("", any_label), *choices):
            action = self._menu.addAction(label.replace("&", "&&"))
            action.setCheckable(True)
            action.setData(value)
            action.triggered.connect(lambda _checked=False, v=value: self._choose(v))
            self._group.addAction(action)
            if not value:
                self._menu.addSeparator()
        self.set_value(self.value if self.value in {value for value, _ in choices} else "")

    def _clicked(self) -> None:
        if self.isCheckable():
            self._choose("on" if self.isChecked() else "")
        else:
            self._menu.open_by(self, 0, self.height() + 4)

    def _choose(self, value: str) -> None:
        if value != self.value:
            self.set_value(value)
            self.changed.emit(value)
