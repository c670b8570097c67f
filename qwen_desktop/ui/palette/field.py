"""The field of the palette: what is typed, and before it the prefixes that are taken as chips."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QPushButton, QSizePolicy, QWidget

from qwen_desktop.core.queries import LONGEST, parse
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import claims_escape
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.labels import start_edge

_PAD = Qt.KeyboardModifier.KeypadModifier
_CTRL = Qt.KeyboardModifier.ControlModifier


class Chip(NamedTuple):
    """A prefix with its value as it was typed, and as it is shown."""

    typed: str
    shown: str


class _Edit(QLineEdit):
    """Keys that mean the list go to ``key_pressed``, which says whether they did."""

    def __init__(self, parent: PaletteField) -> None:
        super().__init__(parent)
        self._owner = parent
        self.setObjectName("palette")
        self.setMaxLength(LONGEST)

    def event(self, event: QEvent) -> bool:
        tab = isinstance(event, QKeyEvent) and event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)
        if tab and event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            self._owner.wanted.emit("complete" if event.key() == Qt.Key.Key_Tab else "up")
            return True
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._owner.take_key(event):
            super().keyPressEvent(event)


class PaletteField(QWidget):
    """``changed``: something else is asked for. ``wanted``: what is wanted of the list ("up", "down", "page_up",
    "page_down", "first", "last", "choose", "complete") or "close"."""

    changed = Signal()
    wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.chips: list[Chip] = []
        self._buttons: list[QPushButton] = []
        #: Only actions are shown.
        self.actions_only = False
        self.edit = _Edit(self)
        self.edit.textEdited.connect(self._edited)
        self.edit.textChanged.connect(lambda: self.edit.setAlignment(start_edge(self)))
        self._row = row((self.edit, 1), on=self, gap=6)
        self.setFocusProxy(self.edit)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._name()
        theme.follow(self._fit)

    @property
    def query(self) -> str:
        """What is asked for, as one text."""
        return " ".join(filter(None, (*(chip.typed for chip in self.chips), self.edit.text().strip())))

    def begin(self, *, actions_only: bool) -> None:
        """Ask for nothing yet."""
        self.chips, self.actions_only = [], actions_only
        self.edit.clear()
        self._show()
        self.changed.emit()

    def put(self, text: str, start: int, end: int) -> None:
        """Have ``text`` instead of what stands from ``start`` to ``end``."""
        whole = self.edit.text()
        self.edit.setText(whole[:start] + text + whole[end:])
        self.edit.setCursorPosition(start + len(text))
        self._edited()

    def take_chip(self, chip: Chip) -> None:
        """Ask no more for what a chip says."""
        if chip in self.chips:
            self.chips.remove(chip)
            self._show()
            self.changed.emit()
            self.edit.setFocus()

    def take_key(self, event: QKeyEvent) -> bool:
        """Whether a key meant more than the text."""
        key, held, edit = Qt.Key(event.key()), event.modifiers() & ~_PAD, self.edit
        listed = {
            Qt.Key.Key_Up: "up", Qt.Key.Key_Down: "down",
            Qt.Key.Key_PageUp: "page_up", Qt.Key.Key_PageDown: "page_down",
            Qt.Key.Key_Return: "choose", Qt.Key.Key_Enter: "choose", Qt.Key.Key_Escape: "close",
        }  # fmt: skip
        wanted = listed.get(key, "") if not held else ""
        if key == Qt.Key.Key_Home and (held == _CTRL or (not held and edit.cursorPosition() == 0)):
            wanted = "first"
        elif key == Qt.Key.Key_End and (held == _CTRL or (not held and edit.cursorPosition() == len(edit.text()))):
            wanted = "last"
        elif key == Qt.Key.Key_Backspace and not edit.cursorPosition() and not edit.hasSelectedText():
            if self.chips:
                self.take_chip(self.chips[-1])
            elif self.actions_only:
                self.begin_search()
            return True
        if wanted:
            self.wanted.emit(wanted)
        return bool(wanted)

    def begin_search(self) -> None:
        """Look for chats and messages as well."""
        self.actions_only = False
        self._show()
        self.changed.emit()
        self.edit.setFocus()

    def _edited(self) -> None:
        """What has become a whole prefix with its value becomes a chip, once something follows it."""
        text = self.edit.text()
        if text.startswith(">") and not self.actions_only:
            self.actions_only, text = True, text[1:].lstrip()
        for found in () if self.actions_only else reversed(parse(text).filters):
            typed = text[found.start : found.end]
            quoted = typed[-1:] in '"”“' and len(typed) > len(found.name) + 2
            if found.understood and (text[found.end : found.end + 1].isspace() or quoted):
                said = texts.isolated(f"{found.name}: {found.value}")
                chip = Chip(typed, said)
                self.chips = [*(each for each in self.chips if each != chip), chip]
                text = (text[: found.start].rstrip() + " " + text[found.end :].lstrip()).lstrip()
        if text != self.edit.text():
            self.edit.setText(text)
        self._show()
        self.changed.emit()

    # What is shown ----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        wanted = [Chip(">", self.tr("Actions"))] if self.actions_only else self.chips
        if [button.property("typed") for button in self._buttons] != [chip.typed for chip in wanted]:
            for button in self._buttons:
                self._row.removeWidget(button)
                button.hide()
                button.deleteLater()
            self._buttons = [self._button(chip) for chip in wanted]
            for number, button in enumerate(self._buttons):
                self._row.insertWidget(number, button)
        self._name()

    def _button(self, chip: Chip) -> QPushButton:
        shown = chip.shown if len(chip.shown) <= 32 else chip.shown[:31] + "…"
        button = QPushButton(shown.replace("&", "&&"), self)
        button.setProperty("kind", "prefix")
        button.setProperty("typed", chip.typed)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        told = fill(self.tr("{chip}. Click, or press Backspace, to take it out."), chip=chip.shown)
        button.setToolTip(texts.tip(told))
        button.setAccessibleName(told)
        button.clicked.connect(lambda: self.begin_search() if chip.typed == ">" else self.take_chip(chip))
        return button

    def _name(self) -> None:
        search, act = self.tr("Search chats, messages and actions"), self.tr("Find an action")
        name = act if self.actions_only else search
        self.edit.setPlaceholderText(name)
        told = texts.joined(chip.shown for chip in self.chips)
        self.edit.setAccessibleName(fill("{name}, {chips}", name=name, chips=told) if told else name)

    def _fit(self) -> None:
        self.edit.setFont(self._theme.font("message"))
        self.edit.setAlignment(start_edge(self))
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(200, self._theme.scaled("control_height"))
