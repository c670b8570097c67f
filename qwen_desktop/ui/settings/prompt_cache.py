"""Below the storage settings: how much is kept of what models have read of chats, and a way to be rid of it."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.services.events import PromptCacheChanged
from qwen_desktop.services.prompt_cache import Kept
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Label, Paragraph, said
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card


class PromptCacheCard(Card):
    """What is kept of how much there may be. Read in a thread each time the card is shown, and when it changes."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._cache = ui.services.prompt_cache
        theme = ui.theme
        self.title = Label(theme, self.tr("Chats kept ready"), self, weight=500)
        note = self.tr(
            "What models have read of your chats is kept (prompt cache), so that they go on at once after the next "
            "start. It holds the text of these chats: it stays on this computer, is in no backup, and is removed with "
            "its chat."
        )
        self.note = Paragraph(theme, note, self, role="small", color="text_muted")
        self.figures = Paragraph(theme, "", self, role="small")
        self.meter = Meter(self.tr("Space taken by chats kept ready"), self)
        self.clear = TextButton(theme, self.tr("Clear"), self, icon="trash-2")
        self.clear.clicked.connect(self._clear)
        words = said(theme, self, self.title, self.note)
        top = row((words, 1), (self.clear, MIDDLE), gap=16)
        column(top, self.figures, self.meter, on=self, gap=8, margins=(18, 13, 18, 15))
        ui.services.bus.subscribe(PromptCacheChanged, self._changed, owner=self)

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        text = f"{self.title.text()} {self.note.text()} {self.clear.text()}".casefold()
        return all(word in text for word in asked.casefold().split())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look()

    def _changed(self, _event: PromptCacheChanged) -> None:
        if self.isVisible():
            self._look()

    def _look(self) -> None:
        self._ui.operations.run(
            self._cache.state(),
            owner=self,
            orphaned="quiet",
            on_done=self.tell,
            on_error=lambda _error: True,
            wish="prompt_cache.state",
        )

    def tell(self, kept: Kept) -> None:
        """Say how it stands."""
        size, budget = texts.exact(kept.size_bytes), texts.exact(kept.budget_bytes)
        chats = self.tr("%n chat(s)", "", kept.conversations)
        if not kept.usable:
            sentence = self.tr("{folder} cannot be written, so nothing is kept: chats are read anew after each start.")
        elif kept.full:
            sentence = self.tr("{chats}, {size}. The disk is nearly full, so nothing more is kept.")
        elif not kept.budget_bytes:
            sentence = self.tr("Nothing is kept: chats are read anew after each start.")
        elif not kept.conversations:
            sentence = self.tr("Nothing is kept yet. It takes {budget} at most.")
        else:
            sentence = self.tr("{chats}, {size} of {budget}")
        folder = texts.isolated(shown_path(self._ui.services.paths.prompt_cache))
        self.figures.setText(texts.fill(sentence, chats=chats, size=size, budget=budget, folder=folder))
        share = kept.size_bytes / kept.budget_bytes if kept.budget_bytes else float(kept.full)
        self.meter.show_share(share, "warn" if kept.full else "accent")
        self.meter.setVisible(bool(kept.budget_bytes) or kept.full)
        self.clear.setEnabled(bool(kept.size_bytes))

    def _clear(self) -> None:
        self._ui.operations.run(
            self._cache.clear(), owner=self, busy=self.clear, on_done=self._cleared, on_error=self._failed
        )

    def _cleared(self, _nothing: object) -> None:
        self._ui.notify.toast(self.tr("Nothing is kept any more. Each chat is read anew with its next message."))

    def _failed(self, error: BaseException) -> bool:
        if not isinstance(error, AppError):
            return False
        self._look()
        self._ui.notify.toast(texts.problem(problem_of(error)), kind="bad", stays=True)
        return True
