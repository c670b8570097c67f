"""Asking the user for files: which to open, and where one is to be written. What comes back are paths, as Python's.

Each dialog begins in the user's folder, asks before a file is replaced, and is gone with its parent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCompleter, QFileDialog, QWidget

from qwen_desktop.core.paths import home
from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.texts import translate


def ask_for_file(
    parent: QWidget, title: str, kinds: Sequence[str], chosen: Callable[[str], object], *, start: str = ""
) -> None:
    """Which file to open. ``kinds`` are filters, "Models (*.gguf)"; all files can be asked for, too."""
    dialog = _dialog(parent, title, (*kinds, _all_files()), start)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    _open(dialog, lambda paths: chosen(paths[0]))


def ask_for_files(
    parent: QWidget, title: str, kinds: Sequence[str], chosen: Callable[[list[str]], object], *, all_first: bool = False
) -> None:
    """Which files to open, one or several; ``all_first`` shows all of them at first."""
    dialog = _dialog(parent, title, (_all_files(), *kinds) if all_first else (*kinds, _all_files()))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    _open(dialog, chosen)


def ask_for_folder(parent: QWidget, title: str, chosen: Callable[[str], object], *, start: str) -> None:
    """Which folder is meant."""
    dialog = _dialog(parent, title, (), start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    _open(dialog, lambda paths: chosen(paths[0]))


def ask_where(parent: QWidget, title: str, kinds: Sequence[str], name: str, chosen: Callable[[str], object]) -> None:
    """Where a file is to be written that is called ``name`` first. A name without a suffix gets that of the chosen
    kind, where the kind has one."""
    dialog = _dialog(parent, title, kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)

    def suit(kind: str) -> None:
        if (found := re.search(r"\*\.([\w.-]+)\)", kind)) is not None:
            dialog.setDefaultSuffix(found[1])

    for kind in kinds[:1]:
        suit(kind)
    dialog.filterSelected.connect(suit)
    dialog.selectFile(name)
    _open(dialog, lambda paths: chosen(paths[0]))


def _dialog(parent: QWidget, title: str, kinds: Sequence[str], start: str = "") -> QFileDialog:
    dialog = QFileDialog(parent, title, start or str(home() or ""))
    if kinds:
        dialog.setNameFilters(list(kinds))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog


def _open(dialog: QFileDialog, chosen: Callable[[list[str]], object]) -> None:
    """Open it and call ``chosen`` with what was chosen. Not by ``urlSelected``: Qt's own dialog, which is there where
    the desktop brings none, never sends it."""
    dialog.accepted.connect(lambda: chosen([path_of(url) for url in dialog.selectedUrls()]))
    dialog.open()
    for names in dialog.findChildren(QCompleter):  # a window of its own, which a ground that is clear leaves black
        if (popup := names.popup()) is not None:
            popup.setObjectName("completions")


def _all_files() -> str:
    return translate("file_dialogs", "All files (*)")
