"""Files that come to the window, dropped on it or with a start: what each of them is, and where it goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent

from qwen_desktop.ui.local_files import local_files

if TYPE_CHECKING:
    from qwen_desktop.ui.drop_sign import DropSign
    from qwen_desktop.ui.main_window import MainWindow

#: How the names of exports of chats end.
_MAY_BE_CHATS = frozenset({".json", ".zip"})


class IncomingFiles(QObject):
    """Says over the page, too, what a drop there does."""

    #: A model file that shall answer.
    model_opened = Signal(object)  # a path
    #: Files, and a picture, that are to be attached to the chat on show.
    files_attached = Signal(object)  # a tuple of paths
    picture_attached = Signal(object)  # a QImage

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._sign: DropSign | None = None

    def open(self, files: tuple[str, ...]) -> None:
        """Open a GGUF file, or offer to import an export of chats; of several the first. Names only tell what is meant
        as one: what it is, the file itself says when it is opened."""
        window = self._window
        if chats := next((name for name in files if Path(name).suffix.lower() in _MAY_BE_CHATS), ""):
            from qwen_desktop.ui.import_dialog import ChatsImportDialog  # noqa: PLC0415 - not before the first paint

            ChatsImportDialog(window.ui, window, Path(chats)).offer()
        elif model := next((name for name in files if _may_be_model(Path(name).name)), ""):
            self.model_opened.emit(model)
        else:
            window.notify.toast(self.tr("Only GGUF model files can be opened here."), kind="bad")

    def drag(self, event: QDragEnterEvent) -> None:
        """Something is dragged over the window: take it where it can be dropped."""
        files = local_files(event.mimeData())
        if files or event.mimeData().hasImage():
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._say(True, model=bool(files) and all(".gguf" in Path(name).name.lower() for name in files))

    def leave(self) -> None:
        """It is dragged away again."""
        self._say(False)

    def drop(self, event: QDropEvent) -> None:
        """It is dropped: models are opened, everything else is attached to the chat on show."""
        self._say(False)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if files := local_files(event.mimeData()):
            self._window.operations.run(asyncio.to_thread(_sorted, files), owner=self, on_done=self._take)
        else:
            self.picture_attached.emit(event.mimeData().imageData())

    def _take(self, found: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        models, others = found
        if models:
            self.open(models)
        if others:
            self.files_attached.emit(others)

    def _say(self, on: bool, *, model: bool = False) -> None:
        if self._sign is None and on:
            from qwen_desktop.ui.drop_sign import DropSign  # noqa: PLC0415 - rare

            self._sign = DropSign(self._window.ui.theme, self._window.pages)
        if self._sign is not None:
            self._sign.say(on, self.tr("Drop it to open the model") if model else self.tr("Drop files to attach them"))


def _sorted(files: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models, and all others."""
    models = tuple(name for name in files if _is_model(name))
    return models, tuple(name for name in files if name not in models)


def _is_model(path: str) -> bool:
    """Whether a dropped file is a model: its name says so, or it has a name without an ending and begins as one."""
    name = Path(path).name
    if ".gguf" in name.lower() or "." in name:
        return ".gguf" in name.lower()
    from qwen_desktop.core.files import read_file  # noqa: PLC0415 - not before the first paint

    try:
        return read_file(path, 4) == b"GGUF"
    except OSError:
        return False


def _may_be_model(name: str) -> bool:
    """Whether a file of this name is meant as a model: "x.gguf", a piece of one ("x.gguf.part1of2"), or a name without
    an ending, as other programs keep their models."""
    return ".gguf" in name.lower() or "." not in name
