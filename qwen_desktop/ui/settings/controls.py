"""One control for each kind of setting: a switch, a choice, a number that may be automatic, a text."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QLocale, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QWidget

from qwen_desktop.core.setting import Setting
from qwen_desktop.core.text import put
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import with_native_keys
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.labels import start_edge
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.switch import Switch

#: The least width of a field, in px.
FIELD_WIDTH = 176
#: A number without choices of its own offers its whole range when it has at most so many steps.
_MOST_CHOICES = 25
#: Numbers that need each form of a unit's word in any language.
_FORMS = (0, 1, 2, 3, 11, 100)
#: The value of a choice that the app decides.
AUTOMATIC = "auto"
#: How long after the last key a text is taken over, in milliseconds.
_TYPING_MS = 600


class Control(QWidget):
    """Shows one value. ``changed`` carries what the user chose; ``show_value`` never emits it."""

    changed = Signal(object)
    wide = False

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self._title = texts.marked(setting.info.title)

    def _hold(self, field: QWidget) -> None:
        """Consist of ``field``."""
        self.held = field
        row(field, on=self)
        self.setFocusProxy(field)

    def show_value(self, value: Any) -> None:
        """Show the value in force."""
        raise NotImplementedError

    def show_bad(self, bad: bool) -> None:
        """Mark the field as holding a value that was refused."""
        mark(self.held, "bad", bad)

    def show_automatic(self, actual: str) -> None:
        """Say beside "Automatic" what it came to; empty takes it back."""


class SwitchControl(Control):
    """True or false."""

    def __init__(self, theme: Theme, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.switch = Switch(theme, self._title, self)
        self.switch.clicked.connect(lambda on: self.changed.emit(on))  # noqa: PLW0108 - Qt hands emit no argument
        self._hold(self.switch)

    def show_value(self, value: Any) -> None:
        self.switch.setChecked(bool(value))


class ChoiceControl(Control):
    """One of the declared choices."""

    def __init__(self, theme: Theme, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.field = Select(theme, self._title, self)
        self.field.setMinimumWidth(FIELD_WIDTH)
        for value, label in setting.choices:
            self.field.addItem(with_native_keys(texts.marked(label)), value)
        self.field.activated.connect(lambda place: self.changed.emit(self.field.itemData(place)))
        self._hold(self.field)

    def show_value(self, value: Any) -> None:
        self.field.setCurrentIndex(self.field.findData(value))

    def show_automatic(self, actual: str) -> None:
        automatic = texts.marked(dict(self.setting.choices)[AUTOMATIC])
        self.field.setItemText(self.field.findData(AUTOMATIC), _with_actual(automatic, actual))


class NumberControl(Control):
    """A number: typed, chosen from the list, or stepped with Up and Down. Empty or the first entry is automatic."""

    def __init__(self, theme: Theme, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self._value: Any = None
        self._plain_auto = self._auto = texts.marked(setting.info.auto) if setting.optional else ""
        self.field = _NumberSelect(theme, self._title, self)
        self._edit = QLineEdit(self.field)
        self.field.setEditable(True)
        self.field.setLineEdit(self._edit)
        self.field.setInsertPolicy(Select.InsertPolicy.NoInsert)
        self.field.setCompleter(None)  # type: ignore[arg-type] # Qt takes a null pointer: no completion
        self.field.setMinimumWidth(FIELD_WIDTH)
        if setting.optional:
            self.field.addItem(self._auto, None)
        for choice in self._choices():
            self.field.addItem(self._words(choice), choice)
        self._edit.setAccessibleName(self._title)
        self._edit.setMaxLength(32)
        self._edit.setTextMargins(-2, 0, -2, 0)  # which a field keeps free: its words stand where those of a choice do
        self._edit.setAlignment(start_edge(self))  # digits alone would stand where the keyboard begins
        self._edit.editingFinished.connect(self._typed)
        self.field.activated.connect(lambda place: self._take(self.field.itemData(place)))
        self.field.stepped.connect(self._step)
        self._hold(self.field)

    def show_value(self, value: Any) -> None:
        self._value = value
        if self._edit.hasFocus() and self._edit.isModified():
            return  # what is being typed is newer
        self.field.setCurrentIndex(self.field.findData(value))
        self._write(self._auto if value is None else self._words(value))
        self.show_bad(False)

    def words(self, value: Any) -> str:
        """A value as it is written here."""
        return self._words(value)

    def set_automatic(self, words: str) -> None:
        """Call the automatic value so."""
        if words != self._plain_auto:
            self._plain_auto = words
            self.show_automatic("")

    def show_automatic(self, actual: str) -> None:
        before, self._auto = self._auto, _with_actual(self._plain_auto, actual)
        if self._auto != before:
            shown = self.field.currentText()
            self.field.setItemText(0, self._auto)
            # What the user is typing just now stays.
            self._write(self._auto if shown == before else shown)

    def _write(self, words: str) -> None:
        """Show words in the field: where it is too narrow for them from their beginning on, and whole in its tip."""
        self.field.setEditText(words)
        if not self._edit.hasFocus():
            self._edit.home(False)
        room = self._edit.contentsRect().width() - 2
        self._edit.setToolTip(texts.tip(words) if self._edit.fontMetrics().horizontalAdvance(words) > room else "")

    def _choices(self) -> list[Any]:
        setting = self.setting
        if setting.info.offers:
            return list(setting.info.offers)
        if setting.minimum is None or setting.maximum is None:
            return []
        steps = round((setting.maximum - setting.minimum) / setting.info.step)
        if steps > _MOST_CHOICES:
            return []
        return [self._exact(setting.minimum + n * setting.info.step) for n in range(steps + 1)]

    def _exact(self, value: float) -> Any:
        return round(value) if self.setting.kind == "int" else round(value, 6)

    def _words(self, value: Any) -> str:
        if isinstance(value, str):
            return value  # what was refused stays as it was typed
        if self.setting.kind == "int":
            shown = texts.number(value) if self.setting.name != "seed" else str(value)
        else:
            shown = QLocale().toString(float(value), "g", 6)
        unit = self.setting.info.unit
        return put(texts.marked(unit, round(value)), {"n": shown}) if unit else shown

    def _typed(self) -> None:
        text = self.field.currentText().strip()
        if text == (self._auto if self._value is None else self._words(self._value)):
            return
        self._take(self._parse(text))

    def _parse(self, text: str) -> Any:
        """The number in ``text``, None for automatic; text that is no number comes back as it is, to be refused."""
        if self.setting.optional and text.casefold() in ("", self._plain_auto.casefold(), self._auto.casefold()):
            return None
        plain = self._without_unit(text).replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
        value, good = QLocale().toDouble(plain)
        if not good:
            value, good = QLocale.c().toDouble(plain)
        if not good:
            return text
        if self.setting.kind == "int":
            return round(value) if value == round(value) else value
        return float(value)

    def _without_unit(self, text: str) -> str:
        """``text`` without the unit, whose word may be that of any number."""
        if not self.setting.info.unit:
            return text
        for n in _FORMS:
            before, _, after = (part.strip() for part in self._words(n).partition(texts.number(n)))
            if text.startswith(before) and text.endswith(after) and (before or after):
                return text[len(before) : len(text) - len(after)].strip()
        return text

    def _take(self, value: Any) -> None:
        self._edit.setModified(False)
        if value != self._value or type(value) is not type(self._value):
            self._value = value
            self.changed.emit(value)

    def _step(self, direction: int) -> None:
        value = self._parse(self.field.currentText().strip())
        low, high, step = self.setting.minimum, self.setting.maximum, self.setting.info.step
        if isinstance(value, str):
            return
        value = (low or 0) if value is None else value + direction * step
        value = max(value, low) if low is not None else value
        value = min(value, high) if high is not None else value
        exact = self._exact(value)
        self.field.setEditText(self._words(exact))
        self._take(exact)


class _NumberSelect(Select):
    """An editable choice in which Up and Down count instead of walking through the list."""

    stepped = Signal(int)

    def sizeHint(self) -> QSize:
        return super().sizeHint() + QSize(2, 0)  # for the caret behind the words

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()), 0)
        if step and not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self.stepped.emit(step)
        else:
            super().keyPressEvent(event)


class TextControl(Control):
    """A line, or some lines, of text; taken over shortly after the last key."""

    def __init__(self, _theme: Theme, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.wide = setting.info.multiline
        self._timer = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._timer.timeout.connect(self._take)
        self._known = ""
        self.field: QPlainTextEdit | QLineEdit
        if setting.info.multiline:
            self.field = _Lines(self)
            self.field.left.connect(self._take)
            self.field.setTabChangesFocus(True)
            self.field.setFixedHeight(112)
        else:
            self.field = QLineEdit(self)
            self.field.setMinimumWidth(FIELD_WIDTH)
            self.field.editingFinished.connect(self._take)
        self.field.setAccessibleName(self._title)
        self.field.textChanged.connect(lambda *_: self._timer.start())
        self._hold(self.field)

    def show_value(self, value: Any) -> None:
        self._known = str(value)
        if self._timer.isActive() and self.field.hasFocus():
            return  # what is being typed is newer
        if self._text() != self._known:
            with QSignalBlocker(self.field):
                (self.field.setText if isinstance(self.field, QLineEdit) else self.field.setPlainText)(self._known)
        self._timer.stop()

    def _text(self) -> str:
        return self.field.text() if isinstance(self.field, QLineEdit) else self.field.toPlainText()

    def _take(self) -> None:
        self._timer.stop()
        text = self._text()
        if text != self._known:
            self._known = text
            self.changed.emit(text)


class _Lines(QPlainTextEdit):
    left = Signal()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()


def control_for(theme: Theme, setting: Setting, parent: QWidget | None = None) -> Control:
    """The control for a declared setting; raises ``KeyError`` for a kind that has none (lists are never shown)."""
    kinds: dict[str, type[SwitchControl | ChoiceControl | NumberControl | TextControl]] = {
        "bool": SwitchControl,
        "choice": ChoiceControl,
        "int": NumberControl,
        "float": NumberControl,
        "text": TextControl,
    }
    return kinds[setting.kind](theme, setting, parent)


def _with_actual(auto: str, actual: str) -> str:
    return f"{auto} ({actual})" if actual else auto
