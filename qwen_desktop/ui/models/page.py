"""The Models page: joins its parts with the services. The catalogue is read and judged at the first visit."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import problem_of
from qwen_desktop.core.models import CatalogModel, InstalledModel, Quant
from qwen_desktop.core.text import Text
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.advice_cards import AdviceCards
from qwen_desktop.ui.models.catalogue_section import CatalogueSection
from qwen_desktop.ui.models.details import Details
from qwen_desktop.ui.models.download_row import DownloadCards
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.installed_list import InstalledList
from qwen_desktop.ui.models.machine_card import MachineCard
from qwen_desktop.ui.models.offline_bar import OfflineBar
from qwen_desktop.ui.models.purpose_bar import PurposeBar
from qwen_desktop.ui.models.quantize_card import QuantizeCard
from qwen_desktop.ui.models.state import ModelsState, Row
from qwen_desktop.ui.operation import while_alive
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.scroll import ScrollArea
from qwen_desktop.ui.widgets.search_field import SearchField

#: How long after the last key the list is narrowed, in milliseconds.
_TYPING_MS = 120


class ModelsPage(ScrollArea):
    """The page of the rail's Models button."""

    def __init__(self, ui: UiContext, state: ModelsState, starter: DownloadStarter) -> None:
        super().__init__()
        self._ui = ui
        self._services = ui.services
        self._starter = starter
        self._loaded = False
        self.state = state
        self.setObjectName("page")
        self.setMinimumSize(360, 320)
        self.column = QWidget(self.body)
        self._fit()
        ui.theme.changed.connect(self._fit)
        self._build()
        row(None, (self.column, 1000), None, on=self.body, gap=0, margins=(24, 22, 24, 32))
        self.setFocusProxy(self.search)
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._typing.timeout.connect(self._search)
        self._connect()
        self._show_installed()

    def _fit(self) -> None:
        self.column.setMaximumWidth(self._ui.theme.scaled("models_column"))

    def _build(self) -> None:
        theme, inside = self._ui.theme, self.column
        self.title = Label(theme, self.tr("Models"), inside, role="heading", weight=700)
        self.import_button = TextButton(theme, self.tr("Import"), inside, icon="folder-input")
        self.import_button.setToolTip(self.tr("Models of other programs, and files of your own"))
        self.search = SearchField(theme, self.tr("Name, purpose or repository"), inside)
        self.offline = OfflineBar(self._ui, inside)
        self.machine = MachineCard(theme, inside)
        self.purposes = PurposeBar(theme, inside)
        self.advice = AdviceCards(self._ui, self.state, self._starter, inside)
        self.downloads = DownloadCards(self._ui, self._starter, inside)
        self.smaller = QuantizeCard(self._ui, inside)
        self.installed_title = Label(theme, self.tr("Installed"), inside, role="message", weight=600)
        self.installed = InstalledList(theme, inside)
        self.catalogue = CatalogueSection(self._ui, self.state, inside)
        self.search.setMinimumWidth(160)
        self.search.setMaximumWidth(280)
        head = row(self.title, None, self.import_button, (self.search, 10), gap=12)
        mine = column(self.installed_title, self.installed, gap=8)
        upper = (head, self.offline, self.machine, self.purposes, self.advice, self.downloads, self.smaller)
        column(*upper, mine, self.catalogue, None, on=self.column, gap=18)

    def _connect(self) -> None:
        state, starter = self.state, self._starter
        self.import_button.clicked.connect(self.import_models)
        self.search.textChanged.connect(lambda _text: self._typing.start())
        self.search.left.connect(self._leave_search)
        self.machine.details_wanted.connect(self.show_machine)
        self.purposes.chosen.connect(lambda _purpose: self._advise())
        self.advice.details_wanted.connect(lambda advice: self.details(advice.model, advice.quant))
        installed = self.installed
        installed.use_wanted.connect(starter.use_it)
        installed.details_wanted.connect(self.installed_details)
        installed.verify_wanted.connect(self.verify)
        installed.reveal_wanted.connect(self._reveal)
        installed.delete_wanted.connect(self.delete)
        installed.repair_wanted.connect(self._repair)
        installed.smaller_wanted.connect(self.make_smaller)
        self.smaller.use_wanted.connect(starter.use_wanted)
        installed.list.reached.connect(self._reveal_row)
        self.catalogue.details_wanted.connect(self.details)
        self.catalogue.why_wanted.connect(lambda model: self.details(model).show_memory())
        self.catalogue.download_wanted.connect(lambda row: starter.get(row.model, row.quant))
        self.catalogue.progress_wanted.connect(self._show_progress)
        self.catalogue.list.reached.connect(self._reveal_row)
        state.rows_changed.connect(self._rows_changed)
        bus = self._services.bus
        bus.subscribe(events.MachineChanged, lambda event: self.machine.show_machine(event.machine), owner=self)
        bus.subscribe(events.LibraryChanged, self._show_installed, owner=self)
        bus.subscribe(events.ModelChanged, lambda event: installed.set_in_use(event.state.path), owner=self)
        installed.set_in_use(self._services.models.state.path)

    # Loading ----------------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._loaded:
            self.state.refresh_when_stale()
            return
        self._loaded = True
        self.machine.show_machine(self._services.machines.known)
        if self.state.rows is not None:
            self._rows_changed()
        self._ui.operations.run(self._load(), owner=self, orphaned="quiet", on_error=self.catalogue.not_read)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._typing.stop()

    async def _load(self) -> None:
        results = await asyncio.gather(self.state.ensure(), self._services.library.scan(), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _rows_changed(self) -> None:
        models = self._services.catalogue.models()
        self.purposes.offer(purpose for model in models if model.usable for purpose in model.purposes)
        self.machine.show_comfort(self.state.comfort)
        self._advise()

    def _advise(self) -> None:
        found = self._services.fits.recommend(self._services.catalogue.models(), self.purposes.purpose)
        if found is not None:
            self.advice.show_advice(found)

    # Showing ----------------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        text = self.search.text()
        for part in (self.machine, self.purposes, self.advice):
            part.setVisible(not text.strip())
        self.catalogue.search(text)
        self._show_installed()
        if text.strip():
            self.verticalScrollBar().setValue(0)

    def _leave_search(self) -> None:
        if self._typing.isActive():
            self._typing.stop()
            self._search()
        if not self.catalogue.enter():
            (self.installed.list if self.installed.list.rows and self.search.text() else self.catalogue.list).enter()

    def _show_installed(self, _event: object = None) -> None:
        self.installed.show_models(self._services.library.models(), self.search.text().strip())
        self.installed_title.setVisible(not self.installed.isHidden())

    def _show_progress(self, row: Row) -> None:
        """Scroll to the card of the download of a row."""
        download = self.state.download(row.model)
        card = next((c for c in self.downloads.cards if download is not None and c.download.id == download.id), None)
        if card is not None:
            self.ensureWidgetVisible(card, 0, 40)
            card.toggle.setFocus(Qt.FocusReason.TabFocusReason)

    def _reveal_row(self, row: QWidget) -> None:
        self.ensureWidgetVisible(row, 0, row.height() // 2)

    # Models -----------------------------------------------------------------------------------------------------------

    def details(self, model: CatalogModel, quant: Quant | None = None) -> Details:
        """Open all about a model of the catalogue."""
        dialog = Details(self._ui, self.state, self._starter, model, self.window(), quant=quant)
        dialog.open()
        return dialog

    def show_machine(self) -> None:
        """Open everything about this computer."""
        from qwen_desktop.ui.models.machine_dialog import MachineDialog  # noqa: PLC0415 - rare

        comfort = " ".join(filter(None, (self.machine.comfort.text(), self.machine.with_context.text())))
        MachineDialog(self._ui, self.window(), f"{comfort}." if comfort else "").open()

    def import_models(self) -> None:
        """Open the import."""
        from qwen_desktop.ui.models.import_dialog import ImportDialog  # noqa: PLC0415 - rare

        dialog = ImportDialog(self._ui, self.window())
        dialog.imported.connect(self._imported)
        dialog.open()

    def _imported(self, models: tuple[InstalledModel, ...]) -> None:
        toast = self._ui.notify.toast
        faulty = [model for model in models if model.template_fault is not None and not model.template_repaired]
        if faulty:
            text = texts.fill(self.tr("{name} is in the list; its chat template has a fault."), name=faulty[0].name)
            toast(text, action=self.tr("Show"), act=partial(self.installed_details, faulty[0]))
        elif len(models) == 1:
            text = texts.fill(self.tr("{name} is in the list."), name=models[0].name)
            toast(text, kind="good", action=self.tr("Use it"), act=partial(self._starter.use_it, models[0]))
        elif models:
            toast(self.tr("%n model(s) (is|are) in the list.", "", len(models)), kind="good")

    def make_smaller(self, model: InstalledModel) -> None:
        """Open what asks how a model is to be made smaller."""
        from qwen_desktop.ui.models.quantize_dialog import QuantizeDialog  # noqa: PLC0415 - rare

        dialog = QuantizeDialog(self._ui, model, self.window())
        dialog.accepted.connect(self._show_smaller)
        dialog.open()

    def _show_smaller(self) -> None:
        """Scroll to the card of the model that is being made smaller."""
        layout = self.column.layout()
        assert layout is not None  # noqa: S101 - _build makes it
        layout.activate()
        self.ensureWidgetVisible(self.smaller, 0, 40)

    # Installed models -------------------------------------------------------------------------------------------------

    def installed_details(self, model: InstalledModel) -> None:
        """Open all about an installed model."""
        from qwen_desktop.ui.models.installed_details import InstalledDetails  # noqa: PLC0415 - rare

        entry = self._services.catalogue.find(model.catalog_id) if model.catalog_id else None
        dialog = InstalledDetails(self._ui, model, entry, self.window())
        dialog.use_wanted.connect(lambda: self._starter.use_it(model))
        dialog.reveal_wanted.connect(lambda: self._reveal(model))
        dialog.repair_wanted.connect(lambda: self._repair(model))
        if entry is not None:
            dialog.catalogue_wanted.connect(lambda: self.details(entry))
        dialog.open()

    def verify(self, model: InstalledModel) -> None:
        """Read the files again and hold them against their hashes."""
        show = self.installed.set_busy
        show(model.id, 0.0)
        said = while_alive(self, lambda done, total: show(model.id, done / total if total else 0.0))
        self._ui.operations.run(
            self._services.library.verify(model.id, said),
            owner=self,
            on_done=lambda good: self._verified(model, good=good),
            on_end=lambda: show(model.id, None),
        )

    def _verified(self, model: InstalledModel, *, good: bool) -> None:
        text = self.tr("{name} is as it should be.")
        if not good:
            text = self.tr("{name} differs from what its hash says. Delete it and download it again.")
        self._ui.notify.toast(texts.fill(text, name=model.name), kind="good" if good else "bad", stays=not good)

    def _reveal(self, model: InstalledModel) -> None:
        self._ui.notify.folder(Path(model.path).parent)

    def delete(self, model: InstalledModel) -> None:
        """Delete a model, or only the link to it, after asking."""
        self._ui.operations.run(
            self._services.library.why_no_bin(model.id),
            owner=self,
            on_done=lambda reason: self._ask_delete(model, reason),
            wish="models.delete",
        )

    def _ask_delete(self, model: InstalledModel, no_bin: Text | None) -> None:
        size = texts.size(model.size_bytes)
        text, yes = texts.fill(self.tr("Its files, {size}, go to the bin."), size=size), self.tr("Delete")
        if not model.owned:
            text = self.tr("Only the entry in this list goes. The file itself stays in {program}.")
            text = texts.fill(text, program=model_texts.origin(model.origin) or self.tr("another folder"))
        elif no_bin is not None:
            text = texts.fill(self.tr("{reason} Its files, {size}, are deleted for good."), reason=no_bin, size=size)
            yes = self.tr("Delete for good")
        title = texts.fill(self.tr("Delete {name}?"), name=model.name)
        self._ui.notify.ask(title, text, yes, lambda: self._delete(model, permanent=no_bin is not None))

    def _delete(self, model: InstalledModel, *, permanent: bool) -> None:
        def failed(error: BaseException) -> bool:
            problem = problem_of(error)
            if permanent or problem.action != "delete_permanently":
                return False
            ask, text = self._ui.notify.ask, texts.text(problem.hint) if problem.hint is not None else ""
            ask(texts.text(problem.what), text, self.tr("Delete for good"), lambda: self._delete(model, permanent=True))
            return True

        self._ui.operations.run(
            self._services.library.delete(model.id, permanent=permanent),
            owner=self,
            on_done=lambda _: self._ui.notify.toast(texts.fill(self.tr("{name} is deleted."), name=model.name)),
            on_error=failed,
        )

    def _repair(self, model: InstalledModel) -> None:
        """Repair the chat template, or undo that."""
        act, said = self._services.library.repair_template, self.tr("The chat template is repaired.")
        if model.template_repaired:
            act = self._services.library.unrepair_template
            said = self.tr("The file's own chat template is used again.")
        run, toast = self._ui.operations.run, self._ui.notify.toast
        run(act(model.id), owner=self, on_done=lambda _: toast(said, kind="good"))
