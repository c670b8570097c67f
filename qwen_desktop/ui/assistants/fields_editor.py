"""The fields that stand in instructions, ``{{language}}``, each with what it is called and how it is filled."""

from __future__ import annotations

from msgspec import structs
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QWidget

from qwen_desktop.core.assistants import Assistant, AssistantField, FieldKind
from qwen_desktop.ui.assistants.field_chip import FieldChip
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.surface import Card

_KINDS = (FieldKind.TEXT, FieldKind.CHOICE, FieldKind.CHOICES)


class FieldsEditor(QWidget):
    """``changed`` carries all fields. One that does not stand in the instructions any more is kept while they are
    being written: it may come back."""

    changed = Signal(object)

    def __init__(self, theme: Theme, assistant: Assistant, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._assistant = assistant
        self._known = {field.name: field for field in assistant.fields}
        self.boxes: dict[str, FieldBox] = {}
        self._column = column(on=self, gap=8, margins=(0, 10, 0, 6))
        self.follow(assistant.system_prompt)

    @property
    def fields(self) -> tuple[AssistantField, ...]:
        """Those that stand in the instructions, in their order."""
        return tuple(self._known[name] for name in self.boxes)

    def follow(self, prompt: str) -> tuple[AssistantField, ...]:
        """The instructions say this now. Returns the fields that stand there."""
        described = structs.replace(self._assistant, system_prompt=prompt, fields=tuple(self._known.values()))
        asked = {field.name: field for field in described.asked}
        for gone in [name for name in self.boxes if name not in asked]:
            box = self.boxes.pop(gone)
            self._column.removeWidget(box)
            box.hide()
            box.deleteLater()
        for place, (name, field) in enumerate(asked.items()):
            self._known[name] = field
            if name not in self.boxes:
                self.boxes[name] = self._box(field)
            self._column.insertWidget(place, self.boxes[name])
        self.boxes = {name: self.boxes[name] for name in asked}
        self.setVisible(bool(self.boxes))
        return self.fields

    def _box(self, field: AssistantField) -> FieldBox:
        box = FieldBox(self._theme, self._assistant, field, self)
        box.changed.connect(self._take)
        return box

    def _take(self, field: AssistantField) -> None:
        self._known[field.name] = field
        self.changed.emit(self.fields)


class FieldBox(Card):
    """One field."""

    changed = Signal(object)

    def __init__(self, theme: Theme, assistant: Assistant, field: AssistantField, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._assistant = assistant
        self.field = field
        place = Label(theme, f"{{{{{field.name}}}}}", self, role="code", color="text_muted")
        self.kind = Select(theme, self.tr("How it is filled"), self)
        for kind, words in zip(
            _KINDS, (self.tr("Free text"), self.tr("One of a list"), self.tr("Several of a list")), strict=True
        ):
            self.kind.addItem(words, kind)
        self.kind.setSizeAdjustPolicy(Select.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.setMinimumContentsLength(12)
        self.kind.setCurrentIndex(_KINDS.index(field.kind))
        self.kind.activated.connect(lambda number: self._change(kind=_KINDS[number], default=()))
        self.label = QLineEdit(field.label, self)
        self.label.setAccessibleName(self.tr("What it is called"))
        self.label.setPlaceholderText(self.tr("What it is called"))
        self.label.textChanged.connect(lambda words: self._change(label=words))
        self.choices = QPlainTextEdit("\n".join(field.choices), self)
        self.choices.setAccessibleName(self.tr("Choices, one in each line"))
        self.choices.setPlaceholderText(self.tr("Choices, one in each line"))
        self.choices.setTabChangesFocus(True)
        self.choices.setFixedHeight(theme.grown(84))
        self.choices.textChanged.connect(self._choices_written)
        self.default: FieldChip | None = None
        self._line = row(None)
        head = row((place, 1), self.kind, gap=8)
        column(head, self.label, self.choices, self._line, on=self, gap=8, margins=(12, 10, 12, 10))
        self._show()

    def _choices_written(self) -> None:
        lines = (" ".join(line.split()) for line in self.choices.toPlainText().splitlines())
        choices = tuple(dict.fromkeys(line for line in lines if line))
        self._change(choices=choices, default=tuple(value for value in self.field.default if value in choices))

    def _change(self, **changes: object) -> None:
        self.field = structs.replace(self.field, **changes)
        self._show()
        self.changed.emit(self.field)

    def _show(self) -> None:
        """What can be chosen at first follows from the rest."""
        self.choices.setVisible(self.field.kind is not FieldKind.TEXT)
        before = self.default.field if self.default is not None else None
        if self.default is not None and before is not None:
            if (before.kind, before.choices) == (self.field.kind, self.field.choices):
                self.default.show_values(self.field.default)
                return
            self._line.removeWidget(self.default)
            self.default.hide()
            self.default.deleteLater()
        self.default = chip = FieldChip(
            self._theme, self._assistant, self.field, self.field.default, self, label=self.tr("Default")
        )
        chip.changed.connect(lambda values: self._change(default=values))
        chip.setEnabled(self.field.kind is FieldKind.TEXT or bool(self.field.choices))
        self._line.insertWidget(0, chip)
