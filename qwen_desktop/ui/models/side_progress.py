"""The line under the list of chats that shows how far the downloads are, or a model that is made smaller; a click leads
there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.core.quantizing import Quantization, QuantizeStage
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel
from qwen_desktop.ui.widgets.meter import Meter


class SideProgress(TextButton):
    """A button that is hidden while nothing goes on."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, "", parent, kind="side")
        self.name = ElidedLabel(theme, "", self, role="small", weight=600)
        self.figures = ElidedLabel(theme, "", self, role="caption", color="text_muted", tabular=True)
        self._meter = Meter("", self)
        for part in (self.name, self.figures, self._meter):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._lines = column(self.name, 1, self.figures, 5, self._meter, on=self, margins=(10, 7, 10, 7))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_downloads(self, active: Sequence[Download], share: float) -> None:
        """Show these, ``share`` of their bytes being there."""
        self.setVisible(bool(active))
        if not active:
            return
        running = next((item for item in active if item.status is DownloadStatus.RUNNING), active[0])
        name = model_texts.title(running)
        if len(active) > 1:
            name = texts.fill(self.tr("{name} and {n} more"), name=name, n=len(active) - 1)
        figures = [texts.percent(share)]
        speed, left = sum(item.speed for item in active), running.seconds_left if len(active) == 1 else None
        if speed > 0:
            figures.append(texts.rate(speed))
            missing = sum(max(0, item.total_bytes - item.done_bytes) for item in active)
            left = missing / speed if left is None else left
        if left is not None:
            figures.append(texts.left(left))
        self.setToolTip(self.tr("Show the downloads"))
        self._show(name, figures, share)

    def show_run(self, run: Quantization) -> None:
        """Show a model that is being made smaller."""
        name = texts.fill(self.tr("{name} as {type}"), name=run.request.name, type=run.request.type)
        measuring = run.stage is QuantizeStage.MEASURING
        said = self.tr("Measuring quality, {percent}") if measuring else self.tr("Making it smaller, {percent}")
        figures = [texts.fill(said, percent=texts.percent(run.fraction))]
        if run.seconds_left is not None:
            figures.append(texts.left(run.seconds_left))
        self.setToolTip(self.tr("Show the model that is being made smaller"))
        self._show(name, figures, run.fraction)
        self.show()

    def _show(self, name: str, figures: Sequence[str], share: float) -> None:
        self.name.setText(name)
        self.figures.setText(" · ".join(figures))
        self._meter.show_share(share)
        self.setAccessibleName(f"{name}, {self.figures.text()}")

    def sizeHint(self) -> QSize:
        return self._lines.sizeHint()

    def minimumSizeHint(self) -> QSize:
        return self._lines.minimumSize()
