"""The page of the assistants: cards at the left, the chosen one in full at the right, or in their place where there is
no room for both."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.assistant_files import SUFFIX, file_name
from qwen_desktop.core.assistants import Assistant
from qwen_desktop.core.errors import problem_of
from qwen_desktop.services import events
from qwen_desktop.services.changes import Change
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import is_escape
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.assistants.cards import CardGrid
from qwen_desktop.ui.assistants.editor import AssistantEditor
from qwen_desktop.ui.file_dialogs import ask_for_files, ask_where
from qwen_desktop.ui.list_page import NARROW
from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row, set_margins
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.scroll import ScrollArea
from qwen_desktop.ui.widgets.select import Menu

#: Pixels: of the panel at normal text size, and of the widest column of cards.
_PANEL, _COLUMN = 352, 1148


async def _undone(change: Change) -> None:
    await change.undo()


class AssistantsPage(QWidget):
    """``chat_wanted`` carries the id of the assistant that a new chat is to be begun with."""

    chat_wanted = Signal(str)

    def __init__(self, ui: UiContext) -> None:
        super().__init__()
        self._ui = ui
        self._service = ui.services.assistants
        self._narrow = False
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)
        theme = ui.theme
        self.area = ScrollArea(self)
        self.area.setObjectName("page")
        self._cards = QWidget(self.area.body)
        title = Label(theme, self.tr("Assistants"), self._cards, role="heading", weight=600)
        self._buttons = QWidget(self._cards)
        self.import_button = TextButton(theme, self.tr("Import"), self._buttons, icon="folder-input")
        self.import_button.clicked.connect(self.ask_import)
        self.new_button = TextButton(theme, self.tr("New assistant"), self._buttons, icon="plus", kind="primary")
        self.new_button.clicked.connect(self.new)
        row(self.import_button, self.new_button, on=self._buttons, gap=12)
        head = QWidget(self._cards)
        row(title, None, (self._buttons, MIDDLE), on=head, gap=12)
        self.grid = CardGrid(theme, self._cards)
        self.own_title = Label(theme, self.tr("Your own"), self._cards, weight=600)
        self.own = CardGrid(theme, self._cards)
        self.hint = Paragraph(
            theme,
            self.tr("Your own assistants will appear here: make one, duplicate one of these, or import a file."),
            self._cards,
            role="small",
            color="text_muted",
        )
        self.hidden = QWidget(self._cards)
        self._hidden_flow = FlowLayout(self.hidden, gap=8)
        parts = (head, 18, self.grid, 24, self.own_title, 10, self.own, self.hint, 18, self.hidden, None)
        column(*parts, on=self._cards, margins=(0, 0, 0, 24))
        row((self._cards, 1), on=self.area.body, margins=(32, 24, 24, 0))
        self.editor = AssistantEditor(ui, self)
        self._panel = QWidget(self)
        row((self.editor, 1), on=self._panel, margins=(0, 24, 32, 24))
        row(None, (self.area, 1000), (self._panel, 1000), None, on=self, gap=0)
        self.setFocusProxy(self.grid)
        self._connect()
        theme.follow(self._fit)
        self.show_assistants()

    def _connect(self) -> None:
        for grid in (self.grid, self.own):
            grid.chosen.connect(self._chosen)
            grid.opened.connect(self._open)
            grid.menu_wanted.connect(self._open_menu)
            grid.delete_wanted.connect(self.delete)
        self.editor.chat_wanted.connect(self.chat_wanted)
        self.editor.duplicate_wanted.connect(self.duplicate)
        self.editor.left.connect(self._back)
        bus = self._ui.services.bus
        bus.subscribe(events.AssistantsChanged, self._changed, owner=self)
        bus.subscribe(events.LibraryChanged, self._changed, owner=self)

    # What it shows ----------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> str:
        """The id of the assistant that is shown in full."""
        return self.editor.assistant.id if self.editor.assistant is not None else ""

    def show_assistants(self, choose: str = "") -> None:
        """Show all there are, and ``choose`` in full, else the one that is."""
        listed = self._service.list()
        shipped = [entry for entry in listed if entry.shipped]
        own = [entry for entry in listed if not entry.shipped]
        before = list(self.grid.cards) + list(self.own.cards)
        self.grid.show_assistants(shipped)
        self.own.show_assistants(own)
        self.own.setVisible(bool(own))
        self.own_title.setVisible(bool(own))
        self.hint.setVisible(not own)
        self._show_hidden([entry for entry in self._service.list(hidden=True) if self._service.is_hidden(entry.id)])
        names = [entry.id for entry in listed]
        wanted = choose or self.chosen
        if wanted not in names:
            place = before.index(wanted) if wanted in before else 0
            wanted = names[min(place, len(names) - 1)] if names else ""
        self._show(wanted)

    def _show_hidden(self, entries: Sequence[Assistant]) -> None:
        while (item := self._hidden_flow.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if entries:
            self._hidden_flow.addWidget(
                Label(self._ui.theme, self.tr("Hidden:"), self.hidden, role="small", color="text_muted")
            )
        for entry in entries:
            shown = looks.in_words(entry)
            button = TextButton(self._ui.theme, shown.name.replace("&", "&&"), self.hidden, kind="chip")
            name = texts.fill(self.tr("Show {name} again"), name=shown.name)
            button.setAccessibleName(name)
            button.setToolTip(texts.tip(name))
            button.clicked.connect(partial(self._show_again, entry.id))
            self._hidden_flow.addWidget(button)
        self.hidden.setVisible(bool(entries))

    def _show_again(self, assistant_id: str) -> None:
        done = lambda _: self.show_assistants(assistant_id)  # noqa: E731 - where it was hidden it is chosen
        self._ui.operations.run(self._service.show(assistant_id), owner=self, on_done=done)

    def _show(self, assistant_id: str) -> None:
        for grid in (self.grid, self.own):
            for name, card in grid.cards.items():
                card.setAutoExclusive(False)
                card.setChecked(name == assistant_id)
                card.setAutoExclusive(True)
        self.editor.show_assistant(self._service.get(assistant_id))

    def _chosen(self, assistant_id: str) -> None:
        if assistant_id != self.chosen:
            self._show(assistant_id)

    def _open(self, assistant_id: str) -> None:
        """A card was pressed: where there is room for one thing, the assistant takes the place of the cards."""
        self._show(assistant_id)
        if self._narrow:
            self._step(to_editor=True)

    def _back(self) -> None:
        self._step(to_editor=False)
        self.focus_cards()

    def focus_cards(self) -> None:
        """Give the keyboard to the card of the chosen one."""
        card = self.grid.cards.get(self.chosen) or self.own.cards.get(self.chosen)
        if card is not None:
            card.setFocus(Qt.FocusReason.OtherFocusReason)

    def _changed(self, _event: object) -> None:
        self.show_assistants()

    # What is done -----------------------------------------------------------------------------------------------------

    def new(self) -> None:
        """Make an assistant of the user's own, and go to its name."""
        fresh = Assistant("", self.tr("New assistant"))
        self._made_by(self._service.duplicate(fresh))

    def duplicate(self, assistant_id: str) -> None:
        """Make a copy of one, and go to its name."""
        found = self._service.get(assistant_id)
        if found is not None:
            self._made_by(self._service.duplicate(looks.in_words(found)))

    def _made_by(self, work: Coroutine[Any, Any, Assistant]) -> None:
        def made(entry: Assistant) -> None:
            self.show_assistants(entry.id)
            if self._narrow:
                self._step(to_editor=True)
            self.editor.focus_name()

        self.editor.keep()
        self._ui.operations.run(work, owner=self, on_done=made)

    def delete(self, assistant_id: str) -> None:
        """Take one away, or hide one that comes with the app; both can be undone."""
        found = self._service.get(assistant_id)
        if found is None:
            return
        template = self.tr("“{name}” is hidden.") if found.shipped else self.tr("“{name}” is deleted.")
        told = texts.fill(template, name=looks.in_words(found).name)
        self.editor.keep()

        def undo(change: Change) -> None:
            done = lambda _: self.show_assistants(assistant_id)  # noqa: E731
            self._ui.operations.run(_undone(change), owner=self, on_done=done)

        def deleted(change: Change) -> None:
            self._step(to_editor=False)
            self.focus_cards()
            self._ui.notify.undoable(told, lambda: undo(change))

        self._ui.operations.run(self._service.delete(assistant_id), owner=self, on_done=deleted)

    def _open_menu(self, assistant_id: str, at: QPoint) -> None:
        found = self._service.get(assistant_id)
        if found is None:
            return
        menu = Menu(self)
        menu.addAction(self.tr("Chat with it"), lambda: self.chat_wanted.emit(assistant_id))
        if not found.shipped:
            menu.addAction(self.tr("Change"), lambda: self._open(assistant_id))
        menu.addAction(self.tr("Duplicate"), lambda: self.duplicate(assistant_id))
        menu.addAction(self.tr("Export…"), lambda: self.ask_export((assistant_id,)))
        own = [name for name in self.own.cards if name]
        if len(own) > 1:
            menu.addAction(self.tr("Export all of your own…"), lambda: self.ask_export(tuple(own)))
        menu.addSeparator()
        away = self.tr("Hide") if found.shipped else self.tr("Delete")
        menu.addAction(away, lambda: self.delete(assistant_id))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.open_at(at)

    # Files ------------------------------------------------------------------------------------------------------------

    def ask_export(self, identities: Sequence[str]) -> None:
        """Ask where these go as a file, and write it."""
        self.editor.keep()
        found = [looks.in_words(entry) for name in identities if (entry := self._service.get(name)) is not None]
        if not found:
            return
        kinds = [texts.fill(self.tr("Assistants (*{suffix})"), suffix=SUFFIX)]
        name = file_name(found, self.tr("assistants"))
        ask_where(self.window(), self.tr("Export assistants"), kinds, name, partial(self.export, identities))

    def export(self, identities: Sequence[str], path: str) -> None:
        """Write these as a file."""
        found = [looks.in_words(entry) for name in identities if (entry := self._service.get(name)) is not None]
        told = texts.fill(self.tr("Saved as {name}."), name=Path(path).name)
        done = lambda _: self._ui.notify.toast(told, kind="good")  # noqa: E731
        self._ui.operations.run(self._service.export(found, Path(path)), owner=self, on_done=done)

    def ask_import(self) -> None:
        """Let the user pick files of assistants."""
        kinds = [texts.fill(self.tr("Assistants (*{suffix})"), suffix=SUFFIX)]
        ask_for_files(self.window(), self.tr("Import assistants"), kinds, self.import_files)

    def import_files(self, paths: Sequence[str]) -> None:
        """Import files, one after the other; what is wrong with one is said, and the others come in."""

        async def work() -> tuple[list[Assistant], list[str]]:
            made: list[Assistant] = []
            wrong: list[str] = []
            for path in paths:
                try:
                    made += await self._service.import_file(Path(path))
                except Exception as error:
                    wrong.append(texts.problem(problem_of(error)))
            return made, wrong

        def done(found: tuple[list[Assistant], list[str]]) -> None:
            made, wrong = found
            for sentence in wrong[:3]:
                self._ui.notify.toast(sentence, kind="bad", stays=True)
            if made:
                self.show_assistants(made[-1].id)
                self._ui.notify.toast(self._imported(made), kind="good")

        self.editor.keep()
        self._ui.operations.run(work(), owner=self, on_done=done, busy=self.import_button)

    def _imported(self, made: Sequence[Assistant]) -> str:
        if len(made) == 1:
            return texts.fill(self.tr("{name} is imported."), name=made[0].name)
        return self.tr("%n assistant(s) (is|are) imported.", "", len(made))

    # Qt ---------------------------------------------------------------------------------------------------------------

    def _fit(self) -> None:
        self.area.setMaximumWidth(self._ui.theme.grown(_COLUMN) + 56)  # with the panel in the middle of a wide window
        self._arrange()

    def _arrange(self) -> None:
        narrow = self.window().width() < NARROW if self.isVisible() else self.width() + 68 < NARROW
        changed, self._narrow = narrow is not self._narrow, narrow
        self.editor.back.setVisible(narrow)
        margins = (24, 20, 24, 20) if narrow else (0, 24, 32, 24)
        layout = self._panel.layout()
        if layout is not None:
            set_margins(layout, *margins)
        if narrow:
            self._panel.setMinimumWidth(0)
            self._panel.setMaximumWidth((1 << 24) - 1)  # Qt's QWIDGETSIZE_MAX
            if changed:
                self._step(to_editor=False)
        else:
            self._panel.setFixedWidth(self._ui.theme.grown(_PANEL) + 32)
            self.area.show()
            self._panel.show()

    def _step(self, *, to_editor: bool) -> None:
        """In a narrow window: cards, or the chosen one."""
        if self._narrow:
            self.area.setVisible(not to_editor)
            self._panel.setVisible(to_editor)
            if to_editor:
                self.editor.back.setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def setFocus(self, *_reason: Qt.FocusReason) -> None:
        """The keyboard begins at the chosen card, or in the assistant where that stands in its place."""
        if self.area.isHidden():
            self.editor.back.setFocus()
        else:
            self.focus_cards()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_escape(event) and self.area.isHidden():
            self._back()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(path_of(url).lower().endswith(".json") for url in event.mimeData().urls() if url.isLocalFile()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        files = (path_of(url) for url in event.mimeData().urls() if url.isLocalFile())
        self.import_files([name for name in files if name.lower().endswith(".json")])

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 320)
