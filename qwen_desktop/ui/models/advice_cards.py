"""The three recommended models: a lighter one, the best for this computer, a stronger one."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSizePolicy, QWidget

from qwen_desktop.core.models import Advice, Recommendation
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.download_button import DownloadButton
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.models.state import ModelsState
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, START, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel, Label, Paragraph
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.skeleton import SkeletonBars
from qwen_desktop.ui.widgets.surface import Card

#: Cards narrower than this at normal text size stand below each other, in px.
_NARROW = 236
_ACROSS, _DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
_ANY = (1 << 24) - 1  # Qt's QWIDGETSIZE_MAX


class AdviceCard(Card):
    """One recommended model. ``details_wanted`` asks for all about it."""

    details_wanted = Signal()

    def __init__(
        self, ui: UiContext, advice: Advice, state: ModelsState, starter: DownloadStarter, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        theme = ui.theme
        self.advice = advice
        self._state = state
        best = advice.kind == "best"
        self.setProperty("best", best)
        model, quant = advice.model, advice.quant
        chip = {
            "lighter": self.tr("Lighter"),
            "best": self.tr("Best for this computer"),
            "stronger": self.tr("Stronger"),
        }
        self.chip = Chip(theme, chip[advice.kind], self, kind="accent" if best else "")
        size = Label(theme, model_texts.size(quant.size_bytes), self, role="small", color="text_muted", tabular=True)
        self.title = TextButton(theme, model.name, self, kind="title")
        self.title.setToolTip(self.tr("Files, memory and licence"))
        self.title.setAccessibleName(texts.fill(self.tr("Details of {name}"), name=model.name))
        self.title.clicked.connect(self.details_wanted)
        self.quant = ElidedLabel(theme, quant.name, self, role="small", color="text_muted")
        self.quant.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reason = Paragraph(theme, texts.text(advice.reason), self, role="small", color="text_muted")
        self.verdict = Chip(theme, "", self)
        self.meter = Meter(texts.fill(self.tr("Memory for {name}"), name=model.name), self, role="good")
        self.memory = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.speed = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.get = DownloadButton(ui, state, starter, self, primary=best)
        self.get.show_model(model, quant)
        head = row(self.chip, None, size, gap=6)
        name = row((self.title, MIDDLE), (self.quant, 1), gap=6)
        self.figures = row((self.memory, 1), self.speed, gap=2)
        margins = (15, 14, 15, 14) if best else (16, 15, 16, 15)  # the best one's border is a pixel wider
        lower = ((self.verdict, START), self.meter, self.figures, self.get)
        column(head, name, self.reason, None, *lower, on=self, gap=8, margins=margins)
        self.show_fit()

    def show_fit(self) -> None:
        """Show memory and speed as they are now."""
        fit = self._state.fit(self.advice.model, self.advice.quant)
        for label in (self.verdict, self.meter, self.memory, self.speed):
            label.setVisible(fit is not None)
        if fit is None:
            return
        share = fit.memory.total_bytes / fit.free_bytes if fit.free_bytes else 1.0
        said, tone = model_texts.verdict(fit)
        self.verdict.show_word(said, tone)
        self.meter.show_share(share, tone)
        self.memory.setText(model_texts.used(fit))
        self.speed.setText(texts.about_speed(fit.decode_tokens_per_s))
        self.setToolTip(texts.tip(model_texts.fit_sentence(fit)))
        self.meter.setAccessibleDescription(self.toolTip())

    def figures_width(self) -> int:
        """Room that memory and speed need side by side, in px, with the card's own edges."""
        return self.memory.sizeHint().width() + self.speed.sizeHint().width() + 44


class AdviceCards(QWidget):
    """The cards side by side, or below each other where the room is small; ``details_wanted`` carries an ``Advice``."""

    details_wanted = Signal(object)

    def __init__(self, ui: UiContext, state: ModelsState, starter: DownloadStarter, parent: QWidget) -> None:
        super().__init__(parent)
        theme = self._theme = ui.theme
        self._ui = ui
        self._state = state
        self._starter = starter
        self.cards: tuple[AdviceCard, ...] = ()
        self._row = row(gap=14)
        self.remark = Paragraph(theme, "", self, role="small", color="text_muted")
        self.remark.hide()
        column(self._row, self.remark, on=self, gap=8)
        self.nothing: Paragraph | None = None
        self._row.addStretch(0)  # the rest of the row, where there are too few cards for it
        shares = (0.35, 0.6, 0.9, 0.8, 1.0, 0.7, 1.0)
        #: What stands for cards, before they come and where there are none.
        self._waiting = [self._plain(SkeletonBars(theme, shares, self)) for _ in range(3)]
        state.rows_changed.connect(self._show_fits)
        theme.changed.connect(self._fit)
        self.setMinimumWidth(300)

    def _plain(self, what: QWidget) -> Card:
        """A card with just this."""
        card = Card(self)
        column(what, None, on=card, margins=(16, 16, 16, 16))
        self._row.insertWidget(self._row.count() - 1, card, 1)
        return card

    def show_advice(self, found: Recommendation) -> None:
        """Show what is recommended; the same advice as before keeps its cards, and so the keyboard's place."""
        advised = [advice for advice in (found.lighter, found.best, found.stronger) if advice is not None]
        if advised and advised == [card.advice for card in self.cards]:
            self._show_fits()
            return
        for old in (*self._waiting, *self.cards):
            self._row.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._waiting, self.nothing = [], None
        self.cards = tuple(AdviceCard(self._ui, advice, self._state, self._starter, self) for advice in advised)
        for card in self.cards:
            card.details_wanted.connect(lambda a=card.advice: self.details_wanted.emit(a))
            self._row.insertWidget(self._row.count() - 1, card, 1)
        said = texts.text(found.reason) if found.reason is not None else ""
        if found.best is None:
            nothing = self.tr("None of the listed models fits the memory that is free now. Close other programs first.")
            self.nothing = Paragraph(self._theme, said or nothing, self, color="text_muted")
            self._waiting.append(self._plain(self.nothing))
        self.remark.setText(said)
        self.remark.setVisible(found.best is not None and bool(said))
        self._fit()

    def _show_fits(self) -> None:
        for card in self.cards:
            card.show_fit()
        self._fit()

    def _fit(self) -> None:
        count = max(1, len(self.cards or self._waiting))
        least = _NARROW * (0.5 + self._theme.text_size / 200)
        side = self.width() >= count * least + (count - 1) * self._row.spacing()
        self._row.setDirection(_ACROSS if side else _DOWN)
        wide = (self.width() - (count - 1) * self._row.spacing()) // count if side else self.width()
        stacked = any(card.figures_width() > wide for card in self.cards)
        # Alone it takes half the row and is no banner: its figures belong together.
        half = max((self.width() - self._row.spacing() + 1) // 2, round(2 * least))
        for card in self.cards:
            card.figures.setDirection(_DOWN if stacked else _ACROSS)
            card.setMaximumWidth(half if side else _ANY)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()
