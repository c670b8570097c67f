"""The line under the message box about ``/think`` and ``/no_think``: what the one does that stands in the text, and
what a word that begins may become. On show for models that obey them alone."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core import soft_switches
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel

_TAKES = (Qt.Key.Key_Tab, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_STEPS = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}


class SwitchHint(QWidget):
    """Watches the message box. While it offers words, Tab and Enter take the marked one, Up and Down mark another, and
    Esc ends it."""

    def __init__(self, theme: Theme, edit: MessageEdit, parent: QWidget) -> None:
        super().__init__(parent)
        self._edit = edit
        self._obeyed = self._direct = self._quiet = False
        self._word = ""
        self._refused = ""  # the word for which nothing is wanted
        self._offered: tuple[str, ...] = ()
        self._marked = 0
        self.chips = {
            switch: TextButton(theme, texts.isolated(switch), self, kind="chip") for switch in soft_switches.SWITCHES
        }
        for switch, chip in self.chips.items():
            chip.setAccessibleName(switch)
            chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys work in the box
            chip.clicked.connect(lambda _checked=False, switch=switch: self._take(switch))
        self.label = ElidedLabel(theme, "", self, role="small", color="text_muted")
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row(*self.chips.values(), (self.label, 1), on=self, margins=(0, 8, 0, 0))
        edit.textChanged.connect(self._look)
        edit.cursorPositionChanged.connect(self._look)
        edit.installEventFilter(self)
        self._look()

    def set_obeyed(self, obeyed: bool) -> None:
        """Whether the model obeys the words."""
        self._obeyed = obeyed
        self._look()

    def set_mode(self, mode: str) -> None:
        """How the model was told to think: to answer directly, and it does not obey them."""
        self._direct = mode == ThinkingMode.DIRECT.value
        self._look()

    def set_quiet(self, quiet: bool) -> None:
        """Offer nothing while something else takes the keys."""
        if quiet != self._quiet:
            self._quiet = quiet
            self._look()

    def knows(self, word: str) -> bool:
        """Whether a word that begins so may become one that the model obeys."""
        return self._obeyed and bool(soft_switches.begun(word)[1])

    @property
    def offers(self) -> bool:
        """Whether it offers words."""
        return bool(self._offered)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kinds = (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride)
        if not self._offered or event.type() not in kinds or not isinstance(event, QKeyEvent):
            return False
        key, plain = Qt.Key(event.key()), not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if not plain or self._edit.composing() or key not in (*_TAKES, *_STEPS, Qt.Key.Key_Escape):
            return False
        event.accept()
        if event.type() == QEvent.Type.ShortcutOverride:
            return True
        if key in _TAKES:
            self._take(self._offered[self._marked])
        elif key in _STEPS:
            self._marked = (self._marked + _STEPS[key]) % len(self._offered)
            self._show()
        else:
            self._refused = self._word
            self._look()
        return True

    def _look(self) -> None:
        cursor = self._edit.textCursor()
        line, at = cursor.block().text(), cursor.positionInBlock()
        behind = line[at : at + 1]
        word, offered = soft_switches.begun(line[:at])
        if not self._obeyed or self._quiet or cursor.hasSelection() or (behind and not behind.isspace()):
            word, offered = "", ()
        if not self._refused or not word.startswith(self._refused):
            self._refused = ""
        if offered != self._offered:
            self._marked = 0
        self._word, self._offered = word, () if self._refused else offered
        self._show()

    def _show(self) -> None:
        marked = self._offered[self._marked] if self._offered else ""
        for switch, chip in self.chips.items():
            chip.setVisible(switch in self._offered)
            mark(chip, "on", switch == marked)
        last = soft_switches.last(self._edit.toPlainText()) if self._obeyed else ""
        does = self._does(marked) if marked else self._says(last) if last else ""
        self.label.setText(does)
        keys = self.tr("Tab takes {switch}, Esc closes this.")
        self._edit.setAccessibleDescription(f"{does} {texts.fill(keys, switch=marked)}" if marked else does)
        self.setVisible(bool(does))

    def _does(self, switch: str) -> str:
        if self._direct:
            return self.tr("Without effect while thinking is set to Direct.")
        if switch == soft_switches.THINK:
            return self.tr("From here on the model thinks before it answers.")
        return self.tr("From here on the model answers directly.")

    def _says(self, switch: str) -> str:
        return f"{texts.isolated(switch)}: {self._does(switch)}"

    def _take(self, switch: str) -> None:
        cursor = self._edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.Left, cursor.MoveMode.KeepAnchor, len(self._word))
        line, end = cursor.block().text(), cursor.selectionEnd() - cursor.block().position()
        cursor.insertText(switch if line[end : end + 1].isspace() else f"{switch} ")
        self._edit.setFocus()
