"""The model selector's menu: the guide, the files opened last, Open GGUF, the way to more, and why it is slow."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.text import shown
from qwen_desktop.services.events import ModelState
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.widgets.select import Menu


class ModelMenu(Menu):
    """Filled each time it is opened. ``chosen`` carries a file's path, "" for the guide."""

    chosen = Signal(object)

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shared = actions

    def open_above(self, anchor: QWidget, state: ModelState, recent: tuple[str, ...]) -> None:
        """Open above ``anchor``, their ends in line."""
        self.fill(state, recent)
        size = self.sizeHint()
        self.open_by(anchor, anchor.width() - size.width(), -size.height() - 4)

    def fill(self, state: ModelState, recent: tuple[str, ...]) -> None:
        """Build the entries; the model in use has a tick."""
        self.clear()
        self._add(self._shared["model.guide"].text(), "", state)
        if recent:
            self.addSeparator()
        names = [shown(Path(path).stem) for path in recent]
        for path, name in zip(recent, names, strict=True):
            words = name if names.count(name) == 1 else f"{name} ({shown(Path(path).parent.name)})"
            words = words if len(words) <= 60 else f"{words[:38]}…{words[-20:]}"
            self._add(words.replace("&", "&&"), path, state).setToolTip(shown_path(path))
        self.addSeparator()
        self.addAction(self._shared["model.open"])
        self.addAction(self._shared["model.get"])
        self.addSeparator()
        self.addAction(self._shared["help.slow"])

    def _add(self, words: str, path: str, state: ModelState) -> QAction:
        entry = QAction(words, self, checkable=True, checked=path == state.path)
        entry.triggered.connect(lambda _checked=False: self.chosen.emit(path))
        self.addAction(entry)
        return entry
