"""All about one model on this computer: where it lies, what it is, and what the template doctor found."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.models import CatalogModel, InstalledModel
from qwen_desktop.core.quality import figures, verdict
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import ScrollDialog, facts, heading, lines
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import START
from qwen_desktop.ui.widgets.buttons import TextButton


class InstalledDetails(ScrollDialog):
    """Signals tell which button closed it; ``catalogue_wanted`` asks for the catalogue's page of the model."""

    use_wanted = Signal()
    repair_wanted = Signal()  # or to undo that
    reveal_wanted = Signal()
    catalogue_wanted = Signal()

    def __init__(self, ui: UiContext, model: InstalledModel, entry: CatalogModel | None, parent: QWidget) -> None:
        super().__init__(ui, model.name, "", parent, width=600)
        theme, body, column = ui.theme, self.area.body, self.column
        self.say(texts.catalogue(entry.strengths) if entry is not None else "", color="text_muted")
        self.say(texts.problem(model.problem) if model.problem is not None else "", color="bad")
        if not model.chats:
            self.say(texts.problem(NotChat(Path(model.path), Kind(model.kind)).problem), color="text_muted")
        column.addLayout(facts(theme, self._facts(model), body))
        if model.template_fault is not None or model.template_repaired:
            column.addWidget(heading(theme, self.tr("Chat template"), body))
            self.say(texts.text(model.template_fault) if model.template_fault is not None else "", role="small")
            note = self.tr("A repair replaces the template when the model is used. The file stays as it is.")
            word = self.tr("Repair the chat template")
            if model.template_repaired:
                note = self.tr("It is repaired: another template is used instead. The file is as it was.")
                word = self.tr("Undo the repair")
            self.say(note, role="small", color="text_muted")
            self.repair = TextButton(theme, word, body, icon="wrench")
            self.repair.clicked.connect(self.accept)
            self.repair.clicked.connect(self.repair_wanted)
            column.addWidget(self.repair, 0, START)
        column.addWidget(heading(theme, self.tr("Files"), body))
        files = "\n".join(shown_path(path) for path in (*model.files, model.mmproj) if path)
        column.addWidget(lines(theme, self.tr("Files"), body, files))
        column.addStretch(1)
        self.add_button(self.tr("Show in folder"), self.reveal_wanted.emit)
        if entry is not None:
            self.add_button(self.tr("Other sizes"), self.catalogue_wanted.emit)
        self.add_button(self.tr("Close"))
        if model.problem is None and model.chats:
            self.add_button(self.tr("Use it"), self.use_wanted.emit, kind="primary", default=True)

    def _quality(self, model: InstalledModel) -> str:
        found = model.quality
        return f"{texts.text(verdict(found))} {texts.text(figures(found))}" if found is not None else ""

    def _facts(self, model: InstalledModel) -> list[tuple[str, str]]:
        """Names and values of what is known of it."""
        place = {"downloaded": self.tr("Downloaded"), "imported": self.tr("Copied into the models folder")}
        where = place.get(model.origin, "")
        if not model.owned:
            program = model_texts.origin(model.origin) or self.tr("where it lies")
            where = texts.fill(self.tr("Linked from {program}"), program=program)
        verified = texts.fill(self.tr("Verified {day}"), day=texts.date(model.verified_at or 0))
        used = texts.ago(model.last_used)
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
            (self.tr("Made from"), model.made_from),
            (self.tr("Quality"), self._quality(model)),
            ("SHA-256", model.sha256),
        ]
