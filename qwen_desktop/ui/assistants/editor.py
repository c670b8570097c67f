"""One assistant in full: what it says to the model, and with which model, mode and values. One that comes with the app
can be read; one of the user's own is changed, and each change is kept shortly after the last key, as in the settings.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec import structs
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QSizePolicy, QStyle, QWidget

from qwen_desktop.core.assistants import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    Assistant,
)
from qwen_desktop.core.engine import Adapter, Sampling, ThinkingMode
from qwen_desktop.core.errors import problem_of
from qwen_desktop.core.setting import Setting
from qwen_desktop.core.settings import setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.ui import texts
from qwen_desktop.ui.adapters.adapter_list import AdapterList
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.assistants.fields_editor import FieldsEditor
from qwen_desktop.ui.assistants.look_button import LookButton
from qwen_desktop.ui.settings.controls import NumberControl
from qwen_desktop.ui.theme import mark
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel, Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.scroll import ScrollArea, between_lines
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.surface import Card, Line

#: How long after the last key a change is kept, in milliseconds.
_TYPING_MS = 500
_AS_SETTINGS = QT_TRANSLATE_NOOP("assistants", "As in Settings")
_TEMPERATURE = ("temperature",)
_MORE = ("top_p", "top_k", "min_p", "presence_penalty", "repeat_penalty", "seed")
#: The width of a field, in px at normal text size.
_FIELD = 176


def _number(key: str, *, auto: Any = None, offers: tuple[int, ...] = ()) -> Setting:
    """A setting as an assistant has it: where it says nothing, something else decides."""
    entry = setting(key)
    info = structs.replace(entry.info, auto=auto or entry.info.auto, offers=offers or entry.info.offers)
    return structs.replace(entry, info=info)


class AssistantEditor(Card):
    """Shows one. What is asked of it (``chat_wanted`` …) carries its id; ``left`` leads back to the cards."""

    chat_wanted = Signal(str)
    duplicate_wanted = Signal(str)
    left = Signal()

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        theme = ui.theme
        self.assistant: Assistant | None = None
        #: what is on the disk, and what stood in the fields when that was written
        self._stored: Assistant | None = None
        self._kept: Assistant | None = None
        self._saving = 0
        #: what could not be kept, by its id: it is in its fields again when one comes back
        self._refused: dict[str, Assistant] = {}
        self._timer = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._timer.timeout.connect(self.keep)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.back = IconButton(theme, "chevron-left", self.tr("Back to the assistants"), self)
        self.back.clicked.connect(self.left)
        self.title = ElidedLabel(theme, "", self, role="message", weight=600)
        self.chip = Chip(theme, self.tr("shipped"), self)
        self.duplicate = TextButton(theme, self.tr("Duplicate"), self, icon="copy")
        self.duplicate.clicked.connect(lambda: self._tell(self.duplicate_wanted))
        self.area = ScrollArea(self)
        self.area.body.setObjectName("chips")  # the card's own ground
        self.problem = ProblemText(theme, self)
        self.chat = TextButton(theme, self.tr("Chat with it"), self, icon="square-pen", kind="primary")
        self.chat.clicked.connect(lambda: self._tell(self.chat_wanted))
        head = row(self.back, (self.title, 1), (self.chip, MIDDLE), self.duplicate, gap=10)
        self._body = column(on=self.area.body, margins=(16, 2, 16, 8))
        self.content: QWidget | None = None
        top = column(head, margins=(16, 16, 16, 10))
        foot = column(self.problem, self.chat, gap=8, margins=(16, 8, 16, 16))
        column(top, (between_lines(self.area), 1), foot, on=self)

    def _tell(self, signal: Any) -> None:
        self.keep()
        if self.assistant is not None:
            signal.emit(self.assistant.id)

    # What it shows ----------------------------------------------------------------------------------------------------

    def show_assistant(self, assistant: Assistant | None) -> None:
        """Show this one; what was being changed of another is kept first."""
        if assistant is not None and self._kept is not None and assistant.id == self._kept.id:
            if not self._saving and assistant != self._stored and self.assistant == self._kept:
                self._show(assistant)  # changed elsewhere
            return
        self.keep()
        self._show(assistant)

    def _show(self, assistant: Assistant | None) -> None:
        self._timer.stop()
        self._stored = self._kept = assistant
        self.assistant = assistant = self._refused.get(assistant.id, assistant) if assistant is not None else None
        self.problem.setText("")
        if self.content is not None:
            self._body.removeWidget(self.content)
            self.content.hide()
            self.content.deleteLater()
            self.content = None
        self.setVisible(assistant is not None)
        if assistant is None:
            return
        shown = looks.in_words(assistant)
        self.title.setText(shown.name)
        self._show_chip()
        self.content = _Reading(self._ui, shown, self.area.body) if assistant.shipped else self._editing(assistant)
        self._body.addWidget(self.content)
        self.area.verticalScrollBar().setValue(0)

    def _editing(self, assistant: Assistant) -> QWidget:
        content = _Editing(self._ui, assistant, self.area.body)
        content.changed.connect(self._change)
        content.adapters.changed.connect(self._adapted)
        return content

    def _adapted(self, before: tuple[Adapter, ...], adapters: tuple[Adapter, ...], told: str) -> None:
        self._change({"adapters": adapters})
        if told and self.assistant is not None:
            self._ui.notify.undoable(told, partial(self._put_back, self.assistant.id, before))

    def _put_back(self, assistant_id: str, adapters: tuple[Adapter, ...]) -> None:
        """Undo that one was removed, whatever is on show by now."""
        if self.assistant is not None and self.assistant.id == assistant_id:
            self._change({"adapters": adapters})
            if isinstance(self.content, _Editing):
                self.content.adapters.show_adapters(adapters)
        elif (entry := self._ui.services.assistants.get(assistant_id)) is not None:
            save = self._ui.services.assistants.save(structs.replace(entry, adapters=adapters))
            self._ui.operations.run(save, owner=self)

    def focus_name(self) -> None:
        """Give the keyboard to the name of an own one, with all of it selected: it is new."""
        if isinstance(self.content, _Editing):
            self.content.name.setFocus()
            self.content.name.selectAll()

    # Keeping ----------------------------------------------------------------------------------------------------------

    def _change(self, changes: dict[str, Any]) -> None:
        if self.assistant is not None:
            self.assistant = structs.replace(self.assistant, **changes)
            self.title.setText(" ".join(self.assistant.name.split()))
            self._timer.start()

    def keep(self) -> None:
        """Keep now what was changed. What cannot be kept stays in its fields, with a sentence."""
        if isinstance(self.content, _Editing):
            self.content.adapters.flush()
        self._timer.stop()
        now = self.assistant
        if now is None or now.shipped or now == self._kept:
            return
        before, self._kept = self._kept, now
        asked = now
        if not now.name.strip() and before is not None:
            now = structs.replace(now, name=before.name)  # until it has another one
            self.problem.setText(self.tr("An assistant needs a name. Type at least one letter."))

        def kept(tidy: Assistant) -> None:
            self._refused.pop(tidy.id, None)
            if self.assistant is not None and self.assistant.id == tidy.id:
                self._stored = tidy
                if asked is now:
                    self.problem.setText("")

        def failed(error: BaseException) -> bool:
            self._refused[asked.id] = asked
            if self.assistant is None or self.assistant.id != asked.id:
                return False
            if self.assistant is asked:
                self.problem.setText(texts.problem(problem_of(error)))
            return True

        def ended() -> None:
            self._saving -= 1

        self._saving += 1
        save = self._ui.services.assistants.save(now)
        self._ui.operations.run(save, owner=self, on_done=kept, on_error=failed, on_end=ended)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_chip()

    def _show_chip(self) -> None:
        """Say that it comes with the app, where there is room for that beside its name."""
        title = min(self.title.sizeHint().width(), self.title.fontMetrics().averageCharWidth() * 14)
        taken = sum(part.sizeHint().width() + 10 for part in (self.chip, self.duplicate)) + title + 32
        taken += self.back.width() + 10 if self.back.isVisibleTo(self) else 0
        shipped = self.assistant is not None and self.assistant.shipped
        self.chip.setVisible(shipped and taken <= self.width())

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.keep()


class _Reading(QWidget):
    """One that comes with the app."""

    def __init__(self, ui: UiContext, assistant: Assistant, parent: QWidget) -> None:
        super().__init__(parent)
        theme = ui.theme
        description = Paragraph(theme, assistant.description, self, color="text_muted")
        label = Label(theme, self.tr("Instructions"), self, role="small", color="text_muted")
        text = QPlainTextEdit(assistant.system_prompt, self)
        text.setObjectName("instructions")
        text.setReadOnly(True)
        text.setAccessibleName(self.tr("Instructions"))
        text.setFixedHeight(theme.grown(190))
        rows: list[tuple[str, str]] = [(self.tr("Model"), assistant.model or self.tr("Any"))]
        rows.append((self.tr("Thinking"), looks.thinking(assistant.thinking)))
        if assistant.thinking is not ThinkingMode.DIRECT:
            rows.append((self.tr("Thinking budget"), looks.budget(assistant.thinking_budget)))
        temperature = assistant.sampling.temperature
        degrees = looks.budget(None) if temperature is None else texts.number(temperature, 2)
        rows.append((self.tr("Temperature"), degrees))
        size = assistant.context
        rows.append((self.tr("Context"), looks.budget(None) if size is None else texts.tokens(size)))
        for field in assistant.asked:
            said = looks.filling(assistant, field, field.default)
            rows.append((field.label, said or self.tr("asked for")))
        lines = column()
        for title, value in rows:
            words = Paragraph(theme, value, self, color="text_muted")
            words.setAlignment(_end_edge(self) | Qt.AlignmentFlag.AlignVCenter)
            lines.addLayout(row(Paragraph(theme, title, self), (words, 1), gap=16, margins=(0, 10, 0, 10)))
            lines.addWidget(Line(self))
        note = Paragraph(
            theme, self.tr("It comes with the app. Duplicate it to change it."), self, role="small", color="text_faint"
        )
        column(description, 10, label, 6, text, 6, lines, 10, note, None, on=self)


def _end_edge(widget: QWidget) -> Qt.AlignmentFlag:
    """Where lines end in the interface."""
    edge = QStyle.visualAlignment(widget.layoutDirection(), Qt.AlignmentFlag.AlignRight)
    return edge | Qt.AlignmentFlag.AlignAbsolute


class _Editing(QWidget):
    """One of the user's own. ``changed`` carries the fields of an ``Assistant`` that are other ones now."""

    changed = Signal(object)

    def __init__(self, ui: UiContext, assistant: Assistant, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        self._theme = theme = ui.theme
        self._sampling = assistant.sampling
        self.look = LookButton(theme, self)
        self.look.show_look(looks.icon_of(assistant), assistant.colour)
        self.look.changed.connect(lambda icon, colour: self.changed.emit({"icon": icon, "colour": colour}))
        self.name = self._line(self.tr("Name"), assistant.name, LONGEST_NAME, "name")
        self.description = self._line(
            self.tr("What it is for"), assistant.description, LONGEST_DESCRIPTION, "description"
        )
        self.prompt = QPlainTextEdit(assistant.system_prompt, self)
        self.prompt.setAccessibleName(self.tr("Instructions"))
        self.prompt.setTabChangesFocus(True)
        self.prompt.setFixedHeight(theme.grown(190))
        self.prompt.setPlaceholderText(
            self.tr("What the model is to do, in short sentences. {{language}} makes a field called “language”.")
        )
        self.fields = FieldsEditor(theme, assistant, self)
        self.fields.changed.connect(lambda fields: self.changed.emit({"fields": fields}))
        self.prompt.textChanged.connect(self._written)
        lines = column()
        self.model = self._add(lines, self.tr("Model"), self._models(assistant.model))
        self.thinking = self._add(lines, self.tr("Thinking"), self._modes(assistant.thinking))
        self.numbers: dict[str, NumberControl] = {}
        budget = _number("chat.thinking_budget", auto=_AS_SETTINGS, offers=(512, 2048, 4096, 8192))
        self._add_number(lines, self.tr("Thinking budget"), budget, assistant.thinking_budget, "thinking_budget")
        self._add_sampling(lines, _TEMPERATURE)
        context = _number("engine.context", auto=_AS_SETTINGS)
        self._add_number(lines, self.tr("Context"), context, assistant.context, "context")
        self.adapters = AdapterList(ui, self)
        self.adapters.show_adapters(assistant.adapters)
        model = ui.services.assistants.model_of(assistant)
        self.adapters.show_model(model.path if model is not None else "")
        self.more = QWidget(self)
        self._more = column(on=self.more)
        self.more.hide()
        if any(getattr(assistant.sampling, name) is not None for name in _MORE):
            self._unfold()
        self.fold = TextButton(theme, "", self, kind="link")
        self.fold.setProperty("flush", True)
        self.fold.clicked.connect(self._fold)
        self._say_fold()
        head = row(self.look, (self.name, 1), gap=8)
        label = Label(theme, self.tr("Instructions"), self, role="small", color="text_muted")
        label.setBuddy(self.prompt)
        column(
            head, 8, self.description, 14, label, 6, self.prompt, self.fields, 6, lines, self.more, 8,
            row(self.fold, None), 12, self.adapters, 4, None, on=self,
        )  # fmt: skip

    def _line(self, name: str, text: str, longest: int, key: str) -> QLineEdit:
        field = QLineEdit(text, self)
        field.setAccessibleName(name)
        field.setPlaceholderText(name)
        field.setMaxLength(longest)
        field.setCursorPosition(0)
        field.textChanged.connect(lambda words: self.changed.emit({key: words}))
        if key == "name":
            field.textChanged.connect(lambda words: mark(field, "bad", not words.strip()))
        return field

    def _written(self) -> None:
        text = self.prompt.toPlainText()
        fields = self.fields.follow(text)
        self.changed.emit({"system_prompt": text, "fields": fields})

    def _add(self, lines: Any, title: str, field: QWidget) -> QWidget:
        heading = Paragraph(self._theme, title, self)
        heading.setBuddy(field)
        field.setFixedWidth(self._theme.grown(_FIELD))
        line = row((heading, 1), (field, MIDDLE), gap=10, margins=(0, 8, 0, 8))
        lines.addLayout(line)
        lines.addWidget(Line(self))
        return field

    def _add_number(self, lines: Any, title: str, entry: Setting, value: Any, key: str) -> None:
        control = self.numbers[key] = NumberControl(self._theme, entry, self)
        control.show_value(value)
        if (line := control.field.lineEdit()) is not None:
            line.setCursorPosition(0)  # where it is cut, its beginning is seen
        control.changed.connect(lambda wanted: self._number_changed(key, wanted))
        self._add(lines, title, control)

    def _add_sampling(self, lines: Any, names: tuple[str, ...]) -> None:
        for name in names:
            entry = _number(f"sampling.{name}", auto=_AS_SETTINGS)
            self._add_number(lines, texts.marked(entry.info.title), entry, getattr(self._sampling, name), name)

    def _number_changed(self, key: str, wanted: Any) -> None:
        entry = self.numbers[key].setting
        number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
        whole = entry.kind != "int" or isinstance(wanted, int)
        low, high = entry.minimum or 0, entry.maximum or 0
        good = wanted is None or (number and whole and low <= wanted <= high and not (entry.above and wanted == low))
        self.numbers[key].show_bad(not good)
        if not good:
            sentence = self.tr("Enter a number from {low} to {high}.")
            said = texts.fill(sentence, low=f"{low:g}", high=texts.number(high))
            self.numbers[key].held.setAccessibleDescription(said)
            self.numbers[key].held.setToolTip(texts.tip(said))
            self._ui.notify.toast(f"{self.numbers[key].field.accessibleName()}: {said}", kind="bad")
            return
        self.numbers[key].held.setToolTip("")
        if key in Sampling.__struct_fields__:
            self._sampling = structs.replace(self._sampling, **{key: wanted})
            self.changed.emit({"sampling": self._sampling})
        else:
            self.changed.emit({key: wanted})

    def _models(self, chosen: str) -> Select:
        select = Select(self._theme, self.tr("Model"), self)
        select.setSizeAdjustPolicy(Select.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        select.setMinimumContentsLength(14)
        services = self._ui.services
        select.addItem(self.tr("Any"), "")
        usable = [model for model in services.library.models() if model.problem is None and model.chats]
        here = dict.fromkeys(model.alias or model.name for model in usable)
        listed = dict.fromkeys(model.name for model in services.catalogue.models() if model.name not in here)
        for group in (here, listed):
            if group:
                select.insertSeparator(select.count())
            for name in group:
                select.addItem(name, name)
        if chosen and select.findData(chosen) < 0:
            select.insertItem(1, chosen, chosen)
        select.setCurrentIndex(max(0, select.findData(chosen)))
        select.activated.connect(lambda place: self.changed.emit({"model": str(select.itemData(place) or "")}))
        return select

    def _modes(self, chosen: ThinkingMode | None) -> Select:
        select = Select(self._theme, self.tr("Thinking"), self)
        for mode in (None, *ThinkingMode):
            select.addItem(looks.thinking(mode), mode)
        select.setCurrentIndex([None, *ThinkingMode].index(chosen))
        select.activated.connect(lambda place: self.changed.emit({"thinking": [None, *ThinkingMode][place]}))
        return select

    def _fold(self) -> None:
        if self.more.isHidden():
            self._unfold()
        else:
            self.more.hide()
        self._say_fold()

    def _unfold(self) -> None:
        """Show what few need, made when it is first wanted."""
        if _MORE[0] not in self.numbers:
            self._add_sampling(self._more, _MORE)
        self.more.show()

    def _say_fold(self) -> None:
        self.fold.setText(self.tr("More values") if self.more.isHidden() else self.tr("Fewer values"))
