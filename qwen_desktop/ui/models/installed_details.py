"""All about one model on this computer: where it lies, what it is, and what the template doctor found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from qwen_desktop.core.models import CatalogModel, InstalledModel
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import INSET, ScrollBody, facts, heading
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Paragraph

if TYPE_CHECKING:
    from qwen_desktop.ui.shell import Shell

WIDTH = 600


class InstalledDetails(Dialog):
    """Signals tell which button closed it; ``catalogue_wanted`` asks for the catalogue's page of the model."""

    use_wanted = Signal()
    repair_wanted = Signal()
    unrepair_wanted = Signal()
    reveal_wanted = Signal()
    catalogue_wanted = Signal()

    def __init__(self, shell: Shell, model: InstalledModel, entry: CatalogModel | None, parent: QWidget | None) -> None:
        super().__init__(shell.theme, model.name, "", parent, width=WIDTH, inset=INSET)
        theme = shell.theme
        self.area = ScrollBody(self, parent)
        body, column = self.area.body, self.area.column
        if entry is not None and entry.strengths:
            column.addWidget(Paragraph(theme, texts.catalogue(entry.strengths), body, color="text_muted"))
        if model.problem is not None:
            column.addWidget(Paragraph(theme, texts.problem(model.problem), body, color="bad"))
        column.addLayout(facts(theme, self._facts(model), body))
        if model.template_fault is not None or model.template_repaired:
            column.addWidget(heading(theme, self.tr("Chat template"), body))
            if model.template_fault is not None:
                column.addWidget(Paragraph(theme, texts.text(model.template_fault), body, role="small"))
            note = self.tr("A repair replaces the template when the model is used. The file stays as it is.")
            if model.template_repaired:
                note = self.tr("It is repaired: another template is used instead. The file is as it was.")
            column.addWidget(Paragraph(theme, note, body, role="small", color="text_muted"))
            word = self.tr("Undo the repair") if model.template_repaired else self.tr("Repair the chat template")
            self.repair = TextButton(theme, word, body, icon="wrench")
            signal = self.unrepair_wanted if model.template_repaired else self.repair_wanted
            self.repair.clicked.connect(self.accept)
            self.repair.clicked.connect(signal.emit)
            column.addWidget(self.repair, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(heading(theme, self.tr("Files"), body))
        files = QPlainTextEdit("\n".join(shown_path(path) for path in (*model.files, model.mmproj) if path), body)
        files.setObjectName("details")
        files.setFont(theme.font("code"))
        files.setReadOnly(True)
        files.setAccessibleName(self.tr("Files"))
        files.setFixedHeight(76)
        column.addWidget(files)
        column.addStretch(1)
        self.add_button(self.tr("Show in folder"), self.reveal_wanted.emit)
        if entry is not None:
            self.add_button(self.tr("Other sizes"), self.catalogue_wanted.emit)
        self.add_button(self.tr("Close"))
        if model.problem is None:
            self.add_button(self.tr("Use it"), self.use_wanted.emit, kind="primary", default=True)

    def open(self) -> None:
        self.area.fit(self.inner_width)
        super().open()

    def _facts(self, model: InstalledModel) -> list[tuple[str, str]]:
        """Names and values of what is known of it."""
        place = {"downloaded": self.tr("Downloaded"), "imported": self.tr("Copied into the models folder")}
        where = place.get(model.origin, "")
        if not model.owned:
            program = model_texts.origin(model.origin) or self.tr("where it lies")
            where = texts.fill(self.tr("Linked from {program}"), program=program)
        verified = texts.fill(self.tr("Verified {day}"), day=texts.date(model.verified_at or 0))
        used = model_texts.ago(model.last_used)
        return [
            (self.tr("Quant"), model.quant),
            (self.tr("Size on disk"), texts.exact(model.size_bytes)),
            (self.tr("Parameters"), texts.parameters(model.parameters) if model.parameters else ""),
            (self.tr("Context"), texts.tokens(model.context_train) if model.context_train else ""),
            (self.tr("Architecture"), model.architecture),
            (self.tr("Licence"), model.licence),
            (self.tr("Origin"), model_texts.line(where, model.repo)),
            (self.tr("Last used"), used[:1].upper() + used[1:] if model.last_used else self.tr("Not yet")),
            (self.tr("Checked"), verified if model.verified_at else self.tr("Not verified yet")),
            ("SHA-256", model.sha256),
        ]
