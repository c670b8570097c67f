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
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, said
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
        show = TextButton(theme, self.tr("Show folder"), self, icon="folder-open")
        show.clicked.connect(lambda: ui.notify.folder(self._paths.data))
        words = said(theme, self, Label(theme, self.tr("Data folder"), self, weight=500), self.place, self.sizes)
        row((words, 1), (show, MIDDLE), on=self, gap=16, margins=(18, 13, 18, 13))

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
        note = self.tr("Chats are exported as files, and imported from those or from ChatGPT, Open WebUI, LM Studio and Jan.")
        words = said(theme, self, Label(theme, self.tr("Export and import"), self, weight=500), note)
        self.export_button = TextButton(theme, self.tr("Export all…"), self, icon="share")
        self.export_button.clicked.connect(ui.actions["chats.export"].trigger)
        self.import_button = TextButton(theme, self.tr("Import…"), self, icon="folder-input")
        self.import_button.clicked.connect(ui.actions["chats.import"].trigger)
        buttons = row(self.import_button, self.export_button, None, gap=8)
        column(words, buttons, on=self, gap=10, margins=(18, 13, 18, 13))


def _sizes(history: Path, folder: Path) -> tuple[int, int]:
    """Bytes of the history with its journal, and of the folder with all in it; what cannot be read counts 0."""

    def one(path: Path) -> int:
        try:
            return path.lstat().st_size
        except OSError:
            return 0

    total = sum(one(Path(root, name)) for root, _, names in os.walk(folder) for name in names)
    return one(history) + one(history.with_name(history.name + "-wal")), total
