"""From a Download button to a running download, and what can be done with one: shared by page, welcome and toasts."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import shiboken6
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QWidget

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.fit import Verdict
from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.models import CatalogModel, Download, DownloadRequest, DownloadStatus, InstalledModel, Quant
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.ui_context import UiContext

log = logging.getLogger(__name__)

#: Reading a file's header over the network may hold a download up for so long, in seconds; then the estimate counts.
_HEADER_S = 8.0
#: Cancelling a download that holds more than this many bytes is asked about.
_DEAR = 50_000_000


class DownloadStarter(QObject):
    """``use_wanted`` carries the path of a model that shall answer; ``pending`` tells that a start is being prepared
    or no longer is."""

    use_wanted = Signal(object)  # a path
    pending = Signal()

    def __init__(self, ui: UiContext, window: QWidget) -> None:
        super().__init__(window)
        self._ui = ui
        self._window = window
        self._services = ui.services
        self._agreed: set[str] = set()
        self._preparing: set[tuple[str, str]] = set()

    # Starting ---------------------------------------------------------------------------------------------------------

    def get(self, model: CatalogModel, quant: Quant) -> None:
        """Download ``quant`` of ``model``: asks about cost, licence and memory first, where there is something to
        ask."""
        if self.preparing(model, quant):
            return
        key = (model.repo, quant.name)

        def ended() -> None:
            self._preparing.discard(key)
            self.pending.emit()

        self._preparing.add(key)
        self.pending.emit()
        self._ui.operations.run(self._get(model, quant), owner=self, orphaned="cancelled", on_end=ended)

    def preparing(self, model: CatalogModel, quant: Quant | None = None) -> bool:
        """Whether a start of this model is being prepared."""
        return any(repo == model.repo and (quant is None or name == quant.name) for repo, name in self._preparing)

    async def _get(self, model: CatalogModel, quant: Quant) -> None:
        for ask in (self._ask_metered, self._ask_licence, self._ask_fit):
            if not await ask(model, quant):
                return
        await self._services.downloads.start(DownloadRequest.of(model, quant))

    async def _ask_metered(self, _model: CatalogModel, quant: Quant) -> bool:
        if not self._services.preferences.settings.downloads.ask_metered:
            return True
        from qwen_desktop.services import network  # noqa: PLC0415 - only before a download

        if not await network.metered():
            return True
        text = self.tr("The system says that this network is metered.")
        if size := model_texts.size(quant.size_bytes):
            text = self.tr("The system says that this network is metered. The download has {size}.")
            text = texts.fill(text, size=size)
        return await self._asked(self.tr("Data may cost money here"), text, self.tr("Download"), self.tr("Not now"))

    async def _ask_licence(self, model: CatalogModel, _quant: Quant) -> bool:
        if (model.open_licence and not model.gated) or model.repo in self._agreed:
            return True
        from qwen_desktop.ui.models.licence_dialog import LicenceDialog  # noqa: PLC0415 - rare

        if not await answer(LicenceDialog(self._ui, model, self._window)):
            return False
        self._agreed.add(model.repo)
        return True

    async def _ask_fit(self, model: CatalogModel, quant: Quant) -> bool:
        """Hold the file's own header against this computer, where the estimate said that it fits."""
        known = self._services.fits.of(model, quant)
        if known is None or known.exact or known.verdict is Verdict.TOO_LARGE:
            return True  # nothing was promised, the promise holds, or the user knows
        try:
            async with asyncio.timeout(_HEADER_S):
                found = await self._services.fits.of_reference(f"{model.repo}:{quant.name}")
        except (AppError, OSError, TimeoutError) as error:
            log.info("fit.not_read type=%s", type(error).__name__)  # the download itself tells what is wrong
            return True
        if found.fit.verdict is not Verdict.TOO_LARGE:
            return True
        title = texts.fill(self.tr("{name} does not fit after all"), name=model.name)
        why = model_texts.fit_sentence(found.fit)
        return await self._asked(title, why, self.tr("Download anyway"), self.tr("Cancel"))

    async def _asked(self, title: str, text: str, yes: str, no: str) -> bool:
        return await answer(self._ui.notify.ask(title, text, yes, lambda: None, no=no))

    # A download -------------------------------------------------------------------------------------------------------

    def toggle(self, download: Download) -> None:
        """Pause what runs or waits, resume what is paused, try what failed again."""
        downloads, stands = self._services.downloads, (DownloadStatus.FAILED, DownloadStatus.PAUSED)
        act = downloads.resume if download.status in stands else downloads.pause
        self._ui.operations.run(act(download.id), owner=self)

    def move(self, download: Download, step: int) -> None:
        """Give it a place further on in the queue, or before its own."""
        ids = [item.id for item in self._services.downloads.items()]
        place = max(0, min(len(ids) - 1, ids.index(download.id) + step))
        self._ui.operations.run(self._services.downloads.move(download.id, place), owner=self)

    def cancel(self, download: Download) -> None:
        """End it and remove what has arrived; asked about where that is much."""

        def act() -> None:
            self._ui.operations.run(self._services.downloads.cancel(download.id), owner=self)

        if download.done_bytes <= _DEAR:
            act()
            return
        text = self.tr("{size} have arrived and would be removed. Pausing keeps them.")
        text = texts.fill(text, size=texts.size(download.done_bytes))
        title = texts.fill(self.tr("Cancel the download of {name}?"), name=model_texts.title(download))
        self._ui.notify.ask(title, text, self.tr("Cancel the download"), act, no=self.tr("Keep it"))

    def use_download(self, download: Download) -> None:
        """Let what has come answer."""
        found = next((model for model in self._services.library.models() if model.path == download.path), None)
        if found is not None:
            self.use_it(found)
        elif download.path:
            self.use_wanted.emit(download.path)

    def use_it(self, model: InstalledModel) -> None:
        """Let an installed model answer."""
        if model.problem is not None:
            self._ui.notify.problem(model.problem)
        elif not model.chats:
            self._ui.notify.problem(NotChat(Path(model.path), Kind(model.kind)).problem)
        else:
            self.use_wanted.emit(model.path)


async def answer(dialog: QDialog) -> bool:
    """Wait for an opened (or to be opened) dialog; True when it was accepted."""
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def ended(code: object) -> None:
        if not future.done():
            future.set_result(code == QDialog.DialogCode.Accepted.value)

    dialog.finished.connect(ended)
    dialog.destroyed.connect(ended)  # with its window: nobody is asked any more
    if not dialog.isVisible():
        dialog.open()
    try:
        return await future
    finally:
        if shiboken6.isValid(dialog) and dialog.isVisible():
            dialog.reject()
