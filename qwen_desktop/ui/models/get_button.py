"""The Download button of a card. While the model arrives it is the progress, afterwards it is "Use it"."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.ui import texts
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel
from qwen_desktop.ui.widgets.meter import Meter


class GetButton(QStackedWidget):
    """Tells by signals what the user wants; ``show_state`` says what there is."""

    get_wanted = Signal()
    use_wanted = Signal()
    toggle_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(
        self, theme: Theme, name: str, parent: QWidget | None = None, *, primary: bool = False, text: str = ""
    ) -> None:
        super().__init__(parent)
        self._name = name
        self._text = text or self.tr("Download")
        kind = "primary" if primary else ""
        self.button = TextButton(theme, self._text, self, icon="download", kind=kind)
        self.button.clicked.connect(self.get_wanted)
        self.use_button = TextButton(theme, self.tr("Use it"), self, icon="check", kind=kind)
        self.use_button.clicked.connect(self.use_wanted)
        self.progress = QWidget(self)
        self.line = ElidedLabel(theme, "", self.progress, role="small", color="text_muted", tabular=True)
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.meter = Meter(texts.fill(self.tr("Download of {name}"), name=name), self.progress)
        self.toggle = IconButton(theme, "pause", self.tr("Pause"), self.progress, side=30)
        self.toggle.clicked.connect(self.toggle_wanted)
        self.cancel = IconButton(theme, "x", self.tr("Cancel"), self.progress, side=30)
        self.cancel.clicked.connect(self.cancel_wanted)
        lines = QVBoxLayout()
        lines.setSpacing(3)
        lines.addWidget(self.line)
        lines.addWidget(self.meter)
        row = QHBoxLayout(self.progress)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addLayout(lines, 1)
        row.addSpacing(6)
        row.addWidget(self.toggle, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignVCenter)
        for page in (self.button, self.progress, self.use_button):
            self.addWidget(page)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._rename()

    def sizeHint(self) -> QSize:
        # Only as wide as what is on show: the progress needs more room than the button.
        shown = self.currentWidget() or self.button
        return QSize(shown.sizeHint().width(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        shown = self.currentWidget() or self.button
        return QSize(shown.minimumSizeHint().width(), super().minimumSizeHint().height())

    def name_it(self, name: str) -> None:
        """Say for screen readers what it would fetch."""
        self._name = name
        self._rename()

    def _rename(self) -> None:
        self.button.setAccessibleName(f"{self._text}: {self._name}")
        self.use_button.setAccessibleName(f"{self.use_button.text()}: {self._name}")

    def show_state(self, *, installed: bool, download: Download | None, preparing: bool = False) -> None:
        """Show the button that fits."""
        self.button.setEnabled(not preparing)
        self.button.setText(self.tr("Starting") if preparing else self._text)
        if installed:
            self.setCurrentWidget(self.use_button)
        elif download is None:
            self.setCurrentWidget(self.button)
        else:
            self._show_download(download)
            self.setCurrentWidget(self.progress)
        self.updateGeometry()

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
        if download.status is DownloadStatus.FAILED:
            return self.tr("Stopped")
        if download.status is DownloadStatus.WAITING:
            return self.tr("Waiting")
        if download.status is DownloadStatus.CHECKING:
            return self.tr("Being checked")
        parts = [self.tr("Paused")] if download.status is DownloadStatus.PAUSED else []
        parts.append(texts.percent(download.fraction))
        if download.status is DownloadStatus.RUNNING and download.seconds_left is not None:
            parts.append(texts.left(download.seconds_left))
        return " · ".join(parts)
