"""Assistants in a chat: the row in an empty one, the fields above the message box, the header's button, the menu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QFontMetrics
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.assistants import Assistant, FieldKind
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.assistants.field_chip import FieldChip
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.select import Menu

#: The name of an assistant in the header is no wider, in px at normal text size.
_NAME = 180


class AssistantButton(TextButton):
    """An assistant by icon and name."""

    def __init__(self, theme: Theme, parent: QWidget, *, kind: str) -> None:
        super().__init__(theme, "", parent, kind=kind)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._name = ""
        theme.changed.connect(self._fit)

    def show_assistant(self, assistant: Assistant) -> None:
        """Show this one."""
        shown = looks.in_words(assistant)
        self._name = shown.name
        role = looks.tint(shown.colour)
        self.setIcon(icons.themed(self._theme, looks.icon_of(shown), role, on=role))
        self.setAccessibleName(shown.name)
        self.setAccessibleDescription(shown.description)
        self.setToolTip(texts.tip(shown.description or shown.name))
        self._fit()

    def sizeHint(self) -> QSize:
        """One that goes on and off has room for its bold words always, so that its neighbours stay."""
        hint = super().sizeHint()
        if self.isCheckable():
            bold = QFontMetrics(self._theme.font("small", weight=600)).horizontalAdvance(self.text())
            hint.setWidth(hint.width() + 4 + max(0, bold - self.fontMetrics().horizontalAdvance(self.text())))
        return hint

    def _fit(self) -> None:
        side = self._theme.grown(16)
        self.setIconSize(QSize(side + 4, side))
        shown = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, self._theme.grown(_NAME))
        self.setText(shown.replace("&", "&&"))


class AssistantRow(QWidget):
    """The assistants for a new chat; ``chosen`` carries an id, "" where the chosen one is pressed again."""

    chosen = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: tuple[Assistant, ...] = ()
        self.buttons: dict[str, AssistantButton] = {}
        self._flow = FlowLayout(self, gap=8, centred=True)
        self.setAccessibleName(self.tr("Assistants"))
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_assistants(self, assistants: Sequence[Assistant], chosen: str) -> None:
        """Offer these, one of them chosen."""
        if tuple(assistants) != self._shown:
            self._shown = tuple(assistants)
            while (item := self._flow.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.hide()
                    widget.deleteLater()
            self.buttons = {}
            for assistant in assistants:
                button = self.buttons[assistant.id] = AssistantButton(self._theme, self, kind="chip")
                button.setCheckable(True)
                button.show_assistant(assistant)
                button.clicked.connect(lambda on, name=assistant.id: self._pressed(name, on=on))
                self._flow.addWidget(button)
                button.show()
        for name, button in self.buttons.items():
            button.setChecked(name == chosen)

    def _pressed(self, assistant_id: str, *, on: bool) -> None:
        self.chosen.emit(assistant_id if on else "")


class FieldsBar(QWidget):
    """The fields of the chat's assistant; ``changed`` carries all that they are filled with."""

    changed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._assistant: Assistant | None = None
        self.chips: dict[str, FieldChip] = {}
        self._flow = FlowLayout(gap=8)
        column(self._flow, on=self, margins=(8, 0, 8, 4))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """What all of them are filled with."""
        return {name: chip.values for name, chip in self.chips.items()}

    def show_fields(self, assistant: Assistant | None, values: Mapping[str, tuple[str, ...]] | None) -> None:
        """Show the fields of this assistant, so filled; nothing without values."""
        if values is None:
            assistant = None
        if assistant != self._assistant:
            self._assistant = assistant
            while (item := self._flow.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.hide()
                    widget.deleteLater()
            self.chips = {}
            shown = looks.in_words(assistant) if assistant is not None else None
            for field in shown.asked if shown is not None else ():
                if shown is not None and (field.kind is FieldKind.TEXT or field.choices):
                    chip = self.chips[field.name] = FieldChip(self._theme, shown, field, field.default, self)
                    chip.changed.connect(lambda _values: self.changed.emit(self.values))
                    self._flow.addWidget(chip)
                    chip.show()
        for name, chip in self.chips.items():
            chip.show_values(tuple((values or {}).get(name, ())))
        self.setVisible(bool(self.chips))


class HeaderAssistant(AssistantButton):
    """The chat's assistant in its header."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent, kind="chip")
        self.setAccessibleName(self.tr("Assistant"))
        self.hide()

    def show_of(self, assistant: Assistant | None) -> None:
        """Show the assistant of a chat, nothing where it has none."""
        self.setVisible(assistant is not None)
        if assistant is not None:
            self.show_assistant(assistant)
            self.setAccessibleName(texts.fill(self.tr("Assistant: {name}"), name=looks.in_words(assistant).name))


class AssistantMenu(Menu):
    """Which assistant the chat goes on with; ``chosen`` carries an id, "" for none."""

    chosen = Signal(str)

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shared = actions

    def fill(self, assistants: Sequence[Assistant], chosen: str) -> None:
        """Offer these; the one in use has a tick."""
        self.clear()
        self._add(self.tr("No assistant"), "", chosen)
        self.addSeparator()
        for assistant in assistants:
            shown = looks.in_words(assistant)
            self._add(shown.name.replace("&", "&&"), assistant.id, chosen).setToolTip(texts.tip(shown.description))
        self.addSeparator()
        self.addAction(self._shared["view.assistants"])

    def _add(self, words: str, assistant_id: str, chosen: str) -> QAction:
        entry = QAction(words, self, checkable=True, checked=assistant_id == chosen)
        entry.triggered.connect(lambda _checked=False: self.chosen.emit(assistant_id))
        self.addAction(entry)
        return entry
