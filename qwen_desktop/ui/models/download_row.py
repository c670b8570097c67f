"""The downloads: a card each, with what can be done with it in its state."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSizePolicy, QWidget

from qwen_desktop.core.models import Download, DownloadStatus
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.download_starter import DownloadStarter
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, Label, ProblemText
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card

#: Under this width, in px, the progress stands below the name.
_NARROW = 640
#: Under this width the order is not changed here: what went wrong needs the room.
_TIGHT = 440
_ICONS = {
    DownloadStatus.WAITING: ("download", "text_muted"),
    DownloadStatus.RUNNING: ("arrow-down-to-line", "text"),
    DownloadStatus.CHECKING: ("shield-check", "text"),
    DownloadStatus.PAUSED: ("pause", "text_muted"),
    DownloadStatus.FAILED: ("circle-alert", "bad"),
    DownloadStatus.DONE: ("circle-check", "good"),
}


class DownloadCard(Card):
    """One download, ``closed`` when the user wants to see no more of one that is done."""

    closed = Signal()

    def __init__(self, theme: Theme, download: Download, starter: DownloadStarter, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._starter = starter
        self.download = download
        self._status: DownloadStatus | None = None
        self._several = False
        self.name = model_texts.title(download)
        self.sign = IconLabel(theme, "download", self, size=20)
        self.title = ElidedLabel(theme, self.name, self, weight=600)
        self.quant = Label(theme, download.request.quant, self, role="small", color="text_muted")
        self.line = ElidedLabel(theme, "", self, role="small", color="text_muted", tabular=True)
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.problem = ProblemText(theme, self)
        self.meter = Meter(texts.fill(self.tr("Download of {name}"), name=self.name), self)
        self.up = IconButton(theme, "chevron-up", self.tr("Earlier"), self)
        self.down = IconButton(theme, "chevron-down", self.tr("Later"), self)
        self.again = TextButton(theme, self.tr("Try again"), self, icon="rotate-ccw")
        self.use = TextButton(theme, self.tr("Use it"), self, icon="check", kind="primary")
        self.toggle = IconButton(theme, "pause", "", self)
        self.cancel = IconButton(theme, "x", "", self)
        buttons = {
            self.up: lambda: starter.move(self.download, -1),
            self.down: lambda: starter.move(self.download, 1),
            self.again: lambda: starter.toggle(self.download),
            self.use: lambda: starter.use_download(self.download),
            self.toggle: lambda: starter.toggle(self.download),
            self.cancel: self._crossed,
        }
        for button, act in buttons.items():
            button.clicked.connect(act)
            button.setAccessibleName(f"{button.text() or button.toolTip()}: {self.name}")
        self._said = row(row(self.title, self.quant, None), 10, (self.line, 1), gap=2)
        text = column(self._said, self.problem, gap=2)
        top = row((self.sign, MIDDLE), 6, (text, 1), 6, *((button, MIDDLE) for button in buttons), gap=6)
        column(top, row(self.meter, 6, gap=0), on=self, gap=7, margins=(16, 10, 10, 13))
        self.setMinimumWidth(320)
        self.show_download(download)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        scale, way = 0.5 + self._theme.text_size / 200, QBoxLayout.Direction
        self._said.setDirection(way.TopToBottom if self.width() < _NARROW * scale else way.LeftToRight)
        for button in (self.up, self.down):
            button.setVisible(self._several and self.width() >= _TIGHT * scale)

    def show_download(self, download: Download, *, place: int = 0, places: int = 1, ahead: int = 0) -> None:
        """Show where it is: ``place`` of ``places`` unfinished ones, with ``ahead`` that come first."""
        self.download = download
        status = download.status
        failed, done = status is DownloadStatus.FAILED, status is DownloadStatus.DONE
        wrong = failed or (done and download.problem is not None)
        if status is not self._status:
            self._status = status
            self._show_status(status)
        self.line.setText("" if wrong else model_texts.progress(download, ahead))
        self.problem.setText(model_texts.progress(download) if wrong else "")
        self.meter.show_share(1.0 if done else download.fraction, "bad" if failed else "good" if done else "accent")
        self._several = places > 1 and not done
        self._fit()
        self.up.setEnabled(place > 0)
        self.down.setEnabled(place < places - 1)

    def _show_status(self, status: DownloadStatus) -> None:
        """The icon and the buttons of a state."""
        done = status is DownloadStatus.DONE
        unusable = done and self.download.problem is not None
        self.sign.set_icon(*_ICONS[DownloadStatus.FAILED if unusable else status])
        self.meter.setVisible(not done)
        self.again.setVisible(status is DownloadStatus.FAILED)
        self.use.setVisible(done and not unusable)
        self.toggle.setVisible(status in (DownloadStatus.RUNNING, DownloadStatus.WAITING, DownloadStatus.PAUSED))
        icon, said = ("play", self.tr("Resume")) if status is DownloadStatus.PAUSED else ("pause", self.tr("Pause"))
        self.toggle.set_icon(icon, said)
        self.cancel.set_icon("x", self.tr("Close") if done else self.tr("Cancel"))
        for button in (self.toggle, self.cancel):
            button.setAccessibleName(f"{button.toolTip()}: {self.name}")

    def _crossed(self) -> None:
        if self.download.status is DownloadStatus.DONE:
            self.closed.emit()
        else:
            self._starter.cancel(self.download)


class DownloadCards(QWidget):
    """All downloads in the queue's order, as they are whenever one of them changes."""

    def __init__(self, ui: UiContext, starter: DownloadStarter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._starter = starter
        self._cards: dict[str, DownloadCard] = {}
        self._dismissed: set[str] = set()
        self._column = column(on=self, gap=10)
        for kind in (events.DownloadsChanged, events.DownloadChanged):
            ui.services.bus.subscribe(kind, self.refresh, owner=self)
        self.refresh()

    @property
    def cards(self) -> tuple[DownloadCard, ...]:
        """The cards on show, from above."""
        return tuple(self._cards[item.id] for item in self._items())

    def _items(self) -> list[Download]:
        return [item for item in self._ui.services.downloads.items() if item.id not in self._dismissed]

    def refresh(self, _event: object = None) -> None:
        """Show what there is."""
        items = self._items()
        for gone in self._cards.keys() - {item.id for item in items}:
            card = self._cards.pop(gone)
            card.hide()
            card.deleteLater()
        open_ = [item for item in items if item.status is not DownloadStatus.DONE]
        for at, item in enumerate(items):
            card = self._cards.get(item.id) or self._add(item)
            if self._column.indexOf(card) != at:
                self._column.removeWidget(card)
                self._column.insertWidget(at, card)
            place = open_.index(item) if item in open_ else 0
            ahead = sum(other.status in model_texts.ACTIVE for other in open_[:place])
            card.show_download(item, place=place, places=len(open_), ahead=ahead)
        self.setVisible(bool(items))

    def _add(self, item: Download) -> DownloadCard:
        card = self._cards[item.id] = DownloadCard(self._ui.theme, item, self._starter, self)
        card.closed.connect(lambda: self._dismiss(card.download))
        return card

    def _dismiss(self, download: Download) -> None:
        self._dismissed.add(download.id)
        self.refresh()
