"""The panel at the side of a conversation: all its versions as a tree, and where it stands beside the messages."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QTreeView, QWidget

from qwen_desktop.core.chat import Message
from qwen_desktop.core.commands import command
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import pressed
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.side_panel import Panel
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.versions_list import ID_ROLE, VersionsDelegate, VersionsModel, arranged
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, set_margins
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.select import Menu

#: Pixels of the panel at normal text size.
_WIDTH = 248


class _VersionsView(QTreeView):
    """The rows: Enter and click show a branch, Delete deletes a message, the menu key opens the menu."""

    chosen = Signal(str)
    delete_wanted = Signal(str)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, theme: Theme, model: VersionsModel, parent: QWidget) -> None:
        super().__init__(
            parent,
            headerHidden=True,
            rootIsDecorated=False,
            indentation=0,
            itemsExpandable=False,
            uniformRowHeights=True,
        )
        self.setModel(model)
        self.setItemDelegate(VersionsDelegate(theme, self))
        self.setMouseTracking(True)
        self.setProperty("ownFocus", True)
        self.setVerticalScrollMode(QTreeView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)

    @property
    def current(self) -> str:
        """The message that the keyboard is on."""
        return str(self.currentIndex().data(ID_ROLE) or "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current:
            self.chosen.emit(self.current)
        elif pressed(event, "list.delete") and self.current:
            self.delete_wanted.emit(self.current)
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid():
            self.chosen.emit(str(index.data(ID_ROLE)))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index, place = self.indexAt(event.pos()), event.pos()
        if event.reason() is QContextMenuEvent.Reason.Keyboard or not index.isValid():
            index = self.currentIndex()
            place = self.visualRect(index).center()
        if index.isValid():
            self.menu_wanted.emit(str(index.data(ID_ROLE)), self.viewport().mapToGlobal(place))
        event.accept()


class VersionsPanel(Panel):
    """All versions of the conversation on show. Hidden until it is asked for; it follows what changes."""

    chosen = Signal(str)
    delete_wanted = Signal(str)
    fork_wanted = Signal(str)

    def __init__(self, ui: UiContext, feed: ConversationFeed, transcript: TranscriptView, parent: QWidget) -> None:
        super().__init__(ui.theme, parent, name="versions", width=_WIDTH)
        self._ui = ui
        self._feed = feed
        self._transcript = transcript
        self._wish = f"versions.{id(self)}"
        self._known: tuple[str, str] = ("", "")
        self._of = self._go_to = ""
        theme = ui.theme
        self.model = VersionsModel(self)
        self.view = _VersionsView(theme, self.model, self)
        self.view.setAccessibleName(self.tr("Versions"))
        self.view.chosen.connect(self.chosen)
        self.view.delete_wanted.connect(self.delete_wanted)
        self.view.menu_wanted.connect(self._open_menu)
        hint = self.tr("There is one version so far. Edit a message or regenerate an answer, and both stay here.")
        self.hint = Paragraph(theme, hint, self, role="small", color="text_muted")
        head = self.head(self.tr("Versions"))
        set_margins(head, 0, 0, 2, 0)
        column(head, 6, self.hint, (self.view, 1), on=self, gap=4, margins=(13, 12, 12, 12))
        self.hint.setContentsMargins(0, 0, 6, 6)
        self.hint.hide()
        bus = ui.services.bus
        bus.subscribe(events.BranchChanged, self._heard, owner=self)
        bus.subscribe(events.MessageAdded, lambda event: self._heard(event.message), owner=self)
        bus.subscribe(events.MessageChanged, lambda event: self._heard(event.message), owner=self)
        feed.changed.connect(self._follow)

    # On show or not ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Show it, with the keyboard on the last message on show."""
        self.open_at("")

    def open_at(self, message_id: str) -> None:
        """Show it, with the keyboard on a message, "" for the last one on show."""
        self._go_to = message_id
        super().open()
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        self._read()

    # What it shows ----------------------------------------------------------------------------------------------------

    @property
    def pointed(self) -> str:
        """The message that has the keyboard here; "" while that is elsewhere."""
        return self.view.current if self.view.hasFocus() else ""

    @property
    def _leaf(self) -> str:
        items = self._transcript.items
        return items[-1].message.id if items else ""

    def _follow(self) -> None:
        """Another conversation may be on show, or another end of it."""
        if (self._feed.id, self._leaf) != self._known:
            self._read()

    def _heard(self, event: events.BranchChanged | Message) -> None:
        if event.conversation_id == self._feed.id:
            self._read()

    def _read(self) -> None:
        if not self.isHidden():
            self._known = (self._feed.id, self._leaf)
            self._ui.operations.run(self._show(), owner=self, orphaned="cancelled", wish=self._wish)

    async def _show(self) -> None:
        where = self._feed.id
        nodes = await self._ui.services.history.tree(where) if where else ()
        await self._feed.settled()
        rows = await arranged(nodes, self._leaf)
        if where != self._feed.id:
            return  # another one is being read
        had = self.model.row(self.view.currentIndex()) if where == self._of else None
        bar, self._of = self.view.verticalScrollBar(), where
        place = bar.value()
        self.model.set_rows(rows)
        self.hint.setVisible(not self.model.parted)
        wanted, self._go_to = self.model.place(self._go_to), ""
        kept = self.model.follow(had) if had is not None and not wanted.isValid() else wanted
        index = kept if kept.isValid() else self.model.end
        self.view.setCurrentIndex(index)
        if had is not None and not wanted.isValid() and index.data(ID_ROLE) == had.node.id:
            bar.setValue(place)
        else:
            self.view.scrollTo(index)

    def _open_menu(self, message_id: str, at: QPoint) -> None:
        menu = Menu(self)
        menu.addAction(self.tr("Show this version"), lambda: self.chosen.emit(message_id))
        menu.addAction(texts.marked(command("message.fork").title), lambda: self.fork_wanted.emit(message_id))
        menu.addSeparator()
        menu.addAction(texts.marked(command("message.delete").title), lambda: self.delete_wanted.emit(message_id))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.open_at(at)
