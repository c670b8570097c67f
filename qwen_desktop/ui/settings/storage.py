"""Below the storage settings: where the data lies and how much of it there is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, Paragraph, said
from qwen_desktop.ui.widgets.surface import Card


class StorageCard(Card):
    """The data folder. Sizes are read in a thread each time the card is shown."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._paths = ui.services.paths
        theme = ui.theme
        self.place = ElidedLabel(theme, shown_path(self._paths.data), self, role="small", color="text_muted")
        self.sizes = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.sizes.setWordWrap(True)
        self._show = TextButton(theme, self.tr("Show folder"), self, icon="folder-open")
        self._show.clicked.connect(lambda: ui.notify.folder(self._paths.data))
        self.title = Label(theme, self.tr("Data folder"), self, weight=500)
        words = said(theme, self, self.title, self.place, self.sizes)
        row((words, 1), (self._show, MIDDLE), on=self, gap=16, margins=(18, 13, 18, 13))

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        text = f"{self.title.text()} {self._show.text()}".casefold()
        return all(word in text for word in asked.casefold().split())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._ui.operations.run(
            asyncio.to_thread(_sizes, self._paths.database_file, self._paths.data),
            owner=self,
            orphaned="quiet",
            on_done=self._tell,
            on_error=lambda _error: True,
            wish="storage.sizes",
        )

    def _tell(self, sizes: tuple[int, int]) -> None:
        history, everything = sizes
        sentence = self.tr("History {history}, all data {all}")
        self.sizes.setText(texts.fill(sentence, history=texts.exact(history), all=texts.exact(everything)))


class ExchangeCard(Card):
    """Chats out of the history and into it, as files."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme = ui.theme
        note = self.tr("Save chats as files, or bring in those of ChatGPT, Open WebUI, LM Studio and Jan.")
        self.title = Label(theme, self.tr("Export and import"), self, weight=500)
        self.note = Paragraph(theme, note, self, role="small", color="text_muted")
        words = said(theme, self, self.title, self.note)
        self.export_button = TextButton(theme, self.tr("Export all…"), self, icon="share")
        self.export_button.clicked.connect(ui.actions["chats.export"].trigger)
        self.import_button = TextButton(theme, self.tr("Import…"), self, icon="folder-input")
        self.import_button.clicked.connect(ui.actions["chats.import"].trigger)
        buttons = column(self.export_button, self.import_button, gap=8)
        row((column(None, words, None, gap=0), 1), buttons, on=self, gap=16, margins=(18, 13, 18, 13))

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        parts = (self.title, self.note, self.export_button, self.import_button)
        text = " ".join(part.text() for part in parts).casefold()
        return all(word in text for word in asked.casefold().split())


def _sizes(history: Path, folder: Path) -> tuple[int, int]:
    """Bytes of the history with its journal, and of the folder with all in it; what cannot be read counts 0."""

    def one(path: Path) -> int:
        try:
            return path.lstat().st_size
        except OSError:
            return 0

    total = sum(one(Path(root, name)) for root, _, names in os.walk(folder) for name in names)
    return one(history) + one(history.with_name(history.name + "-wal")), total
