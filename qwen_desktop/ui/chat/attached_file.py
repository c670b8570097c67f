"""What can be done with a file that is attached: see a picture, save the file, open it with another program.

The file may come from anybody (an imported chat, for one): only documents, pictures and sounds are opened, never what a
system would run, and only after a question.
"""

from __future__ import annotations

import asyncio
import atexit
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from PySide6.QtCore import QBuffer, QByteArray, QSize, Qt
from PySide6.QtGui import QDesktopServices, QImage, QImageReader, QPixmap
from PySide6.QtWidgets import QLabel, QWidget

from qwen_desktop.core.documents import extension
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.attachment_chips import described
from qwen_desktop.ui.chat.saving import save_data
from qwen_desktop.ui.local_files import url_of
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.dialog import Dialog

File: TypeAlias = FilePart | ImagePart | AudioPart

#: Endings of what no program runs: what shows or plays it, opens it. Not those with macros, and no web pages.
_OPENS: Final = frozenset(
    "txt log md csv tsv pdf docx odt xlsx pptx epub png jpg jpeg webp gif bmp wav mp3 flac ogg opus m4a".split()  # noqa: SIM905 - shorter
)
#: A picture is shown no larger than this, in px.
_WIDE, _TALL = 860, 560
#: What no name of a file may have on some system.
_NO_NAME = re.compile(r'[<>:"/\\|?*]')


class AttachedMedia(Dialog):
    """A picture, or the name of a sound, with what can be done with it."""

    def __init__(self, ui: UiContext, part: ImagePart | AudioPart, parent: QWidget | None) -> None:
        _, name, facts = described(part)
        super().__init__(ui.theme, name, facts, parent, width=480)
        self.picture = QLabel(self)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName(name)
        self.picture.hide()
        self.body.addWidget(self.picture)
        add_file_buttons(ui, self, part)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        if isinstance(part, ImagePart):
            ui.operations.run(_small(ui, part), owner=self, orphaned="cancelled", on_done=self._show)

    def _show(self, image: QImage) -> None:
        if not image.isNull():
            ratio = self.devicePixelRatioF()
            shown = QPixmap.fromImage(image)
            shown.setDevicePixelRatio(ratio)
            self.picture.setPixmap(shown)
            self.picture.show()
            self.adjustSize()


def add_file_buttons(ui: UiContext, dialog: Dialog, part: File) -> None:
    """Offer to save and to open the file of a part, where it was kept."""
    if not part.sha256:
        return
    owner = dialog.parentWidget() or dialog
    save = translate("AttachedFile", "Save file…")
    dialog.add_button(
        save, lambda: _with_data(ui, part, owner, lambda data: _save(ui, part, data, owner)), closes=False
    )
    if extension(part.name) in _OPENS:
        dialog.add_button(translate("AttachedFile", "Open file"), lambda: _ask(ui, part, owner))


def file_name(part: File) -> str:
    """What the file is called on the disk; the name of a part may be anything."""
    name = _NO_NAME.sub("_", part.name).strip(" .")
    return name or translate("AttachedFile", "attachment")


def _with_data(ui: UiContext, part: File, owner: QWidget, then: Callable[[bytes], None]) -> None:
    ui.operations.run(ui.services.blobs.read(part.sha256), owner=owner, on_done=then)


def _save(ui: UiContext, part: File, data: bytes, owner: QWidget) -> None:
    save_data(ui, owner, translate("AttachedFile", "Save the file"), file_name(part), data)


def _ask(ui: UiContext, part: File, owner: QWidget) -> None:
    name = texts.isolated(file_name(part))
    title = texts.fill(translate("AttachedFile", "Open {name} with another program?"), name=name)
    text = translate("AttachedFile", "It gets a copy, which is removed when Qwen Desktop is closed.")
    open_ = translate("AttachedFile", "Open")
    ui.notify.ask(title, text, open_, lambda: _with_data(ui, part, owner, lambda data: _open(ui, part, data, owner)))


def _open(ui: UiContext, part: File, data: bytes, owner: QWidget) -> None:
    name = file_name(part)

    def write() -> Path:
        folder = Path(tempfile.mkdtemp(prefix="qwen-desktop-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        place = folder / name
        place.write_bytes(data)
        place.chmod(0o400)
        return place

    def show(place: Path) -> None:
        if not QDesktopServices.openUrl(url_of(place)):
            ui.notify.toast(translate("AttachedFile", "No program of this computer opens this file."), kind="bad")

    ui.operations.run(asyncio.to_thread(write), owner=owner, on_done=show)


async def _small(ui: UiContext, part: ImagePart) -> QImage:
    """The picture, read no larger than it is shown, on a thread."""
    data = await ui.services.blobs.read(part.sha256)
    return await asyncio.to_thread(_decoded, data)


def _decoded(data: bytes) -> QImage:
    kept = QByteArray(data)
    buffer = QBuffer(kept)
    buffer.open(QBuffer.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    reader.setAutoTransform(True)
    size = reader.size()
    most = QSize(_WIDE, _TALL)
    if size.isValid() and (size.width() > most.width() or size.height() > most.height()):
        reader.setScaledSize(size.scaled(most, Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()
