"""Files that come to the window, dropped on it or with a start: what each of them is, and where it goes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, QPoint, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent

from qwen_desktop.ui.local_files import local_files
from qwen_desktop.ui.pages import CHAT

if TYPE_CHECKING:
    from qwen_desktop.ui.drop_sign import DropSign
    from qwen_desktop.ui.main_window import MainWindow

#: How the names of exports of chats end.
_MAY_BE_CHATS = frozenset({".json", ".jsonl", ".zip"})
#: What a GGUF file says that is an adapter, a key with its value, within so many first bytes.
_ADAPTER, _HEAD = b"general.type" + struct.pack("<IQ", 8, 7) + b"adapter", 65_536


class IncomingFiles(QObject):
    """Says over the page, too, what a drop there does."""

    #: A model file that shall answer.
    model_opened = Signal(object)  # a path
    #: Files of adapters that are to be used in the chat on show.
    adapters_added = Signal(object)  # a tuple of paths
    #: Files of assistants that are to be imported.
    assistants_imported = Signal(object)  # a tuple of paths
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
        if assistants := tuple(name for name in files if _is_assistants(name)):
            self.assistants_imported.emit(assistants)
        elif chats := next((name for name in files if Path(name).suffix.lower() in _MAY_BE_CHATS), ""):
            self._offer(chats)
        elif model := next((name for name in files if _may_be_model(Path(name).name)), ""):
            self.model_opened.emit(model)
        else:
            self._window.notify.toast(self.tr("Only GGUF model files can be opened here."), kind="bad")

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
        """It is dropped: models are opened, adapters used in the chat on show, exports of chats offered and assistants
        imported; everything else is attached to the chat on show. What is dropped on the list is to come into it, if it
        can."""
        self._say(False)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if files := local_files(event.mimeData()):
            on_list = self._on_list(event.position().toPoint())
            take = partial(self._take, on_list=on_list)
            self._window.operations.run(asyncio.to_thread(_sorted, files, on_list), owner=self, on_done=take)
        else:
            self.picture_attached.emit(event.mimeData().imageData())

    def _on_list(self, place: QPoint) -> bool:
        """Whether the list of chats is there."""
        window = self._window
        if not window.pages.shows(CHAT) or window.chat.list_hidden:
            return False
        side = window.chat.sidelist
        return side.rect().contains(side.mapFrom(window, place))

    def _take(self, found: _Sorted, *, on_list: bool) -> None:
        if found.models:
            self.open(tuple(found.models))
        if found.adapters:
            self.adapters_added.emit(tuple(found.adapters))
        if found.assistants:
            self.assistants_imported.emit(tuple(found.assistants))
        if found.others:
            self.files_attached.emit(tuple(found.others))
        for name in found.chats:
            may_be_read = not on_list and not name.lower().endswith(".zip")
            self._offer(name, partial(self._attach, name) if may_be_read else None)

    def _attach(self, name: str) -> None:
        self.files_attached.emit((name,))

    def _offer(self, name: str, instead: Callable[[], None] | None = None) -> None:
        from qwen_desktop.ui.import_dialog import ChatsImportDialog  # noqa: PLC0415 - not before the first paint

        ChatsImportDialog(self._window.ui, self._window, Path(name)).offer(instead)

    def _say(self, on: bool, *, model: bool = False) -> None:
        if self._sign is None and on:
            from qwen_desktop.ui.drop_sign import DropSign  # noqa: PLC0415 - rare

            self._sign = DropSign(self._window.ui.theme, self._window.pages)
        if self._sign is not None:
            self._sign.say(
                on,
                self.tr("Drop it to open the model, or to use the adapter")
                if model
                else self.tr("Drop files to attach them"),
            )


class _Sorted(NamedTuple):
    """Dropped files by what they are."""

    models: list[str]
    adapters: list[str]
    chats: list[str]
    assistants: list[str]
    others: list[str]


def _sorted(files: tuple[str, ...], on_list: bool) -> _Sorted:
    found = _Sorted([], [], [], [], [])
    for name in files:
        if _is_adapter(name):
            found.adapters.append(name)
        elif _is_model(name):
            found.models.append(name)
        elif _is_assistants(name):
            found.assistants.append(name)
        elif _are_chats(Path(name), on_list=on_list):
            found.chats.append(name)
        else:
            found.others.append(name)
    return found


def _is_assistants(name: str) -> bool:
    from qwen_desktop.core.assistant_files import SUFFIX  # noqa: PLC0415 - rare

    return name.lower().endswith(SUFFIX)


def _are_chats(path: Path, *, on_list: bool) -> bool:
    """Whether a dropped file is an export of chats: it looks like one of a form that is known. On the list all that
    may be one is meant as one, and folders of such files, too."""
    folder = path.is_dir()
    if folder or path.suffix.lower() not in _MAY_BE_CHATS:
        if not (folder and on_list):
            return False
    elif on_list:
        return True
    from qwen_desktop.core.errors import AppError  # noqa: PLC0415 - not before the first paint
    from qwen_desktop.jobs.imports.forms import form_of  # noqa: PLC0415

    try:
        form_of(path)
    except (AppError, OSError):
        return False
    return True


def _is_adapter(path: str) -> bool:
    """Whether a dropped file is an adapter, by what stands at its beginning; one that hides it there is opened as a
    model, which says so."""
    from qwen_desktop.core.files import read_file  # noqa: PLC0415 - not before the first paint

    if ".gguf" not in Path(path).name.lower():
        return False
    try:
        head = read_file(path, _HEAD)
    except OSError:
        return False
    return head.startswith(b"GGUF") and _ADAPTER in head


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
