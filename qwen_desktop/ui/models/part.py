"""Everything about models that the window holds, each built when it is first needed: the page, the way to a
download, and the watch over running ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.services.events import DownloadsChanged
from qwen_desktop.ui.rail import Rail
from qwen_desktop.ui.shell import Shell

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.sidelist import SideList
    from qwen_desktop.ui.models.board import Board
    from qwen_desktop.ui.models.getting import Getting
    from qwen_desktop.ui.models.page import ModelsPage
    from qwen_desktop.ui.models.watch import DownloadsWatch


class ModelsPart(QObject):
    """``use_wanted`` carries the path of a model that shall answer; ``shown_wanted`` asks for the page."""

    use_wanted = Signal(object)  # a path
    shown_wanted = Signal()

    def __init__(self, shell: Shell, rail: Rail, window: QWidget) -> None:
        super().__init__(window)
        self._shell = shell
        self._rail = rail
        self._window = window
        self._board: Board | None = None
        self._getting: Getting | None = None
        self._sidelist: SideList | None = None
        self.page: ModelsPage | None = None
        self.watch: DownloadsWatch | None = None
        shell.services.bus.subscribe(DownloadsChanged, self._watch_downloads, owner=self)

    @property
    def board(self) -> Board:
        """What is known about models and this computer; shared by the pages."""
        if self._board is None:
            from qwen_desktop.ui.models.board import Board  # noqa: PLC0415 - not before the first paint

            self._board = Board(self._shell, self)
        return self._board

    @property
    def getting(self) -> Getting:
        """The way from a Download button to a running download."""
        if self._getting is None:
            from qwen_desktop.ui.models.getting import Getting  # noqa: PLC0415 - not before the first paint

            self._getting = Getting(self._shell, self._window)
            self._getting.use_wanted.connect(self.use_wanted)
        return self._getting

    def built(self) -> ModelsPage:
        """The page."""
        if self.page is None:
            from qwen_desktop.ui.models.page import ModelsPage  # noqa: PLC0415 - not before the first paint

            self.page = ModelsPage(self._shell, self.board, self.getting)
        return self.page

    def put_into(self, sidelist: SideList) -> None:
        """Show downloads under this list too, once there are some."""
        self._sidelist = sidelist
        if self.watch is not None:
            self.watch.put_into(sidelist)

    def _watch_downloads(self, _event: DownloadsChanged) -> None:
        """From the first download on the rail, the list of chats and the taskbar show how far it is."""
        if self.watch is not None or not self._shell.services.downloads.items():
            return
        from qwen_desktop.ui.models.watch import DownloadsWatch  # noqa: PLC0415 - only with a download

        self.watch = DownloadsWatch(self._shell, self.getting, self._rail.button("view.models"), self)
        self.watch.models_wanted.connect(self.shown_wanted)
        self.watch.page_shown = lambda: self.page is not None and self.page.isVisible()
        if self._sidelist is not None:
            self.watch.put_into(self._sidelist)
