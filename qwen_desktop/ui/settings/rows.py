"""One setting as a row: title, help, reset, control, and under it what is wrong with a refused value."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from qwen_desktop.core.setting import Setting
from qwen_desktop.ui import texts
from qwen_desktop.ui.settings.controls import control_for
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton
from qwen_desktop.ui.widgets.labels import Paragraph, said

_BESIDE, _BELOW = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
#: With less room than this beside the control, in px at normal text size, the words stand above it.
_WORDS = 200
#: The width that words alone need, in px.
_LEAST = 120


class SettingRow(QWidget):
    """``changed`` carries the key and the value that the user chose, ``reset_wanted`` the key. ``common`` is when
    changes of its section apply, where that is said above the rows."""

    changed = Signal(str, object)
    reset_wanted = Signal(str)

    def __init__(self, theme: Theme, setting: Setting, parent: QWidget | None = None, *, common: str = "") -> None:
        super().__init__(parent)
        self._theme = theme
        self.setting = setting
        self.title = texts.marked(setting.info.title)
        self.help = texts.marked(setting.info.help)
        self.control = control_for(theme, setting, self)
        self.control.changed.connect(lambda value: self.changed.emit(setting.key, value))
        field = self.control.held
        field.setAccessibleDescription(self.help)
        reset = texts.fill(self.tr("Reset “{title}”"), title=self.title)
        self.reset = IconButton(theme, "rotate-ccw", reset, self, side=28, icon_size=16)
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(policy)
        self.reset.clicked.connect(lambda: self.reset_wanted.emit(setting.key))
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.problem.hide()
        later = {
            "now": self.tr("Applies at once.") if common else "",
            "next load": self.tr("Applies when the model is loaded next."),
            "next download": self.tr("Applies to the next download."),
        }
        when = later.get(setting.info.applies, "") if setting.info.applies != common else ""
        note = f"{self.help} {when}".strip()
        heading = Paragraph(theme, self.title, self, weight=500)
        heading.setBuddy(field)  # by which Linux knows the name of a choice
        words = said(theme, self, heading, *([note] if note else []), self.problem)
        self._tail = row(None, (self.reset, MIDDLE))
        self._top = row((words, 1), self._tail)
        all_ = column(self._top, on=self, gap=8, margins=(0, 13, 0, 13))
        if self.control.wide:
            all_.addWidget(self.control)
        else:
            self._tail.addWidget(self.control, 0, MIDDLE)

    def minimumSizeHint(self) -> QSize:
        # Beside the words or below them, the control alone says how narrow the row gets.
        return QSize(max(_LEAST, self._tail.minimumSize().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - self._tail.sizeHint().width() - self._top.spacing()
        self._top.setDirection(_BESIDE if room >= self._theme.grown(_WORDS) else _BELOW)

    def show_value(self, value: Any) -> None:
        """Show the value in force; the reset sign stands there when it is not the default."""
        self.control.show_value(value)
        self.reset.setVisible(value != self.setting.default)
        self.show_problem("")

    def show_problem(self, sentence: str) -> None:
        """Say what is wrong with what was entered; empty takes it back."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        self.control.show_bad(bool(sentence))

    def matches(self, words: str) -> bool:
        """Whether all ``words`` stand in the title or the help."""
        text = f"{self.title} {self.help} {self.setting.name}".casefold()
        return all(word in text for word in words.casefold().split())
