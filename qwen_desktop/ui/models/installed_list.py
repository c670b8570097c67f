"""The models on this computer: rows with Use and a … menu."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal, SignalInstance
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.model_row import Face, ModelRow, RowButton
from qwen_desktop.ui.models.rows_list import RowsList
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import START, column
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.select import Menu

#: What smaller versions are made of well: weights that were not rounded far.
SOURCES = frozenset(("F32", "F16", "BF16", "Q8_0"))
#: So many are shown until the user asks for all.
FEW = 4


def facts(row: InstalledModel) -> str:
    """Alias, size, context, last use and origin in one line, and whether it is loaded in a way of its own."""
    alias = texts.fill(translate("InstalledModels", "alias {name}"), name=row.alias)
    used = texts.fill(translate("InstalledModels", "used {when}"), when=texts.ago(row.last_used))
    context = texts.fill(translate("InstalledModels", "{n} context"), n=texts.context(row.context_train))
    return model_texts.joined(
        alias if row.alias else "",
        texts.size(row.size_bytes),
        context if row.context_train else "",
        used if row.last_used else translate("InstalledModels", "not used yet"),
        model_texts.origin(row.origin),
        translate("InstalledModels", "own load options") if row.options != LoadOptions() else "",
    )


def chip(row: InstalledModel) -> tuple[str, model_texts.Tone]:
    """What is wrong with a model, in a few words."""
    if row.problem is not None:
        return translate("InstalledModels", "cannot be used"), "bad"
    if row.kind == "embedding":
        return translate("InstalledModels", "for embeddings"), ""
    if row.kind == "reranker":
        return translate("InstalledModels", "for reranking"), ""
    if row.template_repaired:
        return translate("InstalledModels", "chat template repaired"), ""
    if row.template_fault is not None:
        return translate("InstalledModels", "chat template has a fault"), "warn"
    return "", ""


def trouble(row: InstalledModel) -> str:
    """What is wrong with a model, in whole sentences."""
    if row.problem is not None:
        return texts.problem(row.problem)
    if not row.chats:
        return texts.problem(NotChat(Path(row.path), Kind(row.kind)).problem)
    return texts.text(row.template_fault) if row.template_fault is not None else ""


def can_be_source(model: InstalledModel) -> bool:
    """Whether smaller versions of a model are offered."""
    return model.problem is None and model.chats and model.quant.upper() in SOURCES


class InstalledRow(ModelRow[InstalledModel]):
    """One installed model with Use and … ."""

    def __init__(self, theme: Theme, owner: InstalledList, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._owner = owner
        self.use = RowButton(theme, self)
        self.more = IconButton(theme, "ellipsis", "", self, side=34)
        self.place_buttons(self.use, self.more)

    def show_row(self, row: InstalledModel) -> None:
        self.row = row
        in_use = row.path == self._owner.in_use
        used = self.tr("In use") if in_use else ""
        word, tone = chip(row)
        share = self._owner.busy.get(row.id)
        if share is not None:
            word = texts.fill(self.tr("Verifying, {percent}"), percent=texts.percent(share))
        muted = in_use or row.problem is not None or not row.chats
        self.use.show_face(used or self.tr("Use"), "check" if in_use else "", muted=muted)
        self.use.setAccessibleName(f"{self.use.text()}: {row.name}")
        self.more.setAccessibleName(texts.fill(self.tr("More: {name}"), name=row.name))
        face = Face(row.name, facts(row), row.quant, word, tone, share, muted=row.problem is not None)
        said = model_texts.line(row.name, row.quant, face.note, word, used)
        self.say(face, said, trouble(row) or shown_path(row.path))


class InstalledList(QWidget):
    """The section. Signals carry the ``InstalledModel``."""

    use_wanted = Signal(object)
    details_wanted = Signal(object)
    verify_wanted = Signal(object)
    reveal_wanted = Signal(object)
    delete_wanted = Signal(object)
    repair_wanted = Signal(object)  # or to undo that
    smaller_wanted = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._all = False
        self._models: tuple[InstalledModel, ...] = ()
        self._words = ""
        self.in_use = ""
        #: How far a check of a model is, by its id.
        self.busy: dict[str, float] = {}
        self.list = RowsList(theme, self.tr("Installed models"), self._make, lambda row: row.id, self)
        self.menu = Menu(self)
        self.more = TextButton(theme, "", self, kind="link")
        self.more.clicked.connect(self._show_all)
        column(self.list, (self.more, START), on=self, gap=6)

    def _make(self, parent: QWidget) -> InstalledRow:
        row = InstalledRow(self._theme, self, parent)
        row.clicked.connect(lambda: self.details_wanted.emit(row.row))
        row.use.clicked.connect(lambda: self.use_wanted.emit(row.row))
        row.more.clicked.connect(lambda: self._open_below(row))
        row.menu_wanted.connect(lambda place: self.menu_for(row.row).open_at(place))
        return row

    def show_models(self, models: Sequence[InstalledModel], words_: str = "") -> None:
        """Show the models whose names hold ``words_``."""
        self._models, self._words = tuple(models), words_
        wanted = words_.casefold().split()
        said = {m.id: f"{m.name} {m.quant} {m.repo} {m.path}".casefold() for m in self._models}
        found = [model for model in self._models if all(word in said[model.id] for word in wanted)]
        found.sort(key=lambda m: (-m.last_used, -m.added, m.name))
        few = found if self._all or wanted or len(found) <= FEW + 1 else found[:FEW]
        self.list.show_rows(few)
        self.more.setText(texts.fill(self.tr("Show all {n}"), n=len(found)))
        self.more.setVisible(len(few) < len(found))
        self.setVisible(bool(found))

    def _show_all(self) -> None:
        self._all = True
        self.show_models(self._models, self._words)

    def set_in_use(self, path: str) -> None:
        """Mark the model that answers."""
        if path != self.in_use:
            self.in_use = path
            self.list.refresh()

    def set_busy(self, model_id: str, share: float | None) -> None:
        """Show how far the check of a model is; None ends it."""
        self.busy.pop(model_id, None)
        if share is not None:
            self.busy[model_id] = share
        self.list.refresh(place for place, row in enumerate(self.list.rows) if row.id == model_id)

    def _open_below(self, row: InstalledRow) -> None:
        """The … menu stands below its button, its end at the button's."""
        button, size = row.more, self.menu_for(row.row).sizeHint()
        self.menu.open_by(button, button.width() - size.width(), button.height() + 4)

    def menu_for(self, model: InstalledModel) -> Menu:
        """The … menu with the entries for one model."""
        self.menu.clear()
        busy = model.id in self.busy
        usable = model.problem is None
        use = usable and model.chats and model.path != self.in_use
        self._entry(self.tr("Use"), self.use_wanted, model, enabled=use)
        self._entry(self.tr("Details"), self.details_wanted, model)
        self._entry(self.tr("Verify"), self.verify_wanted, model, enabled=usable and not busy)
        self._entry(self.tr("Show in folder"), self.reveal_wanted, model)
        if can_be_source(model):
            self._entry(self.tr("Make a smaller version…"), self.smaller_wanted, model)
        if model.template_repaired:
            self._entry(self.tr("Undo the template's repair"), self.repair_wanted, model)
        elif model.template_fault is not None:
            self._entry(self.tr("Repair the chat template"), self.repair_wanted, model)
        self.menu.addSeparator()
        self._entry(self.tr("Delete"), self.delete_wanted, model, enabled=not busy)
        return self.menu

    def _entry(self, name: str, signal: SignalInstance, model: InstalledModel, *, enabled: bool = True) -> None:
        action = self.menu.addAction(name)
        action.setEnabled(enabled)
        action.triggered.connect(lambda _checked=False: signal.emit(model))
