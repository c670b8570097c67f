"""All models: filters, the list, and what stands there when it is empty, searched in vain or out of reach."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.models import CatalogModel
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models.catalogue_list import CatalogueRow
from qwen_desktop.ui.models.filters import Filters
from qwen_desktop.ui.models.rows_list import RowsList
from qwen_desktop.ui.models.state import Action, ModelsState, Row, order, reference
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.select import Menu
from qwen_desktop.ui.widgets.surface import Card


class CatalogueSection(QWidget):
    """``details_wanted`` and ``why_wanted`` (the memory above all) carry a ``CatalogModel``, ``download_wanted`` and
    ``progress_wanted`` a ``Row``."""

    details_wanted = Signal(object)
    why_wanted = Signal(object)
    download_wanted = Signal(object)
    progress_wanted = Signal(object)

    def __init__(self, ui: UiContext, state: ModelsState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._state = state
        self._words = ""
        theme = ui.theme
        title = Label(theme, self.tr("All models"), self, role="message", weight=600)
        self.filters = Filters(theme, title, self)
        self.count = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.refresh = IconButton(theme, "refresh-cw", self.tr("Look for new models"), self, side=28, icon_size=16)
        self.problem = ProblemText(theme, self)
        self._build_lookup()
        self._build_empty()
        self.list = RowsList(theme, self.tr("All models"), self._make, lambda row: row.model.repo, self)
        self._menu = Menu(self)
        self._head = row((self.filters, 1), row((self.count, MIDDLE), (self.refresh, MIDDLE), None))
        column(self._head, self.problem, self.lookup, self.list, self.empty, on=self, gap=8)
        self.filters.changed.connect(self.show_rows)
        self.refresh.clicked.connect(self.look_for_new)
        state.rows_changed.connect(self._rows_changed)
        bus = ui.services.bus
        for kind in (events.LibraryChanged, events.DownloadsChanged):
            bus.subscribe(kind, lambda _event: self.list.refresh(at_once=False), owner=self)  # others follow it, too
        bus.subscribe(events.DownloadChanged, self._moved_on, owner=self)
        self.show_rows()

    def _build_lookup(self) -> None:
        theme = self._ui.theme
        self.lookup = Card(self)
        self.lookup_text = Paragraph(theme, "", self.lookup, role="small", color="text_muted")
        self.lookup_button = TextButton(theme, "", self.lookup, icon="search")
        self.lookup_button.clicked.connect(self.look_up)
        parts = ((self.lookup_text, 1), (self.lookup_button, MIDDLE))
        row(*parts, on=self.lookup, gap=12, margins=(16, 12, 12, 12)).setAlignment(self.lookup_text, MIDDLE)
        self.lookup.hide()

    def _build_empty(self) -> None:
        theme, centre = self._ui.theme, Qt.AlignmentFlag.AlignHCenter
        self.empty = QWidget(self)
        self.empty_text = Paragraph(theme, "", self.empty, color="text_muted")
        self.empty_text.setAlignment(centre)
        self.empty_button = TextButton(theme, "", self.empty)
        self.empty_button.clicked.connect(self._help)
        sign = IconLabel(theme, "search", self.empty, size=24)
        parts = ((sign, centre), self.empty_text, (self.empty_button, centre))
        column(*parts, on=self.empty, gap=12, margins=(24, 28, 24, 28))
        self.empty.hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """The count stands beside the filters where there is room, else below them."""
        needed = self.filters.sizeHint().width() + self.count.sizeHint().width() + self.refresh.width() + 24
        way = QBoxLayout.Direction
        self._head.setDirection(way.LeftToRight if needed <= self.width() else way.TopToBottom)

    # Showing ----------------------------------------------------------------------------------------------------------

    def search(self, text: str) -> None:
        """Show what has these words; a repository or an address can be looked up."""
        self._words = text
        self.problem.setText("")
        self.show_rows()

    def _rows_changed(self) -> None:
        self.filters.offer(row.model for row in self._state.rows or ())
        self.show_rows()

    def show_rows(self) -> None:
        """Show the rows that are wanted, or what there is to say without any."""
        rows = self._state.rows
        named = reference(self._words)
        self.lookup.setVisible(bool(named) and rows is not None)
        if named:
            self.lookup_button.setText(texts.fill(self.tr("Look up {name}"), name=named))
            text = self.tr("Asks the hub which files that repository has. Nothing is downloaded yet.")
            self.lookup_text.setText(text)
        if rows is None:
            self.list.show_rows((), waiting=6)
            self.empty.hide()
            self.count.setText("")
            return
        text = named.partition(":")[0] if named else self._words
        wanted = self.filters.wanted(text)
        found = [row for row in rows if wanted.takes(row)]
        if wanted.purpose:
            found.sort(key=lambda row: order(row, wanted.purpose))
        self.list.show_rows(found)
        self.list.setVisible(bool(found))
        self._say_count(len(found), len(rows))
        self.empty.setVisible(not found and not named)
        if not found:
            self._say_empty()

    def _say_count(self, shown: int, total: int) -> None:
        updated = self._ui.services.catalogue.updated_at
        text = self.tr("%n model(s)", "", total)
        if shown != total:
            text = texts.fill(self.tr("{shown} of %n model(s)", "", total), shown=shown)
        if updated:
            text = texts.fill(self.tr("{text}, updated {when}"), text=text, when=texts.ago(updated))
        self.count.setText(text)
        self._fit()

    def _say_empty(self) -> None:
        rows = self._state.rows
        hidden = self._hidden()
        if not rows:
            text = self.tr("The list of models is empty. Fetch it from the hub.")
            button = self.tr("Look for models")
        elif hidden:
            text = self.tr("%n model(s) (is|are) like that, but (does|do) not fit this computer.", "", hidden)
            if not self._words.strip() and not self.filters.narrowed():
                text = self.tr("No model of the list fits the memory that is free now.")
            button = self.tr("Show %n model(s)", "", hidden)
        else:
            text = self.tr("No model of the list is like that. Paste a repository such as owner/name to look it up.")
            button = self.tr("Show all models")
        self.empty_text.setText(text)
        self.empty_button.setText(button)
        self.empty_button.setVisible(not rows or bool(hidden) or self.filters.narrowed())

    def _hidden(self) -> int:
        """How many models only "Fits this computer" keeps out."""
        wanted = self.filters.wanted(self._words)._replace(fits=False)
        return sum(map(wanted.takes, self._state.rows or ()))

    def _help(self) -> None:
        """The one action of the empty list."""
        if not self._state.rows:
            self.look_for_new()
        elif self._hidden():
            self.filters.fits.set_value("")
            self.show_rows()
        else:
            self.filters.clear()

    # The network ------------------------------------------------------------------------------------------------------

    def not_read(self, error: BaseException) -> None:
        """Say under the filters why the list could not be read."""
        self.problem.setText(texts.problem(problem_of(error)))
        if self._state.rows is None:
            self.list.hide()

    def look_for_new(self) -> None:
        """Ask the hub for models and files that are not in the list yet."""
        self.problem.setText("")

        def failed(error: BaseException) -> bool:
            if not isinstance(error, AppError | OSError):
                return False
            text = self.tr("{problem} The list stays as it was.")
            self.problem.setText(texts.fill(text, problem=texts.problem(problem_of(error))))
            return True

        before = len(self._ui.services.catalogue.models())

        def done(_: object) -> None:
            more = len(self._ui.services.catalogue.models()) - before
            text = self.tr("%n new model(s).", "", more) if more > 0 else self.tr("The list is up to date.")
            self._ui.notify.toast(text, kind="good")

        self._ui.operations.run(
            self._ui.services.catalogue.refresh(), owner=self, busy=self.refresh, on_done=done, on_error=failed
        )

    def enter(self) -> bool:
        """Enter in the search field: look up what is named there; False when nothing is."""
        named = self.lookup.isVisibleTo(self) and self.lookup_button.isEnabled() and not self.list.rows
        if named:
            self.look_up()
        return named

    def look_up(self) -> None:
        """Ask the hub what the named repository has, then show all about it."""
        self.problem.setText("")
        asked = self._words.strip()
        self.lookup_text.setText(self.tr("Being looked up"))

        def failed(error: BaseException) -> bool:
            self.show_rows()
            if not isinstance(error, AppError | OSError):
                return False
            if self._words.strip() == asked:  # else something else is looked for by now
                self.problem.setText(texts.problem(problem_of(error)))
            return True

        def done(model: CatalogModel) -> None:
            self.show_rows()
            if self._words.strip() == asked and self.isVisible():
                self.details_wanted.emit(model)

        self._ui.operations.run(
            self._ui.services.catalogue.lookup(asked),
            owner=self,
            orphaned="quiet",
            busy=self.lookup_button,
            on_done=done,
            on_error=failed,
        )

    # Rows -------------------------------------------------------------------------------------------------------------

    def _make(self, parent: QWidget) -> CatalogueRow:
        row = CatalogueRow(self._ui.theme, self._state, parent)
        row.clicked.connect(lambda: self._act(row.row, "none"))
        row.button.clicked.connect(lambda: self._act(row.row, row.action))
        row.menu_wanted.connect(lambda place: self._open_menu(row, place))
        return row

    def _moved_on(self, event: events.DownloadChanged) -> None:
        """A download moved on: only its rows show it."""
        rows = enumerate(self.list.rows)
        self.list.refresh(place for place, row in rows if event.download.is_of(row.model))

    def _act(self, row: Row, action: Action) -> None:
        of_row = {"download": self.download_wanted, "running": self.progress_wanted}
        if action in of_row:
            of_row[action].emit(row)
        else:
            (self.why_wanted if action == "why" else self.details_wanted).emit(row.model)

    def _open_menu(self, row: CatalogueRow, place: QPoint) -> None:
        self._menu.clear()
        if row.action == "download":
            self._menu.addAction(row.label()).triggered.connect(row.button.click)
        self._menu.addAction(self.tr("Details")).triggered.connect(row.click)
        self._menu.open_at(place)
