"""The model that suits this computer best, one click away from the first chat."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.models import Advice, Purpose
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.download_button import DownloadButton
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.state import ModelsState
from qwen_desktop.ui.theme import mark
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import Chip, Label, Paragraph
from qwen_desktop.ui.widgets.skeleton import SkeletonBars
from qwen_desktop.ui.widgets.surface import Card


class RecommendedCard(Card):
    """Bars while the computer is being looked at; hidden when nothing can be recommended and nothing be said."""

    def __init__(
        self, ui: UiContext, state: ModelsState, starter: DownloadStarter, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        theme = ui.theme
        self._services = ui.services
        self._state = state
        #: What is recommended.
        self.advice: Advice | None = None
        self.setProperty("best", True)
        self.title = Label(theme, "", self, role="message", weight=600)
        self.chip = Chip(theme, self.tr("Best for this computer"), self, kind="accent")
        self.verdict = Chip(theme, "", self)
        self.line = Paragraph(theme, "", self, role="small", color="text_muted")
        self._bars = SkeletonBars(theme, (0.45, 0.8), self)
        self.get = DownloadButton(ui, state, starter, self, primary=True, text=self.tr("Get it"), progress_width=230)
        self._head = QWidget(self)
        head = FlowLayout(self._head, gap=10)
        for part in (self.title, self.chip, self.verdict):
            head.addWidget(part)
        words_ = column(None, self._head, self.line, self._bars, None, gap=5)
        row((words_, 1), (self.get, MIDDLE), on=self, gap=14, margins=(15, 14, 15, 14))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self._show()
        state.rows_changed.connect(self._advise)
        if state.rows is not None:
            self._advise()

    def minimumSizeHint(self) -> QSize:
        return QSize(320, super().minimumSizeHint().height())

    def _advise(self) -> None:
        found = self._services.fits.recommend(self._services.catalogue.models(), Purpose.EVERYDAY)
        if found is None:
            return
        self.advice = found.best
        self._show(texts.text(found.reason) if found.best is None and found.reason is not None else "")

    def _show(self, reason: str = "") -> None:
        advice = self.advice
        waiting = advice is None and not reason and self._state.rows is None
        self._bars.setVisible(waiting)
        for part in (self._head, self.get):
            part.setVisible(advice is not None)
        self.line.setVisible(not waiting)
        mark(self, "best", not reason)
        self.setVisible(waiting or advice is not None or bool(reason))
        if advice is None:
            self.verdict.hide()
            self.line.setText(reason)
            return
        fit = self._state.fit(advice.model, advice.quant)
        self.verdict.setVisible(fit is not None)
        self.verdict.show_word(*model_texts.verdict(fit))
        self.title.setText(advice.model.name)
        self.get.show_model(advice.model, advice.quant)
        size = model_texts.size(advice.quant.size_bytes)
        parts = [texts.fill(self.tr("{size} to download"), size=size)] if size else []
        if fit is not None:
            parts.append(texts.fill(self.tr("uses {used} free memory"), used=model_texts.used(fit)))
            parts.append(texts.about_speed(fit.decode_tokens_per_s))
        self.line.setText(" · ".join(filter(None, parts)))
        self.setToolTip(texts.tip(texts.text(advice.reason)))
