"""The fields of a prompt template in the message box: Tab goes from one to the next, and each is selected then."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QTextCursor
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.prompt_templates import Field, Stop
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.labels import ElidedLabel


class _Place:
    """A field in the box. It grows with what is typed in it."""

    def __init__(self, edit: MessageEdit, stop: Stop, offset: int) -> None:
        self.field: Field = stop.field
        self.first = edit.toPlainText()[offset + stop.start : offset + stop.end]
        #: what stands there at first says only what is to stand there
        self.empty = not stop.filled
        self._start, self._end = QTextCursor(edit.document()), QTextCursor(edit.document())
        self._start.setPosition(offset + stop.start)
        self._start.setKeepPositionOnInsert(True)
        self._end.setPosition(offset + stop.end)

    @property
    def cursor(self) -> QTextCursor:
        """What stands there, selected."""
        cursor = QTextCursor(self._start.document())
        cursor.setPosition(self._start.position())
        cursor.setPosition(max(self._start.position(), self._end.position()), QTextCursor.MoveMode.KeepAnchor)
        return cursor

    @property
    def text(self) -> str:
        """What stands there."""
        return self.cursor.selectedText().replace("\u2029", "\n")

    @property
    def missing(self) -> bool:
        """Whether nobody has filled it in."""
        return self.empty and self.text == self.first

    def put(self, text: str) -> None:
        """Have ``text`` stand there."""
        self.cursor.insertText(text)


class TemplateFields(QWidget):
    """The line under the message box that says which field is to be filled in. On show while there are fields.

    Tab and Shift+Tab go on and back, Up and Down choose where there is a choice, Esc ends it. A field that comes again
    takes what was written in the first one.
    """

    def __init__(self, theme: Theme, edit: MessageEdit, parent: QWidget) -> None:
        super().__init__(parent)
        self._edit = edit
        self._places: list[_Place] = []
        self._at = 0
        self._asked = False
        self.label = ElidedLabel(theme, "", self, role="small", color="text_muted")
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row((self.label, 1), on=self, margins=(0, 8, 0, 0))
        edit.installEventFilter(self)
        edit.textChanged.connect(self._changed)
        edit.cursorPositionChanged.connect(self._follow)
        self.hide()

    @property
    def active(self) -> bool:
        """Whether there are fields to go to."""
        return bool(self._places)

    def begin(self, offset: int, stops: Sequence[Stop]) -> None:
        """The text in the box has fields, counted from ``offset``; go to the first one that is not filled in."""
        self._places = [_Place(self._edit, stop, offset) for stop in stops]
        self._asked = False
        wanted = (n for n, stop in enumerate(stops) if not stop.filled or stop.field.default)
        first = next(wanted, None)
        if first is None:
            self.end()
        else:
            self._go(first)

    def end(self) -> None:
        """There are none any more."""
        if self._places:
            self._places = []
            self._edit.setAccessibleDescription("")
        self.hide()

    def holds(self) -> bool:
        """Before a message is sent: go to a field that nobody has filled in, once. Whether there is one."""
        missing = [n for n, place in enumerate(self._places) if place.missing]
        if not missing or self._asked:
            return False
        self._asked = True
        self._go(missing[0])
        return True

    # Inside -----------------------------------------------------------------------------------------------------------

    def _go(self, number: int) -> None:
        self._at = number
        self._edit.setTextCursor(self._places[number].cursor)
        self._edit.ensureCursorVisible()
        self._show()

    def _leave(self, way: int) -> None:
        """Go to the next field, or back; behind the last one it is done."""
        here = self._places[self._at]
        for later in self._places[self._at + 1 :]:
            if later.field.name == here.field.name and later.text == later.first and here.text != here.first:
                later.put(here.text)
        number = self._at + way
        if number >= len(self._places):
            self.end()
            self._edit.moveCursor(QTextCursor.MoveOperation.End)
        else:
            self._go(max(0, number))

    def _choose(self, step: int) -> bool:
        """Put the next choice into the field, where it has some and is selected."""
        place, cursor = self._places[self._at], self._edit.textCursor()
        choices = place.field.choices
        if not choices or cursor.selectedText() != place.cursor.selectedText() or not cursor.hasSelection():
            return False
        now = choices.index(place.text) if place.text in choices else -1
        place.put(choices[(now + step) % len(choices)])
        self._go(self._at)
        return True

    def _follow(self) -> None:
        """The cursor may have been put into another field."""
        at = self._edit.textCursor().position()
        for number, place in enumerate(self._places):
            cursor = place.cursor
            if number != self._at and cursor.selectionStart() < at < cursor.selectionEnd():
                self._at = number
                self._show()

    def _changed(self) -> None:
        if self._places and self._edit.document().isEmpty():
            self.end()
        elif self._places:
            self._say()  # others describe the box too when it changes

    def _show(self) -> None:
        field = self._places[self._at].field
        if self._asked and self._places[self._at].missing:
            said = texts.fill(self.tr("Fill in “{name}”, or send it as it stands."), name=field.name)
        elif field.choices:
            sentence = self.tr("{name}: press Up or Down for {choices}. Tab for the next field.")
            said = texts.fill(sentence, name=field.name, choices=", ".join(field.choices))
        else:
            said = texts.fill(self.tr("{name}: type to replace it. Tab for the next field."), name=field.name)
        count = texts.fill(self.tr("Field {place} of {count}."), place=self._at + 1, count=len(self._places))
        self.label.setText(f"{count} {said}")
        self.show()
        self._say()

    def _say(self) -> None:
        self._edit.setAccessibleDescription(self.label.text())

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kinds = (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride)
        if not self._places or event.type() not in kinds or not isinstance(event, QKeyEvent) or self._edit.composing():
            return False
        if event.matches(QKeySequence.StandardKey.Undo):
            if event.type() == QEvent.Type.KeyPress:
                self.end()
            return False
        held = event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier)
        key = Qt.Key(event.key())
        keys = (Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Escape)
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1} if not event.modifiers() else {}
        if held or key not in (*keys, *steps):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            if key in keys:
                event.accept()
            return key in keys
        if key in steps:
            return self._choose(steps[key])
        if key is Qt.Key.Key_Escape:
            self.end()
        else:
            back = key is Qt.Key.Key_Backtab or bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._leave(-1 if back else 1)
        return True
