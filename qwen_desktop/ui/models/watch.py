"""Downloads, and a model that is made smaller, as the rest of the window shows them: on the rail, under the list of
chats, in the taskbar, as toasts.

Built with the first of them; the Models page need not exist for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.core.quality import verdict
from qwen_desktop.core.quantizing import Quantization, QuantizeStage
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.side_progress import SideProgress
from qwen_desktop.ui.models.taskbar import Taskbar
from qwen_desktop.ui.ui_context import UiContext

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.sidelist import SideList
    from qwen_desktop.ui.widgets.buttons import RailButton


class DownloadsWatch(QObject):
    """``models_wanted``: the user wants to see what goes on."""

    models_wanted = Signal()

    def __init__(self, ui: UiContext, starter: DownloadStarter, button: RailButton, parent: QObject) -> None:
        super().__init__(parent)
        self._ui = ui
        self._starter = starter
        self._button = button
        self._name = button.accessibleName()
        self._tip = button.toolTip()
        self._side: SideProgress | None = None
        self._taskbar = Taskbar()
        self._seen: dict[str, DownloadStatus] = {}
        self._made: Quantization | None = ui.services.quantizing.current
        self.page_shown: Callable[[], bool] = lambda: False
        for kind in (events.DownloadsChanged, events.DownloadChanged):
            ui.services.bus.subscribe(kind, self._refresh, owner=self)
        ui.services.bus.subscribe(events.QuantizationChanged, self._run_changed, owner=self)
        self._refresh()

    def put_into(self, sidelist: SideList) -> None:
        """Show the progress under the list of chats too."""
        self._side = SideProgress(self._ui.theme, sidelist)
        self._side.clicked.connect(self.models_wanted)
        sidelist.notes.addWidget(self._side)
        self._show()

    def _refresh(self, _event: object = None) -> None:
        self._show()
        items = self._ui.services.downloads.items()
        before, self._seen = self._seen, {item.id: item.status for item in items}
        for item in items:
            if before.get(item.id, item.status) is item.status:
                continue
            if item.status is DownloadStatus.DONE:
                self._finished(item)
            elif item.status is DownloadStatus.FAILED and not self.page_shown():
                self._failed(item)

    def _finished(self, download: Download) -> None:
        if download.problem is None:
            text = texts.fill(self.tr("{name} is here and checked."), name=model_texts.title(download))
            use = partial(self._starter.use_download, download) if download.path else None
            self._ui.notify.toast(text, kind="good", action=self.tr("Use it") if use else "", act=use)
        elif not self.page_shown():
            self._ui.notify.problem(download.problem)

    def _failed(self, download: Download) -> None:
        said = texts.text(download.problem.what) if download.problem is not None else ""
        text = texts.fill(self.tr("The download of {name} stopped."), name=model_texts.title(download))
        self._ui.notify.toast(f"{text} {said}".strip(), kind="bad", action=self.tr("Show"), act=self.models_wanted.emit)

    def _run_changed(self, event: events.QuantizationChanged) -> None:
        """Follow a model that is made smaller, and tell how it ended to who does not see its card."""
        before, self._made = self._made, event.run
        self._show()
        run = event.run
        if run is None or before is None or before.stage.over or self.page_shown():
            return
        name = run.request.name or run.path
        if run.stage is QuantizeStage.DONE:
            said = texts.fill(self.tr("{name} is ready as {type}."), name=name, type=run.request.type)
            said = f"{said} {texts.text(verdict(run.quality))}" if run.quality is not None else said
            use = partial(self._starter.use_wanted.emit, run.path)
            self._ui.notify.toast(said, kind="good", action=self.tr("Use it"), act=use)
        elif run.stage is QuantizeStage.FAILED:
            said = texts.fill(self.tr("{name} could not be made smaller."), name=name)
            why = texts.text(run.problem.what) if run.problem is not None else ""
            show = self.models_wanted.emit
            self._ui.notify.toast(f"{said} {why}".strip(), kind="bad", action=self.tr("Show"), act=show)

    def _show(self) -> None:
        active = [item for item in self._ui.services.downloads.items() if item.status in model_texts.ACTIVE]
        total = sum(item.total_bytes for item in active)
        share = sum(item.done_bytes for item in active) / total if total else 0.0
        said = [texts.fill(self.tr("%n download(s), {percent}", "", len(active)), percent=texts.percent(share))]
        run = self._made if self._made is not None and not self._made.stage.over else None
        if run is not None:
            making = texts.fill(self.tr("Making a model smaller, {percent}"), percent=texts.percent(run.fraction))
            share, said = (share, [*said, making]) if active else (run.fraction, [making])
        busy = bool(active) or run is not None
        self._button.set_progress(share if busy else None)
        self._button.setAccessibleName(f"{self._name}: {', '.join(said)}" if busy else self._name)
        self._button.setToolTip(texts.tip("\n".join((self._tip, *said)) if busy else self._tip))
        if self._side is not None:
            if run is not None and not active:
                self._side.show_run(run)
            else:
                self._side.show_downloads(active, share)
        self._taskbar.show(share if busy else None)
