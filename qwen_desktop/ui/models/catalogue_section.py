"""All models: filters, the list, and what stands there when it is empty, searched in vain or out of reach."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QVBoxLayout, QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.models import CatalogModel
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.board import Board, Row, order, reference
from qwen_desktop.ui.models.catalogue_list import CatalogueDelegate, CatalogueModel, label
from qwen_desktop.ui.models.filters import Filters
from qwen_desktop.ui.models.rows_view import RowsView
from qwen_desktop.ui.models.words import put, tr
from qwen_desktop.ui.shell import Shell
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.select import Menu
from qwen_desktop.ui.widgets.surface import Card


class CatalogueSection(QWidget):
    """``details_wanted`` and ``why_wanted`` (the memory above all) carry a ``CatalogModel``, ``download_wanted`` and
    ``progress_wanted`` a ``Row``."""

    details_wanted = Signal(object)
    why_wanted = Signal(object)
    download_wanted = Signal(object)
    progress_wanted = Signal(object)

    def __init__(self, shell: Shell, board: Board, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shell = shell
        self._board = board
        self._words = ""
        theme = shell.theme
        title = Label(theme, tr("All models"), self, role="message", weight=600)
        self.filters = Filters(theme, title, self)
        self.count = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.refresh = IconButton(theme, "refresh-cw", tr("Look for new models"), self, side=28, icon_size=16)
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.problem.hide()
        self._build_lookup()
        self._build_empty()
        self.model = CatalogueModel(board, self)
        self.list = RowsView(theme, tr("All models"), self)
        self.list.setItemDelegate(CatalogueDelegate(theme, self.list, board))
        self.list.setModel(self.model)
        self._menu = Menu(self)
        side = QHBoxLayout()
        side.setSpacing(8)
        side.addWidget(self.count, 0, Qt.AlignmentFlag.AlignVCenter)
        side.addWidget(self.refresh, 0, Qt.AlignmentFlag.AlignVCenter)
        side.addStretch(1)
        self._head = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._head.setSpacing(8)
        self._head.addWidget(self.filters, 1)
        self._head.addLayout(side)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(self._head)
        column.addWidget(self.problem)
        column.addWidget(self.lookup)
        column.addWidget(self.list)
        column.addWidget(self.empty)
        self._connect()
        self.show_rows()

    def _build_lookup(self) -> None:
        theme = self._shell.theme
        self.lookup = Card(self)
        self.lookup_text = Paragraph(theme, "", self.lookup, role="small", color="text_muted")
        self.lookup_button = TextButton(theme, "", self.lookup, icon="search")
        self.lookup_button.clicked.connect(self.look_up)
        row = QHBoxLayout(self.lookup)
        row.setContentsMargins(16, 12, 12, 12)
        row.setSpacing(12)
        row.addWidget(self.lookup_text, 1, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.lookup_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.lookup.hide()

    def _build_empty(self) -> None:
        theme = self._shell.theme
        self.empty = QWidget(self)
        self.empty_text = Paragraph(theme, "", self.empty, color="text_muted")
        self.empty_text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.empty_button = TextButton(theme, "", self.empty)
        self.empty_button.clicked.connect(self._help)
        column = QVBoxLayout(self.empty)
        column.setContentsMargins(24, 28, 24, 28)
        column.setSpacing(12)
        column.addWidget(IconLabel(theme, "search", self.empty, size=24), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.empty_text)
        column.addWidget(self.empty_button, 0, Qt.AlignmentFlag.AlignHCenter)
        self.empty.hide()

    def _connect(self) -> None:
        board = self._board
        self.filters.changed.connect(self.show_rows)
        self.refresh.clicked.connect(self.look_for_new)
        self.list.part_clicked.connect(self._clicked)
        self.list.menu_wanted.connect(self._open_menu)
        board.rows_changed.connect(self._rows_changed)
        bus = self._shell.services.bus
        bus.subscribe(events.LibraryChanged, self.model.refresh, owner=self.model)
        bus.subscribe(events.DownloadsChanged, self.model.refresh, owner=self.model)
        bus.subscribe(events.DownloadChanged, self.model.moved_on, owner=self.model)

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
        self.show_problem("")
        self.show_rows()

    def _rows_changed(self) -> None:
        self.filters.offer(row.model for row in self._board.rows or ())
        self.show_rows()

    def show_rows(self) -> None:
        """Show the rows that are wanted, or what there is to say without any."""
        rows = self._board.rows
        named = reference(self._words)
        self.lookup.setVisible(bool(named) and rows is not None)
        if named:
            self.lookup_button.setText(put("Look up {name}", name=named))
            self.lookup_text.setText(tr("Asks the hub which files that repository has. Nothing is downloaded yet."))
        if rows is None:
            self.model.show_rows(None)
            self.empty.hide()
            self.count.setText("")
            return
        text = named.partition(":")[0] if named else self._words
        wanted = self.filters.wanted(text)
        found = [row for row in rows if wanted.takes(row)]
        if wanted.purpose:
            found.sort(key=lambda row: order(row, wanted.purpose))
        self.model.show_rows(found)
        self.list.setVisible(bool(found))
        self._say_count(len(found), len(rows))
        self._say_empty(found, rows, named)

    def _say_count(self, shown: int, total: int) -> None:
        updated = self._shell.services.catalogue.updated_at
        text = put("{n} models", n=texts.number(total))
        if shown != total:
            text = put("{shown} of {n} models", shown=texts.number(shown), n=texts.number(total))
        if updated:
            text = put("{text}, updated {when}", text=text, when=words.ago(updated))
        self.count.setText(text)
        self._fit()

    def _say_empty(self, found: list[Row], rows: tuple[Row, ...], named: str) -> None:
        self.empty.setVisible(not found and not named)
        if found:
            return
        wanted = self.filters.wanted(self._words)
        hidden = sum(wanted.takes(row, fits=False) for row in rows)
        if not rows:
            self.empty_text.setText(tr("The list of models is empty. Fetch it from the hub."))
            self.empty_button.setText(tr("Look for models"))
        elif hidden:
            plain = not self._words.strip() and not self.filters.narrowed()
            one = tr("One model is like that, but it does not fit this computer.")
            many = put("{n} models are like that, but they do not fit this computer.", n=texts.number(hidden))
            none = tr("No model of the list fits the memory that is free now.")
            self.empty_text.setText(none if plain else one if hidden == 1 else many)
            self.empty_button.setText(tr("Show it") if hidden == 1 else tr("Show them"))
        else:
            text = "No model of the list is like that. Paste a repository such as owner/name to look it up."
            self.empty_text.setText(tr(text))
            self.empty_button.setText(tr("Show all models"))
        self.empty_button.setVisible(not rows or bool(hidden) or self.filters.narrowed())

    def _help(self) -> None:
        """The one action of the empty list."""
        if not self._board.rows:
            self.look_for_new()
        elif any(self.filters.wanted(self._words).takes(row, fits=False) for row in self._board.rows):
            self.filters.fits.set_value("")
            self.show_rows()
        else:
            self.filters.clear()

    # The network ------------------------------------------------------------------------------------------------------

    def show_problem(self, sentence: str) -> None:
        """Say what went wrong under the filters; empty takes it back."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    def say_problem(self, sentence: str) -> None:
        """The list could not be read."""
        self.show_problem(sentence)
        if self._board.rows is None:
            self.list.hide()

    def look_for_new(self) -> None:
        """Ask the hub for models and files that are not in the list yet."""
        self.show_problem("")

        def failed(error: BaseException) -> bool:
            if not isinstance(error, AppError | OSError):
                return False
            text = "{problem} The list stays as it was."
            self.show_problem(put(text, problem=texts.problem(problem_of(error))))
            return True

        before = len(self._shell.services.catalogue.models())

        def done(_: object) -> None:
            more = len(self._shell.services.catalogue.models()) - before
            text = tr("The list is up to date.")
            if more > 0:
                text = tr("One new model.") if more == 1 else put("{n} new models.", n=texts.number(more))
            self._shell.notify.toast(text, kind="good")

        self._shell.operations.run(
            self._shell.services.catalogue.refresh(), owner=self, busy=self.refresh, on_done=done, on_error=failed
        )

    def enter(self) -> bool:
        """Enter in the search field: look up what is named there; False when nothing is."""
        if self.lookup.isVisibleTo(self) and self.lookup_button.isEnabled() and not self.model.rows:
            self.look_up()
            return True
        return False

    def look_up(self) -> None:
        """Ask the hub what the named repository has, then show all about it."""
        self.show_problem("")
        asked = self._words.strip()
        self.lookup_text.setText(tr("Being looked up"))

        def failed(error: BaseException) -> bool:
            self.show_rows()
            if not isinstance(error, AppError | OSError):
                return False
            if self._words.strip() == asked:  # else something else is looked for by now
                self.show_problem(texts.problem(problem_of(error)))
            return True

        def done(model: CatalogModel) -> None:
            self.show_rows()
            if self._words.strip() == asked and self.isVisible():
                self.details_wanted.emit(model)

        self._shell.operations.run(
            self._shell.services.catalogue.lookup(asked),
            owner=self,
            orphaned="quiet",
            busy=self.lookup_button,
            on_done=done,
            on_error=failed,
        )

    # Rows -------------------------------------------------------------------------------------------------------------

    def _clicked(self, place: int, part: str) -> None:
        if place >= len(self.model.rows):
            return
        row = self.model.rows[place]
        action = self._board.action(row) if part == "button" else "none"
        if action == "download":
            self.download_wanted.emit(row)
        elif action == "running":
            self.progress_wanted.emit(row)
        elif action == "why":
            self.why_wanted.emit(row.model)
        else:
            self.details_wanted.emit(row.model)

    def _open_menu(self, place: int, where: QPoint) -> None:
        if place >= len(self.model.rows):
            return
        row = self.model.rows[place]
        self._menu.clear()
        if self._board.action(row) == "download":
            get = QAction(label(row, self._board)[0], self._menu)
            get.triggered.connect(lambda _checked=False: self.download_wanted.emit(row))
            self._menu.addAction(get)
        details = QAction(tr("Details"), self._menu)
        details.triggered.connect(lambda _checked=False: self.details_wanted.emit(row.model))
        self._menu.addAction(details)
        self._menu.popup(where)
