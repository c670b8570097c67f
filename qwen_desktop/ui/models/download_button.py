"""The Download button of a card. While the model arrives it is the progress, afterwards it is "Use it"."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QSizePolicy, QStackedWidget, QWidget

from qwen_desktop.core.models import CatalogModel, Download, DownloadStatus, Quant
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.state import ModelsState
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel
from qwen_desktop.ui.widgets.meter import Meter


class DownloadButton(QStackedWidget):
    """Follows one quant of a model: what there is of it is asked of ``state`` whenever that may be another."""

    def __init__(
        self,
        ui: UiContext,
        state: ModelsState,
        starter: DownloadStarter,
        parent: QWidget | None = None,
        *,
        primary: bool = False,
        text: str = "",
        progress_width: int = 0,
    ) -> None:
        super().__init__(parent)
        theme = ui.theme
        self._state = state
        self._starter = starter
        self._shown: tuple[CatalogModel, Quant] | None = None
        self._text = text or self.tr("Download")
        self._progress_width = progress_width
        kind = "primary" if primary else ""
        self.button = TextButton(theme, self._text, self, icon="download", kind=kind)
        self.button.clicked.connect(self._get)
        self.use_button = TextButton(theme, self.tr("Use it"), self, icon="check", kind=kind)
        self.use_button.clicked.connect(self._use)
        self.progress = QWidget(self)
        self.line = ElidedLabel(theme, "", self.progress, role="small", color="text_muted", tabular=True)
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.meter = Meter("", self.progress)
        self.toggle = IconButton(theme, "pause", self.tr("Pause"), self.progress, side=30)
        self.toggle.clicked.connect(lambda: self._with_download(starter.toggle))
        self.cancel = IconButton(theme, "x", self.tr("Cancel"), self.progress, side=30)
        self.cancel.clicked.connect(lambda: self._with_download(starter.cancel))
        lines = column(self.line, self.meter, gap=3)
        row((lines, 1), 6, (self.toggle, MIDDLE), (self.cancel, MIDDLE), on=self.progress, gap=2)
        for page in (self.button, self.progress, self.use_button):
            self.addWidget(page)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        bus = ui.services.bus
        for kind_ in (events.LibraryChanged, events.DownloadsChanged, events.DownloadChanged):
            bus.subscribe(kind_, self.refresh, owner=self)
        starter.pending.connect(self.refresh)

    def sizeHint(self) -> QSize:
        # Only as wide as what is on show: the progress needs more room than the button.
        return QSize((self.currentWidget() or self.button).sizeHint().width(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        shown = self.currentWidget() or self.button
        return QSize(shown.minimumSizeHint().width(), super().minimumSizeHint().height())

    def show_model(self, model: CatalogModel, quant: Quant) -> None:
        """Follow this one."""
        self._shown = model, quant
        self.button.setAccessibleName(f"{self._text}: {model.name}")
        self.use_button.setAccessibleName(f"{self.use_button.text()}: {model.name}")
        self.meter.setAccessibleName(texts.fill(self.tr("Download of {name}"), name=model.name))
        self.refresh()

    def refresh(self, event: object = None) -> None:
        """Show the button that fits."""
        if self._shown is None:
            return
        model, quant = self._shown
        if isinstance(event, events.DownloadChanged) and not event.download.is_of(model):
            return
        preparing = self._starter.preparing(model, quant)
        self.button.setEnabled(not preparing)
        self.button.setText(self.tr("Starting") if preparing else self._text)
        download = self._state.download(model, quant)
        if download is not None:
            self._show_download(download)
        installed = self._state.installed(model, quant) is not None
        self.setMinimumWidth(0 if download is None else self._progress_width)
        self.setCurrentWidget(self.use_button if installed else self.button if download is None else self.progress)
        self.updateGeometry()

    def _get(self) -> None:
        if self._shown is not None:
            self._starter.get(*self._shown)

    def _use(self) -> None:
        if self._shown and (found := self._state.installed(*self._shown)):
            self._starter.use_it(found)

    def _with_download(self, act: Callable[[Download], None]) -> None:
        if self._shown and (found := self._state.download(*self._shown)):
            act(found)

    def _show_download(self, download: Download) -> None:
        failed = download.status is DownloadStatus.FAILED
        paused = download.status is DownloadStatus.PAUSED
        self.meter.show_share(download.fraction, "bad" if failed else "accent")
        icon, name = ("play", self.tr("Resume")) if paused else ("pause", self.tr("Pause"))
        if failed:
            icon, name = "rotate-ccw", self.tr("Try again")
        self.toggle.set_icon(icon, name)
        self.toggle.setVisible(download.status is not DownloadStatus.CHECKING)
        self.line.set_color("bad" if failed else "text_muted")
        self.line.setText(self._short(download))

    def _short(self, download: Download) -> str:
        """Where a download is, in few words: "64 % · 24 s left"."""
        percent, left = texts.percent(download.fraction), download.seconds_left
        if download.status is DownloadStatus.RUNNING:
            return percent if left is None else f"{percent} · {texts.left(left)}"
        return {
            DownloadStatus.FAILED: self.tr("Stopped"),
            DownloadStatus.WAITING: self.tr("Waiting"),
            DownloadStatus.CHECKING: self.tr("Being checked"),
            DownloadStatus.PAUSED: " · ".join((self.tr("Paused"), percent)),
        }.get(download.status, percent)
