"""The dialog of prompt templates: those that come with the app to read and copy, the user's own to change."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QPlainTextEdit, QWidget

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.prompt_templates import LONGEST_NAME, PromptTemplate, fields
from qwen_desktop.services import events
from qwen_desktop.services.prompt_templates import checked
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.template_menu import shipped_templates
from qwen_desktop.ui.file_dialogs import ask_for_file, ask_where
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.row_delegate import RowDelegate

#: How long after the last key a template is stored, in milliseconds.
_TYPING_MS = 500
_OF = int(Qt.ItemDataRole.UserRole)


class TemplatesDialog(Dialog):
    """What is typed is stored by itself, a moment after the last key."""

    def __init__(self, ui: UiContext, parent: QWidget | None) -> None:
        theme = ui.theme
        super().__init__(
            theme,
            self.tr("Prompt templates"),
            self.tr("Type / at the beginning of a message to use one."),
            parent,
            width=760,
        )
        self._ui = ui
        self._own: tuple[PromptTemplate, ...] = ()
        self._shown: PromptTemplate | None = None
        self._go_to = ""
        self._filling = False
        self._deleted: PromptTemplate | None = None
        self._timer = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._timer.timeout.connect(self._store)
        self.list: QListWidget = QListWidget(self)
        self.list.setAccessibleName(self.tr("Prompt templates"))
        self.list.setProperty("ownFocus", True)
        self.list.setMouseTracking(True)
        self.list.setItemDelegate(RowDelegate(theme, self.list))
        self.list.setFixedWidth(theme.grown(210))
        self.list.setMinimumHeight(theme.grown(330))
        self.list.currentItemChanged.connect(self._chosen)
        self.new = TextButton(theme, self.tr("New"), self, icon="square-pen")
        self.new.clicked.connect(self._begin)
        self.name = QLineEdit(self)
        self.name.setAccessibleName(self.tr("Name"))
        self.name.setMaxLength(LONGEST_NAME)
        self.text = QPlainTextEdit(self, tabChangesFocus=True)
        self.text.setAccessibleName(self.tr("Text"))
        self.problem = ProblemText(theme, self)
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        how = self.tr(
            "A field is {{name}}. {{name=value}} begins with a value, {{name:long}} takes several lines, and"
            " {{name:one|two}} is a choice."
        )
        self.help = Paragraph(theme, how, self, role="small", color="text_muted")
        self.copy = TextButton(theme, self.tr("Duplicate"), self, icon="copy")
        self.copy.clicked.connect(self._duplicate)
        self.delete = TextButton(theme, self.tr("Delete"), self)
        self.delete.clicked.connect(self._delete)
        self.undo = TextButton(theme, "", self, kind="link")
        self.undo.clicked.connect(self._undo)
        self.undo.hide()
        self.name.textEdited.connect(self._typed)
        self.text.textChanged.connect(self._typed)
        named = column(
            Label(theme, self.tr("Name"), self, role="small", color="text_muted"), self.name, 6,
            Label(theme, self.tr("Text"), self, role="small", color="text_muted"), (self.text, 1),
            self.problem, self.note, self.help, 2, row(self.copy, self.delete, self.undo, None),
            gap=4,
        )  # fmt: skip
        self.body.addLayout(row(column(self.new, (self.list, 1), gap=8), (named, 1), gap=18))
        self.add_button(self.tr("Import…"), self._import, closes=False)
        self.export = self.add_button(self.tr("Export…"), self._export, closes=False)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        ui.services.bus.subscribe(events.PromptTemplatesChanged, self._changed, owner=self)
        self.finished.connect(self.store)
        self._show(())
        self._read()

    # What is shown ----------------------------------------------------------------------------------------------------

    def _changed(self, _event: events.PromptTemplatesChanged) -> None:
        self._read()

    def _read(self) -> None:
        own = self._ui.services.prompt_templates.own()
        self._ui.operations.run(own, owner=self, orphaned="quiet", on_done=self._show, wish="templates.dialog")

    def _show(self, own: tuple[PromptTemplate, ...]) -> None:
        self._own = own
        wanted = self._go_to or (self._shown.id if self._shown is not None else "")
        self._filling = True
        self.list.clear()
        for template in (*own, *shipped_templates()):
            item = QListWidgetItem(template.name)
            item.setData(_OF, template)
            self.list.addItem(item)
            if template.id == wanted or self.list.count() == 1:
                self.list.setCurrentItem(item)
        self._filling = False
        self.export.setEnabled(bool(own))
        came = wanted == self._go_to != "" and self.list.currentItem().data(_OF).id == wanted
        self._chosen()
        if came:
            self._go_to = ""
            self.name.setFocus()
            self.name.selectAll()

    def _chosen(self, _now: object = None, _before: object = None) -> None:
        item = self.list.currentItem()
        if self._filling or item is None:
            return
        template: PromptTemplate = item.data(_OF)
        if self._shown is not None and template.id == self._shown.id and self._timer.isActive():
            return  # what is being typed is newer
        self.store()
        self._shown = template
        self._filling = True
        if self.name.text() != template.name:
            self.name.setText(template.name)
        if self.text.toPlainText() != template.text:
            self.text.setPlainText(template.text)
        self._filling = False
        for field in (self.name, self.text):
            field.setReadOnly(template.shipped)
        self.delete.setEnabled(not template.shipped)
        self.problem.setText("")
        self._tell_fields()

    def _tell_fields(self) -> None:
        names = dict.fromkeys(field.name for field in fields(self.text.toPlainText()))
        told = texts.fill(self.tr("Fields: {names}."), names=", ".join(names)) if names else self.tr("No fields.")
        shipped = self._shown is not None and self._shown.shipped
        comes = self.tr("It comes with the app. Duplicate it to change it.")
        self.note.setText(f"{told} {comes}" if shipped else told)

    # What is changed --------------------------------------------------------------------------------------------------

    def _typed(self, _text: str = "") -> None:
        if not self._filling and self._shown is not None and not self._shown.shipped:
            self._timer.start()
            self._tell_fields()

    def store(self, _end: object = None) -> None:
        """Store what was typed now; what cannot be is said."""
        if self._timer.isActive():
            self._store()

    def _store(self) -> None:
        self._timer.stop()
        if self._shown is None:
            return
        changed = structs.replace(self._shown, name=self.name.text(), text=self.text.toPlainText())
        try:
            self._shown = checked(changed)
        except UserFacing as error:
            self.problem.setText(texts.problem(error.problem))
            return
        self.problem.setText("")
        self._ui.operations.run(self._ui.services.prompt_templates.save(self._shown), owner=self)

    def _begin(self) -> None:
        self._add(PromptTemplate(new_id(), self.tr("New template"), ""))

    def _duplicate(self) -> None:
        self.store()
        if self._shown is not None:
            name = texts.fill(self.tr("{name} (copy)"), name=self._shown.name)
            self._add(PromptTemplate(new_id(), name[:LONGEST_NAME], self._shown.text))

    def _add(self, template: PromptTemplate) -> None:
        self.store()
        self._go_to = template.id
        self._ui.operations.run(self._ui.services.prompt_templates.save(template), owner=self)

    def _delete(self) -> None:
        template = self._shown
        if template is None or template.shipped:
            return
        self._timer.stop()
        self._shown = None

        def done(_end: None) -> None:
            self._deleted = template
            told = texts.fill(self.tr("“{name}” is deleted."), name=template.name)
            self.undo.setText(texts.fill(self.tr("{told} Undo"), told=told))
            self.undo.show()

        self._ui.operations.run(self._ui.services.prompt_templates.delete(template.id), owner=self, on_done=done)

    def _undo(self) -> None:
        """Bring back what was deleted last."""
        if self._deleted is not None:
            self._add(self._deleted)
            self._deleted = None
        self.undo.hide()

    # Files ------------------------------------------------------------------------------------------------------------

    def _import(self) -> None:
        kinds = [self.tr("Prompt templates (*.json)")]
        ask_for_file(self, self.tr("Import prompt templates"), kinds, self.import_from)

    def import_from(self, path: str) -> None:
        """Take in the templates of a file."""

        def done(new: tuple[PromptTemplate, ...]) -> None:
            told = self.tr("%n template(s) imported.", "", len(new)) if new else self.tr("They are all there already.")
            self.problem.setText("")
            self.note.setText(told.replace("%n", texts.number(len(new))))

        self._ui.operations.run(
            self._ui.services.prompt_templates.import_file(Path(path)), owner=self, on_done=done, on_error=self._refused
        )

    def _export(self) -> None:
        self.store()
        title, kinds = self.tr("Export prompt templates"), [self.tr("Prompt templates (*.json)")]
        ask_where(self, title, kinds, "prompt-templates.json", self.export_to)

    def export_to(self, path: str) -> None:
        """Write the user's own templates to a file."""
        done = self.tr("%n template(s) exported.", "", len(self._own)).replace("%n", texts.number(len(self._own)))
        self._ui.operations.run(
            self._ui.services.prompt_templates.export(Path(path), self._own),
            owner=self,
            on_done=lambda _: self.note.setText(done),
            on_error=self._refused,
        )

    def _refused(self, error: BaseException) -> bool:
        if not isinstance(error, AppError):
            return False
        self.problem.setText(texts.problem(error.problem))
        return True

    def closeEvent(self, event: QCloseEvent) -> None:
        self.store()
        super().closeEvent(event)
