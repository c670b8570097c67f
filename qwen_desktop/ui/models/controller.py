"""What the window holds about models beside their page, each built when it is first needed: what is known, the way to
a download, and the watch over running ones."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.services.events import DownloadsChanged, QuantizationChanged
from qwen_desktop.ui.pages import MODELS, Pages
from qwen_desktop.ui.rail import Rail
from qwen_desktop.ui.ui_context import UiContext

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.sidelist import SideList
    from qwen_desktop.ui.models.download_starter import DownloadStarter
    from qwen_desktop.ui.models.state import ModelsState
    from qwen_desktop.ui.models.watch import DownloadsWatch


class ModelsController(QObject):
    """``use_wanted`` carries the path of a model that shall answer; ``shown_wanted`` asks for the page."""

    use_wanted = Signal(object)  # a path
    shown_wanted = Signal()

    def __init__(self, ui: UiContext, rail: Rail, pages: Pages, window: QWidget) -> None:
        super().__init__(window)
        self._ui = ui
        self._rail = rail
        self._pages = pages
        self._window = window
        self._sidelist: SideList | None = None
        self.watch: DownloadsWatch | None = None
        ui.services.bus.subscribe(DownloadsChanged, self._watch, owner=self)
        ui.services.bus.subscribe(QuantizationChanged, self._watch, owner=self)

    @cached_property
    def state(self) -> ModelsState:
        """What is known about models and this computer; shared by the pages."""
        from qwen_desktop.ui.models.state import ModelsState  # noqa: PLC0415 - not before the first paint

        return ModelsState(self._ui, self)

    @cached_property
    def starter(self) -> DownloadStarter:
        """The way from a Download button to a running download."""
        from qwen_desktop.ui.models.download_starter import DownloadStarter  # noqa: PLC0415 - not before the first paint

        starter = DownloadStarter(self._ui, self._window)
        starter.use_wanted.connect(self.use_wanted)
        return starter

    def put_into(self, sidelist: SideList) -> None:
        """Show downloads under this list too, once there are some, and a model that is made smaller."""
        self._sidelist = sidelist
        if self.watch is not None:
            self.watch.put_into(sidelist)

    def _watch(self, _event: DownloadsChanged | QuantizationChanged) -> None:
        """From the first download on the rail, the list of chats and the taskbar show how far it is; from the first
        model on that is made smaller, too."""
        services = self._ui.services
        if self.watch is not None or not (services.downloads.items() or services.quantizing.running):
            return
        from qwen_desktop.ui.models.watch import DownloadsWatch  # noqa: PLC0415 - only with a download

        self.watch = DownloadsWatch(self._ui, self.starter, self._rail.button(MODELS), self)
        self.watch.models_wanted.connect(self.shown_wanted)
        self.watch.page_shown = lambda: self._pages.shows(MODELS)
        if self._sidelist is not None:
            self.watch.put_into(self._sidelist)
