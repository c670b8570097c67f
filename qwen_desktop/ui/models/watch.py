"""Downloads as the rest of the window shows them: on the rail, under the list of chats, in the taskbar, as toasts.

Built with the first download; the Models page need not exist for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.getting import Getting
from qwen_desktop.ui.models.side_progress import SideProgress
from qwen_desktop.ui.models.taskbar import Taskbar
from qwen_desktop.ui.shell import Shell

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.sidelist import SideList
    from qwen_desktop.ui.widgets.buttons import RailButton

_ACTIVE = (DownloadStatus.RUNNING, DownloadStatus.WAITING, DownloadStatus.CHECKING)


class DownloadsWatch(QObject):
    """``models_wanted``: the user wants to see the downloads."""

    models_wanted = Signal()

    def __init__(self, shell: Shell, getting: Getting, button: RailButton, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shell = shell
        self._getting = getting
        self._button = button
        self._name = button.accessibleName()
        self._tip = button.toolTip()
        self._side: SideProgress | None = None
        self._taskbar = Taskbar()
        self._items = {item.id: item for item in shell.services.downloads.items()}
        self.page_shown: Callable[[], bool] = lambda: False
        bus = shell.services.bus
        bus.subscribe(events.DownloadsChanged, self._list_changed, owner=self)
        bus.subscribe(events.DownloadChanged, self._moved_on, owner=self)
        self._show()

    def put_into(self, sidelist: SideList) -> None:
        """Show the progress under the list of chats too."""
        if self._side is None:
            self._side = SideProgress(self._shell.theme, sidelist)
            self._side.clicked.connect(self.models_wanted)
            sidelist.add_note(self._side)
            self._show()

    def _list_changed(self, _event: events.DownloadsChanged) -> None:
        self._items = {item.id: item for item in self._shell.services.downloads.items()}
        self._show()

    def _moved_on(self, event: events.DownloadChanged) -> None:
        before = self._items.get(event.download.id)
        self._items[event.download.id] = event.download
        self._show()
        if before is None or before.status is event.download.status:
            return
        if event.download.status is DownloadStatus.DONE:
            self._finished(event.download)
        elif event.download.status is DownloadStatus.FAILED and not self.page_shown():
            self._failed(event.download)

    def _finished(self, download: Download) -> None:
        models = self._shell.services.library.models()
        found = next((m for m in models if m.path == download.path), None)
        if download.problem is not None:
            if not self.page_shown():
                self._shell.notify.problem(download.problem)
            return
        text = texts.fill(self.tr("{name} is here and checked."), name=words.title(download))
        if not download.path and found is None:
            self._shell.notify.toast(text, kind="good")
            return

        def use() -> None:
            if found is not None:
                self._getting.use_it(found)
            else:
                self._getting.use_wanted.emit(download.path)

        self._shell.notify.toast(text, kind="good", action=self.tr("Use it"), act=use)

    def _failed(self, download: Download) -> None:
        said = texts.text(download.problem.what) if download.problem is not None else ""
        text = texts.fill(self.tr("The download of {name} stopped."), name=words.title(download))
        self._shell.notify.toast(
            f"{text} {said}".strip(), kind="bad", action=self.tr("Show"), act=self.models_wanted.emit
        )

    def _show(self) -> None:
        active = [item for item in self._items.values() if item.status in _ACTIVE]
        total = sum(item.total_bytes for item in active)
        share = sum(item.done_bytes for item in active) / total if total else 0.0
        self._button.set_progress(share if active else None)
        said = ""
        if active:
            said = texts.fill(self.tr("%n download(s), {percent}", "", len(active)), percent=texts.percent(share))
        self._button.setAccessibleName(f"{self._name}: {said}" if said else self._name)
        self._button.setToolTip(f"{self._tip}\n{said}" if said else self._tip)
        if self._side is not None:
            self._side.show_downloads(active, share)
        self._taskbar.show(share if active else None)
